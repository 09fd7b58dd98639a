package activities

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/queues"
)

// Local work is in no queue: its instance's history keeps it, and whoever loads the instance after a crash begins it again.
// That is cheap and quick, but ties the activity to the ownership of its instance's partition. So one that runs for long
// is promoted: it becomes a work item that is held here, and may go on wherever the partition goes.

// promoteAfter is how long local work runs before it becomes a work item.
const promoteAfter = 10 * time.Second

// local says whether the work is in no queue. The caller holds busy, or nobody else has the work yet.
func (w *work) local() bool { return w.Receipt.ID == "" }

// keyOf is the name under which work is held.
func keyOf(w Work) string {
	if w.Receipt.ID != "" || w.Envelope == nil {
		return w.Receipt.ID
	}
	return "local " + w.Envelope.ActivityID
}

// duePromotion says whether local work has run for long.
func (w *work) duePromotion() bool {
	began := w.began.Load()
	return began != 0 && time.Since(time.Unix(0, began)) >= promoteAfter
}

// promote puts a work item for local work; the caller holds busy. Until that is acknowledged the work stays local.
func (r *Runner) promote(ctx context.Context, w *work) error {
	sent := time.Now()
	receipt, err := r.putLocal(ctx, w, r.cfg.Lock)
	if err != nil {
		return err
	}
	r.rekey(w, receipt)
	w.LockedUntil = sent.Add(r.cfg.Lock)
	w.promoted()
	return nil
}

// putBack makes a work item for everybody of local work that is not done here; the caller holds busy. When that fails the
// work stays named in its instance's history, and the next owner of the instance begins it again.
func (r *Runner) putBack(ctx context.Context, w *work, delay time.Duration) error {
	if w.tentative() {
		return nil // its instance decides it again
	}
	if _, err := r.putLocal(ctx, w, delay); err != nil {
		return err
	}
	w.promoted()
	return nil
}

// putLocal puts the work item of local work, with what its activity last said.
func (r *Runner) putLocal(ctx context.Context, w *work, delay time.Duration) (queues.Receipt, error) {
	env := *w.Envelope
	details := w.toSave()
	if details != nil {
		env = *w.withDetails(details)
	}
	env.SequenceNumber = r.cfg.Queues.NextSequence()
	receipt, err := r.queue.Put(ctx, &env, delay)
	if err == nil && details != nil {
		w.saved(details)
	}
	return receipt, err
}

// promoted tells who handed the work over that it is in a queue.
func (w *work) promoted() {
	if w.Promoted != nil {
		w.Promoted()
	}
}

func (r *Runner) rekey(w *work, receipt queues.Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, keyOf(w.Work))
	w.Receipt = receipt
	r.held[keyOf(w.Work)] = w
}

// Detach makes the local work of instances durable in the work-item queue: what runs goes on here, with a work item that
// is held; what waits is left to any worker. It is called before the instances' partition goes to another owner. What
// could not be made durable stays local, and the next owner begins it again.
func (r *Runner) Detach(ctx context.Context, concerns func(instanceID string) bool) {
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, w := range r.all() {
		if !concerns(w.target().InstanceID) {
			continue
		}
		g.Go(func() error {
			w.busy.Lock()
			defer w.busy.Unlock()
			if !w.gone && w.local() && !w.tentative() {
				r.settle(w, "detach", func(w *work) error { return r.detach(ctx, w) })
			}
			return nil
		})
	}
	_ = g.Wait()
}

// detach promotes what runs, and gives what waits to everybody; the caller holds busy.
func (r *Runner) detach(ctx context.Context, w *work) error {
	away, ok := r.withdraw(w)
	if !ok {
		return r.promote(ctx, w)
	}
	w.gone = true
	r.forget(w)
	w.cancel(nil)
	return r.putBack(ctx, w, away)
}

// withdraw takes work out of the backlog, or out of its line, and says for how long it had to wait there; false means that it runs.
func (r *Runner) withdraw(w *work) (away time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.lined[w]; waits {
		away, _ = w.ticket.Yield(-1)
		return away, r.unline(w)
	}
	for i, other := range r.backlog {
		if other == w {
			r.backlog = append(r.backlog[:i:i], r.backlog[i+1:]...)
			return 0, true
		}
	}
	return 0, false
}
