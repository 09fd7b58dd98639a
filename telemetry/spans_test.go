package telemetry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

var hello = durable.NewActivity("Hello", func(_ context.Context, city string) (string, error) { return "Hello " + city, nil })

// programs are orchestrations whose spans are known.
func programs() []program {
	chain := durable.NewOrchestrator("Chain", func(ctx *durable.Context, n int) (int, error) {
		for range n {
			if _, err := hello.Call(ctx, "x").Await(); err != nil {
				return 0, err
			}
		}
		return n, nil
	})
	fan := durable.NewOrchestrator("Fan", func(ctx *durable.Context, n int) ([]string, error) {
		var tasks []*durable.Task[string]
		for range n {
			tasks = append(tasks, hello.Call(ctx, "x"))
		}
		return durable.WhenAll(tasks)
	})
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, n int) (int, error) {
		return chain.Call(ctx, n, durable.WithVersion("2")).Await()
	})
	timer := durable.NewOrchestrator("Timer", func(ctx *durable.Context, n int) (int, error) {
		return n, durable.Sleep(ctx, time.Duration(n)*time.Millisecond)
	})
	waits := durable.NewOrchestrator("Waits", func(ctx *durable.Context, _ int) (string, error) {
		return durable.WaitForEvent[string](ctx, "Go").Await()
	})
	fails := durable.NewActivity("Fails", func(context.Context, int) (int, error) { return 0, errors.New("out of stock") })
	failing := durable.NewOrchestrator("Failing", func(ctx *durable.Context, n int) (int, error) { return fails.Call(ctx, n).Await() })
	tries := 0
	flaky := durable.NewActivity("Flaky", func(context.Context, int) (int, error) {
		if tries++; tries == 1 {
			return 0, errors.New("not now")
		}
		return tries, nil
	})
	retrying := durable.NewOrchestrator("Retrying", func(ctx *durable.Context, n int) (int, error) {
		return flaky.Call(ctx, n, durable.WithRetry(durable.RetryPolicy{MaxAttempts: 3, FirstInterval: time.Millisecond})).Await()
	})
	again := durable.NewOrchestrator("Again", func(ctx *durable.Context, n int) (int, error) {
		if _, err := hello.Call(ctx, "x").Await(); err != nil || n == 0 {
			return n, err
		}
		return 0, durable.ContinueAsNew(ctx, n-1)
	})
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, _ int) (int, error) {
		return 0, durable.SendEvent(ctx, "listener", "Go", "now")
	})
	boss := durable.NewOrchestrator("Boss", func(ctx *durable.Context, n int) (int, error) {
		_, err := timer.Spawn(ctx, n)
		return n, err
	})
	return []program{
		{"chain", chain, 3, []durable.Registrable{hello}, `
create_orchestration:Chain producer
  orchestration:Chain server Ok
    activity:Hello client
      activity:Hello server Ok
    activity:Hello client
      activity:Hello server Ok
    activity:Hello client
      activity:Hello server Ok`},
		{"fan-out", fan, 2, []durable.Registrable{hello}, `
create_orchestration:Fan producer
  orchestration:Fan server Ok
    activity:Hello client
      activity:Hello server Ok
    activity:Hello client
      activity:Hello server Ok`},
		{"child", parent, 1, []durable.Registrable{hello, chain}, `
create_orchestration:Parent producer
  orchestration:Parent server Ok
    orchestration:Chain@(2) client
      orchestration:Chain@(2) server Ok
        activity:Hello client
          activity:Hello server Ok`},
		{"timer", timer, 20, nil, `
create_orchestration:Timer producer
  orchestration:Timer server Ok
    orchestration:Timer:timer internal`},
		{"event", waits, 0, nil, `
create_orchestration:Waits producer
  orchestration:Waits server Ok
orchestration_event:Go producer`},
		{"failure", failing, 0, []durable.Registrable{fails}, `
create_orchestration:Failing producer
  orchestration:Failing server Error (Task 'Fails' (#0) failed with an unhandled exception: out of stock)
    activity:Fails client Error (out of stock)
      activity:Fails server Error (out of stock)`},
		{"retry", retrying, 0, []durable.Registrable{flaky}, `
create_orchestration:Retrying producer
  orchestration:Retrying server Ok
    activity:Flaky client Error (not now)
      activity:Flaky server Error (not now)
    orchestration:Retrying:timer internal
    activity:Flaky client
      activity:Flaky server Ok`},
		{"continue as new", again, 2, []durable.Registrable{hello}, `
create_orchestration:Again producer
  orchestration:Again server Ok
    activity:Hello client
      activity:Hello server Ok
    activity:Hello client
      activity:Hello server Ok
    activity:Hello client
      activity:Hello server Ok`},
		{"event of an orchestration", sender, 0, nil, `
create_orchestration:Sender producer
  orchestration:Sender server Ok
    orchestration_event:Go producer`},
		{"child that nobody waits for", boss, 1, []durable.Registrable{timer}, `
create_orchestration:Boss producer
  orchestration:Boss server Ok
    orchestration:Timer client
      orchestration:Timer server Ok
        orchestration:Timer:timer internal`},
	}
}

