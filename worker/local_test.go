package worker_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/worker"
)

// TestClientInTheWorkersProcess: starts are not received, and neither the worker nor who waits reads the status row; what the
// latter is told is what the row says.
func TestClientInTheWorkersProcess(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			step := durable.NewActivity("Step", func(_ context.Context, n int) (int, error) { return n + 1, nil })
			chain := durable.NewOrchestrator("Steps", func(ctx *durable.Context, n int) (int, error) {
				if n > 10 {
					return 0, errors.New("too many")
				}
				if err := durable.SetCustomStatus(ctx, n); err != nil {
					return 0, err
				}
				return step.Call(ctx, n).Await()
			})
			hub := newHub(t)
			startWorker(t, hub, worker.Config{Fleet: fleet}, step, chain)
			expect(t, wait(t, hub, start(t, hub, "Steps", "0")), history.Completed, "1")
			const instances = 10
			before := hub.Account().Counts().Calls
			for range instances {
				expect(t, wait(t, hub, start(t, hub, "Steps", "0")), history.Completed, "1")
			}
			after := hub.Account().Counts().Calls
			if n := after["table.get"] - before["table.get"]; n > instances/2 { // of two for each
				t.Errorf("%d status rows were read", n)
			}
			for _, input := range []string{"1", "11"} {
				id := start(t, hub, "Steps", input)
				told := wait(t, hub, id)
				read, err := hub.Client().GetInstance(within(t, patience), id)
				if err != nil {
					t.Fatal(err)
				}
				read.Input, read.Failure = nil, told.Failure // nobody who waits is told the input
				if !reflect.DeepEqual(told, read) {
					t.Errorf("told\n%+v, read\n%+v", told, read)
				}
			}
		})
	}
}
