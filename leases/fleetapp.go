package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// GoFleetApp is the application name under which the workers of every Go fleet hold the app lease. No application should
// have this name.
const GoFleetApp = "taskhub: Go fleet"

func fleetAppID() string { return layout.AppLeaseID(GoFleetApp) }

// ReleaseFleet ends the app lease that a Go fleet holds for good, so that any application may have the hub. Workers of the
// fleet that still run notice within a minute and give their partitions up; whether they come back is up to their
// Config.Admit. It does nothing when the fleet does not hold the lease.
func ReleaseFleet(ctx context.Context, account *storage.Account, names layout.Names) error {
	return releaseFleet(ctx, newStores(account, names), names)
}

func releaseFleet(ctx context.Context, s stores, names layout.Names) error {
	if err := s.app.release(ctx, "", fleetAppID()); err != nil && !isGone(err) {
		return fmt.Errorf("release the Go fleet's app lease of hub %q: %w", names.Hub(), err)
	}
	return nil
}

// BreakFleet ends the app lease, whoever holds it, when nobody works on the hub: for a fleet whose workers are gone and will
// not come back. It watches the hub for a minute, which is as long as a lease of a dead worker may last, and returns a
// [*FleetAliveError] as soon as it sees a worker renew or acquire something.
func BreakFleet(ctx context.Context, account *storage.Account, names layout.Names) error {
	return breakFleet(ctx, newStores(account, names), names, newSystemClock())
}

func breakFleet(ctx context.Context, s stores, names layout.Names, clock Clock) error {
	const (
		look  = 2 * time.Second
		watch = maxBlobLease + 5*time.Second
	)
	first, err := observe(ctx, s)
	if err != nil {
		return err
	}
	begin := clock.Elapsed()
	for {
		over := clock.Elapsed()-begin >= watch
		now, err := observe(ctx, s)
		if err != nil {
			return err
		}
		if owner, alive := now.signOfLife(first, over); alive {
			return &FleetAliveError{Hub: names.Hub(), Owner: owner}
		}
		if over {
			break
		}
		if err := pause(ctx, clock, look, nil); err != nil {
			return fmt.Errorf("watching hub %q before its app lease is broken: %w", names.Hub(), err)
		}
	}
	if err := s.app.breakLease(ctx, ""); err != nil && !isGone(err) {
		return fmt.Errorf("break the app lease of hub %q: %w", names.Hub(), err)
	}
	return nil
}

// ownership is who owned what at a moment, by blob name and queue.
type ownership struct {
	blobs map[string]blobInfo
	rows  map[string]row
	read  func(name string) string
}

func observe(ctx context.Context, s stores) (*ownership, error) {
	o := &ownership{blobs: map[string]blobInfo{}, rows: map[string]row{}, read: func(name string) string {
		text, _, err := s.leases.read(ctx, name)
		r, _ := decodeRecord(text)
		if err != nil || r.owner() == "" {
			return "(unknown)"
		}
		return r.owner()
	}}
	infos, err := s.leases.list(ctx)
	if err != nil && !errors.Is(err, errNoStore) {
		return nil, err
	}
	for _, info := range infos {
		if modeOfBlob(info.name) >= 0 {
			o.blobs[info.name] = info
		}
	}
	rows, _, err := s.rows.query(ctx)
	if err != nil && !errors.Is(err, errNoStore) {
		return nil, err
	}
	for _, r := range rows {
		o.rows[r.queue] = r
	}
	return o, nil
}

// signOfLife finds a worker that has changed something since an earlier moment, or, when the longest lease is over, one
// that still has a lease.
func (o *ownership) signOfLife(earlier *ownership, over bool) (owner string, alive bool) {
	for name, b := range o.blobs {
		before, known := earlier.blobs[name]
		if b.leased && (over || !known || !before.leased || before.etag != b.etag) {
			return o.read(name), true
		}
	}
	for queue, r := range o.rows {
		if r.currentOwner != "" && earlier.rows[queue].etag != r.etag {
			return r.currentOwner, true
		}
	}
	return "", false
}

// ForeignWorkers returns the workers that hold leases now and are not of a Go fleet: .NET workers, and Go workers that were
// started for a mixed one.
func ForeignWorkers(ctx context.Context, account *storage.Account, names layout.Names) ([]LiveLease, error) {
	state, err := Inspect(ctx, account, names)
	if err != nil {
		return nil, err
	}
	var foreign []LiveLease
	for _, live := range state.Live {
		if live.Fleet != GoFleet {
			foreign = append(foreign, live)
		}
	}
	return foreign, nil
}

