package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/telemetry"
	"github.com/go-taskhub/taskhub/worker"
)

// patience is how long tests wait for what must happen, on a busy machine.
const patience = 3 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// scene is a hub whose client and workers are traced, each as in a process of its own.
type scene struct {
	t        *testing.T
	conn     string
	name     string
	recorder *tracetest.SpanRecorder
	hub      *taskhub.Hub
	client   *taskhub.Client
	fleet    worker.Fleet
}

func newScene(t *testing.T, fleet worker.Fleet) *scene {
	t.Helper()
	s := &scene{t: t, conn: testkit.Conn(t), name: testkit.Hub(t), recorder: tracetest.NewSpanRecorder(), fleet: fleet}
	s.hub = s.open(s.tracing())
	s.client = s.hub.Client()
	return s
}

// provider makes the provider of one process. All record to one place.
func (s *scene) provider() *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.recorder), sdktrace.WithIDGenerator(telemetry.NewIDGenerator(nil)))
}

func (s *scene) tracing() *telemetry.Telemetry {
	s.t.Helper()
	tel, err := telemetry.New(telemetry.Config{TracerProvider: s.provider()})
	if err != nil {
		s.t.Fatal(err)
	}
	return tel
}

func (s *scene) open(tel *telemetry.Telemetry) *taskhub.Hub {
	s.t.Helper()
	hub, err := taskhub.Open(within(s.t), taskhub.Config{Name: s.name, Connection: s.conn, Telemetry: tel, Logger: logger()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = hub.Close() })
	return hub
}

// logger is quiet unless the tests are verbose.
func logger() *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// run runs a worker on a hub until stop is called, or the test ends.
func (s *scene) run(hub *taskhub.Hub, cfg worker.Config, items ...durable.Registrable) (stop func()) {
	s.t.Helper()
	cfg.Fleet, cfg.MaxPoll = s.fleet, 200*time.Millisecond
	w, err := worker.New(hub, cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := w.Register(items...); err != nil {
		s.t.Fatal(err)
	}
	if err := w.Start(within(s.t)); err != nil {
		s.t.Fatal(err)
	}
	stop = func() {
		s.t.Helper()
		if err := w.Stop(within(s.t)); err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

func inFleets(t *testing.T, test func(t *testing.T, fleet worker.Fleet)) {
	t.Helper()
	for _, fleet := range []worker.Fleet{worker.FleetMixed, worker.FleetGo} {
		t.Run(fmt.Sprint(fleet), func(t *testing.T) { t.Parallel(); test(t, fleet) })
	}
}

// await waits until the spans look as wanted: those of a worker come a little after a client sees the instance end.
func (s *scene) await(want string) {
	s.t.Helper()
	want = strings.TrimSpace(want)
	var got string
	for end := time.Now().Add(patience / 3); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = s.tree(); got == want {
			s.check()
			return
		}
	}
	s.t.Fatalf("the spans are\n%s\n\nbut should be\n%s", got, want)
}

// tree shows all spans, children below their parents in the order of their beginning.
func (s *scene) tree() string {
	spans := s.recorder.Ended()
	below := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	known := map[trace.SpanID]bool{}
	for _, span := range spans {
		known[span.SpanContext().SpanID()] = true
	}
	for _, span := range spans {
		parent := span.Parent().SpanID()
		if !known[parent] {
			parent = trace.SpanID{}
		}
		below[parent] = append(below[parent], span)
	}
	var lines []string
	var show func(id trace.SpanID, indent string)
	show = func(id trace.SpanID, indent string) {
		list := below[id]
		slices.SortStableFunc(list, func(a, b sdktrace.ReadOnlySpan) int {
			if c := a.StartTime().Compare(b.StartTime()); c != 0 {
				return c
			}
			return strings.Compare(a.Name(), b.Name())
		})
		for _, span := range list {
			lines = append(lines, indent+describe(span))
			if span.SpanContext().SpanID() != id {
				show(span.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	show(trace.SpanID{}, "")
	return strings.Join(lines, "\n")
}

func describe(span sdktrace.ReadOnlySpan) string {
	text := span.Name() + " " + span.SpanKind().String()
	if status := span.Status(); status.Code != codes.Unset {
		text += " " + status.Code.String()
		if status.Description != "" {
			text += " (" + status.Description + ")"
		}
	}
	return text
}

// check checks what is true of all spans of one trace: ids are unique, and nobody ends before he begins, or begins before
// those above.
func (s *scene) check() {
	s.t.Helper()
	byID := map[trace.SpanID]sdktrace.ReadOnlySpan{}
	for _, span := range s.recorder.Ended() {
		if byID[span.SpanContext().SpanID()] != nil {
			s.t.Errorf("two spans have the id of %s", span.Name())
		}
		byID[span.SpanContext().SpanID()] = span
	}
	for _, span := range byID {
		if span.EndTime().Before(span.StartTime()) {
			s.t.Errorf("%s ends before it begins", span.Name())
		}
		parent := byID[span.Parent().SpanID()]
		if parent != nil && parent.SpanContext().TraceID() != span.SpanContext().TraceID() {
			s.t.Errorf("%s is in another trace than %s above it", span.Name(), parent.Name())
		}
		const tick = 100 * time.Nanosecond // of times in histories
		if parent != nil && parent.StartTime().Truncate(tick).After(span.StartTime()) {
			s.t.Errorf("%s begins before %s above it", span.Name(), parent.Name())
		}
	}
}

// find returns the one span with a name and a kind.
func (s *scene) find(name string, kind trace.SpanKind) sdktrace.ReadOnlySpan {
	s.t.Helper()
	var found sdktrace.ReadOnlySpan
	for _, span := range s.recorder.Ended() {
		if span.Name() == name && span.SpanKind() == kind {
			if found != nil {
				s.t.Fatalf("there are two spans %s", name)
			}
			found = span
		}
	}
	if found == nil {
		s.t.Fatalf("there is no span %s", name)
	}
	return found
}

// attributes shows a span's attributes.
func attributes(span sdktrace.ReadOnlySpan) string {
	var list []string
	for _, kv := range span.Attributes() {
		list = append(list, string(kv.Key)+"="+kv.Value.Emit())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
