package worker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// faulty returns a hub whose storage calls pass through a proxy.
func faulty(t *testing.T) (*taskhub.Hub, *proxy.Proxy) {
	t.Helper()
	conn, p := proxy.Start(t, testkit.Conn(t), func(c *proxy.Config) { c.Seed = 7 })
	account, err := storage.Open(storage.Config{ConnectionString: conn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	return hubOver(t, account), p
}

func rule(t *testing.T, p *proxy.Proxy, r proxy.Rule) *proxy.ActiveRule {
	t.Helper()
	active, err := p.AddRule(r)
	if err != nil {
		t.Fatal(err)
	}
	return active
}

// TestRandomFaults: with 2 % of all calls disturbed everything ends with the right result.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	hub, p := faulty(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	wait(t, hub, start(t, hub, "Empty", `"warm"`))
	for _, f := range []proxy.Fault{{Kind: proxy.Lost}, {Kind: proxy.Refuse, Status: 503}, {Kind: proxy.Reset}} {
		rule(t, p, proxy.Rule{Rate: .007, Fault: f})
	}
	var wg sync.WaitGroup
	for range 40 {
		id := start(t, hub, "Chain", "5")
		wg.Go(func() { expect(t, wait(t, hub, id), history.Completed, "30") })
	}
	for range 5 {
		id := start(t, hub, "Family", "2")
		wg.Go(func() { expect(t, wait(t, hub, id), history.Completed, `"((leaf leaf) (leaf leaf))"`) })
	}
	wg.Wait()
}

// TestLostCommitAnswer: the commit landed and the answer was lost. The decision stands once.
func TestLostCommitAnswer(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	once := durable.NewActivity("Once", func(context.Context, int) (int, error) { return int(runs.Add(1)), nil })
	o := durable.NewOrchestrator("Two", func(ctx *durable.Context, _ durable.Void) (int, error) {
		if _, err := once.Call(ctx, 1).Await(); err != nil {
			return 0, err
		}
		return once.Call(ctx, 2).Await()
	})
	for nth := 1; nth <= 3; nth++ {
		hub, p := faulty(t)
		runs.Store(0)
		w := startWorker(t, hub, worker.Config{}, o, once)
		eventually(t, "partitions are owned", func() bool { return w.WaitReady(within(t, patience)) == nil })
		rule(t, p, proxy.Rule{Operation: `^table\.batch$`, Nth: nth, Times: 1, Fault: proxy.Fault{Kind: proxy.Lost}})
		in := wait(t, hub, start(t, hub, "Two", ""))
		if in.Status != history.Completed {
			t.Errorf("commit %d: it ended as %v", nth, in.Status)
		}
		if n := runs.Load(); n > 3 {
			t.Errorf("commit %d: two activities ran %d times", nth, n)
		}
		events, err := hub.Client().History(within(t, patience), in.InstanceID)
		if err != nil {
			t.Fatal(err)
		}
		counted := map[history.Kind]int{}
		for _, e := range events {
			counted[e.Kind()]++
		}
		if counted[history.KindTaskScheduled] != 2 || counted[history.KindTaskCompleted] != 2 {
			t.Errorf("commit %d: the history has %v", nth, counted)
		}
		stopWorker(t, w)
	}
}

// TestRedeliveredEvent: an event whose message comes again is applied once.
func TestRedeliveredEvent(t *testing.T) {
	t.Parallel()
	hub, p := faulty(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	id := start(t, hub, "EventCounter", "4")
	eventually(t, "it runs", statusIs(t, hub, id, history.Running))
	// The put's answer is lost, the client sends again: two messages with one id.
	lost := rule(t, p, proxy.Rule{Operation: `^queue\.put$`, Times: 3, Nth: 1, Rate: 1, Fault: proxy.Fault{Kind: proxy.Lost}})
	for i := range 3 {
		if err := hub.Client().RaiseEvent(within(t, patience), id, "e", i); err != nil {
			t.Fatal(err)
		}
	}
	if lost.Picked() == 0 {
		t.Fatal("no answer was lost")
	}
	lost.Remove()
	if err := hub.Client().RaiseEvent(within(t, patience), id, "e", 3); err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, id), history.Completed, `"e:0,e:1,e:2,e:3"`)
}

// TestStalledOwnerLosesItsPartitions: a worker whose receives hang stops renewing, and another one takes over.
func TestStalledOwnerLosesItsPartitions(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a lease period")
	}
	hub, p := faulty(t)
	startWorker(t, hub, worker.Config{ID: "stalled"}, twins()...)
	id := start(t, hub, "WaitForever", `"x"`)
	eventually(t, "it runs", statusIs(t, hub, id, history.Running))
	rule(t, p, proxy.Rule{Operation: `^queue\.get$`, Fault: proxy.Fault{Kind: proxy.Hang}})
	second := hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() })
	startWorker(t, second, worker.Config{ID: "rescuer"}, twins()...)
	began := time.Now()
	if err := second.Client().RaiseEvent(within(t, patience), id, "Go", "1"); err != nil {
		t.Fatal(err)
	}
	in, err := second.Client().WaitForCompletion(within(t, 2*patience), id, "")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, in, history.Completed, `"Go=1"`)
	t.Log("taken over after", time.Since(began))
}
