package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/worker"
)

// TestRewoundChild: a child fails, and its parent with it. Rewound, both complete under the ids and executions they had, in
// either fleet, whether the worker is the one that ran them or another one.
func TestRewoundChild(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		for _, other := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another worker %v", fleet, other), func(t *testing.T) {
				t.Parallel()
				testRewoundChild(t, fleet, other)
			})
		}
	}
}

func testRewoundChild(t *testing.T, fleet worker.Fleet, other bool) {
	var healed atomic.Bool
	var runs atomic.Int32
	step := durable.NewActivity("Step", func(_ context.Context, in string) (string, error) {
		if in == "second" && !healed.Load() {
			return "", errors.New("not yet")
		}
		runs.Add(1)
		return in, nil
	})
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) {
		first, err := step.Call(ctx, "first").Await()
		if err != nil {
			return "", err
		}
		second, err := step.Call(ctx, "second").Await()
		return first + " " + second, err
	})
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return child.Call(ctx, durable.Void{}, durable.WithInstanceID("kid of "+ctx.InstanceID())).Await()
	})
	hub := newHub(t)
	items := []durable.Registrable{step, child, parent}
	w := startWorker(t, hub, worker.Config{Fleet: fleet}, items...)
	id := start(t, hub, "Parent", "")
	kid := "kid of " + id
	if in := wait(t, hub, id); in.Status != history.Failed {
		t.Fatalf("the parent is %v", in.Status)
	}
	eventually(t, "the child shows that it has ended", statusIs(t, hub, kid, history.Failed)) // which may be behind its parent's end
	before := wait(t, hub, kid)
	if other {
		stopWorker(t, w)
		startWorker(t, hub, worker.Config{Fleet: fleet}, items...)
	}
	healed.Store(true)
	if err := hub.Client().Rewind(within(t, patience), id, "mended"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", func() bool { return !statusIs(t, hub, id, history.Failed)() })
	expect(t, wait(t, hub, id), history.Completed, `"first second"`)
	after := wait(t, hub, kid)
	expect(t, after, history.Completed, `"first second"`)
	if after.ExecutionID != before.ExecutionID || runs.Load() != 2 {
		t.Errorf("the child's execution is %s, it was %s; %d steps ran", after.ExecutionID, before.ExecutionID, runs.Load())
	}
	eventually(t, "no message is left", func() bool {
		left := 0
		for i := range hub.Partitions() {
			n, err := hub.Queues().Control(i).ApproximateCount(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			left += n
		}
		return left == 0
	})
}
