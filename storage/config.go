package storage

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Defaults of [Config].
const (
	DefaultAttemptTimeout = 10 * time.Second
	DefaultMaxRetries     = 5
	DefaultRetryDelay     = 200 * time.Millisecond
	DefaultMaxRetryDelay  = 10 * time.Second
	DefaultMaxConcurrency = 256
	DefaultEndpointSuffix = "core.windows.net"
)

// Config says which account to open and how to talk to it. Give either a ConnectionString, or a Credential with an
// AccountName or endpoints, or a Credential with a ConnectionString that has endpoints only.
//
// Printing a Config, with any verb, or logging it shows no secret.
type Config struct {
	// ConnectionString is read by the rules of the .NET SDK, see [Open]. Defaults to none; there is no fallback to an
	// environment variable.
	ConnectionString string

	// Credential authorises requests with Microsoft Entra tokens; any credential of azidentity serves. Its identity needs
	// the roles Storage Blob Data Contributor, Storage Queue Data Contributor and Storage Table Data Contributor.
	// Defaults to none.
	Credential azcore.TokenCredential

	// AccountName is the account that Credential is used for. Endpoints that are not given are derived from it. Defaults
	// to the name found in the endpoints.
	AccountName string

	// EndpointSuffix is the domain of the derived endpoints of AccountName, for example core.chinacloudapi.cn or
	// core.usgovcloudapi.net. Defaults to core.windows.net, the public cloud.
	EndpointSuffix string

	// BlobEndpoint, QueueEndpoint and TableEndpoint are the URLs of the services, used with Credential. Each defaults to
	// https://{AccountName}.{blob, queue or table}.{EndpointSuffix}, or without an AccountName to the sibling of another
	// endpoint of that form.
	BlobEndpoint, QueueEndpoint, TableEndpoint string

	// AllowHTTP permits unencrypted requests, with a key or a signature, to accounts other than emulators. Defaults to
	// false: http is then accepted for loopback addresses and for the account devstoreaccount1 only.
	AllowHTTP bool

	// Transport sends the requests. Defaults to a pool of HTTP/1.1 connections of the account's own, or to the embedded
	// storage for the connection strings "embedded:" and "embedded:DIR".
	Transport policy.Transporter

	// AttemptTimeout is the time within which an attempt must be answered, plus a second for every 128 KiB it sends.
	// Defaults to 10 s.
	AttemptTimeout time.Duration

	// MaxRetries is how often a request is sent again after its first attempt; negative means never. Defaults to 5.
	MaxRetries int

	// RetryDelay is the longest delay before the first retry; the bound doubles with every further one. Defaults to 200 ms.
	RetryDelay time.Duration

	// MaxRetryDelay limits the delays between attempts. When the service asks for a longer one with Retry-After, the request
	// fails with the service's answer at once. Defaults to 10 s.
	MaxRetryDelay time.Duration

	// Jitter returns the delay to take, between zero and its argument. Defaults to a uniformly random one.
	Jitter func(limit time.Duration) time.Duration

	// MaxConcurrency limits the requests under way to each of the three services; further ones wait. Defaults to 256.
	MaxConcurrency int

	// Application is put in front of the User-Agent header, which otherwise names this module, the SDK and the Go version.
	// Defaults to nothing.
	Application string

	// Logger receives a record at debug level for each retry, and what the embedded storage has to report. Defaults to
	// discarding the former and to slog.Default for the latter.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.AttemptTimeout = orDefault(c.AttemptTimeout, DefaultAttemptTimeout)
	c.MaxRetries = max(0, orDefault(c.MaxRetries, DefaultMaxRetries))
	c.RetryDelay = orDefault(c.RetryDelay, DefaultRetryDelay)
	c.MaxRetryDelay = orDefault(c.MaxRetryDelay, DefaultMaxRetryDelay)
	c.MaxConcurrency = orDefault(c.MaxConcurrency, DefaultMaxConcurrency)
	c.EndpointSuffix = orDefault(c.EndpointSuffix, DefaultEndpointSuffix)
	if c.Jitter == nil {
		c.Jitter = fullJitter
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"AttemptTimeout", c.AttemptTimeout < 0},
		{"RetryDelay", c.RetryDelay < 0},
		{"MaxRetryDelay", c.MaxRetryDelay < 0},
		{"MaxConcurrency", c.MaxConcurrency < 0},
	} {
		if f.bad {
			return &ConfigError{Field: f.name, Reason: "is negative; leave it zero for the default"}
		}
	}
	return nil
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

func fullJitter(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit + 1)
}

// ConfigError says which field of a [Config] cannot be used.
type ConfigError struct {
	Field  string // name of the field
	Reason string // what is wrong with it, beginning with a verb
}

// Error implements error.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("storage configuration: %s %s", e.Field, e.Reason)
}

// redacted is the printable form of a Config.
type redacted struct {
	ConnectionString string `json:"connectionString,omitempty"`
	Credential       string `json:"credential,omitempty"`
	AccountName      string `json:"accountName,omitempty"`
	BlobEndpoint     string `json:"blobEndpoint,omitempty"`
	QueueEndpoint    string `json:"queueEndpoint,omitempty"`
	TableEndpoint    string `json:"tableEndpoint,omitempty"`
}

func (c Config) redact() redacted {
	r := redacted{
		AccountName:   c.AccountName,
		BlobEndpoint:  redactURL(c.BlobEndpoint),
		QueueEndpoint: redactURL(c.QueueEndpoint),
		TableEndpoint: redactURL(c.TableEndpoint),
	}
	if c.ConnectionString != "" {
		r.ConnectionString = RedactConnectionString(c.ConnectionString)
	}
	if c.Credential != nil {
		r.Credential = fmt.Sprintf("%T", c.Credential)
	}
	return r
}

// Format implements fmt.Formatter: every verb prints the form without secrets.
func (c Config) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, c.String())
}

// String describes the configuration without secrets.
func (c Config) String() string {
	text, err := json.Marshal(c.redact())
	if err != nil { // strings always marshal
		return "storage.Config{}"
	}
	return "storage.Config" + string(text)
}

// GoString describes the configuration without secrets.
func (c Config) GoString() string { return c.String() }

// LogValue implements slog.LogValuer without secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON describes the configuration without secrets; the result cannot be read back.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.redact()) }
