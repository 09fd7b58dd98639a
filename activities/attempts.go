package activities

import (
	"context"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

const (
	freeDeliveries = queues.FreeDeliveries
	mostAttempts   = queues.MostAttempts
	suspectAfter   = queues.SuspectAfter
	// suspectPause is how long such a work item stays away while another one runs.
	suspectPause = 5 * time.Second
	// noteAgain is how long a work item stays away whose attempt could not be noted.
	noteAgain = time.Second
)

// An activity that kills its process leaves nobody to count, so the attempt is written into the work item before it is made. It
// stands only if the process dies: whatever else happens the work item is deleted, or given back with the count of before.

// tally counts the attempts at a work item that was received a few times already. It is guarded by the work's busy.
type tally struct {
	delivery *queues.Delivery
	failed   int  // attempts that ended with their process
	noted    int  // what the work item says
	changed  bool // it has heartbeat details that the delivery's text has not
}

func newTally(d *queues.Delivery) *tally {
	if d.DequeueCount <= freeDeliveries {
		return nil
	}
	return &tally{delivery: d, failed: d.Attempts, noted: d.Attempts}
}

// suspect says whether so many processes have ended with the work item that it may be the cause.
func (t *tally) suspect() bool {
	return t != nil && t.failed >= suspectAfter && t.failed < mostAttempts
}

// apart says whether a work item may run now: one suspect does at a time in a process, so that when the process dies, only one is
// charged.
func (r *Runner) apart(w *work) bool {
	if !w.tally.suspect() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.suspected == nil || keyOf(r.suspected.Work) == keyOf(w.Work)
}

// note writes the attempt into the work item that is about to be made.
func (r *Runner) note(w *work) error {
	w.busy.Lock()
	defer w.busy.Unlock()
	if w.tally == nil || w.gone || w.local() {
		return nil
	}
	w.catchUp()
	sent := time.Now()
	receipt, err := r.write(r.storage, w, w.tally.failed+1, r.cfg.Lock)
	if err == nil {
		w.Receipt, w.LockedUntil = receipt, sent.Add(r.cfg.Lock)
	}
	return err
}

// write makes a work item invisible for a time and lets it say how often it was tried, and what its activity last said. The
// caller holds busy.
func (r *Runner) write(ctx context.Context, w *work, attempts int, d time.Duration) (receipt queues.Receipt, err error) {
	t, details := w.tally, w.toSave()
	switch {
	case details == nil && attempts == t.noted:
		return r.queue.SetVisibility(ctx, w.Receipt, d)
	case details == nil && !t.changed:
		receipt, err = r.queue.SetAttempts(ctx, w.Receipt, t.delivery.Text, attempts, d)
	default:
		if receipt, err = r.queue.UpdateAttempts(ctx, w.Receipt, w.withDetails(w.latest()), attempts, d); err == nil {
			w.saved(details)
			t.changed = true
		}
	}
	if err == nil {
		t.noted = attempts
	}
	return receipt, err
}

// DeadLetter is a work item that was tried in vain too often.
type DeadLetter struct {
	Delivery *queues.Delivery
	Attempts int
	Reason   string
}

// hopeless says why a work item is not tried any more, and how often it was; empty while it is.
func (r *Runner) hopeless(d *queues.Delivery, why *refusal) (reason string, attempts int) {
	if r.cfg.Bury == nil {
		return "", 0
	}
	if why == nil {
		if d.Attempts < mostAttempts {
			return "", 0
		}
		return "the attempts at it ended with their process; look at the workers' logs", d.Attempts
	}
	// To receive what nobody can run is to try it, so its deliveries are the attempts.
	if attempts = int(d.DequeueCount) - freeDeliveries; why.damage && attempts >= mostAttempts {
		return why.reason, attempts
	}
	return "", 0
}

// giveUp makes a dead letter of a work item, and lets the activity fail with a text that names it. False means that the Runner
// has stopped.
func (r *Runner) giveUp(w *work, l DeadLetter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.running.Go(func() {
		defer w.cancel(nil)
		text, err := r.cfg.Bury(r.storage, l)
		if err != nil {
			r.cfg.Logger.Warn("a dead letter could not be written; the work item stays, and is given up later", keyMessage, l.Delivery.ID, keyError, err)
			r.giveBack([]*work{w}, noteAgain)
			return
		}
		r.cfg.Logger.Error("a work item was tried in vain too often and is a dead letter now", keyMessage, l.Delivery.ID, keyReason, text, keyCount, l.Attempts)
		if call := w.address(l.Delivery); call != nil {
			r.finish(w, r.hopelessly(call, "DeadLetter", text))
		} else {
			r.discard(w)
		}
	})
	return true
}

// address finds out who asked for an activity; nil when that cannot be told.
func (w *work) address(d *queues.Delivery) *history.TaskScheduled {
	if call, ok := w.call(); ok {
		return call
	}
	about := d.About()
	if about.Target.InstanceID == "" || about.Target.ExecutionID == nil || about.EventID == nil || about.Kind != history.KindTaskScheduled.String() {
		return nil
	}
	call := &history.TaskScheduled{Base: history.Base{EventID: *about.EventID}, Name: about.Name}
	w.Envelope = &history.Envelope{ActivityID: d.ID, Message: &history.Message{Event: call, Target: about.Target}}
	return call
}

// hopelessly is a failure that a retry does not mend.
func (r *Runner) hopelessly(call *history.TaskScheduled, kind, text string) history.Event {
	event := &history.TaskFailed{Base: base(), TaskScheduledID: call.EventID, Reason: &text}
	if r.cfg.Errors == durable.FailureDetails {
		event.Failure = &history.FailureDetails{ErrorType: kind, ErrorMessage: text, IsNonRetriable: true}
	}
	return event
}
