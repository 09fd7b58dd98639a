package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/partition"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// Fleet says which kinds of workers run a hub.
type Fleet = taskhub.Fleet

const (
	// FleetMixed is a hub that .NET workers may run too.
	FleetMixed = taskhub.FleetMixed
	// FleetGo is a hub that only Go workers run. It is the faster and the cheaper one.
	FleetGo = taskhub.FleetGo
)

// FleetMismatchError reports a worker that was configured for another fleet than the one that runs the hub.
type FleetMismatchError struct {
	Hub                string
	Stored, Configured Fleet
}

// Error says how to go on.
func (e *FleetMismatchError) Error() string {
	return fmt.Sprintf("hub %q is run by a %s fleet, but this worker is configured for a %s fleet; leave Config.Fleet empty, or change the hub with: taskhub hub set-fleet %s %s",
		e.Hub, e.Stored, e.Configured, e.Hub, e.Configured)
}

// decideFleet finds out which fleet runs the hub. The first worker of a hub decides.
func (w *Worker) decideFleet(ctx context.Context) (Fleet, error) {
	store := w.hub.Tables()
	for range 3 {
		stored, _, err := store.ReadFleet(ctx)
		if err != nil {
			return "", err
		}
		if stored != "" {
			return w.checkFleet(Fleet(stored))
		}
		first, err := w.firstFleet(ctx)
		if err != nil {
			return "", err
		}
		if err = store.WriteFleet(ctx, string(first), ""); errors.Is(err, tables.ErrConflict) {
			continue // another worker has decided meanwhile
		}
		if err != nil {
			return "", err
		}
		return w.checkFleet(first)
	}
	return "", fmt.Errorf("hub %q: the fleet changes while it is read", w.hub.Name())
}

// firstFleet is the fleet of a hub for which nobody has decided: what this worker is configured for, else a Go fleet, but a mixed
// one when there are traces of workers that knew of no fleets.
func (w *Worker) firstFleet(ctx context.Context) (Fleet, error) {
	used, err := w.hub.Tables().HasHistory(ctx)
	if err != nil {
		return "", err
	}
	if !used {
		others, err := leases.ForeignWorkers(ctx, w.hub.TrackingAccount(), w.hub.Names())
		if err != nil {
			return "", err
		}
		used = len(others) > 0
	}
	switch {
	case used:
		return FleetMixed, nil
	case w.cfg.Fleet != "":
		return w.cfg.Fleet, nil
	}
	return FleetGo, nil
}

func (w *Worker) checkFleet(stored Fleet) (Fleet, error) {
	switch wanted := w.cfg.Fleet; {
	case stored != FleetMixed && stored != FleetGo:
		return "", fmt.Errorf("hub %q is run by a fleet of kind %q, which this version does not know; use a newer one", w.hub.Name(), stored)
	case wanted != "" && wanted != stored:
		return "", &FleetMismatchError{Hub: w.hub.Name(), Stored: stored, Configured: wanted}
	}
	return stored, nil
}

// admit lets the worker own partitions only while the hub is run by the fleet that it was started for.
func (p *process) admit(ctx context.Context) error {
	stored, _, err := p.w.hub.Tables().ReadFleet(ctx)
	if err != nil {
		return err
	}
	if Fleet(stored) != p.kind {
		return fmt.Errorf("hub %q is run by a %s fleet now, but this worker was started for a %s fleet; start it again", p.w.hub.Name(), stored, p.kind)
	}
	return nil
}

// forPartitions and forLeases are the fleet as these packages name it.
func forPartitions(f Fleet) partition.Fleet {
	if f == FleetGo {
		return partition.Go
	}
	return partition.Mixed
}

func forLeases(f Fleet) leases.Fleet {
	if f == FleetGo {
		return leases.GoFleet
	}
	return leases.MixedFleet
}

// HandOver gives a message to the partition of this process that owns the receiver.
func (p *process) HandOver(index int, h partition.HandOver) bool {
	part := p.partition(index)
	return part != nil && part.Take(h)
}

// DetachActivities makes work durable that only this process knows of.
func (p *process) DetachActivities(ctx context.Context, concerns func(instanceID string) bool) {
	p.runner.Detach(ctx, concerns)
}

// keepsAll says whether work that only this process knows of may wait here for as long as it takes.
func (p *process) keepsAll() bool { return p.fleet == partition.Go && p.alone() }

// alone says whether this worker owns all partitions of the hub.
//
// With a single partition that would say nothing: others may be there to run activities.
func (p *process) alone() bool {
	n := p.w.hub.Partitions()
	return n > 1 && len(p.all()) == n
}

// quiesce lets the partitions receive no more, while results that are still made here go on being committed.
func (p *process) quiesce() {
	for _, part := range p.all() {
		part.Quiesce()
	}
}
