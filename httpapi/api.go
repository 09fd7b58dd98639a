package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-taskhub/taskhub/taskhub"
)

// API serves one hub. It is safe for concurrent use. Make one with [Handler].
type API struct {
	hub    *taskhub.Hub
	client *taskhub.Client
	cfg    Config
	keys   []key
}

var _ http.Handler = (*API)(nil)

// Handler returns the API of a hub. The hub stays open until the caller closes it.
func Handler(hub *taskhub.Hub, cfg Config) *API {
	return &API{hub: hub, client: hub.Client(), cfg: cfg.withDefaults(hub), keys: newKeys(cfg.Keys)}
}

// call is one request under way.
type call struct {
	api   *API
	w     http.ResponseWriter
	r     *http.Request
	query query
	code  string // the key that let it in; empty without keys

	// From the path. Which ones are set depends on the route.
	id, name, key, event string
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // links in answers have keys
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c := &call{api: a, w: w, r: r}
	defer c.recover()
	if a.preflight(w, r) {
		return
	}
	if reason := a.outsider(r); reason != "" {
		c.answerJSON(http.StatusForbidden, problem{Message: reason})
		return
	}
	if r.URL.Path == openAPIPath && r.Method == http.MethodGet {
		c.openAPI()
		return
	}
	segments, ok := a.below(r)
	if !ok {
		c.answer(http.StatusNotFound)
		return
	}
	c.query = parseQuery(r.URL.RawQuery)
	if c.code, ok = a.authorize(r, c.query); !ok {
		c.answer(http.StatusUnauthorized)
		return
	}
	route := c.route(segments)
	if route == nil {
		c.answer(http.StatusNotFound)
		return
	}
	c.serve(route)
}

// serve lets a route do its work, within its time.
func (c *call) serve(route *route) {
	if len(c.api.keys) == 0 && !route.reads() && c.api.foreignPage(c.r) {
		c.answerJSON(http.StatusForbidden, problem{Message: "Pages of other sites may not use this API: list their origin in AllowedOrigins"})
		return
	}
	limit := c.api.cfg.Timeout
	if route.long {
		limit += c.api.cfg.MaxWait
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), limit)
	defer cancel()
	c.r = c.r.WithContext(ctx)
	err := c.checkHub()
	if err == nil {
		err = route.serve(c)
	}
	if err != nil {
		c.fail(route, err)
	}
}

// checkHub refuses requests that are meant for another hub or storage account.
func (c *call) checkHub() error {
	if name := c.query.get("taskHub"); name != "" && !strings.EqualFold(name, c.api.hub.Name()) {
		return &refusal{http.StatusNotFound, problem{Message: fmt.Sprintf("Task hub %q is not served here, but %q is", name, c.api.hub.Name())}}
	}
	switch name := c.query.get("connection"); {
	case name == "", strings.EqualFold(name, c.api.cfg.Connection), strings.EqualFold(name, "Storage"), strings.EqualFold(name, "AzureWebJobsStorage"):
		return nil
	default:
		return &refusal{http.StatusBadRequest, problem{Message: fmt.Sprintf("Connection %q is not known here, but %q is", name, c.api.cfg.Connection)}}
	}
}

// recover answers a request whose handling panicked, and keeps the process alive.
func (c *call) recover() {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && err == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(v)
	}
	c.api.cfg.Logger.ErrorContext(c.r.Context(), "a request to the HTTP API panicked", slog.String(keyHub, c.api.hub.Name()), slog.Any(keyError, v))
	c.answerJSON(http.StatusInternalServerError, problem{Message: messageInternal})
}
