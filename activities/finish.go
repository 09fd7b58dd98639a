package activities

import (
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/telemetry"
)

const (
	firstResend = 200 * time.Millisecond
	lastResend  = 10 * time.Second
)

// finish passes the outcome on, and tries until it succeeds: what an activity did should not be done again because a
// queue did not answer for a while. The work item stays locked meanwhile.
func (r *Runner) finish(w *work, outcome history.Event) {
	answer := answerTo(w.Envelope, outcome)
	for pause := firstResend; ; pause = min(2*pause, lastResend) {
		err := r.passOn(w, answer)
		if err == nil {
			return
		}
		r.cfg.Logger.Error("an activity's result could not be sent; trying again",
			keyActivity, activityName(w.Envelope), keyInstance, answer.Message.Target.InstanceID, keyDelay, pause, keyError, err)
		if !r.rest(pause) {
			return // another worker runs it again when its lock runs out
		}
	}
}

// rest waits; false means that nothing may be written any more.
func (r *Runner) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.storage.Done():
		return false
	}
}

// passOn gives the outcome to the session in this process that waits for it, or puts it to its control queue.
func (r *Runner) passOn(w *work, answer *history.Envelope) error {
	w.busy.Lock()
	defer w.busy.Unlock()
	if w.gone {
		return nil
	}
	w.catchUp()
	result := Result{Envelope: answer, WorkItem: w.Receipt, LockedUntil: w.LockedUntil}
	ahead := w.Ahead != nil && w.Ahead.Take(result)
	if !ahead && !r.cfg.Deliver(result) {
		if err := r.put(w, answer); err != nil {
			return err
		}
	}
	w.gone = true
	r.forget(w)
	return nil
}

func (r *Runner) put(w *work, answer *history.Envelope) error {
	id := answer.Message.Target.InstanceID
	answer.SequenceNumber = r.cfg.Queues.NextSequence()
	if _, err := r.cfg.Queues.ControlFor(id).Put(r.storage, answer, 0); err != nil {
		return err
	}
	r.cfg.ResultPut(layout.Partition(id, r.cfg.Queues.Partitions()))
	if w.local() {
		return nil
	}
	w.catchUp()
	if err := r.deleteItem(w); err != nil {
		r.cfg.Logger.Warn("a work item could not be deleted after its result was sent; it runs again and the second result is ignored",
			keyMessage, w.Receipt.ID, keyError, err)
	}
	return nil
}

// deleteItem deletes a work item from its queue; the caller holds busy.
func (r *Runner) deleteItem(w *work) error {
	err := r.queue.Delete(r.storage, w.Receipt)
	if err == nil {
		r.cfg.Telemetry.Deleted(telemetry.WorkItemQueue, telemetry.NoPartition, 1)
	}
	return err
}

// answerTo addresses an outcome to the instance that asked. The message's id derives from the request's, so that a
// second run of the same work item makes the same id.
func answerTo(request *history.Envelope, outcome history.Event) *history.Envelope {
	episode := int32(-1)
	if request.Episode != nil {
		episode = *request.Episode
	}
	sender := request.Sender
	if sender == nil {
		sender = &request.Message.Target
	}
	return &history.Envelope{
		ActivityID: layout.AnswerID(request.ActivityID),
		Message:    &history.Message{Event: outcome, Target: request.Message.Target},
		Episode:    &episode,
		Sender:     sender,
	}
}

func activityName(env *history.Envelope) string {
	if env == nil || env.Message == nil {
		return ""
	}
	if e, ok := env.Message.Event.(*history.TaskScheduled); ok {
		return e.Name
	}
	return ""
}
