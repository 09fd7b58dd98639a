package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/history"
)

// Sending is a client's call that sends something: the start of an instance, or an event. Nil, which it is without traces, does
// nothing.
type Sending struct{ span trace.Span }

// Start begins the span of a client that starts an instance, below the span of ctx, or below given if that is set.
func (r *Recorder) Start(ctx context.Context, name, version, instanceID string, given *history.TraceContext) (context.Context, *Sending) {
	if !r.Tracing() {
		return ctx, nil
	}
	if sc := parse(given); sc.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	ctx, s := r.tracer.Start(ctx, spanName(nameCreate, name, version), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(taskAttributes(typeOrchestration, name, version, taskInstance.String(instanceID))...))
	return ctx, &Sending{span: s}
}

// Raise begins the span of a client that sends an event, below the span of ctx.
func (r *Recorder) Raise(ctx context.Context, event, instanceID string) (context.Context, *Sending) {
	if !r.Tracing() {
		return ctx, nil
	}
	ctx, s := r.tracer.Start(ctx, spanName(nameEvent, event, ""), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(taskAttributes(typeEvent, event, "", eventTarget.String(instanceID))...))
	return ctx, &Sending{span: s}
}

// Context is what the message is sent with; otherwise without traces.
func (s *Sending) Context(otherwise *history.TraceContext) *history.TraceContext {
	if s == nil || !s.span.SpanContext().IsValid() {
		return otherwise
	}
	return format(s.span.SpanContext())
}

// End ends the span. executionID is that of the instance that was started; empty for an event.
func (s *Sending) End(executionID string, err error) {
	if s == nil {
		return
	}
	if executionID != "" {
		s.span.SetAttributes(taskExecution.String(executionID))
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}
