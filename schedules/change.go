package schedules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durable"
)

// New makes a schedule from a definition. The error is a [*durable.ScheduleError].
func New(spec durable.ScheduleSpec, now time.Time) (*Schedule, error) {
	spec, timing, err := Normalize(spec)
	if err != nil {
		return nil, err
	}
	s := &Schedule{ScheduleSpec: spec, timing: timing, CreatedAt: now, UpdatedAt: now}
	if s.reset(now); s.NextTick.IsZero() {
		return nil, fault(&spec, "EndAt", "leaves no tick that is to come; give a later one")
	}
	return s, nil
}

// Declare makes a definition the one that code declares. It is false when the code has declared the same before: then the schedule stays
// as it is, whatever was changed in it since.
func (s *Schedule) Declare(spec durable.ScheduleSpec, now time.Time) (changed bool, err error) {
	spec, timing, err := Normalize(spec)
	if err != nil {
		return false, err
	}
	sum := digest(&spec)
	if s.Declared == sum {
		return false, nil
	}
	s.Problem = ""
	s.define(spec, timing, now)
	s.Declared = sum
	return true, nil
}

// Define puts another definition in place of the present one, and keeps what became of it. Ticks that are due stay, unless the new
// definition has other ticks.
func (s *Schedule) Define(spec durable.ScheduleSpec, now time.Time) error {
	spec, timing, err := Normalize(spec)
	if err != nil {
		return err
	}
	s.Problem = ""
	s.define(spec, timing, now)
	return nil
}

// Pause lets nothing start until [Schedule.Resume], and says why.
func (s *Schedule) Pause(note string, now time.Time) error {
	if err := checkNote(s, note); err != nil {
		return err
	}
	s.Paused, s.Note, s.NextTick, s.UpdatedAt = true, note, time.Time{}, now
	return nil
}

// Resume goes on with the first tick after now. Those that came due during the pause are left out.
func (s *Schedule) Resume(note string, now time.Time) error {
	if err := checkNote(s, note); err != nil {
		return err
	}
	wasPaused := s.Paused
	s.Paused, s.Note, s.UpdatedAt = false, note, now
	if wasPaused && s.timing != nil {
		s.reset(now)
	}
	return nil
}

func checkNote(s *Schedule, note string) error {
	if !utf8.ValidString(note) || utf8.RuneCountInString(note) > MaxNote {
		return fault(&s.ScheduleSpec, "Note", fmt.Sprintf("is longer than %d characters, or not UTF-8; shorten it", MaxNote))
	}
	return nil
}

// Backfill adds a range of time, both ends included, whose ticks are started beside those to come, and counts them. Without an overlap
// policy they are started one after the other, or together when the schedule's policy allows that.
func (s *Schedule) Backfill(from, to time.Time, overlap durable.ScheduleOverlap, now time.Time) (ticks int, err error) {
	from, to = from.UTC(), to.UTC()
	if overlap == "" {
		overlap = durable.OverlapQueue
		if s.Overlap == durable.OverlapAllow {
			overlap = durable.OverlapAllow
		}
	}
	bad := func(field, reason string) (int, error) { return 0, fault(&s.ScheduleSpec, field, reason) }
	switch {
	case s.timing == nil:
		return bad("Problem", "has to be mended first: "+s.Problem)
	case from.IsZero() || from.Year() < firstYear:
		return bad("From", "is missing or too early; say where to begin")
	case to.Before(from):
		return bad("To", "is before From; swap them")
	case to.After(now):
		return bad("To", "is to come; a backfill is about the past")
	case overlap != durable.OverlapAllow && overlap != durable.OverlapQueue:
		return bad("Overlap", fmt.Sprintf("is %q; use queue or allow", overlap))
	case len(s.Backfills) >= MaxBackfills:
		return bad("Backfill", fmt.Sprintf("is one too many, %d are under way; wait until some are done", MaxBackfills))
	}
	switch ticks = s.timing.Count(from, to, MaxBackfillTicks+1); {
	case ticks == 0:
		return bad("From", "and To have no tick between them; give another range")
	case ticks > MaxBackfillTicks:
		return bad("To", fmt.Sprintf("is more than %d ticks after From; backfill in parts", MaxBackfillTicks))
	}
	s.Backfills = append(s.Backfills, Backfill{From: from, To: to, Overlap: overlap})
	s.UpdatedAt = now
	return ticks, nil
}

