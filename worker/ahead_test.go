package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/worker"
)

const aheadChains, aheadSteps = 20, 5

// commitsOfChains is how many commits chains of short activities take.
func commitsOfChains(t *testing.T, def []durable.ActivityDefinitionOption, call ...durable.ActivityOption) int64 {
	t.Helper()
	step := durable.NewActivity("Step", func(_ context.Context, n int) (int, error) { return n + 1, nil }, def...)
	chain := durable.NewOrchestrator("Steps", func(ctx *durable.Context, n int) (int, error) {
		var err error
		for i := 0; i < aheadSteps && err == nil; i++ {
			n, err = step.Call(ctx, n, call...).Await()
		}
		return n, err
	})
	hub := newHub(t)
	startWorker(t, hub, worker.Config{Fleet: worker.FleetGo}, step, chain)
	expect(t, wait(t, hub, start(t, hub, "Steps", "0")), history.Completed, "5")
	before := hub.Account().Counts().Calls["table.batch"]
	for range aheadChains {
		expect(t, wait(t, hub, start(t, hub, "Steps", "0")), history.Completed, "5")
	}
	commits := hub.Account().Counts().Calls["table.batch"] - before
	t.Logf("%d commits for %d chains of %d", commits, aheadChains, aheadSteps)
	return commits
}

// TestIdempotentActivitiesRunAhead: in a Go fleet, chains of short activities take fewer commits than steps when the activities
// may run ahead.
func TestIdempotentActivitiesRunAhead(t *testing.T) {
	t.Parallel()
	commits := commitsOfChains(t, []durable.ActivityDefinitionOption{durable.Idempotent()})
	if most := int64(aheadChains * (aheadSteps + 1) * 2 / 3); commits > most { // at rest it is one for each
		t.Errorf("%d commits; want %d at most", commits, most)
	}
}

// TestLimitedActivitiesDoNotRunAhead: what runs ahead and is taken back would have used a limit up, whether the definition or the call
// says that it may.
func TestLimitedActivitiesDoNotRunAhead(t *testing.T) {
	t.Parallel()
	limit := durable.WithLimit(durable.RateLimit{Name: "api", Count: 100_000, Per: time.Hour})
	for name, commits := range map[string]func(t *testing.T) int64{
		"definition": func(t *testing.T) int64 {
			return commitsOfChains(t, []durable.ActivityDefinitionOption{durable.Idempotent(), limit})
		},
		"call": func(t *testing.T) int64 {
			return commitsOfChains(t, []durable.ActivityDefinitionOption{limit}, durable.Idempotent())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if n := commits(t); n < aheadChains*aheadSteps {
				t.Errorf("%d commits; want %d at least, one for each step", n, aheadChains*aheadSteps)
			}
		})
	}
}
