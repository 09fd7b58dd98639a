package taskhub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/tables"
)

// Fleet says which kinds of workers run a hub. The first worker of a hub decides, and the hub remembers.
type Fleet string

const (
	// FleetMixed is a hub that .NET workers may run too.
	FleetMixed Fleet = "mixed"
	// FleetGo is a hub that only Go workers run. It is the faster and the cheaper one.
	FleetGo Fleet = "go"
)

// FleetBusyError reports a hub that cannot become a mixed fleet's yet: some of its instances have something to be sent that
// only a Go worker can find out, left by workers that died.
type FleetBusyError struct {
	Hub       string
	Instances []string // some of them
}

// Error says what to do.
func (e *FleetBusyError) Error() string {
	return fmt.Sprintf("hub %q stays with its Go fleet: instances such as %s have work that only a Go worker can take over; start one, stop it when they have gone on, and try again",
		e.Hub, strings.Join(e.Instances, ", "))
}

// Fleet reads which kind of fleet runs the hub. Empty when no worker of this module was ever started on it.
func (h *Hub) Fleet(ctx context.Context) (Fleet, error) {
	stored, _, err := h.tables.ReadFleet(ctx)
	return Fleet(stored), err
}

// SetFleet changes which kind of fleet runs the hub. Instances go on where they are.
//
// It takes the app lease, so that workers give their partitions up, which they do within half a minute, in a Go fleet within
// a minute, and waits until none is left; ctx bounds the wait, and when it ends the hub is as it was. Workers that run go on
// waiting and have to be started again for the new fleet. On the way to a mixed fleet everything must have been sent that
// only a Go worker can send: if not, the error is a [*FleetBusyError].
func (h *Hub) SetFleet(ctx context.Context, to Fleet) error {
	if to != FleetGo && to != FleetMixed {
		return fmt.Errorf("set the fleet of hub %q: %q is neither %s nor %s", h.Name(), to, FleetGo, FleetMixed)
	}
	info, err := leases.ReadHubInfo(ctx, h.TrackingAccount(), h.Names())
	if err == nil && info == nil {
		err = &HubNotFoundError{Hub: h.Name(), Account: h.TrackingAccount().Name()}
	}
	if err != nil {
		return fmt.Errorf("set the fleet: %w", err)
	}
	stored, etag, err := h.tables.ReadFleet(ctx)
	if err != nil {
		return fmt.Errorf("set the fleet of hub %q: %w", h.Name(), err)
	}
	if Fleet(stored) == to {
		return nil
	}
	hold, err := leases.HoldApp(ctx, leases.HoldConfig{Account: h.TrackingAccount(), Names: h.Names(), Seize: true, Logger: h.Logger()})
	if err != nil {
		return fmt.Errorf("set the fleet of hub %q: %w", h.Name(), err)
	}
	err = h.switchFleet(ctx, hold, to, etag)
	if released := hold.Release(context.WithoutCancel(ctx)); err == nil && released != nil {
		h.Logger().WarnContext(ctx, "the app lease could not be released; it ends by itself within a minute", slog.String(keyHub, h.Name()), slog.Any(keyError, released))
	}
	if err != nil {
		return fmt.Errorf("set the fleet of hub %q: %w", h.Name(), err)
	}
	return nil
}

func (h *Hub) switchFleet(ctx context.Context, hold *leases.AppHold, to Fleet, etag string) error {
	if err := hold.AwaitNoWorkers(ctx); err != nil {
		return err
	}
	if to == FleetMixed {
		const examples = 3
		ids, err := h.tables.LocalWork(ctx, examples)
		if err != nil && !errors.Is(err, tables.ErrNoTables) {
			return err
		}
		if len(ids) > 0 {
			return &FleetBusyError{Hub: h.Name(), Instances: ids}
		}
	}
	select {
	case <-hold.Lost():
		return errors.New("the app lease was lost meanwhile; try again")
	default:
	}
	return h.tables.WriteFleet(ctx, string(to), etag)
}
