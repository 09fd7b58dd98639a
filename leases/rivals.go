package leases

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// LiveLease says that a worker holds leases now.
type LiveLease struct {
	Mode  Mode
	Fleet Fleet // as the leases tell; .NET workers count as MixedFleet
	Owner string
}

// HubState is what a hub's lease stores show.
type HubState struct {
	// Info is the content of taskhub.json; nil when there is none.
	Info *HubInfo
	// Rows is the number of partitions in the partition table; 0 when there is no table.
	Rows int
	// Live has one entry for each worker that holds leases now, and each partition manager under which it does.
	Live []LiveLease
}

// Inspect reads how a hub is set up and which workers hold leases. It takes a few requests, one more for each live lease
// blob, and creates nothing. A hub that does not exist gives an empty state.
func Inspect(ctx context.Context, account *storage.Account, names layout.Names) (*HubState, error) {
	return inspect(ctx, newStores(account, names), names.Hub())
}

func inspect(ctx context.Context, s stores, hub string) (*HubState, error) {
	state := &HubState{}
	var err error
	if state.Info, err = readHubInfo(ctx, s.leases, hub); err != nil {
		return nil, err
	}
	if err := inspectBlobs(ctx, s.leases, state, false); err != nil {
		return nil, err
	}
	if err := inspectRows(ctx, s.rows, DefaultDuration, state); err != nil {
		return nil, err
	}
	return state, nil
}

func (state *HubState) add(l LiveLease) {
	if !slices.Contains(state.Live, l) {
		state.Live = append(state.Live, l)
	}
}

// inspectBlobs reads the records of live lease blobs, or, as a sample, one of each kind.
func inspectBlobs(ctx context.Context, leases blobStore, state *HubState, sample bool) error {
	infos, err := leases.list(ctx)
	if errors.Is(err, errNoStore) {
		return nil
	}
	if err != nil {
		return err
	}
	var live []string
	seen := make(map[string]bool)
	for _, info := range infos {
		kind, _, _ := strings.Cut(info.name, "/")
		if info.leased && modeOfBlob(info.name) >= 0 && !(sample && seen[kind]) {
			live, seen[kind] = append(live, info.name), true
		}
	}
	found := make([]LiveLease, len(live))
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range live {
		group.Go(func() error {
			text, _, err := leases.read(ctx, name)
			if err != nil && !errors.Is(err, errMissing) {
				return err
			}
			r, _ := decodeRecord(text)
			found[i] = LiveLease{Mode: modeOfBlob(name), Fleet: fleetOf(r.Fleet), Owner: r.owner()}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, l := range found {
		state.add(l)
	}
	return nil
}

// inspectRows: a row is live when the service's stamps show that it was written within its period.
func inspectRows(ctx context.Context, rows rowStore, period time.Duration, state *HubState) error {
	found, served, err := rows.query(ctx)
	if errors.Is(err, errNoStore) {
		return nil
	}
	if err != nil {
		return err
	}
	state.Rows = len(found)
	for _, r := range found {
		if r.currentOwner != "" && served.Sub(r.timestamp) < r.period(period) {
			state.add(LiveLease{Mode: Table, Fleet: fleetOf(r.fleet), Owner: r.currentOwner})
		}
	}
	return nil
}

// rival returns a [*ModeConflictError] when another partition manager is in use, and a [*FleetConflictError] when a worker
// of the other kind of fleet is at work. A worker of a Go fleet looks at every live lease: any of them may be a .NET
// worker's that came without the app lease.
func rival(ctx context.Context, cfg Config, s stores) error {
	state := &HubState{}
	if err := inspectBlobs(ctx, s.leases, state, cfg.Fleet == MixedFleet); err != nil {
		return err
	}
	if err := inspectRows(ctx, s.rows, cfg.Duration, state); err != nil {
		return err
	}
	return state.conflict(cfg)
}

func (state *HubState) conflict(cfg Config) error {
	for _, live := range state.Live {
		if live.Fleet != cfg.Fleet {
			return &FleetConflictError{Hub: cfg.Names.Hub(), Configured: cfg.Fleet, Live: live.Fleet, Owner: live.Owner}
		}
		if live.Mode != cfg.Mode {
			return &ModeConflictError{Hub: cfg.Names.Hub(), Configured: cfg.Mode, Live: live.Mode, Owner: live.Owner}
		}
	}
	return nil
}
