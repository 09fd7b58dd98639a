package activities

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/queues"
)

const storageFanOut = 32

// giveBack makes work items visible again after the delay, with what their activities last said.
func (r *Runner) giveBack(list []*work, delay time.Duration) {
	r.giveBackFor(list, func(*work) time.Duration { return delay })
}

func (r *Runner) giveBackFor(list []*work, delayOf func(*work) time.Duration) {
	r.each(list, "give back", func(w *work) error {
		w.gone = true
		r.forget(w)
		w.cancel(nil)
		delay := delayOf(w)
		if w.local() {
			return r.putBack(r.storage, w, delay)
		}
		if _, err := r.relock(r.storage, w, delay, false); !isLost(w, err) {
			return err
		}
		return nil
	})
}

// discard deletes a work item that nobody wants any more.
func (r *Runner) discard(w *work) {
	r.each([]*work{w}, "delete", func(w *work) error {
		w.gone = true
		r.forget(w)
		if w.local() {
			return nil
		}
		return r.deleteItem(w)
	})
}

// each makes one storage call for each work item that is still here.
func (r *Runner) each(list []*work, what string, do func(*work) error) {
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, w := range list {
		g.Go(func() error {
			w.busy.Lock()
			defer w.busy.Unlock()
			if !w.gone {
				w.catchUp()
				r.settle(w, what, do)
			}
			return nil
		})
	}
	_ = g.Wait()
}

// settle makes one storage call for a work item; the caller holds busy.
func (r *Runner) settle(w *work, what string, do func(*work) error) {
	if err := do(w); err != nil && r.storage.Err() == nil {
		r.cfg.Logger.Warn("a work item could not be settled; it is delivered again when its lock runs out",
			keyOperation, what, keyMessage, w.Receipt.ID, keyActivity, activityName(w.Envelope), keyError, err)
	}
}

// relock makes a work item invisible for a time. Heartbeat details that it lacks are written with the same call. An attempt
// that does not go on is taken back.
func (r *Runner) relock(ctx context.Context, w *work, d time.Duration, goesOn bool) (queues.Receipt, error) {
	if t := w.tally; t != nil {
		attempts := t.noted
		if !goesOn {
			attempts = t.failed
		}
		return r.write(ctx, w, attempts, d)
	}
	details := w.toSave()
	if details == nil {
		return r.queue.SetVisibility(ctx, w.Receipt, d)
	}
	receipt, err := r.queue.Update(ctx, w.Receipt, w.withDetails(details), d)
	if err == nil {
		w.saved(details)
	}
	return receipt, err
}

// keep renews the locks of the work items that wait or run here, and writes what their heartbeats say.
func (r *Runner) keep() {
	tick := time.NewTicker(r.cfg.Lock / 6)
	defer tick.Stop()
	for {
		select {
		case <-r.storage.Done():
			return
		case <-tick.C:
			r.renewDue()
		}
	}
}

func (r *Runner) renewDue() {
	// One call that hangs must not keep the others from being renewed in time.
	ctx, cancel := context.WithTimeout(r.storage, r.cfg.Lock/4)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	instances := map[string]struct{}{}
	for _, w := range r.all() {
		if !w.busy.TryLock() {
			continue // it is being settled
		}
		w.catchUp()
		if w.local() {
			r.promoteDue(ctx, &g, w)
			continue
		}
		if away, ok := r.leaves(w); ok && !w.gone {
			g.Go(func() error {
				defer w.busy.Unlock()
				r.settle(w, "hide", func(w *work) error { return r.hide(ctx, w, away) })
				return nil
			})
			continue
		}
		due := time.Until(w.LockedUntil) <= r.cfg.Lock/2
		if w.gone || !due && w.toSave() == nil {
			w.busy.Unlock()
			continue
		}
		if due {
			instances[w.target().InstanceID] = struct{}{}
		}
		g.Go(func() error {
			defer w.busy.Unlock()
			r.settle(w, "renew", func(w *work) error { return r.renew(ctx, w) })
			return nil
		})
	}
	_ = g.Wait()
	for id := range instances {
		r.ask(id) // another worker may have ended it
	}
}

// promoteDue promotes local work that has run for long. The caller holds busy, which is let go of.
func (r *Runner) promoteDue(ctx context.Context, g *errgroup.Group, w *work) {
	if w.gone || !w.duePromotion() || w.tentative() {
		w.busy.Unlock()
		return
	}
	g.Go(func() error {
		defer w.busy.Unlock()
		r.settle(w, "promote", func(w *work) error { return r.promote(ctx, w) })
		return nil
	})
}

// renew extends a lock. A work item that is not ours any more has its attempt cancelled. While its lock lasts nobody else
// can have received it, so a receipt that has moved then is one whose renewal was not answered, and the attempt goes on
// for as long as the lock is known to last.
func (r *Runner) renew(ctx context.Context, w *work) error {
	sent := time.Now()
	renewed, err := r.relock(ctx, w, r.cfg.Lock, true)
	switch {
	case err == nil:
		w.Receipt, w.LockedUntil = renewed, sent.Add(r.cfg.Lock)
	case errors.Is(err, queues.ErrMessageGone), errors.Is(err, queues.ErrReceiptMoved) && sent.After(w.LockedUntil):
		r.cfg.Logger.Error("a work item was lost: its lock was not renewed in time, or it was deleted; its activity is cancelled",
			keyActivity, activityName(w.Envelope), keyInstance, w.target().InstanceID, keyMessage, w.Receipt.ID, keyError, err)
		w.cancel(durable.ErrActivityLost)
		return nil
	}
	return err
}

// isLost says whether somebody else has the work item, or nobody.
func isLost(w *work, err error) bool {
	moved := errors.Is(err, queues.ErrMessageGone) || errors.Is(err, queues.ErrReceiptMoved)
	return moved && errors.Is(context.Cause(w.ctx), durable.ErrActivityLost)
}
