package worker_test

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// peakOf watches the memory until it is stopped.
func peakOf(t *testing.T) (stop func() (heap, total uint64)) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	var heap, total uint64
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
			metrics.Read(s)
			heap = max(heap, s[0].Value.Uint64())
			total = max(total, s[1].Value.Uint64()-s[2].Value.Uint64())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() (uint64, uint64) {
		close(done)
		wg.Wait()
		return heap, total
	}
}

// TestMemoryBound: with many instances that wait, and with one whose history is long, the process stays within the memory that the
// worker was told, and everything is worked off. In the plain run the instances are few, and the bound is one that is always
// exceeded.
func TestMemoryBound(t *testing.T) {
	instances, rounds, bound := 200, 4, int64(1)
	if full() {
		instances, rounds, bound = 10_000, 100, 768<<20
	}
	const width = 500 // two events each
	echo := durable.NewActivity("Echo", func(_ context.Context, n int) (int, error) { return n, nil })
	waits := durable.NewOrchestrator("Waits", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "Go").Await()
	})
	long := durable.NewOrchestrator("Long", func(ctx *durable.Context, n int) (int, error) {
		sum := 0
		for range n {
			tasks := make([]*durable.Task[int], width)
			for i := range tasks {
				tasks[i] = echo.Call(ctx, 1)
			}
			done, err := durable.WhenAll(tasks)
			if err != nil {
				return 0, err
			}
			sum += len(done)
		}
		if err := durable.SetCustomStatus(ctx, "waits"); err != nil {
			return 0, err
		}
		_, err := durable.WaitForEvent[string](ctx, "Go").Await()
		return sum, err
	})
	for _, fleet := range []worker.Fleet{worker.FleetMixed, worker.FleetGo} {
		t.Run(fmt.Sprint(fleet), func(t *testing.T) {
			server, err := emulator.New(emulator.Config{Dir: t.TempDir()}) // on disk: only the worker's memory is of interest
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = account.Close() })
			hub := hubOver(t, account)
			peak := peakOf(t)
			w := startWorker(t, hub, worker.Config{Fleet: fleet, MaxMemory: bound}, echo, waits, long)
			began := time.Now()
			startID(t, hub, "Long", fmt.Sprint(rounds), "long")
			startMany(t, hub, instances)
			raiseAll(t, hub, instances)
			awaitWaiting(t, hub)
			if err := hub.Client().RaiseEvent(within(t, time.Minute), "long", "Go", "on"); err != nil {
				t.Fatal(err)
			}
			expect(t, wait(t, hub, "long"), history.Completed, fmt.Sprint(rounds*width))
			if n := sessions(w); n > instances/10 && bound == 1 {
				t.Errorf("%d instances are in memory", n)
			}
			heap, total := peak()
			t.Logf("%d instances and a history of %d events: %d MiB of objects, %d MiB in all, after %v", instances, 2*rounds*width, heap>>20, total>>20, time.Since(began))
			if full() && int64(total) > bound {
				t.Errorf("the process took %d MiB, and %d are allowed", total>>20, bound>>20)
			}
		})
	}
}

func sessions(w *worker.Worker) (n int) {
	for _, p := range w.Health().Partitions {
		n += p.Sessions
	}
	return n
}

func startMany(t *testing.T, hub *taskhub.Hub, instances int) {
	t.Helper()
	inParallel(t, instances, func(ctx context.Context, i int) error {
		_, err := hub.Client().StartOrchestration(ctx, durable.StartRequest{Name: "Waits", InstanceID: fmt.Sprint(i)})
		return err
	})
	eventually(t, "all wait", func() bool {
		counts, err := hub.Client().Count(within(t, time.Minute), taskhub.Query{Name: "Waits", Statuses: []history.Status{history.Running}})
		return err == nil && counts[history.Running] == instances
	})
}

func raiseAll(t *testing.T, hub *taskhub.Hub, instances int) {
	t.Helper()
	inParallel(t, instances, func(ctx context.Context, i int) error { return hub.Client().RaiseEvent(ctx, fmt.Sprint(i), "Go", "on") })
	eventually(t, "all complete", func() bool {
		counts, err := hub.Client().Count(within(t, time.Minute), taskhub.Query{Name: "Waits", Statuses: []history.Status{history.Completed}})
		return err == nil && counts[history.Completed] == instances
	})
}

func inParallel(t *testing.T, n int, do func(context.Context, int) error) {
	t.Helper()
	ctx := within(t, 5*time.Minute)
	limit := make(chan struct{}, 32)
	var wg sync.WaitGroup
	for i := range n {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			if err := do(ctx, i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// awaitWaiting waits until the long one has all its results.
func awaitWaiting(t *testing.T, hub *taskhub.Hub) {
	t.Helper()
	for deadline := time.Now().Add(8 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		in, err := hub.Client().GetStatus(within(t, time.Minute), "long")
		if err == nil && in.CustomStatus != nil && *in.CustomStatus == `"waits"` {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the long one has not got its results: %v", err)
		}
	}
}
