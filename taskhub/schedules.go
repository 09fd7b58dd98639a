package taskhub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/schedules"
	"github.com/go-taskhub/taskhub/storage"
)

// Schedule is a schedule with what became of it until now. It is a snapshot: changing it changes nothing.
type Schedule = schedules.Schedule

// Errors about schedules that errors.Is finds, whatever is wrapped around them. What is wrong with a definition is a
// [durable.ScheduleError].
var (
	// ErrScheduleNotFound is matched by [ScheduleNotFoundError].
	ErrScheduleNotFound = errors.New("there is no such schedule")
	// ErrScheduleExists is matched by [ScheduleExistsError].
	ErrScheduleExists = errors.New("the schedule exists")
)

// ScheduleNotFoundError reports the name of a schedule that the hub does not know.
type ScheduleNotFoundError struct{ Hub, Schedule string }

// Error names the schedule.
func (e *ScheduleNotFoundError) Error() string {
	return fmt.Sprintf("there is no schedule %q in hub %q: names are case-sensitive", e.Schedule, e.Hub)
}

// Is makes errors.Is(err, ErrScheduleNotFound) true.
func (e *ScheduleNotFoundError) Is(target error) bool { return target == ErrScheduleNotFound }

// ScheduleExistsError reports a schedule that was to be created and exists. Nothing was changed.
type ScheduleExistsError struct{ Hub, Schedule string }

// Error says what to do.
func (e *ScheduleExistsError) Error() string {
	return fmt.Sprintf("schedule %q exists in hub %q: choose another name, or update it", e.Schedule, e.Hub)
}

// Is makes errors.Is(err, ErrScheduleExists) true.
func (e *ScheduleExistsError) Is(target error) bool { return target == ErrScheduleExists }

// ScheduleBusyError reports a trigger that the overlap policy does not allow now. Nothing was started.
type ScheduleBusyError = schedules.BusyError

// CreateSchedule stores a new schedule, and creates the hub when it is missing. Its first tick is the first one to come. One
// that exists gives a [ScheduleExistsError], a definition that cannot be used a [durable.ScheduleError]; then nothing is
// changed.
func (c *Client) CreateSchedule(ctx context.Context, spec durable.ScheduleSpec) (*Schedule, error) {
	s, err := schedules.New(spec, now())
	if err == nil {
		err = c.insertSchedule(ctx, s)
	}
	if err != nil {
		return nil, c.failSchedule("create a schedule", spec.Name, err)
	}
	return s, nil
}

func (c *Client) insertSchedule(ctx context.Context, s *Schedule) error {
	if err := c.hub.Ensure(ctx); err != nil {
		return err
	}
	return c.announce(ctx, func() error {
		return c.hub.desk.Store.Insert(ctx, layout.Partition(s.Name, c.hub.Partitions()), s)
	})
}

// UpdateSchedule puts another definition in place of a schedule's, and keeps what became of it: whether it is paused, what it
// counts, what waits. When the new one ticks at other times, its first tick is the first one to come. Errors are as for
// [Client.CreateSchedule], and a [ScheduleNotFoundError].
func (c *Client) UpdateSchedule(ctx context.Context, spec durable.ScheduleSpec) (*Schedule, error) {
	const operation = "update a schedule"
	if _, _, err := schedules.Normalize(spec); err != nil {
		return nil, c.failSchedule(operation, spec.Name, err)
	}
	return c.changeSchedule(ctx, operation, spec.Name, true, func(s *Schedule) error { return s.Define(spec, now()) })
}

// DeclareSchedule stores the definition that a program's code has: it creates the schedule, or updates it when the code has
// changed since it declared the schedule last. Otherwise the schedule stays as it is, also where it was changed by other means.
// True means that something was stored. Workers call it for what is registered with them.
func (c *Client) DeclareSchedule(ctx context.Context, spec durable.ScheduleSpec) (changed bool, err error) {
	const operation = "declare a schedule"
	if _, _, err := schedules.Normalize(spec); err != nil {
		return false, c.failSchedule(operation, spec.Name, err)
	}
	for {
		present, err := c.readSchedule(ctx, spec.Name)
		switch {
		case errors.Is(err, schedules.ErrNotFound):
			s, err := schedules.New(spec, now())
			if err == nil {
				s.Adopt()
				err = c.insertSchedule(ctx, s)
			}
			if errors.Is(err, schedules.ErrExists) {
				continue // another worker was faster
			}
			return err == nil, c.failSchedule(operation, spec.Name, err)
		case err != nil:
			return false, c.failSchedule(operation, spec.Name, err)
		}
		if changed, err = present.Declare(spec, now()); err != nil || !changed {
			return false, c.failSchedule(operation, spec.Name, err)
		}
		_, err = c.changeSchedule(ctx, operation, spec.Name, true, func(s *Schedule) error {
			_, err := s.Declare(spec, now())
			return err
		})
		if errors.Is(err, ErrScheduleNotFound) {
			continue
		}
		return err == nil, err
	}
}

