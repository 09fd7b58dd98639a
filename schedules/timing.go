package schedules

import (
	"time"
	_ "time/tzdata" // the zones, also where the machine has none

	cron "github.com/netresearch/go-cron"

	"github.com/go-taskhub/taskhub/durable"
)

// Timing says when a schedule ticks. It is immutable. Ticks are whole seconds in UTC.
type Timing struct {
	cron   *cron.SpecSchedule // nil for an interval
	hourly bool               // the cron text names no hours
	zone   *time.Location

	every  int64 // seconds
	anchor int64 // Unix time

	start, end time.Time // bounds; zero for none
}

// newTiming makes the timing of a definition that was checked.
func newTiming(s *durable.ScheduleSpec) (*Timing, error) {
	t := &Timing{start: s.StartAt, end: s.EndAt}
	if s.Cron == "" {
		t.every, t.anchor = int64(s.Every/time.Second), anchorOf(s).Unix()
		return t, nil
	}
	var err error
	if t.zone, err = zone(s); err != nil {
		return nil, err
	}
	if t.cron, t.hourly, err = parseCron(s.Cron); err != nil {
		return nil, fault(s, "Cron", err.Error())
	}
	return t, nil
}

func anchorOf(s *durable.ScheduleSpec) time.Time {
	if s.Anchor.IsZero() {
		return time.Unix(0, 0)
	}
	return s.Anchor
}

// zone finds the zone of a definition. The machine's own zone is none: each worker may have another.
func zone(s *durable.ScheduleSpec) (*time.Location, error) {
	if s.TimeZone == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(s.TimeZone)
	if err != nil || s.TimeZone == "Local" {
		return nil, fault(s, "TimeZone", quoted(s.TimeZone)+` is not known; give an IANA name such as "Europe/Berlin", or leave it out for UTC`)
	}
	return loc, nil
}

// After returns the first tick after an instant; zero when there is none.
func (t *Timing) After(at time.Time) time.Time {
	if before := t.start.Add(-time.Nanosecond); !t.start.IsZero() && at.Before(before) {
		at = before
	}
	at = at.UTC()
	var next time.Time
	if t.cron == nil {
		next = t.afterInterval(at)
	} else {
		next = t.afterCron(at)
	}
	if next.IsZero() || !t.end.IsZero() && next.After(t.end) {
		return time.Time{}
	}
	return next.UTC()
}

func (t *Timing) afterInterval(at time.Time) time.Time {
	since := at.Unix() - t.anchor
	n := since / t.every
	if since < 0 && since%t.every != 0 {
		n-- // towards the past
	}
	return time.Unix(t.anchor+(n+1)*t.every, 0)
}

// afterCron walks through the stretches of time in which the zone's clock runs evenly. Within one, what the clock shows and the
// instants differ by a fixed offset.
//
// Where the clock is put forward, the times that it skips count as the instant of the change, once. Where it is put back, the times
// that it shows twice count the first time only, unless the text ticks in every hour: then time goes on as if nothing was, and
// they count twice.
func (t *Timing) afterCron(at time.Time) time.Time {
	at = at.Truncate(time.Second).Add(time.Second) // the first instant that may be the result
	for {
		if repeated := t.repeatedUntil(at); !t.hourly && at.Before(repeated) {
			at = repeated
		}
		offset := t.offset(at)
		match := t.cron.Next(shown(at, offset).Add(-time.Second))
		if match.IsZero() {
			return match
		}
		tick := time.Unix(match.Unix()-offset, 0)
		_, change := at.In(t.zone).ZoneBounds()
		if change.IsZero() || tick.Before(change) {
			return tick
		}
		if match.Before(shown(change, t.offset(change))) { // the clock skips it
			return change
		}
		at = change
	}
}

// repeatedUntil is when the clock has shown again all that it showed before it was put back, if that was at the beginning of the
// stretch that an instant is in.
func (t *Timing) repeatedUntil(at time.Time) time.Time {
	begin, _ := at.In(t.zone).ZoneBounds()
	if begin.IsZero() {
		return begin
	}
	back := t.offset(begin.Add(-time.Second)) - t.offset(begin)
	return begin.Add(time.Duration(back) * time.Second)
}

// offset is by how many seconds the zone's clock is ahead of UTC at an instant.
func (t *Timing) offset(at time.Time) int64 {
	_, seconds := at.In(t.zone).Zone()
	return int64(seconds)
}

// shown is what a clock shows, as if it were UTC.
func shown(at time.Time, offset int64) time.Time { return time.Unix(at.Unix()+offset, 0).UTC() }

// Upcoming returns the next ticks after an instant, at most n.
func (t *Timing) Upcoming(at time.Time, n int) []time.Time {
	var ticks []time.Time
	for len(ticks) < n {
		if at = t.After(at); at.IsZero() {
			break
		}
		ticks = append(ticks, at)
	}
	return ticks
}

// Count counts the ticks from one instant to another, both included, up to a limit.
func (t *Timing) Count(from, to time.Time, limit int) int {
	n := 0
	for at := t.After(from.Add(-time.Nanosecond)); n < limit && !at.IsZero() && !at.After(to); at = t.After(at) {
		n++
	}
	return n
}
