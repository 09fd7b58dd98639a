package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// span is a span that is written in one piece once it has ended.
type span struct {
	name       string
	kind       trace.SpanKind
	parent     trace.SpanContext // not valid for one that begins a trace
	trace      trace.TraceID     // of one that begins a trace
	id         trace.SpanID
	start, end time.Time
	attributes []attribute.KeyValue
	failure    string // why it failed
	status     codes.Code
}

// write gives the span to the provider, and returns the context that those below it have.
func (r *Recorder) write(s span) trace.SpanContext {
	ctx := context.Background()
	if s.parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, s.parent)
	}
	end := s.end
	if end.Before(s.start) {
		end = s.start
	}
	_, written := r.tracer.Start(withIDs(ctx, s.trace, s.id), s.name,
		trace.WithSpanKind(s.kind), trace.WithTimestamp(s.start), trace.WithAttributes(s.attributes...))
	if s.status != codes.Unset {
		written.SetStatus(s.status, s.failure)
	}
	written.End(trace.WithTimestamp(end))
	return written.SpanContext()
}