// GetSchedule reads a schedule. An unknown name gives a [ScheduleNotFoundError].
func (c *Client) GetSchedule(ctx context.Context, name string) (*Schedule, error) {
	s, err := c.readSchedule(ctx, name)
	if err != nil {
		return nil, c.failSchedule("read a schedule", name, err)
	}
	return s, nil
}

func (c *Client) readSchedule(ctx context.Context, name string) (*Schedule, error) {
	if err := schedules.CheckName(name); err != nil {
		return nil, schedules.ErrNotFound // nobody's
	}
	if err := c.hub.locate(ctx); err != nil {
		return nil, err
	}
	return c.hub.desk.Store.Get(ctx, layout.Partition(name, c.hub.Partitions()), name)
}

// SchedulePage is a part of a listing.
type SchedulePage struct {
	// Schedules are in no particular order. There is at least one, unless the listing ends here.
	Schedules []*Schedule
	// Next continues the listing; empty when it ends here. It is valid in other processes, too.
	Next string
}

// SchedulePage returns the part of a listing of all schedules that begins at a token; the empty token is the beginning. size is
// how many it holds at most, up to 1,000; 0 means 1,000.
func (c *Client) SchedulePage(ctx context.Context, token string, size int) (*SchedulePage, error) {
	first := token
	for {
		list, next, _, err := c.hub.desk.Store.List(ctx, -1, token, size)
		if errors.Is(err, schedules.ErrToken) {
			return nil, c.failSchedule("list schedules", "", &InvalidTokenError{Token: first})
		}
		if err != nil {
			return nil, c.failSchedule("list schedules", "", err)
		}
		if len(list) > 0 || next == "" {
			return &SchedulePage{Schedules: list, Next: next}, nil
		}
		token = next
	}
}

// Schedules iterates over all schedules of the hub and hides the pages. The iteration ends with the first error.
func (c *Client) Schedules(ctx context.Context) iter.Seq2[*Schedule, error] {
	return func(yield func(*Schedule, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			page, err := c.SchedulePage(ctx, token, 0)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, s := range page.Schedules {
				if !yield(s, nil) {
					return
				}
			}
			token = page.Next
		}
	}
}

// PauseSchedule lets a schedule start nothing until [Client.ResumeSchedule], and keeps a note that says why. What was started runs
// on. Pausing twice replaces the note.
func (c *Client) PauseSchedule(ctx context.Context, name, note string) (*Schedule, error) {
	return c.changeSchedule(ctx, "pause a schedule", name, false, func(s *Schedule) error { return s.Pause(note, now()) })
}

// ResumeSchedule lets a paused schedule go on with the first tick to come, and what waits. Ticks of the time of the pause are left
// out; [Client.BackfillSchedule] starts them. Resuming one that is not paused replaces the note.
func (c *Client) ResumeSchedule(ctx context.Context, name, note string) (*Schedule, error) {
	return c.changeSchedule(ctx, "resume a schedule", name, true, func(s *Schedule) error { return s.Resume(note, now()) })
}

// ScheduleRunOption is an option of [Client.TriggerSchedule] and [Client.BackfillSchedule].
type ScheduleRunOption interface{ applyRun(*scheduleRun) }

type scheduleRun struct{ overlap durable.ScheduleOverlap }

type overlapOption struct{ overlap durable.ScheduleOverlap }

func (o overlapOption) applyRun(r *scheduleRun) { r.overlap = o.overlap }

// UseOverlap says what holds in place of the schedule's overlap policy, for what is started by this call.
func UseOverlap(o durable.ScheduleOverlap) ScheduleRunOption { return overlapOption{o} }

func newScheduleRun(options []ScheduleRunOption) (r scheduleRun) {
	for _, o := range options {
		o.applyRun(&r)
	}
	return r
}

// TriggerSchedule starts an instance of a schedule now, paused or not, and returns its id. It does not count towards MaxRuns. When
// an earlier instance has not ended, and the policy is not to allow that, the error is a [ScheduleBusyError] and nothing is
// started.
func (c *Client) TriggerSchedule(ctx context.Context, name string, options ...ScheduleRunOption) (instanceID string, err error) {
	const operation = "trigger a schedule"
	s, err := c.GetSchedule(ctx, name)
	if err != nil {
		return "", err
	}
	run := newScheduleRun(options)
	switch run.overlap {
	case "":
		run.overlap = s.Overlap
	case durable.OverlapSkip, durable.OverlapQueue, durable.OverlapAllow:
	default:
		return "", c.failSchedule(operation, name, &durable.ScheduleError{Schedule: name, Field: "Overlap", Reason: fmt.Sprintf("is %q; use skip, queue or allow", run.overlap)})
	}
	const digits = 6
	id := schedules.TriggerID(name, now(), newID()[:digits])
	if err := c.hub.desk.Trigger(ctx, s, id, run.overlap); err != nil {
		return "", c.failSchedule(operation, name, err)
	}
	return id, nil
}

