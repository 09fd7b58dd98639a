package main

import (
	"context"
	"errors"
	"fmt"
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
	hubs       devHubs
}

// newDevAPI opens the port. The caller runs the server and closes the API.
func newDevAPI(ctx context.Context, server *emulator.Server, connection string, port int, logger *slog.Logger) (_ *devAPI, err error) {
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport(), Application: "taskhub-dev", Logger: logger})
	if err != nil {
		return nil, err
	}
	d := &devAPI{account: account, connection: connection, logger: logger}
	d.hubs.open, d.hubs.api = d.open, d.api
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.hub, err = d.open(ctx, defaultHub); err != nil {
		return nil, err
	}
	api := d.api(d.hub)
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

// api serves one hub.
func (d *devAPI) api(hub *taskhub.Hub) *httpapi.API {
	return httpapi.Handler(hub, httpapi.Config{Logger: d.logger})
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
	err := d.hubs.close()
	if d.hub != nil {
		err = errors.Join(err, d.hub.Close())
	}
	return errors.Join(err, d.account.Close())
}

// ServeHTTP lets the hub that a request names answer it.
func (d *devAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		d.page(w, r)
		return
	}
	h, err := d.hubs.use(r.Context(), hubOf(r))
	if errors.As(err, new(*taskhub.InvalidHubNameError)) { // the API says that it does not know the hub
		d.api(d.hub).ServeHTTP(w, r)
		return
	}
	if err != nil {
		d.logger.ErrorContext(r.Context(), "a task hub cannot be opened", slog.Any(keyError, err))
		http.Error(w, "The task hub cannot be opened; the terminal says why.", http.StatusInternalServerError)
		return
	}
	defer d.hubs.release(h)
	h.api.ServeHTTP(w, r)
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

// apiListenError explains why the API's port could not be opened.
func apiListenError(address string, err error) error {
	const choose = "choose another port with --api-port (0 takes a free one)"
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, errWindowsAddressInUse):
		return fmt.Errorf(`the HTTP API cannot listen on %s: the port is in use, perhaps by Azure Functions or another "taskhub dev": stop that, or %s`, address, choose)
	case addressForbidden(err):
		return fmt.Errorf("the HTTP API may not listen on %s (%w): %s", address, innermost(err), choose)
	}
	return fmt.Errorf("the HTTP API cannot listen on %s (%w): %s", address, innermost(err), choose)
}
