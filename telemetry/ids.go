package telemetry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strconv"

	"go.opentelemetry.io/otel/trace"
)

// IDSource makes ids of traces and spans. It is the interface IDGenerator of the OpenTelemetry SDK, go.opentelemetry.io/otel/sdk/trace.
type IDSource interface {
	NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID)
	NewSpanID(ctx context.Context, traceID trace.TraceID) trace.SpanID
}

// IDGenerator is an [IDSource] for a tracer provider: see [NewIDGenerator].
type IDGenerator struct{ base IDSource }

// NewIDGenerator returns what a tracer provider needs to be given with sdktrace.WithIDGenerator: the span of an orchestration
// begins in one process and may be written by another one, so its id, which is known to those below it, must be chosen. All
// other ids come from base. Defaults to random ones for nil.
func NewIDGenerator(base IDSource) *IDGenerator {
	if base == nil {
		base = randomIDs{}
	}
	return &IDGenerator{base: base}
}

// NewIDs makes the ids of a span that begins a trace.
func (g *IDGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if chosen, ok := ctx.Value(idsKey{}).(ids); ok && chosen.trace.IsValid() {
		return chosen.trace, chosen.span
	}
	return g.base.NewIDs(ctx)
}

// NewSpanID makes the id of a span in a trace.
func (g *IDGenerator) NewSpanID(ctx context.Context, traceID trace.TraceID) trace.SpanID {
	if chosen, ok := ctx.Value(idsKey{}).(ids); ok {
		return chosen.span
	}
	return g.base.NewSpanID(ctx, traceID)
}

type idsKey struct{}

// ids are those that the next span is to have.
type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// withIDs chooses the ids of a span. The context must not be used for anything else: what is begun with it has these ids.
func withIDs(ctx context.Context, traceID trace.TraceID, spanID trace.SpanID) context.Context {
	return context.WithValue(ctx, idsKey{}, ids{trace: traceID, span: spanID})
}

type randomIDs struct{}

// NewIDs implements IDSource.
func (r randomIDs) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	for !id.IsValid() {
		_, _ = rand.Read(id[:])
	}
	return id, r.NewSpanID(ctx, id)
}

// NewSpanID implements IDSource.
func (randomIDs) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	for !id.IsValid() {
		_, _ = rand.Read(id[:])
	}
	return id
}

// Ids of spans that several processes know derive from the execution, so that a decision made again after a crash has the
// same one. What they are spans of is part of the derivation.
const (
	spanOfRun    = "orchestration"
	spanOfCreate = "create"
	spanOfCall   = "call"
	spanOfTimer  = "timer"
	spanOfEvent  = "event"
)

// derive hashes what a span is of; each part is preceded by its length, so that different splits differ.
func derive(parts ...string) [sha256.Size]byte {
	var text []byte
	for _, p := range parts {
		text = strconv.AppendInt(text, int64(len(p)), 10)
		text = append(append(text, ':'), p...)
	}
	return sha256.Sum256(text)
}

func spanID(kind, executionID string, numbers ...int32) (id trace.SpanID) {
	parts := []string{"span", kind, executionID}
	for _, n := range numbers {
		parts = append(parts, strconv.Itoa(int(n)))
	}
	sum := derive(parts...)
	copy(id[:], sum[:])
	return id
}

func traceID(executionID string) (id trace.TraceID) {
	sum := derive("trace", executionID)
	copy(id[:], sum[:])
	return id
}
