package telemetry_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/worker"
)

// events reads what is stored of an instance.
func (s *scene) events(id string) []history.Event {
	s.t.Helper()
	h, err := s.hub.Tables().LoadHistory(within(s.t), id)
	if err != nil {
		s.t.Fatal(err)
	}
	var list []history.Event
	for _, r := range h.Records {
		list = append(list, r.Event)
	}
	return list
}

// fireAt is when a timer of the instance "i" was to fire.
func (s *scene) fireAt(id int32) string {
	s.t.Helper()
	for _, e := range s.events("i") {
		if e, ok := e.(*history.TimerCreated); ok && e.EventID == id {
			return e.FireAt.UTC().Format("2006-01-02T15:04:05.0000000Z")
		}
	}
	s.t.Fatal("there is no such timer")
	return ""
}

// cell reads a column of a row of history as the service sends it.
func (s *scene) cell(id, row, column string) string {
	s.t.Helper()
	table := s.hub.TrackingAccount().Tables().NewClient(s.hub.Names().HistoryTable())
	got, err := table.GetEntity(within(s.t), layout.EscapeKey(id), row, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	var cells map[string]any
	if err := json.Unmarshal(got.Value, &cells); err != nil {
		s.t.Fatal(err)
	}
	text, _ := cells[column].(string)
	return text
}

// TestStoredContexts: rows have the contexts in the columns and the form of .NET, whose members are TraceParent, TraceState, Id,
// SpanId and ActivityStartTime in this order (docs/layout.md), and a message has them with the type.
func TestStoredContexts(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	child := durable.NewOrchestrator("Child", func(*durable.Context, int) (int, error) { return 1, nil })
	o := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ int) (int, error) {
		if _, err := hello.Call(ctx, "x").Await(); err != nil {
			return 0, err
		}
		return child.Call(ctx, 1, durable.WithInstanceID("child")).Await()
	})
	if err := s.hub.Ensure(within(t)); err != nil {
		t.Fatal(err)
	}
	s.begin("Parent", 0)
	s.messageHas("i", `"ParentTraceContext":\{"\$type":"DurableTask\.Core\.Tracing\.DistributedTraceContext",`+
		`"TraceParent":"00-[0-9a-f]{32}-[0-9a-f]{16}-01","TraceState":null,"Id":null,"SpanId":null,"ActivityStartTime":null\}`)
	s.run(s.hub, worker.Config{}, o, child, hello)
	s.ended("i")

	begun := regexp.MustCompile(`^\{"TraceParent":"00-([0-9a-f]{32})-[0-9a-f]{16}-01","TraceState":null,"Id":"00-([0-9a-f]{32})-([0-9a-f]{16})-01","SpanId":"([0-9a-f]{16})",` +
		`"ActivityStartTime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?\+00:00"\}$`)
	start := begun.FindStringSubmatch(s.cell("i", "0000000000000001", "ParentTraceContext"))
	if start == nil || start[1] != start[2] || start[3] != start[4] {
		t.Fatalf("the start has %s", s.cell("i", "0000000000000001", "ParentTraceContext"))
	}
	called := regexp.MustCompile(`^\{"TraceParent":"00-([0-9a-f]{32})-([0-9a-f]{16})-01","TraceState":null,"Id":null,"SpanId":null,"ActivityStartTime":null\}$`)
	call := called.FindStringSubmatch(s.cell("i", "0000000000000002", "ParentTraceContext"))
	if call == nil || call[1] != start[1] || call[2] == start[3] {
		t.Fatalf("the call has %s", s.cell("i", "0000000000000002", "ParentTraceContext"))
	}
	var clientSpan string
	for _, e := range s.events("i") {
		if e, ok := e.(*history.SubOrchestrationCreated); ok && e.ClientSpanID != nil {
			clientSpan = *e.ClientSpanID
		}
	}
	if clientSpan == "" {
		t.Fatal("the call of the child has no ClientSpanId")
	}
	below := s.cell("child", "0000000000000001", "ParentTraceContext")
	if m := begun.FindStringSubmatch(below); m == nil || m[1] != start[1] || !regexp.MustCompile("-"+clientSpan+"-01\"").MatchString(below) {
		t.Fatalf("the child has %s, its call %s", below, clientSpan)
	}
}

// messageHas looks into the message that waits for an instance.
func (s *scene) messageHas(id, pattern string) {
	s.t.Helper()
	batch, err := s.hub.Queues().ControlFor(id).Peek(within(s.t), 1)
	if err != nil || len(batch) != 1 {
		s.t.Fatalf("%d messages, %v", len(batch), err)
	}
	if !regexp.MustCompile(pattern).MatchString(batch[0].Text) {
		s.t.Errorf("the message is %s", batch[0].Text)
	}
}

// TestNothingStored: without telemetry nothing is added to what is stored.
func TestNothingStored(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	s.hub = s.open(nil)
	s.client = s.hub.Client()
	s.run(s.hub, worker.Config{}, programs()[0].entry, hello)
	s.begin("Chain", 1)
	s.ended("i")
	for _, row := range []string{"0000000000000001", "0000000000000002"} {
		if got := s.cell("i", row, "ParentTraceContext"); got != "null" {
			t.Errorf("row %s has %q", row, got)
		}
	}
	s.await("")
}
