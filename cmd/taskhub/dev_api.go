package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

const (
	// apiPort is where the tools for Azure Functions have the API on a developer's machine.
	apiPort = 7071
	// apiHost is the one address for the API: it has no keys, so it is for programs on this machine.
	apiHost = "127.0.0.1"
	// defaultHub is the hub of requests that name none.
	defaultHub = "TaskHub"
	// keyError is the attribute of log records.
	keyError = "error"
)

// devAPI serves the HTTP API for every hub of the embedded storage, and a page that says what there is.
type devAPI struct {
	account    *storage.Account
	connection string
	logger     *slog.Logger
	server     *httpapi.Server
	hub        *taskhub.Hub // the default one
}

// newDevAPI opens the port. The caller runs the server and closes the API.
func newDevAPI(ctx context.Context, server *emulator.Server, connection string, port int, logger *slog.Logger) (_ *devAPI, err error) {
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport(), Application: "taskhub-dev", Logger: logger})
	if err != nil {
		return nil, err
	}
	d := &devAPI{account: account, connection: connection, logger: logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.hub, err = d.open(ctx, defaultHub); err != nil {
		return nil, err
	}
	api := httpapi.Handler(d.hub, httpapi.Config{Logger: logger})
	address := net.JoinHostPort(apiHost, strconv.Itoa(port))
	if d.server, err = api.Listen(ctx, httpapi.ListenConfig{Address: address, Handler: d}); err != nil {
		return nil, apiListenError(address, err)
	}
	return d, nil
}

// open opens a hub, which need not exist.
func (d *devAPI) open(ctx context.Context, name string) (*taskhub.Hub, error) {
	return taskhub.Open(ctx, taskhub.Config{Name: name, Account: d.account, Logger: d.logger})
}

// serve serves until ctx ends or the storage has failed. The error says what did not end well.
func (d *devAPI) serve(ctx context.Context, failed <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.server.Run(ctx) }()
	var err error
	select {
	case <-ctx.Done():
	case <-failed:
	case err = <-ended: // by itself; the storage goes on
		ended <- nil
		select {
		case <-ctx.Done():
		case <-failed:
		}
	}
	cancel()
	return errors.Join(err, <-ended, d.close())
}

// close releases what the API holds, once its server has ended.
func (d *devAPI) close() error {
	var err error
	if d.hub != nil {
		err = d.hub.Close()
	}
	return errors.Join(err, d.account.Close())
}

// ServeHTTP opens the hub that a request names for this request alone: it may be made, deleted and made again with other
// partitions at any time.
func (d *devAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		d.page(w, r)
		return
	}
	hub, err := d.open(r.Context(), hubOf(r))
	if errors.As(err, new(*taskhub.InvalidHubNameError)) { // the API says that it does not know the hub
		httpapi.Handler(d.hub, httpapi.Config{Logger: d.logger}).ServeHTTP(w, r)
		return
	}
	if err != nil {
		d.logger.ErrorContext(r.Context(), "a task hub cannot be opened", slog.Any(keyError, err))
		http.Error(w, "The task hub cannot be opened; the terminal says why.", http.StatusInternalServerError)
		return
	}
	defer func() {
		if err := hub.Close(); err != nil {
			d.logger.WarnContext(r.Context(), "a task hub was not closed properly", slog.Any(keyError, err))
		}
	}()
	httpapi.Handler(hub, httpapi.Config{Logger: d.logger}).ServeHTTP(w, r)
}

// hubOf is the hub that a request names. What else is wrong with its query is the API's business.
func hubOf(r *http.Request) string {
	query, _ := url.ParseQuery(r.URL.RawQuery)
	for name, values := range query {
		if strings.EqualFold(strings.TrimSpace(name), "taskHub") && strings.TrimSpace(values[0]) != "" {
			return strings.TrimSpace(values[0])
		}
	}
	return defaultHub
}

// devPage is the first page.
var devPage = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>taskhub dev</title>
<style>body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}code{overflow-wrap:anywhere}</style>
<h1>taskhub dev</h1>
<p>Embedded Azure Storage is running. Its connection string:</p>
<p><code>{{.Connection}}</code></p>
<h2>Task hubs</h2>
{{if .Hubs}}<ul>{{range .Hubs}}
<li>{{.Name}}, {{.Partitions}} partitions: <a href="{{$.Base}}/instances?taskHub={{.Name}}">instances</a></li>{{end}}
</ul>{{else}}<p>There is none yet. A worker creates its hub, and so does the first start of an orchestration.</p>
{{end}}<h2>HTTP API</h2>
<p>The management API of Durable Functions is below <code>{{.Base}}</code>; <a href="/openapi.json">openapi.json</a> describes it.
Requests name their hub with <code>?taskHub=</code>; without it they mean {{.Default}}.</p>
</html>
`))

// page writes the first page.
func (d *devAPI) page(w http.ResponseWriter, r *http.Request) {
	hubs, err := taskhub.List(r.Context(), taskhub.Config{Account: d.account, Logger: d.logger})
	if err != nil {
		d.logger.ErrorContext(r.Context(), "the task hubs cannot be listed", slog.Any(keyError, err))
		http.Error(w, "The task hubs cannot be listed; the terminal says why.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	err = devPage.Execute(w, map[string]any{"Connection": d.connection, "Hubs": hubs, "Base": httpapi.DefaultBasePath, "Default": defaultHub})
	if err != nil && r.Context().Err() == nil {
		d.logger.WarnContext(r.Context(), "the page was not written", slog.Any(keyError, err))
	}
}

// apiListenError explains why the API's port could not be opened.
func apiListenError(address string, err error) error {
	const choose = "choose another port with --api-port (0 takes a free one)"
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, errWindowsAddressInUse):
		return fmt.Errorf(`the HTTP API cannot listen on %s: the port is in use, perhaps by Azure Functions or another "taskhub dev": stop that, or %s`, address, choose)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the HTTP API may not listen on %s (%w): %s", address, innermost(err), choose)
	}
	return fmt.Errorf("the HTTP API cannot listen on %s (%w): %s", address, innermost(err), choose)
}