// BackfillSchedule makes workers start the ticks from one instant to another, both included, that have not been started before, and
// returns how many ticks there are: up to 10,000. They are started one after the other, or side by side where the schedule's
// policy or [UseOverlap] allows it, and do not count towards MaxRuns.
func (c *Client) BackfillSchedule(ctx context.Context, name string, from, to time.Time, options ...ScheduleRunOption) (ticks int, err error) {
	run := newScheduleRun(options)
	_, err = c.changeSchedule(ctx, "backfill a schedule", name, true, func(s *Schedule) (err error) {
		ticks, err = s.Backfill(from, to, run.overlap, now())
		return err
	})
	if err != nil {
		return 0, err
	}
	return ticks, nil
}

// DeleteSchedule deletes a schedule with what waits in it. What was started runs on. A worker whose code declares it creates it again
// when it starts. An unknown name gives a [ScheduleNotFoundError].
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	const operation = "delete a schedule"
	var err error
	for range startAttempts {
		var s *Schedule
		if s, err = c.readSchedule(ctx, name); err == nil {
			err = c.hub.desk.Store.Delete(ctx, s)
		}
		if !errors.Is(err, schedules.ErrConflict) { // a worker notes its ticks there
			break
		}
	}
	return c.failSchedule(operation, name, err)
}

// NextRuns returns the next ticks of a schedule, at most n; of a paused one those that it would have if it were resumed now.
func (c *Client) NextRuns(ctx context.Context, name string, n int) ([]time.Time, error) {
	s, err := c.GetSchedule(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.Upcoming(now(), n), nil
}

// PreviewSchedule returns the ticks that a definition would have after an instant, at most n, without storing it. The error is a
// [durable.ScheduleError].
func PreviewSchedule(spec durable.ScheduleSpec, after time.Time, n int) ([]time.Time, error) {
	_, timing, err := schedules.Normalize(spec)
	if err != nil {
		return nil, err
	}
	return timing.Upcoming(after, n), nil
}

// changeSchedule reads a schedule, changes it, and stores it unless somebody else has changed it meanwhile; then it begins anew. tell
// says whether workers have to look at it.
func (c *Client) changeSchedule(ctx context.Context, operation, name string, tell bool, change func(*Schedule) error) (*Schedule, error) {
	var err error
	for range startAttempts {
		var s *Schedule
		if s, err = c.readSchedule(ctx, name); err != nil {
			break
		}
		if err = change(s); err != nil {
			break
		}
		store := func() error { return c.hub.desk.Store.Replace(ctx, s) }
		if tell {
			err = c.announce(ctx, store)
		} else {
			err = store()
		}
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, schedules.ErrConflict) {
			break
		}
	}
	return nil, c.failSchedule(operation, name, err)
}

func (c *Client) failSchedule(operation, name string, err error) error {
	invalid := new(durable.ScheduleError)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, schedules.ErrNotFound):
		err = &ScheduleNotFoundError{Hub: c.hub.Name(), Schedule: name}
	case errors.Is(err, schedules.ErrExists):
		err = &ScheduleExistsError{Hub: c.hub.Name(), Schedule: name}
	case errors.As(err, &invalid), errors.As(err, new(*ScheduleBusyError)):
	case name != "":
		return fmt.Errorf("%s: schedule %q: hub %q: %w", operation, name, c.hub.Name(), err)
	}
	return fmt.Errorf("%s: hub %q: %w", operation, c.hub.Name(), err)
}

// noticeDelay is after how long workers hear of a change whose writer has died right after it.
const noticeDelay = 30 * time.Second

// announce tells the owners of all partitions that schedules have changed. The messages are put before the change, hidden, and are
// shown after it, so that a change is never stored without them. Which owner it concerns they find out: a worker that is not
// made for schedules may own the partition.
func (c *Client) announce(ctx context.Context, change func() error) error {
	n := c.hub.Partitions()
	receipts := make([]queues.Receipt, n)
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range n {
		group.Go(func() (err error) {
			target := history.Instance{InstanceID: layout.NoticeID(i, n)}
			notice := c.envelope(target, &history.EventRaised{Base: clientEvent(), Name: layout.NoticeEvent})
			receipts[i], err = c.hub.Queues().Control(i).Put(groupCtx, notice, noticeDelay)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	changed := change()
	if storage.InDoubt(changed) {
		return changed // it may be stored, so the messages stay
	}
	var reveal errgroup.Group
	for i := range n {
		reveal.Go(func() error {
			queue := c.hub.Queues().Control(i)
			if changed != nil {
				return queue.Delete(ctx, receipts[i])
			}
			_, err := queue.SetVisibility(ctx, receipts[i], 0)
			c.hub.wake(i)
			return err
		})
	}
	if err := reveal.Wait(); err != nil && changed == nil {
		c.hub.cfg.Logger.WarnContext(ctx, "workers hear of the change of a schedule late", slog.String(keyHub, c.hub.Name()), slog.Any(keyError, err))
	}
	return changed
}
