package activities

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// errExited ends an attempt whose goroutine ended without returning.
var errExited = errors.New("the activity ended its goroutine (runtime.Goexit, or a failing test's FailNow) instead of returning")

// ending is how an attempt ended.
type ending struct {
	output *string
	err    error
	hung   bool // it was cancelled and did not return
}

// attempt runs an activity's code until it returns, or until it was cancelled and has not returned for a while: the
// attempt then ends without it.
func (r *Runner) attempt(w *work, call *history.TaskScheduled, handler durable.ActivityHandler) ending {
	stop := w.limit(call.Name, durable.TimeoutsOf(call, r.cfg.Timeouts(call.Name), r.cfg.DefaultTimeouts))
	defer stop()
	ctx, report := r.cfg.Telemetry.Attempt(w.ctx, call, w.target().InstanceID)
	w.report = report
	ctx = durable.WithActivityInfo(ctx, infoOf(w, call))
	done := make(chan ending, 1)
	go invoke(ctx, handler, call, done)
	select {
	case e := <-done:
		return e
	case <-w.ctx.Done():
	}
	unwind := time.NewTimer(r.cfg.Unwind)
	defer unwind.Stop()
	select {
	case e := <-done:
		return e
	case <-unwind.C:
		r.abandon(w, call.Name, done)
		return ending{hung: true}
	}
}

// invoke runs the activity's code. The handler reports a panic of the activity itself; one in an interceptor around it
// ends the attempt too, not the worker.
func invoke(ctx context.Context, handler durable.ActivityHandler, call *history.TaskScheduled, done chan<- ending) {
	e := ending{err: errExited}
	defer func() {
		if p := recover(); p != nil {
			e = ending{err: fmt.Errorf("panic around activity %s: %v\n%s", call.Name, p, debug.Stack())}
		}
		done <- e
	}()
	output, err := handler(ctx, call.Input)
	e = ending{output: output, err: err}
}

// limit cancels the attempt when it takes too long or falls silent.
func (w *work) limit(name string, t durable.ActivityTimeouts) (stop func()) {
	stopListening := w.listen(t.Heartbeat, func() {
		w.cancel(&durable.ActivityTimeoutError{Activity: name, Heartbeat: true, After: t.Heartbeat})
	})
	if t.StartToClose <= 0 {
		return stopListening
	}
	whole := time.AfterFunc(t.StartToClose, func() {
		w.cancel(&durable.ActivityTimeoutError{Activity: name, After: t.StartToClose})
	})
	return func() { whole.Stop(); stopListening() }
}

// abandon leaves an activity behind that does not heed its context.
func (r *Runner) abandon(w *work, name string, done <-chan ending) {
	r.mu.Lock()
	r.abandoned++
	count := r.abandoned
	r.mu.Unlock()
	began := time.Now()
	log := r.cfg.Logger.With(keyActivity, name, keyInstance, w.target().InstanceID)
	log.Error("an activity does not heed the end of its context and goes on; its attempt ends without it. Let it watch ctx.Done()",
		keyReason, context.Cause(w.ctx), keyCount, count)
	go func() {
		<-done
		r.mu.Lock()
		r.abandoned--
		r.mu.Unlock()
		r.Wake()
		log.Warn("an activity that had been given up has returned; what it returned is ignored", keyTook, time.Since(began))
	}()
}

func infoOf(w *work, e *history.TaskScheduled) durable.ActivityInfoValue {
	target := w.target()
	info := durable.ActivityInfoValue{
		Name: e.Name, InstanceID: target.InstanceID, TaskID: e.EventID, Attempt: max(w.Attempt, 1), ScheduledAt: e.Timestamp,
		Details: w.latest(),
		Heartbeat: func(_ context.Context, details *string) error {
			if w.ctx.Err() != nil {
				return context.Cause(w.ctx)
			}
			w.heard(details)
			return nil
		},
	}
	if target.ExecutionID != nil {
		info.ExecutionID = *target.ExecutionID
	}
	if c := w.Envelope.Message.Context; c != nil && c.Tags != nil {
		info.Tags = c.Tags.Map()
	}
	return info
}
