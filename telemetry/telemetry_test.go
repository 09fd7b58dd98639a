package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/telemetry"
)

// TestIDGeneratorIsNeeded: a provider that makes up all ids is refused, with the remedy; others are not.
func TestIDGeneratorIsNeeded(t *testing.T) {
	t.Parallel()
	_, err := telemetry.New(telemetry.Config{TracerProvider: sdktrace.NewTracerProvider()})
	if !errors.Is(err, telemetry.ErrFixedSpanIDs) || !strings.Contains(err.Error(), "sdktrace.WithIDGenerator(telemetry.NewIDGenerator(nil))") {
		t.Errorf("got %v", err)
	}
	exporter := tracetest.NewInMemoryExporter()
	for name, provider := range map[string]trace.TracerProvider{
		"without spans": noop.NewTracerProvider(), "none": nil,
		"with the generator": sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithIDGenerator(telemetry.NewIDGenerator(nil))),
	} {
		if _, err := telemetry.New(telemetry.Config{TracerProvider: provider}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if spans := exporter.GetSpans(); len(spans) != 0 {
		t.Errorf("looking at the provider left %d spans", len(spans))
	}
}

// base is a generator of a user's own, as for AWS X-Ray.
type base struct{}

func (base) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	return trace.TraceID{9}, trace.SpanID{8}
}
func (base) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return trace.SpanID{7} }

// TestIDGenerator: ids that nobody chose come from the generator below, or are random and not zero.
func TestIDGenerator(t *testing.T) {
	t.Parallel()
	g := telemetry.NewIDGenerator(base{})
	if id, span := g.NewIDs(t.Context()); id != (trace.TraceID{9}) || span != (trace.SpanID{8}) {
		t.Errorf("got %v %v", id, span)
	}
	if span := g.NewSpanID(t.Context(), trace.TraceID{9}); span != (trace.SpanID{7}) {
		t.Errorf("got %v", span)
	}
	random := telemetry.NewIDGenerator(nil)
	a, b := random.NewIDs(t.Context())
	if c := random.NewSpanID(t.Context(), a); !a.IsValid() || !b.IsValid() || !c.IsValid() || b == c {
		t.Errorf("got %v, %v and %v", a, b, c)
	}
}

// TestOffCostsNothing: what runs on the way of every message and episode allocates nothing when nothing is configured.
func TestOffCostsNothing(t *testing.T) {
	var tel *telemetry.Telemetry
	r := tel.For("hub")
	if r != nil {
		t.Fatal("there is a recorder")
	}
	call, started := &history.TaskScheduled{Name: "A"}, &history.ExecutionStarted{Name: "O"}
	ctx, now := t.Context(), time.Now()
	n := testing.AllocsPerRun(100, func() {
		in, attempt := r.Attempt(ctx, call, "i")
		attempt.End(telemetry.Completed, nil)
		_, start := r.Start(in, "O", "", "i", nil)
		start.End("e", nil)
		_, raise := r.Raise(in, "E", "i")
		_ = raise.Context(nil)
		raise.End("", nil)
		r.Begin(started, now)
		_ = r.Call(started, "e", 1, 0)
		_ = r.Event(started)
		trail := r.Trail()
		trail.Known(call)
		trail.Committed(telemetry.Run{Started: started}, call)
		trail.Generation()
		r.Started("O")
		r.Ended(started, nil)
		r.Received(telemetry.ControlQueue, 1, 1)
		r.Deleted(telemetry.ControlQueue, 1, 1)
		r.Loaded(1)
		r.Episode("O", now)
		r.Commit("committed", now)
		r.TakenOver(1)
		r.DeadLetter(telemetry.ControlQueue)
		r.Tick("started")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLogHandler: records of an activity's context have the ids of its span, others are as they were.
func TestLogHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(telemetry.LogHandler(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))).With("hub", "h")
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	log.InfoContext(trace.ContextWithSpanContext(t.Context(), sc), "in")
	log.Info("out")
	want := "level=INFO msg=in hub=h trace_id=01000000000000000000000000000000 span_id=0200000000000000\nlevel=INFO msg=out hub=h\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
