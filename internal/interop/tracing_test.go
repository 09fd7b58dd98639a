package interop

import (
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/telemetry"
	"github.com/go-taskhub/taskhub/worker"
)

// TestTraceContexts: what a traced client and a traced worker write beside the events, .NET reads and goes on with, and the other
// way round. (The peer has no listener for traces, so its workers write no contexts of their own.)
func TestTraceContexts(t *testing.T) {
	t.Parallel()
	p := newPair(t, leases.Safe, durable.FailureDetails)
	recorder := tracetest.NewSpanRecorder()
	tel, err := telemetry.New(telemetry.Config{TracerProvider: sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(recorder), sdktrace.WithIDGenerator(telemetry.NewIDGenerator(nil)))})
	if err != nil {
		t.Fatal(err)
	}
	p.open(func(cfg *taskhub.Config) { cfg.Telemetry = tel })
	start := func(name, id, input string) {
		t.Helper()
		if _, err := p.client.StartOrchestration(p.within(time.Minute), durable.StartRequest{Name: name, InstanceID: id, Input: &input}); err != nil {
			t.Fatal(err)
		}
	}
	running := func(id string) {
		t.Helper()
		p.eventually(id+" begins", func() bool {
			in, err := p.client.GetStatus(p.within(time.Minute), id)
			return err == nil && in.Status == history.Running
		})
	}
	const hour = "3600000"

	// Go begins, and .NET ends.
	stop := p.tracedWorker()
	start("Chain", "chain", "3")
	start("Parent", "parent", `"x"`)
	start("Approval", "begun by Go", hour)
	p.await("chain", history.Completed)
	p.await("parent", history.Completed)
	running("begun by Go")
	stop()
	net := p.worker(netSide, "net")
	start("Chain", "chain of .NET", "3")
	start("Parent", "parent of .NET", `"x"`)
	p.call(netSide, "start", "--name", "Approval", "--id", "begun by .NET", "--input", hour)
	if err := p.client.RaiseEvent(p.within(time.Minute), "begun by Go", "Approval", "yes"); err != nil {
		t.Fatal(err)
	}
	p.expect("begun by Go", history.Completed, `"approved: yes"`)
	p.await("chain of .NET", history.Completed)
	p.await("parent of .NET", history.Completed)
	running("begun by .NET")
	p.sameState("chain", "parent", "begun by Go", "chain of .NET", "parent of .NET")

	// .NET begins, and Go ends.
	net.kill()
	stop = p.tracedWorker()
	if err := p.client.RaiseEvent(p.within(time.Minute), "begun by .NET", "Approval", "yes"); err != nil {
		t.Fatal(err)
	}
	p.call(netSide, "start", "--name", "Chain", "--id", "started by .NET", "--input", "2")
	p.expect("begun by .NET", history.Completed, `"approved: yes"`)
	p.await("started by .NET", history.Completed)
	p.sameState("begun by .NET", "started by .NET")
	stop()

	ended := map[string]int{}
	for _, span := range recorder.Ended() {
		for _, kv := range span.Attributes() {
			if kv.Key == "durabletask.task.instance_id" && strings.HasPrefix(span.Name(), "orchestration:") && span.SpanKind().String() == "server" {
				ended[kv.Value.AsString()]++
			}
		}
	}
	for _, id := range []string{"chain", "parent", "started by .NET"} {
		if ended[id] != 1 {
			t.Errorf("%s has %d spans; there are %v", id, ended[id], ended)
		}
	}
	if ended["begun by .NET"] != 0 {
		t.Error("an instance that has no trace has a span")
	}
}

// tracedWorker runs a worker in this process that reports where the hub does.
func (p *pair) tracedWorker() (stop func()) {
	p.t.Helper()
	w, err := worker.New(p.hub, worker.Config{Fleet: worker.FleetMixed, MaxPoll: 300 * time.Millisecond})
	if err == nil {
		err = w.Register(append(programs.Orchestrators(), programs.Activities()...)...)
	}
	if err == nil {
		err = w.Start(p.within(patience))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	stop = func() {
		p.t.Helper()
		if err := w.Stop(within(p.t, patience)); err != nil {
			p.t.Errorf("stopping the worker: %v", err)
		}
	}
	p.t.Cleanup(stop)
	return stop
}
