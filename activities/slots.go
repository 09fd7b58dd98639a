package activities

import "time"

// guessedMean is how long activities are taken to run before any has. Too low a guess would keep from other workers what they
// could run at once.
const guessedMean = 500 * time.Millisecond

// Room says whether an activity handed over now would start soon, and keeps a place for it then: Offer takes the place
// up, Left returns it. Without that, one large fan-out would be promised the same free slot for each of its activities.
func (r *Runner) Room(name string) bool {
	if _, ok := r.cfg.Handler(name); !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limits.Limited(name) {
		return !r.closed && !r.clogged() && len(r.lined) < mostLined
	}
	if r.closed || !r.hasRoom() {
		return false
	}
	r.kept++
	return true
}

// Left returns places that Room kept and that are not needed.
func (r *Runner) Left(places int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = max(r.kept-places, 0)
}

// hasRoom estimates the wait from what is ahead and how long activities took of late; the caller holds mu.
func (r *Runner) hasRoom() bool {
	if r.clogged() {
		return false
	}
	if r.cfg.KeepAll() {
		return true
	}
	ahead := len(r.backlog) + r.kept - r.free
	if ahead < 0 {
		return true
	}
	mean := max(r.mean, time.Millisecond)
	return time.Duration(ahead+1)*mean/time.Duration(r.cfg.Slots) < r.cfg.Backlog
}

// clogged says whether so many abandoned activities go on that no more can be risked; the caller holds mu. An attempt
// that was given up frees its slot, since whoever waits for a slot should not suffer for others. But what it left behind
// costs memory and whatever else it holds, so there is a limit.
func (r *Runner) clogged() bool { return r.abandoned >= max(r.cfg.Slots, fewAbandoned) }

// fewAbandoned is how many abandoned activities are borne even by a worker with fewer slots.
const fewAbandoned = 8

// Offer takes a work item that the caller holds invisible. False means that it is not taken and still the caller's.
func (r *Runner) Offer(w Work) bool {
	_, hosted := r.cfg.Handler(activityName(w.Envelope))
	item := newWork(r.bodies, w)
	r.prepare(item)
	r.mu.Lock()
	defer r.mu.Unlock()
	if item.ticket == nil && item.refused == nil { // what waits for limits has no place kept
		r.kept = max(r.kept-1, 0)
	}
	if r.closed || !hosted {
		item.cancel(nil)
		return false
	}
	if here, ok := r.held[keyOf(w)]; ok && w.Receipt.ID == "" {
		if !here.discarded() {
			item.cancel(nil)
			return true // an instance that was loaded again begins what runs already
		}
		r.replace(here)
	}
	item.follow()
	r.enqueue(item)
	return true
}

// enqueue starts or queues a work item, or lines it up; the caller holds mu.
func (r *Runner) enqueue(w *work) {
	r.held[keyOf(w.Work)] = w
	r.instances[w.target().InstanceID]++
	if w.ticket != nil {
		r.line(w)
		return
	}
	r.queueUp(w)
}

// queueUp starts work, or queues it up for a slot; the caller holds mu.
func (r *Runner) queueUp(w *work) {
	if r.free == 0 {
		r.backlog = append(r.backlog, w)
		return
	}
	r.free--
	r.running.Go(func() { r.runFrom(w) })
}

// runFrom uses one slot until nothing waits for it.
func (r *Runner) runFrom(w *work) {
	for w != nil {
		began := time.Now()
		ran := r.execute(w)
		if ran {
			w.cancel(nil)
		}
		w = r.next(time.Since(began), ran)
	}
}

// next returns what waits for the slot that has become free. ran says whether the time is that of an activity.
func (r *Runner) next(took time.Duration, ran bool) *work {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ran {
		r.mean, r.measured = r.mean+(took-r.mean)/8, true
	}
	if r.full && len(r.backlog) <= 2*receiveBatch {
		r.full = false
		r.Wake() // the receive loop waits for room
	}
	if len(r.backlog) == 0 || r.closed {
		r.free++
		return nil
	}
	w := r.backlog[0]
	r.backlog = r.backlog[1:]
	if len(r.backlog) == 0 {
		r.backlog = nil
	}
	return w
}

// ahead is how long a work item may wait here that another worker could have taken: about as long as the receive takes
// that would bring it once a slot is free.
const ahead = 250 * time.Millisecond

// room is how many work items may be received now: as many as there are free slots, and where activities are short as many
// as will be free when the answer has come.
func (r *Runner) room() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clogged() {
		return 0
	}
	soon := 0
	if r.measured {
		soon = int(min(int64(ahead)*int64(r.cfg.Slots)/int64(max(r.mean, time.Millisecond)), int64(2*receiveBatch)))
	}
	room := max(r.free+soon-len(r.backlog)-r.kept, min(r.free, 1))
	if r.free == 0 && room < worthwhile {
		room = 0
	}
	r.full = room == 0
	return room
}

// worthwhile is how many work items a receive should be able to bring while all slots are taken.
const worthwhile = 8