type program struct {
	name  string
	entry durable.Registrable
	input int
	items []durable.Registrable
	want  string
}

// TestSpans: each program has the spans that it would have in .NET, once.
func TestSpans(t *testing.T) {
	t.Parallel()
	inFleets(t, func(t *testing.T, fleet worker.Fleet) {
		for _, p := range programs() {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, fleet)
				s.run(s.hub, worker.Config{}, append(p.items, p.entry)...)
				s.begin(p.entry.Name(), p.input)
				if p.name == "event" {
					if err := s.client.RaiseEvent(within(t), "i", "Go", "x"); err != nil {
						t.Fatal(err)
					}
				}
				s.ended("i")
				s.await(p.want)
			})
		}
	})
}

// begin starts the instance "i".
func (s *scene) begin(name string, input any, options ...taskhub.StartOption) {
	s.t.Helper()
	s.beginIn(within(s.t), name, input, options...)
}

func (s *scene) beginIn(ctx context.Context, name string, input any, options ...taskhub.StartOption) {
	s.t.Helper()
	data, err := durable.JSON().Marshal(input)
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(data)
	if _, err := s.client.Start(ctx, durable.StartRequest{Name: name, InstanceID: "i", Input: &text}, options...); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for an instance.
func (s *scene) ended(id string) *durable.Instance {
	s.t.Helper()
	in, err := s.client.WaitForCompletion(within(s.t), id, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return in
}

// TestAttributes: names and values are those of .NET's Schema.cs.
func TestAttributes(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	o := durable.NewOrchestrator("All", func(ctx *durable.Context, _ int) (int, error) {
		if _, err := hello.Call(ctx, "x").Await(); err != nil {
			return 0, err
		}
		if err := durable.Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		if err := durable.SendEvent(ctx, "other", "Ping", 1); err != nil {
			return 0, err
		}
		_, err := durable.WaitForEvent[int](ctx, "Done").Await()
		return 0, err
	})
	s.run(s.hub, worker.Config{}, o, hello)
	started, err := s.client.Start(within(t), durable.StartRequest{Name: "All", Version: "1.5", InstanceID: "i", Input: history.String("0")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.client.RaiseEvent(within(t), "i", "Done", 1); err != nil {
		t.Fatal(err)
	}
	s.ended("i")
	s.await(`
create_orchestration:All@(1.5) producer
  orchestration:All@(1.5) server Ok
    activity:Hello client
      activity:Hello server Ok
    orchestration:All:timer internal
    orchestration_event:Ping producer
orchestration_event:Done producer`)
	task := "durabletask.task.instance_id=i durabletask.task.name="
	for _, want := range []struct {
		name string
		kind trace.SpanKind
		text string
	}{
		{"create_orchestration:All@(1.5)", trace.SpanKindProducer, "durabletask.task.execution_id=" + started.ExecutionID + " " + task +
			"All durabletask.task.version=1.5 durabletask.type=orchestration"},
		{"orchestration:All@(1.5)", trace.SpanKindServer, task + "All durabletask.task.status=Completed durabletask.task.version=1.5 durabletask.type=orchestration"},
		{"activity:Hello", trace.SpanKindClient, task + "Hello durabletask.task.task_id=0 durabletask.type=activity"},
		{"activity:Hello", trace.SpanKindServer, task + "Hello durabletask.task.task_id=0 durabletask.type=activity"},
		{"orchestration:All:timer", trace.SpanKindInternal, "durabletask.fire_at=" + s.fireAt(1) + " " + task + "All durabletask.task.task_id=1 durabletask.type=timer"},
		{"orchestration_event:Ping", trace.SpanKindProducer, "durabletask.event.target_instance_id=other durabletask.task.execution_id=" + started.ExecutionID + " " + task +
			"Ping durabletask.type=event"},
		{"orchestration_event:Done", trace.SpanKindProducer, "durabletask.event.target_instance_id=i durabletask.task.name=Done durabletask.type=event"},
	} {
		span := s.find(want.name, want.kind)
		if got := attributes(span); got != want.text {
			t.Errorf("%s %s has\n%s\nbut should have\n%s", want.kind, want.name, got, want.text)
		}
		if got := span.InstrumentationScope().Name; got != "DurableTask.Core" {
			t.Errorf("the source is %s", got)
		}
	}
}

// TestThroughTheActivity: the caller's span is above the start, and a span of the activity's code below the activity's, which is
// what a child started there is below.
func TestThroughTheActivity(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	tracer := s.provider().Tracer("app")
	inner := durable.NewOrchestrator("Inner", func(*durable.Context, int) (int, error) { return 7, nil })
	fetch := durable.NewActivity("Fetch", func(ctx context.Context, _ int) (int, error) {
		ctx, span := tracer.Start(ctx, "HTTP GET", trace.WithSpanKind(trace.SpanKindClient))
		defer span.End()
		_, err := inner.Start(ctx, s.client, 0, durable.WithInstanceID("inner"))
		return 0, err
	})
	outer := durable.NewOrchestrator("Outer", func(ctx *durable.Context, n int) (int, error) { return fetch.Call(ctx, n).Await() })
	s.run(s.hub, worker.Config{}, outer, fetch, inner)
	ctx, span := tracer.Start(within(t), "POST /orders")
	s.beginIn(ctx, "Outer", 0)
	span.End()
	s.ended("i")
	s.ended("inner")
	s.await(`
POST /orders internal
  create_orchestration:Outer producer
    orchestration:Outer server Ok
      activity:Fetch client
        activity:Fetch server Ok
          HTTP GET client
            create_orchestration:Inner producer
              orchestration:Inner server Ok`)
}

// TestGivenContext: a traceparent of another program is above everything, and its trace state travels.
func TestGivenContext(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	o := programs()[0]
	s.run(s.hub, worker.Config{}, o.entry, hello)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s.begin("Chain", 1, taskhub.WithTrace(parent, "vendor=1"))
	s.ended("i")
	s.await(`
create_orchestration:Chain producer
  orchestration:Chain server Ok
    activity:Hello client
      activity:Hello server Ok`)
	for _, span := range s.recorder.Ended() {
		if got := span.SpanContext(); got.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || got.TraceState().String() != "vendor=1" {
			t.Errorf("%s is in trace %s with state %q", span.Name(), got.TraceID(), got.TraceState())
		}
	}
	if got := s.find("create_orchestration:Chain", trace.SpanKindProducer).Parent().SpanID().String(); got != "b7ad6b7169203331" {
		t.Errorf("the start is below %s", got)
	}
}

// TestUntracedClient: a start without a context begins a trace in the worker, which is not sampled when the given one is not.
func TestUntracedClient(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	o := programs()[0]
	s.client = s.open(nil).Client()
	s.run(s.hub, worker.Config{}, o.entry, hello)
	s.begin("Chain", 1)
	s.ended("i")
	s.await(`
create_orchestration:Chain producer
  orchestration:Chain server Ok
    activity:Hello client
      activity:Hello server Ok`)
}

// TestNotSampled: nothing below a context that is not sampled is recorded.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	o := programs()[0]
	s.run(s.hub, worker.Config{}, o.entry, hello)
	s.begin("Chain", 1, taskhub.WithTrace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", ""))
	s.ended("i")
	s.await("")
}

// TestTermination: a terminated instance has a span that says so.
func TestTermination(t *testing.T) {
	t.Parallel()
	s := newScene(t, worker.FleetMixed)
	o := programs()[4]
	s.run(s.hub, worker.Config{}, o.entry)
	s.begin("Waits", 0)
	if err := s.client.Terminate(within(t), "i", "enough"); err != nil {
		t.Fatal(err)
	}
	s.ended("i")
	s.await(`
create_orchestration:Waits producer
  orchestration:Waits server Error (Terminated)`)
}
