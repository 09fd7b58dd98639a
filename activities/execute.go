package activities

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/telemetry"
)

// execute runs one work item and settles it. False means that it was lined up again instead.
func (r *Runner) execute(w *work) (ran bool) {
	w.began.Store(time.Now().UnixNano())
	call, ok := w.call()
	if !ok {
		r.giveBack([]*work{w}, 0)
		return true
	}
	handler, ok := r.cfg.Handler(call.Name)
	if !ok {
		r.giveBack([]*work{w}, 0)
		return true
	}
	if err := r.note(w); err != nil {
		r.cfg.Logger.Warn("the attempt at a work item could not be noted; it is made later", keyActivity, call.Name, keyMessage, w.Receipt.ID, keyError, err)
		r.giveBack([]*work{w}, noteAgain)
		return true
	}
	e := ending{hung: true}
	if w.ctx.Err() == nil { // it may have been cancelled while it waited
		switch {
		case w.refused != nil:
			e = ending{err: w.refused}
		case w.ticket != nil && !w.ticket.Begin(w.cancel):
			if w.began.Store(0); r.lineAgain(w) {
				return false
			}
		default:
			e = r.attempt(w, call, handler)
		}
	}
	if w.ticket != nil {
		w.ticket.End()
	}
	r.conclude(w, call, e)
	return true
}

// conclude decides what becomes of the work item. What an activity has done is taken at its word even when it was
// cancelled meanwhile; otherwise the reason for the cancellation decides.
func (r *Runner) conclude(w *work, call *history.TaskScheduled, e ending) {
	cause := context.Cause(w.ctx)
	var timeout *durable.ActivityTimeoutError
	switch {
	case errors.Is(cause, durable.ErrTerminated), errors.Is(cause, errDiscarded):
		w.report.End(telemetry.Discarded, cause)
		r.discard(w)
	case e.err == nil && !e.hung:
		w.report.End(telemetry.Completed, nil)
		r.finish(w, completed(call, e.output))
	case cause == nil:
		w.report.End(telemetry.Failed, e.err)
		r.finish(w, r.failed(w, call, e.err))
	case errors.As(cause, &timeout):
		w.report.End(telemetry.TimedOut, timeout)
		r.finish(w, r.failed(w, call, timeout))
	default: // cut short: not the activity's failure
		w.report.End(telemetry.Returned, cause)
		r.giveBack([]*work{w}, 0)
	}
}

func base() history.Base {
	return history.Base{EventID: -1, Timestamp: time.Now().UTC().Truncate(100 * time.Nanosecond)}
}

func completed(call *history.TaskScheduled, output *string) history.Event {
	return &history.TaskCompleted{Base: base(), TaskScheduledID: call.EventID, Result: output}
}

// failed describes a failure. What the last heartbeat said travels with it, for the retry policy's next attempt; where
// exceptions are serialized that needs the details of the failure, too, which .NET does not look at there.
func (r *Runner) failed(w *work, call *history.TaskScheduled, err error) history.Event {
	event := &history.TaskFailed{Base: base(), TaskScheduledID: call.EventID, Reason: history.String(err.Error())}
	said := w.latest()
	if r.cfg.Errors == durable.FailureDetails || said != nil {
		event.Failure = durable.FailureOf(err)
		durable.FailWithHeartbeat(event.Failure, said)
	}
	return event
}
