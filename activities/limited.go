package activities

import (
	"context"
	"time"

	"github.com/go-taskhub/taskhub/limits"
)

// An attempt at an activity under limits waits in their lines before it comes to those for a slot. In a Go fleet it is local work, and
// costs nothing while it waits. A work item that would wait for long is hidden until about its turn: nobody has to renew its lock.

const (
	// mostLined is how many attempts that are in no queue wait here for limits. More are left to the work-item queue.
	mostLined = 10_000
	// hideBeyond is how soon the turn of a work item must be expected for it to wait here.
	hideBeyond = 5 * time.Second
)

// prepare finds out which limits work is under. It runs code of the activity's, and so without mu.
func (r *Runner) prepare(w *work) {
	call, ok := w.call()
	if !ok || !r.limits.Limited(call.Name) {
		return
	}
	w.ticket, w.refused = r.limits.Prepare(limits.Call{
		Activity: call.Name, Instance: w.target().InstanceID, Input: call.Input, Ready: func(*limits.Ticket) { r.admit(w) },
	})
}

// line lines work up; the caller holds mu.
func (r *Runner) line(w *work) {
	r.lined[w] = context.AfterFunc(w.ctx, func() { r.cutShort(w) })
	w.ticket.Line()
}

// unline takes work out of its line, if it is in one; the caller holds mu. What it was given meanwhile is returned.
func (r *Runner) unline(w *work) bool {
	unwatch, ok := r.lined[w]
	if ok {
		delete(r.lined, w)
		unwatch()
		w.ticket.End()
	}
	return ok
}

// admit lets work come to the slots whose limits let it begin.
func (r *Runner) admit(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unwatch, ok := r.lined[w]
	if !ok {
		w.ticket.End()
		return
	}
	delete(r.lined, w)
	unwatch()
	r.queueUp(w)
}

// lineAgain lines work up that came to a slot too late. False means that the Runner has stopped.
func (r *Runner) lineAgain(w *work) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.line(w)
	return true
}

// cutShort ends work that is cancelled while it waits.
func (r *Runner) cutShort(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.unline(w) {
		return
	}
	call, _ := w.call()
	r.running.Go(func() { r.conclude(w, call, ending{hung: true}) })
}

// takeLined empties the lines, and says of each when its turn would have been; the caller holds mu.
func (r *Runner) takeLined() (list []*work, away map[*work]time.Duration) {
	away = map[*work]time.Duration{}
	for w := range r.lined {
		away[w], _ = w.ticket.Yield(-1)
		r.unline(w)
		list = append(list, w)
	}
	return list, away
}

// leaves says whether a work item leaves its line, to be hidden for a time. The caller holds busy.
func (r *Runner) leaves(w *work) (away time.Duration, ok bool) {
	if w.ticket == nil {
		return 0, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.lined[w]; !waits {
		return 0, false
	}
	if away, ok = w.ticket.Yield(hideBeyond); ok {
		r.unline(w)
	}
	return away, ok
}

// hide makes a work item invisible until about its turn; the caller holds busy.
func (r *Runner) hide(ctx context.Context, w *work, away time.Duration) error {
	w.gone = true
	r.forget(w)
	w.cancel(nil)
	_, err := r.relock(ctx, w, away, false)
	return err
}

// leeway is how many more activities could begin here within a time.
func (r *Runner) leeway(within time.Duration) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.clogged() {
		return 0
	}
	soon := 0
	if r.measured {
		soon = int(min(int64(within)*int64(r.cfg.Slots)/int64(max(r.mean, time.Millisecond)), int64(10*r.cfg.Slots)))
	}
	return max(r.free+soon-len(r.backlog)-r.kept, 0)
}
