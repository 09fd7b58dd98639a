package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// trap is a way to the storage that panics in the middle of some calls.
type trap struct {
	client http.Client
	armed  atomic.Int32 // calls that panic
	which  func(*http.Request) bool
}

func (tr *trap) Do(req *http.Request) (*http.Response, error) {
	if tr.which(req) && tr.armed.Add(-1) >= 0 {
		panic("the test's transport panics")
	}
	return tr.client.Do(req)
}

// idIn makes an instance id that belongs to a partition.
func idIn(partition, partitions int, name string) string {
	for i := 0; ; i++ {
		if id := fmt.Sprint(name, i); layout.Partition(id, partitions) == partition {
			return id
		}
	}
}

// TestPain01PanickingReceiveLoop: the loop that receives from one partition panics. The worker goes on with its other partitions, takes
// the partition again, and says so in its health.
func TestPain01PanickingReceiveLoop(t *testing.T) {
	t.Parallel()
	tr := &trap{which: func(req *http.Request) bool {
		return req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "-control-00/messages")
	}}
	tr.client.Transport = &http.Transport{}
	t.Cleanup(tr.client.CloseIdleConnections)
	const partitions = 2
	hub := hubOver(t, testkit.Open(t, storage.Config{Transport: tr}), func(c *taskhub.Config) { c.Partitions = partitions })
	w := startWorker(t, hub, worker.Config{}, twins()...)
	first, second := idIn(0, partitions, "first"), idIn(1, partitions, "second")
	startAs := func(id string) {
		t.Helper()
		startID(t, hub, "WaitForever", `"x"`, id)
		eventually(t, id+" runs", statusIs(t, hub, id, history.Running))
	}
	startAs(first)
	startAs(second)
	tr.armed.Store(1 << 30)
	eventually(t, "the worker says that it lost the partition", func() bool {
		h := w.Health()
		return !h.Healthy && strings.Contains(strings.Join(h.Reasons, " "), "panicked")
	})
	if err := hub.Client().RaiseEvent(within(t, patience), second, "Go", "1"); err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, second), history.Completed, `"Go=1"`)
	tr.armed.Store(0)
	if err := hub.Client().RaiseEvent(within(t, patience), first, "Go", "2"); err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, first), history.Completed, `"Go=2"`)
	lost := w.Health().Partitions[0]
	if !strings.Contains(lost.Failure, "panicked while receiving") || lost.FailedAt.IsZero() || lost.Failures == 0 {
		t.Errorf("the health of the partition is %+v", lost)
	}
}

// TestPanickingWorkItemLoop: the loop that receives work items panics several times, and begins anew.
func TestPanickingWorkItemLoop(t *testing.T) {
	t.Parallel()
	tr := &trap{which: func(req *http.Request) bool {
		return req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "-workitems/messages")
	}}
	tr.client.Transport = &http.Transport{}
	t.Cleanup(tr.client.CloseIdleConnections)
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, programs.Orchestrators()...)
	hands := hubOver(t, testkit.Open(t, storage.Config{Transport: tr}), func(c *taskhub.Config) { c.Name = hub.Name() })
	tr.armed.Store(2)
	startWorker(t, hands, worker.Config{}, programs.Activities()...)
	expect(t, wait(t, hub, start(t, hub, "Chain", "3")), history.Completed, "5")
	if tr.armed.Load() > 0 {
		t.Error("the loop has not panicked")
	}
}

// TestPain01StarvedWorkerProcess: a worker process whose goroutines hardly get any time loses its partitions to one that works. The
// plain run has this in virtual time.
func TestPain01StarvedWorkerProcess(t *testing.T) {
	t.Parallel()
	if !full() {
		t.Skip("keeps a processor busy for a minute; set TASKHUB_FULL")
	}
	needSignals(t)
	f := newFleetOf(t, leases.Safe)
	const length = 3
	starved := f.begin(childStarve + "=1")
	ids := f.chains(4, length)
	send(t, starved.Process, starveSignal)
	f.begin()
	began := time.Now()
	f.finish(ids, length)
	t.Logf("finished %v after the process was starved", time.Since(began))
}

