package telemetry_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/worker"
)

// TestTwoWorkers: the first worker is stopped in the middle, the second replays what it did and ends the instance. There is one
// span of everything, in one trace, although the workers' providers know nothing of each other.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	inFleets(t, func(t *testing.T, fleet worker.Fleet) {
		s := newScene(t, fleet)
		child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ int) (string, error) {
			return durable.WaitForEvent[string](ctx, "Go").Await()
		})
		o := durable.NewOrchestrator("Relay", func(ctx *durable.Context, _ int) (int, error) {
			if _, err := hello.Call(ctx, "first").Await(); err != nil {
				return 0, err
			}
			if _, err := child.Call(ctx, 0, durable.WithInstanceID("child")).Await(); err != nil {
				return 0, err
			}
			_, err := hello.Call(ctx, "second").Await()
			return 0, err
		})
		stop := s.run(s.open(s.tracing()), worker.Config{}, o, child, hello)
		s.begin("Relay", 0)
		s.await(`
create_orchestration:Relay producer
activity:Hello client
  activity:Hello server Ok`)
		first := s.find("activity:Hello", trace.SpanKindServer)
		s.running("child")
		stop()
		stop = s.run(s.open(s.tracing()), worker.Config{}, o, child, hello)
		if err := s.client.RaiseEvent(within(t), "child", "Go", "x"); err != nil {
			t.Fatal(err)
		}
		s.ended("i")
		want := `
create_orchestration:Relay producer
  orchestration:Relay server Ok
    activity:Hello client
      activity:Hello server Ok
    orchestration:Child client
      orchestration:Child server Ok
    activity:Hello client
      activity:Hello server Ok
orchestration_event:Go producer`
		s.await(want)
		stop()
		s.await(want) // nothing comes when the worker ends
		run := s.find("orchestration:Relay", trace.SpanKindServer)
		if run.SpanContext().TraceID() != first.SpanContext().TraceID() {
			t.Error("the two workers have traces of their own")
		}
		if run.StartTime().After(first.StartTime()) {
			t.Error("the orchestration begins with the second worker")
		}
	})
}

// running waits until an instance has begun.
func (s *scene) running(id string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(within(s.t), patience)
	defer cancel()
	for ctx.Err() == nil {
		if in, err := s.client.GetStatus(ctx, id); err == nil && in.Status.String() == "Running" {
			return
		}
	}
	s.t.Fatalf("%s does not begin", id)
}
