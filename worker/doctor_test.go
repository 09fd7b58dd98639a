package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// TestDoctorLeavesAHealthyHubAlone: while workers work on all kinds of instances, and others wait, are suspended or due later,
// nothing is found, and nothing is written.
func TestDoctorLeavesAHealthyHubAlone(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetMixed, worker.FleetGo} {
		t.Run(fmt.Sprint(fleet), func(t *testing.T) {
			t.Parallel()
			testHealthyHub(t, fleet)
		})
	}
}

func testHealthyHub(t *testing.T, fleet worker.Fleet) {
	echo := durable.NewActivity("Echo", func(_ context.Context, in string) (string, error) { return in, nil })
	waits := durable.NewOrchestrator("Waits", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "Go").Await()
	})
	leaf := durable.NewOrchestrator("Leaf", func(ctx *durable.Context, in string) (string, error) {
		if err := durable.Sleep(ctx, 200*time.Millisecond); err != nil {
			return "", err
		}
		return echo.Call(ctx, in).Await()
	})
	busy := durable.NewOrchestrator("Busy", func(ctx *durable.Context, n int) (int, error) {
		tasks := []*durable.Task[string]{leaf.Call(ctx, "a"), leaf.Call(ctx, strings.Repeat("x", 50_000)), echo.Call(ctx, "b")}
		if _, err := durable.WhenAll(tasks); err != nil || n == 0 {
			return n, err
		}
		return 0, durable.ContinueAsNew(ctx, n-1)
	})
	hub := newHub(t)
	startWorker(t, hub, worker.Config{Fleet: fleet}, echo, waits, leaf, busy)
	client := hub.Client()
	for i := range 5 {
		startID(t, hub, "Waits", "", fmt.Sprint("waits", i))
		startID(t, hub, "Waits", "", fmt.Sprint("suspended", i))
		startID(t, hub, "Elsewhere", "", fmt.Sprint("unhosted", i))
		later := durable.StartRequest{Name: "Waits", InstanceID: fmt.Sprint("later", i), StartAt: time.Now().Add(time.Hour)}
		if _, err := client.StartOrchestration(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		if err := client.Suspend(t.Context(), fmt.Sprint("suspended", i), "a pause"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer cancel()
	for range 4 {
		load.Go(func() {
			for n := 2; ctx.Err() == nil; {
				run, err := busy.Start(ctx, client, n)
				if err == nil {
					_, err = run.Wait(ctx)
				}
				if err == nil {
					_, err = client.Purge(ctx, run.InstanceID())
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	eyes := testkit.Account(t)
	visitor, err := taskhub.Open(t.Context(), taskhub.Config{Name: hub.Name(), Account: eyes})
	if err != nil {
		t.Fatal(err)
	}
	defer visitor.Close()
	for range 3 {
		found, err := visitor.Examine(t.Context(), taskhub.ExamineOptions{Settle: 4 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("found %s at %s for %q: %s", f.Kind, f.Where, f.InstanceID, f.What)
		}
	}
	for call, n := range eyes.Counts().Calls {
		for _, writes := range []string{"put", "insert", "merge", "delete", "update", "create", "batch", "transaction", "upload"} {
			if strings.Contains(call, writes) {
				t.Errorf("%d times %s", n, call)
			}
		}
	}
}
