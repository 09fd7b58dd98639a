package taskhub

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/tables"
)

// sweep is when and how all watched instances are looked at together, once they are many.
type sweep struct {
	due      time.Time
	earliest time.Time // not before
	pause    time.Duration
	last     time.Time
}

// want makes the next sweep come at a time or before.
func (s *sweep) want(at time.Time) {
	if s.due.IsZero() || at.Before(s.due) {
		s.due = at
	}
}

// at is when the next sweep is.
func (s *sweep) at() time.Time {
	if s.due.Before(s.earliest) {
		return s.earliest
	}
	return s.due
}

// poll makes the poller look after what is watched, and starts it when there is none. The lock is held.
func (w *watch) poll() {
	if !w.polling && len(w.watched) > 0 && !w.closed {
		w.polling = true
		w.sweep.pause = w.hub.cfg.MinPoll
		w.running.Go(w.run)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run is the poller. It ends when nothing is watched any more.
func (w *watch) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, all, ok := w.plan()
		if !ok {
			return
		}
		if all != nil {
			w.sweepAll(all)
			continue
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.ctx.Done():
		}
	}
}

// plan begins the looks that are due and says when there is more to do. When many instances are watched and it is time
// for them, it returns them all instead.
func (w *watch) plan() (next time.Time, all []*watched, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.watched) == 0 || w.closed {
		w.polling = false
		return next, nil, false
	}
	now := time.Now()
	if len(w.watched) > fewWatched {
		if at := w.sweep.at(); at.After(now) {
			return at, nil, true
		}
		all = make([]*watched, 0, len(w.watched))
		for _, e := range w.watched {
			if !e.looking {
				all = append(all, e)
			}
		}
		w.sweep.due = now.Add(w.hub.cfg.MaxPoll) // unless the sweep says otherwise
		return next, all, true
	}
	next = now.Add(w.hub.cfg.MaxPoll)
	for _, e := range w.watched {
		switch {
		case e.looking:
		case !e.due.After(now):
			w.lookAt(e)
		case e.due.Before(next):
			next = e.due
		}
	}
	return next, nil, true
}

// lookAt looks at one instance. The lock is held.
func (w *watch) lookAt(e *watched) {
	if e.looking {
		e.again = true
		return
	}
	if w.closed {
		return
	}
	e.looking = true
	w.running.Go(func() {
		row, err := w.read(e.id)
		w.settle(e, row, err)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.poll()
	})
}

// settle takes in what a look has found, and reports whether there was something new.
func (w *watch) settle(e *watched, row *tables.InstanceRow, err error) bool {
	ended := row != nil && row.Status.IsTerminal()
	if ended && err == nil {
		err = w.hub.tables.FetchPayloads(w.ctx, row)
	}
	started, _ := w.recent(e.id)
	w.mu.Lock()
	defer w.mu.Unlock()
	e.looking = false
	again := e.again
	e.again = false
	switch {
	case w.ctx.Err() != nil:
		w.finish(e, nil, ErrClosed)
		return false
	case err != nil || ended:
		w.finish(e, row, err)
		return true
	case row == nil && !started:
		w.finish(e, nil, &InstanceNotFoundError{Hub: w.hub.Name(), InstanceID: e.id})
		return true
	}
	seen := ""
	if row != nil {
		seen = row.ETag
	}
	moved := e.etag != "" && seen != e.etag
	e.pause, e.etag, e.looked = w.nextPause(e.id, e.pause, moved), seen, time.Now()
	e.due = e.looked.Add(jittered(e.pause))
	if again && w.watched[e.id] == e {
		w.lookAt(e)
	}
	return moved
}

// sweepAll looks at many instances, as many as possible with each request. Those it learns nothing about that way, as
// their ids are scattered among others, are looked at one by one, a few at a time.
func (w *watch) sweepAll(all []*watched) {
	began := time.Now()
	ids := make([]string, len(all))
	for i, e := range all {
		ids[i] = e.id
	}
	found, err := w.findAll(ids)
	var rest []*watched
	moved := false
	for _, e := range all {
		row, known := found[e.id]
		if !known && err == nil {
			rest = append(rest, e)
			continue
		}
		if row != nil && row.OutputBlob != "" { // reading it would keep the others waiting
			w.mu.Lock()
			w.lookAt(e)
			w.mu.Unlock()
			continue
		}
		if w.begin(e) && w.settle(e, row, err) {
			moved = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookAtSome(rest, began)
	w.sweep.last = began
	w.sweep.pause = w.nextPause("", w.sweep.pause, moved)
	if w.allLocal(all) {
		w.sweep.pause = w.hub.cfg.MaxPoll
	}
	now := time.Now()
	w.sweep.earliest = now.Add(now.Sub(began)) // no more than half of the time
	w.sweep.due = now.Add(jittered(w.sweep.pause))
}

// findAll reads the rows of many instances.
func (w *watch) findAll(ids []string) (map[string]*tables.InstanceRow, error) {
	if !w.slot() {
		return nil, w.ctx.Err()
	}
	defer func() { <-w.slots }()
	return w.hub.tables.FindInstances(w.ctx, ids, true)
}

// begin claims an instance for a look that was made already; false means that it is being looked at.
func (w *watch) begin(e *watched) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.looking || w.watched[e.id] != e {
		return false
	}
	e.looking = true
	return true
}

// lookAtSome looks at those of the instances that were not looked at for longest, as many as the time since the last
// sweep allows. The lock is held.
func (w *watch) lookAtSome(some []*watched, now time.Time) {
	since := w.hub.cfg.MaxPoll
	if !w.sweep.last.IsZero() {
		since = min(since, now.Sub(w.sweep.last))
	}
	slices.SortFunc(some, func(a, b *watched) int { return cmp.Or(a.looked.Compare(b.looked), a.due.Compare(b.due)) })
	for i, e := range some {
		if i > 0 && i >= int(since.Seconds()*looksPerSecond) {
			return
		}
		if w.watched[e.id] == e {
			w.lookAt(e)
		}
	}
}

// allLocal tells whether workers of this process run all instances, so that they tell of each end.
func (w *watch) allLocal(all []*watched) bool {
	return !slices.ContainsFunc(all, func(e *watched) bool { return !w.hub.local(e.id) })
}

// firstPause is the pause before the first look at an instance that was started just now.
func (w *watch) firstPause(id string) time.Duration {
	if w.hub.local(id) {
		return w.hub.cfg.MaxPoll
	}
	return w.hub.cfg.MinPoll
}

// nextPause is the pause before the next look: longer and longer, but shorter again after progress.
func (w *watch) nextPause(id string, pause time.Duration, moved bool) time.Duration {
	switch {
	case id != "" && w.hub.local(id):
		return w.hub.cfg.MaxPoll
	case moved:
		return max(w.hub.cfg.MinPoll, pause/2)
	}
	return min(max(time.Duration(float64(pause)*slower), time.Nanosecond), w.hub.cfg.MaxPoll)
}

func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// slot takes one of the places for looks; false means that the hub is closed.
func (w *watch) slot() bool {
	select {
	case w.slots <- struct{}{}:
		return true
	case <-w.ctx.Done():
		return false
	}
}

func (w *watch) read(instanceID string) (*tables.InstanceRow, error) {
	if !w.slot() {
		return nil, context.Canceled
	}
	defer func() { <-w.slots }()
	return w.hub.tables.GetInstance(w.ctx, instanceID, tables.GetOptions{Raw: true})
}
