package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// busyWork is an orchestrator with something of every kind under way: an activity, timers near and far, a sub-orchestration.
func busyWork(gate <-chan struct{}) []durable.Registrable {
	slow := durable.NewActivity("SlowStep", func(ctx context.Context, n int) (int, error) {
		select {
		case <-gate:
			return n, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
	child := durable.NewOrchestrator("BusyChild", func(ctx *durable.Context, n int) (int, error) { return slow.Call(ctx, n).Await() })
	parent := durable.NewOrchestrator("BusyParent", func(ctx *durable.Context, _ durable.Void) (int, error) {
		own, kid := slow.Call(ctx, 1), child.Call(ctx, 2)
		near, far := durable.Timer(ctx, 25*time.Second), durable.Timer(ctx, time.Hour)
		durable.WhenAny(durable.WaitForEvent[int](ctx, "Go"), far)
		a, err := own.Await()
		if err != nil {
			return 0, err
		}
		b, err := kid.Await()
		if err != nil {
			return 0, err
		}
		near.Cancel()
		return a + b, nil
	})
	return []durable.Registrable{slow, child, parent}
}

// TestSetFleet changes a hub's fleet there and back while instances have work of every kind under way.
func TestSetFleet(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	gate := make(chan struct{})
	work := busyWork(gate)
	first := startWorker(t, hub, worker.Config{Fleet: worker.FleetGo, ActivityGrace: 50 * time.Millisecond}, work...)
	var ids []string
	for range 4 {
		ids = append(ids, start(t, hub, "BusyParent", ""))
	}
	for _, id := range ids {
		eventually(t, "it runs", statusIs(t, hub, id, history.Running))
	}
	stopWorker(t, first)
	setFleet(t, hub, taskhub.FleetMixed)
	if left, err := hub.Tables().LocalWork(within(t, patience), 10); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}

	second := startWorker(t, hub, worker.Config{Fleet: worker.FleetMixed, ActivityGrace: 50 * time.Millisecond}, work...)
	half := start(t, hub, "BusyParent", "")
	eventually(t, "it runs", statusIs(t, hub, half, history.Running))
	stopWorker(t, second)
	setFleet(t, hub, taskhub.FleetGo)

	startWorker(t, hub, worker.Config{Fleet: worker.FleetGo}, work...)
	close(gate)
	for _, id := range append(ids, half) {
		if err := hub.Client().RaiseEvent(within(t, patience), id, "Go", 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range append(ids, half) {
		expect(t, wait(t, hub, id), history.Completed, "3")
	}
}

func setFleet(t *testing.T, hub *taskhub.Hub, f taskhub.Fleet) {
	t.Helper()
	if err := hub.SetFleet(within(t, patience), f); err != nil {
		t.Fatal(err)
	}
	if now, err := hub.Fleet(within(t, patience)); err != nil || now != f {
		t.Fatalf("the fleet is %q, %v", now, err)
	}
}

// TestFleetMismatch: a worker for another fleet than the hub's does not start.
func TestFleetMismatch(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{Fleet: worker.FleetGo}, twins()...)
	other, err := worker.New(hub, worker.Config{Fleet: worker.FleetMixed})
	if err != nil {
		t.Fatal(err)
	}
	var mismatch *worker.FleetMismatchError
	if err := other.Start(within(t, patience)); !errors.As(err, &mismatch) || mismatch.Stored != worker.FleetGo {
		t.Errorf("the start gave %v", err)
	}
}
