package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/history"
)

// Outcome is how an attempt at an activity ended.
type Outcome string

// Outcomes of attempts, as the metrics name them.
const (
	Completed Outcome = "completed" // it returned a result
	Failed    Outcome = "failed"    // it returned an error, or panicked
	TimedOut  Outcome = "timed_out" // it took too long, or fell silent
	Returned  Outcome = "returned"  // it was cut short, as by the end of the worker, and will be tried again
	Discarded Outcome = "discarded" // nobody wanted it any more
)

// Attempt is one attempt at an activity. Nil, which it is when nothing is reported, does nothing.
type Attempt struct {
	r     *Recorder
	name  string
	began time.Time
	span  trace.Span // nil without a trace
}

// Attempt begins to report an attempt at an activity. The returned context is for the activity's code: spans that it begins
// are below the attempt's, which is below the call that the work item carries. Without a trace in the work item there is no
// span, as in .NET.
func (r *Recorder) Attempt(ctx context.Context, call *history.TaskScheduled, instanceID string) (context.Context, *Attempt) {
	if r == nil {
		return ctx, nil
	}
	a := &Attempt{r: r, name: call.Name, began: time.Now()}
	if parent := parse(call.ParentTrace); r.tracer != nil && parent.IsValid() {
		ctx, a.span = r.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), spanName(typeActivity, call.Name, deref(call.Version)),
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(taskAttributes(typeActivity, call.Name, deref(call.Version),
				taskInstance.String(instanceID), taskID.Int(int(call.EventID)))...))
	}
	return ctx, a
}

// End ends the attempt. err says what is wrong unless it was completed.
func (a *Attempt) End(outcome Outcome, err error) {
	if a == nil {
		return
	}
	if m := a.r.meters; m != nil {
		m.activity(a.name, outcome, time.Since(a.began))
	}
	if a.span == nil {
		return
	}
	switch {
	case outcome == Completed:
		a.span.SetStatus(codes.Ok, "")
	case err != nil:
		a.span.SetStatus(codes.Error, err.Error())
	default:
		a.span.SetStatus(codes.Error, string(outcome))
	}
	a.span.End()
}
