package emulator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/go-taskhub/taskhub/emulator/internal/auth"
	"github.com/go-taskhub/taskhub/emulator/internal/blobs"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/queues"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
	"github.com/go-taskhub/taskhub/emulator/internal/tables"
)

// Server is embedded Azure Storage: its accounts, their data, and the three
// services on them. It is safe for concurrent use.
type Server struct {
	config  Config
	fronts  [3]*front
	journal *journal.Journal

	mu        sync.Mutex
	ports     map[string]rest.Service
	listeners map[*Listener]bool
	closed    atomic.Bool // set under mu
}

// New makes a server. With Config.Dir it opens the directory, which fails
// with *LockedError when another server has it, with *CorruptError when its
// files are damaged, with *VersionError when another format wrote them, and
// with *ParentError when it cannot be made for want of the directory above it.
func New(config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	authenticator, err := auth.New(config.Accounts, config.ClockSkew)
	if err != nil {
		return nil, &ConfigError{"Accounts", "is not usable: " + err.Error()}
	}
	ids, err := rest.NewIDs(config.Random)
	if err != nil {
		return nil, fmt.Errorf("emulator: Config.Random: %w", err)
	}
	env := &service.Env{Clock: rest.NewClock(config.Clock), IDs: ids, Accounts: config.accountNames()}
	s := &Server{
		config:    config,
		ports:     developmentPorts(),
		listeners: make(map[*Listener]bool),
	}
	backends := [3]service.Backend{rest.Blob: blobs.New(env), rest.Queue: queues.New(env), rest.Table: tables.New(env)}
	if config.Dir != "" {
		if s.journal, err = openJournal(config, backends); err != nil {
			return nil, err
		}
		env.Log = s.journal
	}
	budget := rest.NewBudget(config.MaxBodies)
	for i, b := range backends {
		s.fronts[i] = &front{service: rest.Service(i), backend: b, auth: authenticator, env: env,
			closed: &s.closed, maxBody: config.MaxBody, memory: budget, logger: config.Logger}
	}
	return s, nil
}

// developmentPorts are the ports of the in-process transport.
func developmentPorts() map[string]rest.Service {
	return map[string]rest.Service{"10000": rest.Blob, "10001": rest.Queue, "10002": rest.Table}
}

// Blob is Blob Storage as a handler.
func (s *Server) Blob() http.Handler { return s.fronts[rest.Blob] }

// Queue is Queue Storage as a handler.
func (s *Server) Queue() http.Handler { return s.fronts[rest.Queue] }

// Table is Table Storage as a handler.
func (s *Server) Table() http.Handler { return s.fronts[rest.Table] }

// Transport calls the services without sockets, in the goroutine of the
// caller. Give it to SDK clients as ClientOptions.Transport, together with
// ConnectionString. The service is found by the port (10000 to 10002, or that
// of a Listener of this server) or by a host name like
// "account.queue.core.windows.net".
func (s *Server) Transport() policy.Transporter { return transport{s} }

// ConnectionString has the endpoints of Transport: 127.0.0.1 and the ports
// 10000, 10001 and 10002, on which nothing needs to listen. A Listener has a
// connection string of its own.
func (s *Server) ConnectionString() string {
	return s.connectionString("127.0.0.1:10000", "127.0.0.1:10001", "127.0.0.1:10002")
}

func (s *Server) connectionString(blob, queue, table string) string {
	account := s.config.firstAccount()
	var b strings.Builder
	fmt.Fprintf(&b, "DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;", account, s.config.Accounts[account])
	fmt.Fprintf(&b, "BlobEndpoint=http://%s/%s;", blob, account)
	fmt.Fprintf(&b, "QueueEndpoint=http://%s/%s;", queue, account)
	fmt.Fprintf(&b, "TableEndpoint=http://%s/%s;", table, account)
	return b.String()
}

// Close ends the server's listeners and gives its directory back. Requests
// that are under way end first, within the listeners' ShutdownTimeout; later
// ones are refused. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed.Store(true)
	listeners := make([]*Listener, 0, len(s.listeners))
	for l := range s.listeners {
		listeners = append(listeners, l)
	}
	s.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	if err := s.journal.Close(); err != nil {
		errs = append(errs, s.closeError(err))
	}
	return errors.Join(errs...)
}

// closeError makes of a journal's failure one of this package.
func (s *Server) closeError(err error) error {
	if failed := s.Err(); failed != nil {
		return failed
	}
	return fmt.Errorf("emulator: close %s: %w", s.config.Dir, err)
}