// HoldConfig says on which hub an [AppHold] is wanted, and how.
type HoldConfig struct {
	// Account is the storage account. Required; it has no default.
	Account *storage.Account
	// Names are the names of the hub's resources. Required; they have no default.
	Names layout.Names
	// Seize takes the lease from an application that holds it. A Go fleet's is always taken. Defaults to false.
	Seize bool
	// Logger is told when a renewal fails. Defaults to discarding.
	Logger *slog.Logger
	// Clock tells the time. Defaults to the system's clocks.
	Clock Clock
}

// AppHold is a tool's hold on a hub's app lease. While it lasts no worker with the app lease acquires a partition, and those
// that have some give them up when they notice: within half a minute, in a Go fleet within a minute. It is renewed in the
// background and ends a minute after its process.
type AppHold struct {
	app    *appLease
	stores stores
	clock  Clock
	cancel context.CancelFunc
	keeper sync.WaitGroup
	lost   chan struct{}
}

// HoldApp obtains the app lease for a tool. An [*AppHeldError] means that an application has it.
func HoldApp(ctx context.Context, cfg HoldConfig) (*AppHold, error) {
	return holdApp(ctx, cfg, newStores(cfg.Account, cfg.Names))
}

func holdApp(ctx context.Context, cfg HoldConfig, s stores) (*AppHold, error) {
	if cfg.Clock == nil {
		cfg.Clock = newSystemClock()
	}
	h := &AppHold{app: appLeaseOf(cfg.Names, s.app, newGUID(), cfg.Clock), stores: s, clock: cfg.Clock, lost: make(chan struct{})}
	if cfg.Logger != nil {
		h.app.log = cfg.Logger.With(keyHub, cfg.Names.Hub())
	}
	got, err := h.app.acquire(ctx)
	var held *AppHeldError
	if errors.As(err, &held) && held.OwnerID != "" && (cfg.Seize || held.OwnerID == fleetAppID()) {
		if got, err = h.app.swap(ctx, held.OwnerID); errors.Is(err, errTaken) {
			err = held // its info blob tells of another application than the one that has it
		}
	}
	if err != nil {
		return nil, fmt.Errorf("obtain the app lease of hub %q: %w", cfg.Names.Hub(), err)
	}
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	h.keeper.Go(func() {
		if h.app.keep(keep, got.sent) != nil {
			close(h.lost)
		}
	})
	return h, nil
}

// Lost is closed when the lease is gone: it could not be renewed, or somebody took it.
func (h *AppHold) Lost() <-chan struct{} { return h.lost }

// AwaitNoWorkers waits until no worker holds a lease of any partition. When ctx ends before, the error is a
// [*FleetAliveError] that matches ctx's too.
func (h *AppHold) AwaitNoWorkers(ctx context.Context) error {
	const look = time.Second
	var last *FleetAliveError
	for {
		live, err := h.live(ctx)
		switch {
		case err == nil && len(live) == 0:
			return nil
		case err == nil:
			last = &FleetAliveError{Hub: h.app.hub, Owner: live[0].Owner}
			err = pause(ctx, h.clock, look, h.lost)
		}
		switch {
		case err != nil && ctx.Err() != nil && last != nil:
			return errors.Join(last, ctx.Err())
		case err != nil:
			return err
		case isClosed(h.lost):
			return fmt.Errorf("hub %q: the app lease was lost while its workers were stopping", h.app.hub)
		}
	}
}

func (h *AppHold) live(ctx context.Context) ([]LiveLease, error) {
	state := &HubState{}
	if err := inspectBlobs(ctx, h.stores.leases, state, true); err != nil {
		return nil, err
	}
	if err := inspectRows(ctx, h.stores.rows, DefaultDuration, state); err != nil {
		return nil, err
	}
	return state.Live, nil
}

// Release ends the hold; whoever wants the app lease may have it at once. It may be called again.
func (h *AppHold) Release(ctx context.Context) error {
	h.cancel()
	h.keeper.Wait()
	if err := h.app.store.release(ctx, "", h.app.id); err != nil && !isGone(err) {
		return fmt.Errorf("release the app lease of hub %q: %w", h.app.hub, err)
	}
	return nil
}
