package activities

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/telemetry"
)

const (
	receiveBatch = 32 // the queue service's limit
	minPoll      = 25 * time.Millisecond
	pausedLook   = 200 * time.Millisecond // between questions whether receiving may begin
)

// receipts is what the receive loop tells about itself.
type receipts struct {
	lastTurn    atomic.Int64 // unix nanoseconds
	lastReceive atomic.Int64 // of the last one that was answered
	lag         atomic.Int64 // nanoseconds
	failing     atomic.Pointer[failure]
}

type failure struct {
	since time.Time
	err   error
}

func (r *receipts) received(err error) {
	if err == nil {
		r.lastReceive.Store(time.Now().UnixNano())
		r.failing.Store(nil)
		return
	}
	since := time.Now()
	if before := r.failing.Load(); before != nil {
		since = before.since
	}
	r.failing.Store(&failure{since: since, err: err})
}

// receiveLoop takes as many work items as there are free slots, never more.
func (r *Runner) receiveLoop() {
	interval := minPoll
	for r.receiving.Err() == nil {
		r.lastTurn.Store(time.Now().UnixNano())
		if r.cfg.Paused() {
			r.pause(pausedLook)
			continue
		}
		asked := min(r.room(), receiveBatch)
		if asked == 0 {
			r.pause(time.Second)
			continue
		}
		sent := time.Now()
		batch, err := r.queue.Receive(r.receiving, asked, r.cfg.Lock)
		if r.receiving.Err() != nil && len(batch) == 0 {
			return
		}
		r.received(err)
		r.tell(batch)
		if err != nil {
			r.cfg.Logger.Warn("receiving work items failed; trying again", keyError, err)
		}
		// A full batch may have more behind it, even if nothing in it is for this worker.
		if taken := r.take(batch, sent.Add(r.cfg.Lock)); taken > 0 || len(batch) == asked {
			interval = minPoll
			continue
		}
		if r.pause(interval*4/5 + rand.N(interval*2/5+1)) {
			interval = minPoll
		} else {
			interval = min(2*interval, r.ceiling())
		}
	}
}

// tell reports a receive, and how late its oldest work item is.
func (r *Runner) tell(batch []*queues.Delivery) {
	if !r.cfg.Telemetry.Measuring() {
		return
	}
	r.cfg.Telemetry.Received(telemetry.WorkItemQueue, telemetry.NoPartition, len(batch))
	r.lag.Store(int64(queues.OldestLag(batch, time.Now())))
}

// ceiling is the longest pause between two looks. What this worker puts itself wakes it.
func (r *Runner) ceiling() time.Duration {
	if r.cfg.Alone() {
		return r.cfg.MaxPoll
	}
	return r.cfg.SharedPoll
}

func (r *Runner) pause(d time.Duration) (woken bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.wake:
		return true
	case <-t.C:
	case <-r.receiving.Done():
	}
	return false
}

// take begins what it can of a batch and gives the rest back.
func (r *Runner) take(batch []*queues.Delivery, until time.Time) (taken int) {
	for _, d := range batch {
		w := newWork(r.bodies, Work{Envelope: d.Envelope, Receipt: d.Receipt(), LockedUntil: until, Attempt: int(d.DequeueCount)})
		w.tally = newTally(d)
		why := r.refuse(d)
		switch {
		case why != nil && why.damage:
			r.receives.Go(func() { r.refuseDamaged(w, d, why) })
		case why != nil:
			delay := r.park(d, why)
			r.receives.Go(func() { r.giveBack([]*work{w}, delay) })
		case !r.apart(w):
			r.receives.Go(func() { r.giveBack([]*work{w}, suspectPause) })
		case r.takeOrGiveUp(w, d):
			taken++
		default:
			r.receives.Go(func() { r.giveBack([]*work{w}, 0) })
		}
	}
	return taken
}

// takeOrGiveUp begins a work item, or makes a dead letter of it. False means that it goes back.
func (r *Runner) takeOrGiveUp(w *work, d *queues.Delivery) bool {
	if reason, attempts := r.hopeless(d, nil); reason != "" {
		return r.giveUp(w, DeadLetter{Delivery: d, Attempts: attempts, Reason: reason})
	}
	r.prepare(w)
	if !r.takeOne(w) {
		return false
	}
	r.parked.taken(d.ID)
	return true
}

// refuseDamaged deals with a work item that no worker can run: it goes if its instance was purged, and otherwise stays away
// longer and longer until it becomes a dead letter.
func (r *Runner) refuseDamaged(w *work, d *queues.Delivery, why *refusal) {
	if purged, err := r.cfg.Purged(r.storage, d); err != nil {
		r.cfg.Logger.Warn("it could not be found out whether a work item's instance was purged; trying again", keyMessage, d.ID, keyError, err)
	} else if purged {
		r.cfg.Logger.Info("a work item is deleted: its instance was purged, and its content with it", keyMessage, d.ID)
		w.cancel(nil)
		r.discard(w)
		return
	}
	if reason, attempts := r.hopeless(d, why); reason != "" && r.giveUp(w, DeadLetter{Delivery: d, Attempts: attempts, Reason: reason}) {
		return
	}
	r.giveBack([]*work{w}, r.park(d, why))
}

// takeOne begins a work item, unless it is here already because its lock had run out meanwhile. False means that the
// Runner has stopped since the item was asked for.
func (r *Runner) takeOne(w *work) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.held[w.Receipt.ID]; ok {
		w.cancel(nil)
		old.again.Store(&w.Work)
		return true
	}
	if r.closed {
		return false
	}
	if w.tally.suspect() {
		r.suspected = w
	}
	r.enqueue(w)
	return true
}
