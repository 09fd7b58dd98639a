package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ErrNoKeys is matched by errors of [API.Listen] for an address that others than this machine can reach, without keys.
var ErrNoKeys = errors.New("without keys the API is for this machine only: configure keys, or listen on a loopback address")

// DefaultAddress is where [API.Listen] listens.
const DefaultAddress = "127.0.0.1:7071"

const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 10 * time.Second
)

// ListenConfig says where to listen.
type ListenConfig struct {
	// Address is host and port; port 0 takes a free one. Defaults to [DefaultAddress].
	Address string
	// Handler answers the requests, the API's among them, for servers that have other pages too. Defaults to the API.
	Handler http.Handler
	// StopTimeout is what requests under way get to end once the server stops. Defaults to 10 seconds.
	StopTimeout time.Duration
}

// Server is a port on which an API is served. Make one with [API.Listen].
type Server struct {
	listener net.Listener
	server   *http.Server
	stop     time.Duration
}

// Listen opens a port for the API, with bounds on how long clients may take. The caller then calls [Server.Run]. The error
// is [ErrNoKeys] or one of package net.
func (a *API) Listen(ctx context.Context, cfg ListenConfig) (*Server, error) {
	if cfg.Address == "" {
		cfg.Address = DefaultAddress
	}
	if cfg.Handler == nil {
		cfg.Handler = a
	}
	if cfg.StopTimeout <= 0 {
		cfg.StopTimeout = stopTime
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("serve the API of hub %q: %w", a.hub.Name(), err)
	}
	if len(a.keys) == 0 && !isLoopback(listener.Addr().String()) {
		return nil, errors.Join(fmt.Errorf("serve the API of hub %q on %s: %w", a.hub.Name(), cfg.Address, ErrNoKeys), listener.Close())
	}
	return &Server{listener: listener, stop: cfg.StopTimeout, server: &http.Server{
		Handler: cfg.Handler, ErrorLog: slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: headerTime, ReadTimeout: a.cfg.Timeout, WriteTimeout: 2*a.cfg.Timeout + a.cfg.MaxWait, IdleTimeout: idleTime,
	}}, nil
}

// Address returns host and port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Run serves until ctx ends, and then lets requests under way end for [ListenConfig.StopTimeout] before it breaks them
// off. The error is nil when ctx has ended it.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the API on %s: %w", s.Address(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.stop)
	defer cancel()
	if err := s.server.Shutdown(last); err != nil {
		_ = s.server.Close() // whatever is left has had its time
	}
	<-served
	return nil
}

// Close gives up the port of a server that is not run.
func (s *Server) Close() error { return s.listener.Close() }
