package leases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// appInfo is the content of the info blob beside the app lease, in .NET's order. OwnerID is the lease id of the application
// that had the lease last; an application that writes its id to DesiredSwapID takes the lease over at its next attempt.
type appInfo struct {
	OwnerID       *string `json:"OwnerId"`
	DesiredSwapID *string `json:"DesiredSwapId"`
}

// appLease is the lease on the container {hub}-applease. Its id is computed from the application's name, so that all
// workers of the application hold the same lease.
type appLease struct {
	store    blobStore // the container
	info     string    // name of the info blob
	hub      string
	id       string
	duration time.Duration // negative for ever, in a Go fleet
	clock    Clock
	log      *slog.Logger
}

func newAppLease(cfg Config, store blobStore) *appLease {
	a := appLeaseOf(cfg.Names, store, layout.AppLeaseID(cfg.AppName), cfg.Clock)
	a.log = cfg.Logger.With(keyApp, cfg.AppName, keyLeaseID, a.id)
	if cfg.Fleet == GoFleet {
		a.duration = forEver
	}
	return a
}

func appLeaseOf(names layout.Names, store blobStore, id string, clock Clock) *appLease {
	return &appLease{
		store: store, info: names.AppLeaseInfoBlob(), hub: names.Hub(), id: id, duration: appLeaseDuration,
		clock: clock, log: slog.New(slog.DiscardHandler),
	}
}

// acquired is the outcome of a successful acquisition.
type acquired struct {
	sent    instant
	swapped bool // the lease was taken over from an application that learns it at its next renewal
}

// acquire makes one attempt. An [*AppHeldError] means that another application has the lease.
func (a *appLease) acquire(ctx context.Context) (acquired, error) {
	info, err := a.read(ctx)
	if err != nil {
		return acquired{}, err
	}
	if orEmpty(info.DesiredSwapID) == a.id && orEmpty(info.OwnerID) != "" {
		got, err := a.swap(ctx, *info.OwnerID)
		if err == nil || !errors.Is(err, errTaken) {
			return got, err
		}
		// The previous owner's lease has ended; then it can be acquired like any free one.
	}
	got := acquired{sent: instantOf(a.clock)}
	err = a.store.acquire(ctx, "", a.id, a.duration)
	switch {
	case errors.Is(err, errTaken):
		return acquired{}, &AppHeldError{Hub: a.hub, OwnerID: orEmpty(info.OwnerID)}
	case err != nil:
		return acquired{}, err
	}
	return got, a.sign(ctx, info)
}

func (a *appLease) swap(ctx context.Context, owner string) (acquired, error) {
	if err := a.store.change(ctx, "", owner, a.id); err != nil {
		return acquired{}, err
	}
	got := acquired{sent: instantOf(a.clock), swapped: true}
	if err := a.store.acquire(ctx, "", a.id, a.duration); err != nil { // the other's may have been for ever
		return acquired{}, err
	}
	a.log.Info("took the app lease over from another application")
	return got, a.write(ctx, appInfo{OwnerID: &a.id})
}

// sign writes this application's id into the info blob unless it is there. A request for a swap by another application
// stays.
func (a *appLease) sign(ctx context.Context, info appInfo) error {
	swap := orEmpty(info.DesiredSwapID) == a.id
	if orEmpty(info.OwnerID) == a.id && !swap {
		return nil
	}
	info, err := a.read(ctx) // again: somebody may have written since
	if err != nil {
		return err
	}
	info.OwnerID = &a.id
	if orEmpty(info.DesiredSwapID) == a.id {
		info.DesiredSwapID = nil
	}
	return a.write(ctx, info)
}

// request writes this application's id to DesiredSwapID.
func (a *appLease) request(ctx context.Context) error {
	info, err := a.read(ctx)
	if err != nil {
		return err
	}
	if orEmpty(info.DesiredSwapID) == a.id {
		return nil
	}
	info.DesiredSwapID = &a.id
	return a.write(ctx, info)
}

func (a *appLease) read(ctx context.Context) (appInfo, error) {
	text, _, err := a.store.read(ctx, a.info)
	if errors.Is(err, errMissing) {
		return appInfo{}, nil
	}
	if err != nil {
		return appInfo{}, err
	}
	var info appInfo
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &info); err != nil {
		a.log.Warn("the app lease's info blob cannot be read and is written anew", keyError, err)
		return appInfo{}, nil
	}
	return info, nil
}

func (a *appLease) write(ctx context.Context, info appInfo) error {
	if _, err := a.store.write(ctx, a.info, encodeJSON(info), ""); err != nil {
		return fmt.Errorf("write the app lease's info: %w", err)
	}
	return nil
}

// keep renews the lease until it is lost, which it returns as an error, or until ctx ends. A lease for ever does not end
// by itself; its renewal shows whether it was taken, broken or released.
func (a *appLease) keep(ctx context.Context, since instant) error {
	const retry = 5 * time.Second // after a renewal without an answer
	pace := appLeaseRenewal
	if a.duration < 0 {
		pace = fleetCheck
	}
	delay := pace
	for pause(ctx, a.clock, delay, nil) == nil {
		sent := instantOf(a.clock)
		err := a.renew(ctx)
		switch {
		case ctx.Err() != nil:
			// The end of the session, not of the lease.
		case err == nil:
			since, delay = sent, pace
		case errors.Is(err, errTaken):
			return fmt.Errorf("the app lease was taken over by another application, broken or released: %w", err)
		case isGone(err):
			return fmt.Errorf("the app lease's container was deleted: %w", err)
		case a.duration > 0 && since.remaining(a.duration, instantOf(a.clock)) <= 0:
			return fmt.Errorf("the app lease could not be renewed in time: %w", err)
		default:
			a.log.Warn("the app lease could not be renewed; trying again", keyError, err)
			delay = retry
		}
	}
	return nil
}

func (a *appLease) renew(ctx context.Context) error {
	const bound = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	_, err := a.store.renew(ctx, "", a.id)
	return err
}