// TestWorkerWithoutOrchestratorsOwnsNothing: it came first, and leaves all partitions to a worker that can run what comes there.
func TestWorkerWithoutOrchestratorsOwnsNothing(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	hands := startWorker(t, hub, worker.Config{ID: "hands"}, programs.Activities()...)
	if err := hands.WaitReady(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	head := startWorker(t, hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() }), worker.Config{ID: "head"}, programs.Orchestrators()...)
	eventually(t, "the other worker has all partitions", func() bool { return owned(head) == hub.Partitions() })
	expect(t, wait(t, hub, start(t, hub, "Chain", "5")), history.Completed, "30")
	if n := owned(hands); n != 0 || !hands.Health().Healthy {
		t.Errorf("a worker without orchestrators owns %d partitions: %+v", n, hands.Health())
	}
}

// TestMisplacedMessages: messages that lie in the wrong control queue are dealt with by the owner of the right one.
func TestMisplacedMessages(t *testing.T) {
	t.Parallel()
	const partitions = 2
	hub := newHub(t, func(c *taskhub.Config) { c.Partitions = partitions })
	if err := hub.Ensure(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	id := idIn(0, partitions, "astray")
	startID(t, hub, "EventCounter", "1", id)
	if err := hub.Client().RaiseEvent(within(t, patience), id, "E", 7); err != nil {
		t.Fatal(err)
	}
	batch, err := hub.Queues().Control(0).Receive(within(t, patience), 32, time.Minute)
	if err != nil || len(batch) != 2 {
		t.Fatalf("%d messages, %v", len(batch), err)
	}
	for _, d := range batch {
		if _, err := hub.Queues().Control(1).Put(within(t, patience), d.Envelope, 0); err != nil {
			t.Fatal(err)
		}
		if err := hub.Queues().Control(0).Delete(within(t, patience), d.Receipt()); err != nil {
			t.Fatal(err)
		}
	}
	w := startWorker(t, hub, worker.Config{}, twins()...)
	expect(t, wait(t, hub, id), history.Completed, `"E:7"`)
	for i := range partitions {
		eventually(t, "no message is left", func() bool {
			n, err := hub.Queues().Control(i).ApproximateCount(within(t, patience))
			return err == nil && n == 0
		})
	}
	if h := w.Health().Partitions; h[0].Commits == 0 || h[1].Commits != 0 {
		t.Errorf("partition 0 has committed %d episodes, partition 1, where the messages lay, %d", h[0].Commits, h[1].Commits)
	}
}

// TestPain10SecondApplication: a worker of another application takes nothing out of the hub's queues, neither messages nor work items, and
// says why it waits.
func TestPain10SecondApplication(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	mine := startWorker(t, hub, worker.Config{ID: "mine", AppName: "mine", Fleet: worker.FleetMixed}, twins()...)
	eventually(t, "it has the hub", func() bool { return owned(mine) == hub.Partitions() })
	account := testkit.Open(t, storage.Config{})
	var ran atomic.Int32
	say := durable.NewActivity("Square", func(context.Context, int) (int, error) { ran.Add(1); return -1, nil }) // the same name, another thing
	other := startWorker(t, hubOver(t, account, func(c *taskhub.Config) { c.Name = hub.Name() }),
		worker.Config{ID: "other", AppName: "other", Fleet: worker.FleetMixed}, say, programs.Empty)
	if err := other.WaitReady(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		expect(t, wait(t, hub, start(t, hub, "FanOut", "20")), history.Completed, "2870")
	}
	if h := other.Health(); h.App != "waiting" || h.AppReason == "" || owned(other) != 0 || ran.Load() != 0 {
		t.Errorf("the other application ran %d activities, its health is %+v", ran.Load(), h)
	}
	if n := account.Counts().Calls["queue.get"]; n != 0 {
		t.Errorf("the other application has received %d times", n)
	}
}
