package worker_test

import (
	"context"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/worker"
)

// TestIdempotentActivitiesRunAhead: in a Go fleet, chains of short activities take fewer commits than steps when the activities
// may run ahead.
func TestIdempotentActivitiesRunAhead(t *testing.T) {
	t.Parallel()
	const chains, steps = 20, 5
	step := durable.NewActivity("Step", func(_ context.Context, n int) (int, error) { return n + 1, nil }, durable.Idempotent())
	chain := durable.NewOrchestrator("Steps", func(ctx *durable.Context, n int) (int, error) {
		var err error
		for i := 0; i < steps && err == nil; i++ {
			n, err = step.Call(ctx, n).Await()
		}
		return n, err
	})
	hub := newHub(t)
	startWorker(t, hub, worker.Config{Fleet: worker.FleetGo}, step, chain)
	expect(t, wait(t, hub, start(t, hub, "Steps", "0")), history.Completed, "5")
	before := hub.Account().Counts().Calls["table.batch"]
	for range chains {
		expect(t, wait(t, hub, start(t, hub, "Steps", "0")), history.Completed, "5")
	}
	commits := hub.Account().Counts().Calls["table.batch"] - before
	t.Logf("%d commits for %d chains of %d", commits, chains, steps)
	if most := int64(chains * (steps + 1) * 2 / 3); commits > most { // at rest it is one for each
		t.Errorf("%d commits for %d chains of %d; want %d at most", commits, chains, steps, most)
	}
}
