package taskhub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/schedules"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/telemetry"
)

// Hub is an open task hub. It is safe for concurrent use; one per process and hub is enough.
type Hub struct {
	cfg      Config
	names    layout.Names
	accounts accounts
	payloads *payloads.Store
	tables   *tables.Store
	desk     *schedules.Desk
	client   *Client
	shape    atomic.Pointer[shape]
	creation creation
	hooks    hooks
	watch    watch
	recorder *telemetry.Recorder // nil for none
	measured []func()            // end the measuring of the accounts

	closing sync.Once
	closed  error
}

// shape is what depends on the hub's number of partitions and its partition manager.
type shape struct {
	partitions int
	mode       leases.Mode
	queues     *queues.Queues
}

// Open opens a hub. It reads how many partitions the hub has, and creates nothing: a hub that does not exist is created
// by [Hub.Ensure], by the first start of an orchestration, or by a worker.
//
// The error is an [InvalidHubNameError], a [ConfigError], one of the storage package about the connection, a
// [PartitionCountError], or a [TrackingPrefixError].
func Open(ctx context.Context, cfg Config) (*Hub, error) {
	h, err := newHub(cfg)
	if err != nil {
		return nil, err
	}
	found, err := h.discover(ctx)
	if err == nil {
		err = h.adopt(found)
	}
	if err == nil && found.partitions != 0 {
		err = h.checkTracking(ctx)
	}
	if err != nil {
		if closeErr := h.Close(); closeErr != nil {
			h.cfg.Logger.WarnContext(ctx, "the storage account was not closed properly", slog.Any(keyError, closeErr))
		}
		return nil, h.named("open", err)
	}
	return h, nil
}

// newHub makes a hub without a look at storage.
func newHub(cfg Config) (*Hub, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	names, err := cfg.names()
	if err != nil {
		return nil, err
	}
	a, err := cfg.open()
	if errors.Is(err, storage.ErrNoConnection) {
		return nil, fmt.Errorf("open hub %q: %w", cfg.Name, err)
	}
	if err != nil {
		return nil, err
	}
	h := &Hub{cfg: cfg, names: names, accounts: a, payloads: payloads.New(a.tracking, names)}
	h.tables = tables.New(tables.Config{Account: a.tracking, Names: names, Payloads: h.payloads, Logger: cfg.Logger})
	h.desk = &schedules.Desk{Store: schedules.NewStore(a.tracking, names), Starter: scheduleStarter{h}, Logger: cfg.Logger}
	h.creation.init()
	h.watch.init(h)
	h.client = &Client{hub: h}
	h.report()
	return h, nil
}

// named wraps an error with an operation and the hub, unless it names the hub itself.
func (h *Hub) named(operation string, err error) error {
	if errors.As(err, new(*PartitionCountError)) || errors.As(err, new(*LeaseModeError)) || errors.As(err, new(*TrackingPrefixError)) ||
		errors.As(err, new(*leases.HubInfoError)) {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return fmt.Errorf("%s hub %q: %w", operation, h.Name(), err)
}

// adopt takes over what the hub shows, or the configured and default values for a hub that does not exist.
func (h *Hub) adopt(found discovery) error {
	s := &shape{partitions: h.cfg.Partitions, mode: found.mode}
	if h.cfg.LeaseMode != nil {
		s.mode = *h.cfg.LeaseMode
	}
	switch {
	case found.partitions != 0 && s.partitions == 0:
		s.partitions = found.partitions
	case found.partitions != 0 && s.partitions != found.partitions:
		return &PartitionCountError{Hub: h.Name(), Configured: s.partitions, Stored: found.partitions}
	case s.partitions == 0:
		s.partitions = layout.DefaultPartitions
	}
	if old := h.shape.Load(); old != nil && old.partitions == s.partitions {
		s.queues = old.queues
	} else {
		s.queues = queues.New(queues.Config{
			Account: h.accounts.main, Names: h.names, Payloads: h.payloads, Base64: h.cfg.Base64Queues, Partitions: s.partitions,
		})
	}
	h.shape.Store(s)
	h.creation.found.Store(found.partitions != 0)
	return nil
}

// Close releases what the hub holds. Waits under way end with [ErrClosed]. Closing twice is harmless.
func (h *Hub) Close() error {
	h.closing.Do(func() {
		h.watch.close()
		for _, end := range h.measured {
			end()
		}
		h.closed = h.accounts.close()
	})
	return h.closed
}

// Client returns the hub's client.
func (h *Hub) Client() *Client { return h.client }

// Name returns the hub's name as configured.
func (h *Hub) Name() string { return h.names.Hub() }

// Names returns the names of the hub's queues, tables, containers and blobs.
func (h *Hub) Names() layout.Names { return h.names }

// Account returns the storage account that has the hub's queues.
func (h *Hub) Account() *storage.Account { return h.accounts.main }

// TrackingAccount returns the storage account that has the hub's tables and blob containers, leases included. It is the
// one of [Hub.Account], unless the hub was opened with another.
func (h *Hub) TrackingAccount() *storage.Account { return h.accounts.tracking }

// Tables returns the hub's tables.
func (h *Hub) Tables() *tables.Store { return h.tables }

// Payloads returns the store of the hub's large values.
func (h *Hub) Payloads() *payloads.Store { return h.payloads }

// Queues returns the hub's queues. For a hub that does not exist they are final only after [Hub.Ensure].
func (h *Hub) Queues() *queues.Queues { return h.shape.Load().queues }

// Partitions returns the number of control queues. For a hub that does not exist it is final only after [Hub.Ensure].
func (h *Hub) Partitions() int { return h.shape.Load().partitions }

// LeaseMode returns the partition manager of the hub's workers. For a hub that does not exist it is final only after
// [Hub.Ensure].
func (h *Hub) LeaseMode() leases.Mode { return h.shape.Load().mode }

// ErrorStyle returns how failures are written.
func (h *Hub) ErrorStyle() durable.ErrorStyle { return h.cfg.ErrorStyle }

// Converter returns what turns values into texts; nil stands for the default.
func (h *Hub) Converter() durable.Converter { return h.cfg.Converter }

// Logger returns the hub's logger.
func (h *Hub) Logger() *slog.Logger { return h.cfg.Logger }

// Attribute keys of log records.
const (
	keyHub      = "hub"
	keyInstance = "instance_id"
	keyError    = "error"
)
