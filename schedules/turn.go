package schedules

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Starter starts the instances of schedules.
type Starter interface {
	// StartScheduled starts an instance under an id that nobody else uses. An instance of the id that the same schedule
	// has started stays as it is, whatever became of it, and is no error. failure says why the instance can never be
	// started; an error is one that may pass.
	StartScheduled(ctx context.Context, o Order) (failure string, err error)
	// IsRunning says whether an instance exists and has not ended.
	IsRunning(ctx context.Context, instanceID string) (bool, error)
}

// Order is what to start.
type Order struct {
	Schedule, InstanceID  string
	Orchestrator, Version string
	Input                 *string
	Tags                  map[string]string
}

// Order returns what is to be started.
func (s *Schedule) order(start Start) Order {
	tags := maps.Clone(s.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[durable.TagSchedule], tags[durable.TagScheduledTime] = s.Name, start.Tick.UTC().Format(time.RFC3339)
	return Order{Schedule: s.Name, InstanceID: start.ID, Orchestrator: s.Orchestrator, Version: s.Version, Input: s.Input, Tags: tags}
}

// changeAttempts bounds how often a change is tried anew because others change the same schedule.
const changeAttempts = 20

// Desk carries out what is decided about schedules. Each step is one that another process can repeat or go on with:
//
//  1. The row is written with what is to be started, and with the next tick behind it. It is written only over what was read, so of
//     several processes one gets to decide.
//  2. The instances are started, under ids that follow from schedule and tick. Who finds such a start in a row does it, too: the second
//     one finds the instance and leaves it.
//  3. The row is written without them.
type Desk struct {
	Store   *Store
	Starter Starter
	Logger  *slog.Logger
	// Now is the time. Defaults to time.Now.
	Now func() time.Time
}

func (d *Desk) now() time.Time {
	if d.Now != nil {
		return d.Now().UTC()
	}
	return time.Now().UTC()
}

// step is what a turn has led to.
type step struct {
	s     *Schedule // as it is stored; nil when it was deleted
	wake  time.Time // when to look again; zero for never
	waits bool      // something waits for an instance to end
}

// turn does all that is due for a schedule. After an error the schedule returned is the last that is known.
func (d *Desk) turn(ctx context.Context, s *Schedule, patience time.Duration) (step, error) {
	for {
		if len(s.Starting) > 0 {
			next, err := d.startAll(ctx, s)
			if next == nil || err != nil {
				return step{s: next}, err
			}
			s = next
			continue
		}
		c := s.clone()
		dec := &decision{s: c, now: d.now(), patience: patience, running: func() (bool, error) { return d.prune(ctx, c) }}
		if err := dec.decide(); err != nil {
			return step{s: s}, err
		}
		if !dec.changed {
			return step{s: s, wake: dec.wake, waits: dec.waits}, nil
		}
		stored, err := d.store(ctx, s, c)
		if stored == nil || err != nil {
			return step{s: stored}, err
		}
		s = stored
	}
}

// store stores a decision. When somebody else has changed the schedule, the result is what they made of it, and nothing was decided.
func (d *Desk) store(ctx context.Context, before, after *Schedule) (*Schedule, error) {
	err := d.Store.Replace(ctx, after)
	switch {
	case err == nil:
		return after, nil
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case !errors.Is(err, ErrConflict):
		return before, err
	}
	return d.reload(ctx, before)
}

// reload reads a schedule again; nil when it was deleted.
func (d *Desk) reload(ctx context.Context, s *Schedule) (*Schedule, error) {
	fresh, err := d.Store.get(ctx, s.partition, s.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return s, err
	}
	return fresh, nil
}

// prune forgets instances that have ended, and says whether others run.
func (d *Desk) prune(ctx context.Context, s *Schedule) (bool, error) {
	for i := 0; i < len(s.Running); {
		running, err := d.Starter.IsRunning(ctx, s.Running[i])
		if err != nil {
			return false, err
		}
		if running {
			i++
			continue
		}
		s.Running = slices.Delete(s.Running, i, i+1)
	}
	return len(s.Running) > 0, nil
}

// startAll starts what the schedule says is being started, and takes note of it. What could not be started stays, with an error.
func (d *Desk) startAll(ctx context.Context, s *Schedule) (*Schedule, error) {
	var mu sync.Mutex
	var outcomes []outcome
	var errs []error
	var group sync.WaitGroup
	for _, start := range s.Starting {
		group.Go(func() {
			failure, err := d.Starter.StartScheduled(ctx, s.order(start))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			outcomes = append(outcomes, outcome{start: start, failure: failure})
		})
	}
	group.Wait()
	for _, o := range outcomes {
		if o.failure != "" {
			d.Logger.ErrorContext(ctx, "a schedule cannot start an instance", slog.String(keySchedule, s.Name), slog.String(keyInstance, o.start.ID), slog.String(keyReason, o.failure))
		}
	}
	s, err := d.note(ctx, s, outcomes)
	return s, errors.Join(append(errs, err)...)
}

// note takes note of what became of starts, whatever others do to the row meanwhile.
func (d *Desk) note(ctx context.Context, s *Schedule, outcomes []outcome) (*Schedule, error) {
	for range changeAttempts {
		c := s.clone()
		if !c.finish(outcomes, d.now().Truncate(time.Millisecond)) {
			return s, nil
		}
		stored, err := d.store(ctx, s, c)
		if stored == nil || err != nil || stored == c {
			return stored, err
		}
		s = stored
	}
	return s, errTooMany
}

var errTooMany = errors.New("others keep changing the schedule; trying again later")

// Attribute keys of log records.
const (
	keyError     = "error"
	keyInstance  = "instance_id"
	keyPartition = "partition"
	keyReason    = "reason"
	keySchedule  = "schedule"
)