// Upcoming returns the next ticks that the schedule would start, at most n; of a paused one those that would be if it were resumed now.
func (s *Schedule) Upcoming(now time.Time, n int) []time.Time {
	if s.timing == nil || s.Ended() {
		return nil
	}
	if s.MaxRuns > 0 {
		n = int(min(int64(n), s.MaxRuns-s.Runs))
	}
	if s.NextTick.IsZero() {
		return s.timing.Upcoming(now, n)
	}
	return s.timing.Upcoming(s.NextTick.Add(-time.Nanosecond), n)
}

// Adopt makes a schedule that was just made the one that code declares.
func (s *Schedule) Adopt() { s.Declared = digest(&s.ScheduleSpec) }

// BusyError reports a trigger while an instance of the schedule runs. Nothing was started.
type BusyError struct {
	Schedule   string
	InstanceID string // one that runs
}

// Error says what to do.
func (e *BusyError) Error() string {
	return fmt.Sprintf("schedule %q: instance %q has not ended, and the overlap policy allows no other beside it; wait for it, or allow the overlap this time", e.Schedule, e.InstanceID)
}

// TriggerID is the id of an instance that is started between ticks. The random part keeps two of the same second apart.
func TriggerID(name string, at time.Time, random string) string {
	return name + "-now-" + at.UTC().Format(tickForm) + "-" + random
}

// Trigger starts an instance now. When it fails after the start was noted, a worker makes up for it, and the error says so.
func (d *Desk) Trigger(ctx context.Context, s *Schedule, id string, overlap durable.ScheduleOverlap) error {
	start := Start{ID: id, Tick: d.now().Truncate(time.Second)}
	for range changeAttempts {
		c := s.clone()
		if err := d.mayTrigger(ctx, c, overlap); err != nil {
			return err
		}
		c.begin(start)
		stored, err := d.store(ctx, s, c)
		switch {
		case err != nil:
			return err
		case stored == nil:
			return fmt.Errorf("schedule %s: %w", quoted(s.Name), ErrNotFound)
		case stored == c:
			return d.startNow(ctx, c, start)
		}
		s = stored
	}
	return errTooMany
}

func (d *Desk) mayTrigger(ctx context.Context, s *Schedule, overlap durable.ScheduleOverlap) error {
	switch {
	case s.Problem != "":
		return fault(&s.ScheduleSpec, "Problem", "has to be mended first: "+s.Problem)
	case len(s.Starting) >= 4*batch:
		return fmt.Errorf("schedule %s: %d instances are about to be started already; wait until a worker has done so", quoted(s.Name), len(s.Starting))
	case overlap == durable.OverlapAllow:
		return nil
	case len(s.Starting) > 0:
		return &BusyError{Schedule: s.Name, InstanceID: s.Starting[0].ID}
	}
	busy, err := d.prune(ctx, s)
	if err == nil && busy {
		err = &BusyError{Schedule: s.Name, InstanceID: s.Running[0]}
	}
	return err
}

// startNow starts one of the instances that are noted.
func (d *Desk) startNow(ctx context.Context, s *Schedule, start Start) error {
	failure, err := d.Starter.StartScheduled(ctx, s.order(start))
	if err != nil {
		return fmt.Errorf("schedule %s: the start of instance %s is noted, and a worker will make up for it: %w", quoted(s.Name), quoted(start.ID), err)
	}
	if _, err := d.note(ctx, s, []outcome{{start: start, failure: failure}}); err != nil {
		d.Logger.WarnContext(ctx, "an instance was started, but its schedule does not say so yet", keySchedule, s.Name, keyInstance, start.ID, keyError, err)
	}
	if failure != "" {
		return fmt.Errorf("schedule %s: %w", quoted(s.Name), errors.New(strings.TrimSpace(failure)))
	}
	return nil
}
