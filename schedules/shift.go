package schedules

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// shift sees to the schedules of one partition, or helps out in all that are others'.
type shift struct {
	r         *Runner
	partition int
	signal    chan struct{}
	ctx       context.Context
	stop      context.CancelFunc
	turns     sync.WaitGroup

	mu      sync.Mutex
	rescan  time.Time // when the table is read next; zero for never
	pause   time.Duration
	entries map[string]*entry // by partition key and name
}

// entry is one schedule as it is known here.
type entry struct {
	s     *Schedule
	since time.Time     // when it was seen first in this state
	wake  time.Time     // when to look at it; zero for never
	waits bool          // something waits for an instance to end
	busy  bool          // a turn is under way
	again bool          // and another look is wanted behind it
	pause time.Duration // before the next look, after failures or while something waits
}

func newShift(r *Runner, partition int) *shift {
	s := &shift{r: r, partition: partition, signal: make(chan struct{}, 1), entries: map[string]*entry{}}
	s.ctx, s.stop = context.WithCancel(r.ctx)
	return s
}

// helps says whether the shift is about the partitions of others.
func (s *shift) helps() bool { return s.partition == everywhere }

// patience is how much later than due a schedule is seen to.
func (s *shift) patience() time.Duration {
	if s.helps() {
		return grace
	}
	return 0
}

func (s *shift) poke() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// look makes the shift read the table.
func (s *shift) look() {
	s.mu.Lock()
	s.rescan = s.r.desk.now()
	s.mu.Unlock()
	s.poke()
}

// ended lets what waits for an instance go on.
func (s *shift) ended(instanceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if (e.waits || e.busy) && slices.Contains(e.s.Running, instanceID) {
			e.wake, e.pause, e.again = s.r.desk.now(), 0, e.busy
			s.poke()
		}
	}
}

func (s *shift) run() {
	defer s.turns.Wait()
	for s.ctx.Err() == nil {
		if s.rescanDue() {
			s.scan()
		}
		timer := time.NewTimer(s.begin())
		select {
		case <-timer.C:
		case <-s.signal:
		case <-s.ctx.Done():
		}
		timer.Stop()
	}
}

func (s *shift) rescanDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rescan.IsZero() || s.rescan.After(s.r.desk.now()) {
		return false
	}
	s.rescan = time.Time{}
	return true
}

// scan reads the rows. A hub that never had a schedule is not looked at again before somebody says that there is one.
func (s *shift) scan() {
	list, exists, err := s.r.desk.Store.All(s.ctx, s.partition)
	now := s.r.desk.now()
	s.mu.Lock()
	if err != nil {
		s.pause = min(max(2*s.pause, firstPause), mostPause)
		s.rescan = now.Add(s.pause)
		s.mu.Unlock()
		if s.ctx.Err() == nil {
			s.r.log.WarnContext(s.ctx, "the schedules could not be read; trying again", slog.Int(keyPartition, s.partition), slog.Any(keyError, err))
		}
		return
	}
	s.pause = 0
	if len(list) > 0 && s.rescan.IsZero() {
		s.rescan = now.Add(rescanEvery)
	}
	s.take(list, now)
	s.mu.Unlock()
	if !s.helps() {
		s.r.tableSeen(exists)
	}
}

// take takes over what was read. The lock is held.
func (s *shift) take(list []*Schedule, now time.Time) {
	present := map[string]bool{}
	for _, one := range list {
		key := one.partition + "/" + one.Name
		present[key] = true
		e := s.entries[key]
		switch {
		case e == nil:
			s.entries[key] = &entry{s: one, since: now, wake: s.first(one, now)}
			if one.Problem != "" {
				s.r.log.Warn("a schedule cannot be used", slog.String(keySchedule, one.Name), slog.String(keyReason, one.Problem))
			}
		case !e.busy && e.s.etag != one.etag:
			e.s, e.since, e.wake, e.pause = one, now, s.first(one, now), 0
		}
	}
	for key, e := range s.entries {
		if !present[key] && !e.busy {
			delete(s.entries, key)
		}
	}
}

// first is when a schedule that was read is looked at: at once by its owner, and by others not before it is late or has not changed
// for a while.
func (s *shift) first(one *Schedule, now time.Time) time.Time {
	if !s.helps() {
		return now
	}
	if s.r.owns(one.partition) {
		return now.Add(rescanEvery) // until it may have gone to somebody else
	}
	wake := time.Time{}
	if !one.NextTick.IsZero() {
		wake = due(&one.ScheduleSpec, one.NextTick).Add(grace)
	}
	if len(one.Starting)+len(one.Queued)+len(one.Backfills) > 0 && (wake.IsZero() || wake.After(now.Add(grace))) {
		wake = now.Add(grace)
	}
	return wake
}

// begin begins the turns that are due, and says how long to sleep.
func (s *shift) begin() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.r.desk.now()
	next := now.Add(longestSleep)
	earlier := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	earlier(s.rescan)
	for _, e := range s.entries {
		switch {
		case e.busy || e.wake.IsZero():
		case e.wake.After(now):
			earlier(e.wake)
		default:
			e.busy = true
			s.turns.Go(func() { s.turn(e) })
		}
	}
	return max(next.Sub(now), 0)
}

// turn sees to one schedule.
func (s *shift) turn(e *entry) {
	select {
	case s.r.slots <- struct{}{}:
		defer func() { <-s.r.slots }()
	case <-s.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, turnLimit)
	defer cancel()
	result, mine, err := s.attempt(ctx, e)
	if err != nil && s.ctx.Err() == nil {
		s.r.log.WarnContext(ctx, "a schedule could not be seen to; trying again", slog.String(keySchedule, e.s.Name), slog.Any(keyError, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.poke()
	now := s.r.desk.now()
	if result.s == nil {
		delete(s.entries, e.s.partition+"/"+e.s.Name)
		return
	}
	if result.s.etag != e.s.etag {
		e.since = now
	}
	e.busy, e.s, e.waits, e.wake = false, result.s, result.waits, result.wake
	switch {
	case err != nil:
		e.pause = min(max(2*e.pause, firstPause), mostPause)
		e.wake = now.Add(e.pause)
	case e.again:
		e.wake = now
	case result.waits && mine:
		e.pause = min(max(2*e.pause, firstLook), mostLook)
		if look := now.Add(e.pause); e.wake.IsZero() || look.Before(e.wake) {
			e.wake = look
		}
	default:
		e.pause = 0
	}
	e.again = false
}

// attempt sees to a schedule, in the partition of another only when its owner does not.
func (s *shift) attempt(ctx context.Context, e *entry) (result step, mine bool, err error) {
	if !s.helps() {
		result, err = s.r.desk.turn(ctx, e.s, 0)
		return result, true, err
	}
	fresh, err := s.r.desk.reload(ctx, e.s)
	if fresh == nil || err != nil {
		return step{s: fresh}, false, err
	}
	now := s.r.desk.now()
	late := !fresh.NextTick.IsZero() && !due(&fresh.ScheduleSpec, fresh.NextTick).Add(grace).After(now)
	idle := fresh.etag == e.s.etag && !e.since.Add(grace).After(now)
	if s.r.owns(fresh.partition) || !late && !idle {
		return step{s: fresh, wake: s.first(fresh, now)}, false, nil
	}
	result, err = s.r.desk.turn(ctx, fresh, s.patience())
	return result, true, err
}
