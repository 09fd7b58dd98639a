package activities

import (
	"math/rand/v2"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

const (
	receiveBatch = 32 // the queue service's limit
	minPoll      = 25 * time.Millisecond
)

// receiveLoop takes as many work items as there are free slots, never more.
func (r *Runner) receiveLoop() {
	interval := minPoll
	for r.receiving.Err() == nil {
		room := r.freeSlots()
		if room == 0 {
			r.pause(time.Second)
			continue
		}
		sent := time.Now()
		batch, err := r.queue.Receive(r.receiving, min(room, receiveBatch), r.cfg.Lock)
		switch {
		case r.receiving.Err() != nil && len(batch) == 0:
			return
		case err != nil:
			r.cfg.Logger.Warn("receiving work items failed; trying again", keyError, err)
		case len(batch) > 0:
			r.take(batch, sent.Add(r.cfg.Lock))
			interval = minPoll
			continue
		}
		if r.pause(interval*4/5 + rand.N(interval*2/5+1)) {
			interval = minPoll
		} else {
			interval = min(2*interval, r.cfg.MaxPoll)
		}
	}
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

func (r *Runner) freeSlots() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.free
}

func (r *Runner) take(batch []*queues.Delivery, until time.Time) {
	for _, d := range batch {
		w := &work{Work: Work{Envelope: d.Envelope, Receipt: queues.Receipt{ID: d.ID, PopReceipt: d.PopReceipt}, LockedUntil: until, Attempt: int(d.DequeueCount)}}
		if reason := r.refuse(d); reason != "" {
			delay := backoff(d.DequeueCount)
			r.cfg.Logger.Error("a work item is handed back with growing delay", keyReason, reason,
				keyMessage, d.ID, keyCount, d.DequeueCount, keyDelay, delay, keyError, d.Err)
			r.receives.Go(func() { r.giveBack([]*work{w}, delay) })
			continue
		}
		if !r.takeOne(w) {
			r.receives.Go(func() { r.giveBack([]*work{w}, 0) })
		}
	}
}

// takeOne begins a work item, unless it is here already because its lock had run out meanwhile. False means that the
// Runner has stopped since the item was asked for.
func (r *Runner) takeOne(w *work) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.held[w.Receipt.ID]; ok {
		r.receives.Go(func() {
			old.busy.Lock()
			defer old.busy.Unlock()
			old.Receipt, old.LockedUntil = w.Receipt, w.LockedUntil
		})
		return true
	}
	if r.closed {
		return false
	}
	r.enqueue(w)
	return true
}

// refuse says why a work item cannot be run here, or nothing.
func (r *Runner) refuse(d *queues.Delivery) string {
	if d.Err != nil {
		return "it cannot be decoded; delete it in Storage Explorer if nobody needs it"
	}
	e, ok := d.Envelope.Message.Event.(*history.TaskScheduled)
	if !ok {
		return "it is a " + d.Envelope.Message.Event.Kind().String() + ", not an activity"
	}
	if _, ok := r.cfg.Handler(e.Name); !ok {
		return "no activity " + e.Name + " is registered in this worker; register it or run a worker that hosts it"
	}
	return ""
}

// backoff is how long a work item stays away that cannot be run here. Short at first: another worker may host it.
func backoff(deliveries int64) time.Duration {
	const most = 10 * time.Minute
	if deliveries >= 11 {
		return most
	}
	return min(time.Second<<max(deliveries-1, 0), most)
}
