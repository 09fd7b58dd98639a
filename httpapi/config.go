package httpapi

import (
	"log/slog"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/taskhub"
)

// Config says how a hub's API is served. The zero value serves programs on the same machine.
type Config struct {
	// BasePath is what the API's paths begin with; letters may be of any case in requests. Defaults to
	// "/runtime/webhooks/durabletask".
	BasePath string
	// Keys are the keys that let requests in, by a name of your choice. A key may do everything. An empty key lets nobody
	// in. Defaults to none, and then only programs on the same machine are served.
	Keys map[string]string
	// LinkKey is the name of the key in links for requests that came without one, as those to handlers of your own do.
	// Defaults to "durabletask_extension" if there is such a key, else to the name that comes first.
	LinkKey string
	// Connection is the name of the connection setting that links have. Requests may leave it out, or use it, "Storage" or
	// "AzureWebJobsStorage". Defaults to "Storage".
	Connection string
	// AllowedOrigins are the sites whose pages may use the API from a browser, such as "https://ops.example.com"; "*" stands
	// for all. Defaults to none.
	AllowedOrigins []string
	// IgnoreForwarded makes links from the Host header alone, without a look at X-Forwarded-Host, X-Forwarded-Proto and
	// X-Forwarded-Prefix. Defaults to false.
	IgnoreForwarded bool
	// MaxBody is how many bytes the body of a request may have. Defaults to 32 MiB.
	MaxBody int64
	// Timeout is how long a request may take, besides what it waits for an instance. Defaults to 60 seconds.
	Timeout time.Duration
	// MaxWait bounds how long a request waits for an instance to finish, and how long a purge by filter may take. Defaults to
	// 230 seconds, which load balancers of Azure bear.
	MaxWait time.Duration
	// Logger is told what goes wrong inside. Defaults to the hub's logger.
	Logger *slog.Logger
}

// Defaults of Config.
const (
	DefaultBasePath   = "/runtime/webhooks/durabletask"
	DefaultConnection = "Storage"
	DefaultMaxBody    = 32 << 20
	DefaultTimeout    = 60 * time.Second
	DefaultMaxWait    = 230 * time.Second
)

func (c Config) withDefaults(hub *taskhub.Hub) Config {
	c.BasePath = "/" + strings.Trim(c.BasePath, "/")
	if c.BasePath == "/" {
		c.BasePath = DefaultBasePath
	}
	if c.Connection == "" {
		c.Connection = DefaultConnection
	}
	if c.MaxBody <= 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxWait <= 0 {
		c.MaxWait = DefaultMaxWait
	}
	if c.Logger == nil {
		c.Logger = hub.Logger()
	}
	return c
}

// Attribute keys of log records.
const (
	keyEntity    = "entity"
	keyError     = "error"
	keyHub       = "hub"
	keyInstance  = "instance_id"
	keyOperation = "operation"
	keyRoute     = "route"
)
