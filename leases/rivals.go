package leases

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// LiveLease is a lease that a worker holds now.
type LiveLease struct {
	Mode  Mode
	Owner string
}

// HubState is what a hub's lease stores show.
type HubState struct {
	// Info is the content of taskhub.json; nil when there is none.
	Info *HubInfo
	// Rows is the number of partitions in the partition table; 0 when there is no table.
	Rows int
	// Live has one entry for each partition manager under which a worker holds leases now.
	Live []LiveLease
}

// Inspect reads how a hub is set up and which partition managers are in use. It takes a few requests and creates nothing.
// A hub that does not exist gives an empty state.
func Inspect(ctx context.Context, account *storage.Account, names layout.Names) (*HubState, error) {
	return inspect(ctx, newStores(account, names), names.Hub(), DefaultDuration)
}

func inspect(ctx context.Context, s stores, hub string, period time.Duration) (*HubState, error) {
	state := &HubState{}
	var err error
	if state.Info, err = readHubInfo(ctx, s.leases, hub); err != nil {
		return nil, err
	}
	if err := inspectBlobs(ctx, s.leases, state); err != nil {
		return nil, err
	}
	if err := inspectRows(ctx, s.rows, period, state); err != nil {
		return nil, err
	}
	return state, nil
}

func inspectBlobs(ctx context.Context, leases blobStore, state *HubState) error {
	infos, err := leases.list(ctx)
	if errors.Is(err, errNoStore) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, mode := range []Mode{Safe, Legacy} {
		for _, info := range infos {
			if !info.leased || modeOfBlob(info.name) != mode {
				continue
			}
			text, _, err := leases.read(ctx, info.name)
			if err != nil && !errors.Is(err, errMissing) {
				return err
			}
			r, _ := decodeRecord(text)
			state.Live = append(state.Live, LiveLease{Mode: mode, Owner: r.owner()})
			break
		}
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
			state.Live = append(state.Live, LiveLease{Mode: Table, Owner: r.currentOwner})
			break
		}
	}
	return nil
}

// rival returns a [*ModeConflictError] when another partition manager is in use.
func rival(ctx context.Context, cfg Config, s stores) error {
	state := &HubState{}
	if err := inspectBlobs(ctx, s.leases, state); err != nil {
		return err
	}
	if cfg.Mode != Table {
		if err := inspectRows(ctx, s.rows, cfg.Duration, state); err != nil {
			return err
		}
	}
	for _, live := range state.Live {
		if live.Mode != cfg.Mode {
			return &ModeConflictError{Hub: cfg.Names.Hub(), Configured: cfg.Mode, Live: live.Mode, Owner: live.Owner}
		}
	}
	return nil
}
