package emulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// ErrClosed is returned by a server that was closed.
var ErrClosed = errors.New("emulator: the server is closed")

// ListenError says which address a server could not listen on.
type ListenError struct {
	// Service is "blob", "queue" or "table", Address host and port as asked for.
	Service, Address string
	// Err is the error of package net.
	Err error
}

// Error implements error.
func (e *ListenError) Error() string {
	text := fmt.Sprintf("emulator: cannot listen on %s for %s storage: %v", e.Address, e.Service, e.Err)
	if errors.Is(e.Err, syscall.EADDRINUSE) || errors.Is(e.Err, errWindowsAddressInUse) {
		text += "; another storage emulator may have the port, stop it or choose another port"
	}
	return text
}

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// errWindowsAddressInUse is WSAEADDRINUSE, which package syscall does not
// translate.
const errWindowsAddressInUse syscall.Errno = 10048

// ListenConfig says where a server listens.
type ListenConfig struct {
	// Host is the address to listen on. Defaults to 127.0.0.1; anybody who
	// reaches another one can use the account if its key is the well-known
	// one.
	Host string
	// BlobPort, QueuePort and TablePort are the ports of the services.
	// Default to 0: a free port each. The customary ones are 10000 to 10002.
	BlobPort, QueuePort, TablePort int
	// ShutdownTimeout is how long Close waits for requests under way.
	// Defaults to 5 seconds.
	ShutdownTimeout time.Duration
}

// Listener serves the three services on ports.
type Listener struct {
	server  *Server
	timeout time.Duration
	servers [3]*http.Server
	addrs   [3]net.Addr
	serving sync.WaitGroup

	mu   sync.Mutex
	stop func() bool // ends the watch on the context
	once sync.Once
	err  error
}

// Listen opens the ports and serves until Close, until the server is closed,
// or until ctx ends. It fails with *ListenError when a port cannot be had, and
// with ErrClosed after Server.Close.
func (s *Server) Listen(ctx context.Context, config ListenConfig) (*Listener, error) {
	if config.Host == "" {
		config.Host = "127.0.0.1"
	}
	if config.ShutdownTimeout <= 0 {
		config.ShutdownTimeout = 5 * time.Second
	}
	l := &Listener{server: s, timeout: config.ShutdownTimeout}
	sockets, err := listenAll(ctx, config)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		closeAll(sockets)
		return nil, ErrClosed
	}
	for i, socket := range sockets {
		l.addrs[i] = socket.Addr()
		if _, port, err := net.SplitHostPort(socket.Addr().String()); err == nil {
			s.ports[port] = rest.Service(i)
		}
	}
	s.listeners[l] = true
	s.mu.Unlock()
	for i, socket := range sockets {
		l.serve(rest.Service(i), socket)
	}
	l.mu.Lock()
	l.stop = context.AfterFunc(ctx, func() { _ = l.Close() })
	l.mu.Unlock()
	return l, nil
}

func listenAll(ctx context.Context, config ListenConfig) (sockets [3]net.Listener, err error) {
	var lc net.ListenConfig
	for i, port := range [3]int{config.BlobPort, config.QueuePort, config.TablePort} {
		address := net.JoinHostPort(config.Host, strconv.Itoa(port))
		if sockets[i], err = lc.Listen(ctx, "tcp", address); err != nil {
			closeAll(sockets)
			return sockets, &ListenError{rest.Service(i).Label(), address, err}
		}
	}
	return sockets, nil
}

func closeAll(sockets [3]net.Listener) {
	for _, socket := range sockets {
		if socket != nil {
			_ = socket.Close()
		}
	}
}

func (l *Listener) serve(svc rest.Service, socket net.Listener) {
	logger := l.server.config.Logger
	server := &http.Server{
		Handler:           l.server.fronts[svc],
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    256 << 10,
		ConnContext:       withSpelling,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	l.servers[svc] = server
	l.serving.Go(func() {
		if err := server.Serve(&spellingListener{socket}); err != nil && !errors.Is(err, http.ErrServerClosed) {
			logger.Error("storage listener ended", keyService, svc.String(), keyError, err)
		}
	})
}

// BlobAddr is the address of Blob Storage, host and port.
func (l *Listener) BlobAddr() string { return l.addrs[rest.Blob].String() }

// QueueAddr is the address of Queue Storage, host and port.
func (l *Listener) QueueAddr() string { return l.addrs[rest.Queue].String() }

// TableAddr is the address of Table Storage, host and port.
func (l *Listener) TableAddr() string { return l.addrs[rest.Table].String() }

// ConnectionString has the endpoints on which the listener answers. Where it
// listens on every address, they name 127.0.0.1.
func (l *Listener) ConnectionString() string {
	return l.server.connectionString(dialable(l.addrs[rest.Blob]), dialable(l.addrs[rest.Queue]), dialable(l.addrs[rest.Table]))
}

func dialable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// Close stops listening and waits, for a bounded time, until the requests
// under way are answered. It may be called more than once.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.mu.Lock()
		stop := l.stop
		l.mu.Unlock()
		if stop != nil {
			stop()
		}
		l.err = l.shutdown()
		l.server.forget(l)
	})
	return l.err
}

func (l *Listener) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	var errs [3]error
	var all sync.WaitGroup
	for i, server := range l.servers {
		all.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				errs[i] = errors.Join(fmt.Errorf("emulator: requests were cut off: %w", err), server.Close())
			}
		})
	}
	all.Wait()
	l.serving.Wait()
	return errors.Join(errs[:]...)
}

func (s *Server) forget(l *Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	for _, addr := range l.addrs {
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			delete(s.ports, port)
		}
	}
	maps.Copy(s.ports, developmentPorts())
}
