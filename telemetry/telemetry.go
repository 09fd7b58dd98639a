package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Names under which providers know what comes from here.
const (
	// TracerName is the name of the tracer. It is that of .NET's ActivitySource, so that filters and dashboards for one
	// serve the other.
	TracerName = "DurableTask.Core"
	// MeterName is the name of the meter.
	MeterName = "github.com/go-taskhub/taskhub"
)

// ErrFixedSpanIDs is the error of [New] for a tracer provider that does not let the ids of spans be chosen.
var ErrFixedSpanIDs = errors.New("the tracer provider does not take the ids of spans that began in other processes: " +
	"create it with sdktrace.WithIDGenerator(telemetry.NewIDGenerator(nil))")

// Config says where traces and metrics go.
type Config struct {
	// TracerProvider gets the spans. One of the OpenTelemetry SDK needs the id generator of [NewIDGenerator]. Defaults to
	// none: there are no traces, and contexts that come with messages are stored as they are.
	TracerProvider trace.TracerProvider
	// MeterProvider gets the metrics. Defaults to none: nothing is measured.
	MeterProvider metric.MeterProvider
}

// Telemetry is where the hubs and workers of a program report what they do. It is safe for concurrent use; nil reports
// nothing.
type Telemetry struct {
	tracer      trace.Tracer // nil for none
	instruments *instruments // nil for none

	mu       sync.Mutex
	accounts map[any]*accountUse
}

// New prepares the reports. The error is [ErrFixedSpanIDs], or what the meter provider has against an instrument.
func New(cfg Config) (*Telemetry, error) {
	t := &Telemetry{accounts: map[any]*accountUse{}}
	if cfg.TracerProvider != nil {
		t.tracer = cfg.TracerProvider.Tracer(TracerName)
		if err := probe(t.tracer); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	if cfg.MeterProvider != nil {
		var err error
		if t.instruments, err = newInstruments(cfg.MeterProvider.Meter(MeterName)); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	return t, nil
}

// probe finds out whether the ids of spans can be chosen, with a span that is below one that is not sampled and never ends,
// so that no exporter sees it. A tracer that records nothing keeps the parent's id, which is as well.
func probe(tracer trace.Tracer) error {
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: true})
	wanted := trace.SpanID{2}
	ctx := withIDs(trace.ContextWithRemoteSpanContext(context.Background(), parent), trace.TraceID{}, wanted)
	_, span := tracer.Start(ctx, "probe")
	if got := span.SpanContext().SpanID(); got.IsValid() && got != wanted && got != parent.SpanID() {
		return ErrFixedSpanIDs
	}
	return nil
}

// For returns what a hub's processes report to; nil when there is nothing to report.
func (t *Telemetry) For(hub string) *Recorder {
	if t == nil || t.tracer == nil && t.instruments == nil {
		return nil
	}
	r := &Recorder{hub: hub, tracer: t.tracer}
	if t.instruments != nil {
		r.meters = &meters{instruments: t.instruments, hub: hubKey.String(hub)}
	}
	return r
}

// Recorder takes the reports of one hub. It is safe for concurrent use; nil takes and costs nothing.
type Recorder struct {
	hub    string
	tracer trace.Tracer // nil for no traces
	meters *meters      // nil for no metrics
}

// Tracing says whether there are traces.
func (r *Recorder) Tracing() bool { return r != nil && r.tracer != nil }

// Measuring says whether there are metrics.
func (r *Recorder) Measuring() bool { return r != nil && r.meters != nil }
