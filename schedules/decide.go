package schedules

import (
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

const (
	// batch is how many instances are decided upon at a time.
	batch = 16
	// mostMissed is how many missed ticks are counted one by one; of an outage with more, the rest is left out.
	mostMissed = 10_000
)

// decision is what a look at a schedule has led to. It changes the schedule that it was made for; nothing is started before the change
// is stored, so that whoever comes next goes on where it stopped.
type decision struct {
	s   *Schedule
	now time.Time
	// running says whether an instance that was started earlier has not ended. It is asked once at most.
	running func() (bool, error)
	// patience is how much later than due ticks are started.
	patience time.Duration

	changed bool
	more    bool      // there is more to decide at once
	waits   bool      // something waits for an instance to end
	wake    time.Time // when to look again; zero for never
	asked   bool
	busy    bool
}

// decide says what to start now. The schedule has nothing that is being started.
func (d *decision) decide() error {
	if d.s.timing == nil || d.s.Paused {
		return nil
	}
	for _, step := range []func() error{d.queued, d.ticks, d.backfills} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// isBusy says whether an instance of the schedule runs, or is about to.
func (d *decision) isBusy() (bool, error) {
	if len(d.s.Starting) > 0 {
		return true, nil
	}
	if !d.asked {
		busy, err := d.running()
		if err != nil {
			return false, err
		}
		d.asked, d.busy = true, busy
	}
	return d.busy, nil
}

// queued starts the tick that has waited longest, once nothing runs any more.
func (d *decision) queued() error {
	if len(d.s.Queued) == 0 {
		return nil
	}
	busy, err := d.isBusy()
	if err != nil {
		return err
	}
	if busy {
		d.waits = true
		return nil
	}
	d.start(d.s.Queued[0], true)
	d.s.Queued = d.s.Queued[1:]
	d.waits = d.waits || len(d.s.Queued) > 0
	return nil
}

func (d *decision) start(tick time.Time, timed bool) {
	d.s.begin(Start{ID: InstanceID(d.s.Name, tick), Tick: tick, Timed: timed})
	d.changed = true
}

// ticks decides on the ticks that are due.
func (d *decision) ticks() error {
	for missed := 0; !d.s.NextTick.IsZero(); {
		tick := d.s.NextTick
		at := due(&d.s.ScheduleSpec, tick)
		if at.Add(d.patience).After(d.now) {
			d.wake = at.Add(d.patience)
			return nil
		}
		if len(d.s.Starting) >= batch {
			d.more = true
			return nil
		}
		if d.now.Sub(at) > d.s.CatchUp {
			missed++
			d.miss(missed)
			continue
		}
		if err := d.tick(tick); err != nil {
			return err
		}
	}
	return nil
}

// miss drops a tick that came due too long ago.
func (d *decision) miss(count int) {
	d.changed = true
	d.s.Missed++
	from := d.s.NextTick
	if limit := d.now.Add(-d.s.CatchUp - d.s.Jitter); count >= mostMissed && from.Before(limit) {
		from = limit
	}
	d.s.NextTick = d.s.timing.After(from)
}

// tick decides on a tick that is due, by the overlap policy.
func (d *decision) tick(tick time.Time) error {
	if d.s.Overlap == durable.OverlapAllow {
		d.take(func() { d.start(tick, true) })
		return nil
	}
	busy, err := d.isBusy()
	if err != nil {
		return err
	}
	switch wait := busy || len(d.s.Queued) > 0; {
	case !wait:
		d.take(func() { d.start(tick, true) })
	case d.s.Overlap == durable.OverlapQueue && len(d.s.Queued) < MaxQueued:
		d.take(func() { d.s.Queued = append(d.s.Queued, tick) })
		d.waits = true
	default:
		d.s.Skipped++
		d.advance()
	}
	return nil
}

// take uses a tick up.
func (d *decision) take(how func()) {
	how()
	d.s.Runs++
	d.advance()
}

// advance moves on to the next tick.
func (d *decision) advance() {
	d.changed = true
	d.s.NextTick = d.s.timing.After(d.s.NextTick)
	if d.s.exhausted() {
		d.s.NextTick = time.Time{}
	}
}

// backfills goes on with the oldest one.
func (d *decision) backfills() error {
	for len(d.s.Backfills) > 0 {
		b := &d.s.Backfills[0]
		tick := d.s.timing.After(b.From.Add(-time.Nanosecond))
		if tick.IsZero() || tick.After(b.To) {
			d.s.Backfills = slices.Delete(d.s.Backfills, 0, 1)
			d.changed = true
			continue
		}
		if len(d.s.Starting) >= batch {
			d.more = true
			return nil
		}
		if b.Overlap != durable.OverlapAllow {
			busy, err := d.isBusy()
			if err != nil {
				return err
			}
			if busy || len(d.s.Queued) > 0 {
				d.waits = true
				return nil
			}
		}
		d.start(tick, false)
		b.From = tick.Add(time.Second)
	}
	return nil
}
