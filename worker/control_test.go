package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func TestEventsInOrderAndOnce(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	id := start(t, hub, "EventCounter", "5")
	ctx := within(t, patience)
	eventually(t, "the instance runs", statusIs(t, hub, id, history.Running))
	for i := range 5 {
		if err := hub.Client().RaiseEvent(ctx, id, []string{"even", "ODD"}[i%2], i); err != nil {
			t.Fatal(err)
		}
	}
	in := wait(t, hub, id)
	expect(t, in, history.Completed, `"even:0,ODD:1,even:2,ODD:3,even:4"`)
	if in.CustomStatus == nil || *in.CustomStatus != `"5 events"` {
		t.Errorf("the custom status is %v", in.CustomStatus)
	}
}

func TestCarriedEventsSurviveContinueAsNew(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	id := start(t, hub, "CounterWithEvents", "1")
	eventually(t, "the instance runs", statusIs(t, hub, id, history.Running))
	for i := range 3 {
		if err := hub.Client().RaiseEvent(within(t, patience), id, "E", i); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, wait(t, hub, id), history.Completed, `"E2"`)
}

func TestTerminateSuspendResume(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	ctx, c := within(t, patience), hub.Client()

	ended := start(t, hub, "WaitForever", `"s"`)
	eventually(t, "it runs", statusIs(t, hub, ended, history.Running))
	if err := c.Terminate(ctx, ended, "no longer needed"); err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, ended), history.Terminated, "no longer needed")

	held := start(t, hub, "WaitForever", `"s"`)
	eventually(t, "it runs", statusIs(t, hub, held, history.Running))
	if err := c.Suspend(ctx, held, "hold on"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is suspended", statusIs(t, hub, held, history.Suspended))
	if err := c.RaiseEvent(ctx, held, "Go", "while suspended"); err != nil {
		t.Fatal(err)
	}
	if err := c.Resume(ctx, held, "go on"); err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, held), history.Completed, `"Go=while suspended"`)
}

// TestEventToFinishedInstance: the client refuses, and the queues stay as they were.
func TestRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	ctx, c := within(t, patience), hub.Client()
	id := start(t, hub, "Empty", `"x"`)
	wait(t, hub, id)
	before := hub.Account().Counts().Calls["queue.put"]
	cases := map[string]struct {
		err  error
		want error
	}{
		"event for an unknown id":      {c.RaiseEvent(ctx, "nobody", "Go", 1), taskhub.ErrInstanceNotFound},
		"event for a finished one":     {c.RaiseEvent(ctx, id, "Go", 1), taskhub.ErrInstanceFinished},
		"terminating an unknown id":    {c.Terminate(ctx, "nobody", ""), taskhub.ErrInstanceNotFound},
		"terminating a finished one":   {c.Terminate(ctx, id, ""), taskhub.ErrInstanceFinished},
		"suspending an unknown id":     {c.Suspend(ctx, "nobody", ""), taskhub.ErrInstanceNotFound},
		"waiting for an unknown id":    {waitErr(ctx, c, "nobody"), taskhub.ErrInstanceNotFound},
		"a payload that cannot travel": {c.RaiseEvent(ctx, id, "Go", make(chan int)), nil},
		"an id with a slash":           {startErr(ctx, c, "a/b"), nil},
		"an id with a control char":    {startErr(ctx, c, "a\x01b"), nil},
		"an id of 101 characters":      {startErr(ctx, c, strings.Repeat("i", 101)), nil},
	}
	for name, test := range cases {
		if test.err == nil || test.want != nil && !errors.Is(test.err, test.want) {
			t.Errorf("%s: the error is %v", name, test.err)
		}
	}
	if after := hub.Account().Counts().Calls["queue.put"]; after != before {
		t.Errorf("%d messages were put by calls that were refused", after-before)
	}
}

func waitErr(ctx context.Context, c *taskhub.Client, id string) error {
	_, err := c.WaitForCompletion(ctx, id, "")
	return err
}

func startErr(ctx context.Context, c *taskhub.Client, id string) error {
	_, err := c.StartOrchestration(ctx, durable.StartRequest{Name: "Empty", InstanceID: id})
	return err
}

// TestUnhostedOrchestrator: the start waits with growing delays, costs next to nothing, and can be terminated.
func TestUnhostedOrchestrator(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	id := start(t, hub, "NobodyHostsThis", `"x"`)
	other := start(t, hub, "HelloSequence", "")
	expect(t, wait(t, hub, other), history.Completed, `["Hello Tokyo!","Hello Seattle!","Hello London!"]`)
	before := hub.Account().Counts()
	time.Sleep(3 * time.Second) // a bound on what is spent in a time, not a wait for something
	spent := hub.Account().Counts().Sub(before)
	if updates := spent.Calls["queue.update"]; updates > 3 {
		t.Errorf("a start that nobody hosts was put off %d times in three seconds", updates)
	}
	if err := hub.Client().Terminate(within(t, patience), id, "nobody will"); err != nil {
		t.Fatal(err)
	}
	in := wait(t, hub, id)
	expect(t, in, history.Terminated, "nobody will")
}

// TestUndecodableMessage: it is set aside, and everything else goes on.
func TestUndecodableMessage(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	texts := []string{
		"not JSON at all", "{", `{"$type":"DurableTask.AzureStorage.MessageData"}`,
		`{"$type":"DurableTask.AzureStorage.MessageData","TaskMessage":{"Event":{"$type":"DurableTask.Core.History.NoSuchEvent"}}}`,
		`{"$type":"DurableTask.AzureStorage.MessageData","TaskMessage":null,"CompressedBlobName":"gone/message-1-X.json.gz"}`,
	}
	for i := range hub.Partitions() {
		q := hub.Account().Queues().NewQueueClient(hub.Names().ControlQueue(i))
		for _, text := range texts {
			if _, err := q.EnqueueMessage(within(t, patience), text, &azqueue.EnqueueMessageOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := hub.Account().Queues().NewQueueClient(hub.Names().WorkItemQueue())
	for _, text := range texts {
		if _, err := w.EnqueueMessage(within(t, patience), text, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 8 {
		expect(t, wait(t, hub, start(t, hub, "Chain", "3")), history.Completed, "5")
	}
	before := hub.Account().Counts()
	time.Sleep(2 * time.Second) // a bound on what is spent in a time, not a wait for something
	spent := hub.Account().Counts().Sub(before)
	if n := spent.Calls["queue.update"]; n > 60 {
		t.Errorf("25 unreadable messages were put off %d times in two seconds", n)
	}
}

func TestPartitionCountMismatch(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	if err := hub.Ensure(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	_, err := taskhub.Open(within(t, patience), taskhub.Config{Name: hub.Name(), Account: hub.Account(), Partitions: 7})
	var mismatch *taskhub.PartitionCountError
	if !errors.As(err, &mismatch) || mismatch.Configured != 7 || mismatch.Stored != 4 {
		t.Errorf("the error is %v", err)
	}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	orchestrator := durable.NewOrchestrator("O", func(*durable.Context, int) (int, error) { return 0, nil })
	activity := durable.NewActivity("A", func(context.Context, int) (int, error) { return 0, nil })
	cases := map[string][]durable.Registrable{
		`"O" is registered twice`: {orchestrator, durable.NewOrchestrator("O", func(*durable.Context, string) (string, error) { return "", nil })},
		`"A" is registered twice`: {activity, activity},
		"nil":                     {nil},
		"NoFunction":              {durable.DeclareActivity[int, int]("NoFunction")},
		"name":                    {durable.NewActivity("", func(context.Context, int) (int, error) { return 0, nil })},
	}
	for want, items := range cases {
		w, err := worker.New(hub, worker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Register(items...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error of %s is %v", want, err)
		}
		if err := w.Start(within(t, patience)); err == nil {
			t.Errorf("%s: a worker with bad registrations started", want)
			stopWorker(t, w)
		}
	}
	if hub.Account().Counts().Calls["queue.create-queue"] > 0 {
		t.Error("a worker that could not start created the hub")
	}
}

// TestGracefulRestart: a second worker goes on where the first one stopped, and nothing runs twice.
func TestGracefulRestart(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	step := durable.NewActivity("Step", func(ctx context.Context, n int) (int, error) {
		runs.Add(1)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		return n, nil
	})
	long := durable.NewOrchestrator("Long", func(ctx *durable.Context, n int) (int, error) {
		sum := 0
		for i := range n {
			v, err := step.Call(ctx, i).Await()
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
	hub := newHub(t)
	first := startWorker(t, hub, worker.Config{}, long, step)
	var ids []string
	for range 6 {
		ids = append(ids, start(t, hub, "Long", "12"))
	}
	eventually(t, "work is half way", func() bool { return runs.Load() > 30 })
	stopWorker(t, first)
	startWorker(t, hub, worker.Config{}, long, step)
	for _, id := range ids {
		expect(t, wait(t, hub, id), history.Completed, "66")
	}
	if n := runs.Load(); n != 72 {
		t.Errorf("72 activities ran %d times", n)
	}
}

// TestTimersAreExact: a timer fires on its instant, never before.
func TestTimersAreExact(t *testing.T) {
	t.Parallel()
	timer := durable.NewOrchestrator("Exact", func(ctx *durable.Context, ms []int) ([]int64, error) {
		var late []int64
		for _, d := range ms {
			due := ctx.Now().Add(time.Duration(d) * time.Millisecond)
			if err := durable.SleepUntil(ctx, due); err != nil {
				return nil, err
			}
			late = append(late, ctx.Now().Sub(due).Microseconds())
		}
		return late, nil
	})
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, timer)
	in := wait(t, hub, start(t, hub, "Exact", "[1,30,250,999,1000,1001,1500]"))
	var late []int64
	if in.Status != history.Completed || json.Unmarshal([]byte(*in.Output), &late) != nil {
		t.Fatalf("it ended as %v", in)
	}
	for i, us := range late {
		if us < 0 {
			t.Errorf("timer %d fired %d µs early", i, -us)
		}
	}
	t.Log("microseconds late:", late)
}

func TestScheduledStart(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	input, at := `"later"`, time.Now().Add(2*time.Second)
	started, err := hub.Client().StartOrchestration(within(t, patience), durable.StartRequest{Name: "Empty", Input: &input, StartAt: at})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, started.InstanceID), history.Completed, `"done later"`)
	if time.Now().Before(at) {
		t.Error("it ran before its time")
	}
}

// TestTerminatedBeforeItsStart: the start message comes later and changes nothing.
func TestTerminatedBeforeItsStart(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	if err := hub.Ensure(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	ctx, c, at := within(t, patience), hub.Client(), time.Now().Add(12*time.Second)
	started, err := c.StartOrchestration(ctx, durable.StartRequest{Name: "Empty", StartAt: at})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Terminate(ctx, started.InstanceID, "not wanted"); err != nil {
		t.Fatal(err)
	}
	startWorker(t, hub, worker.Config{}, twins()...)
	in := wait(t, hub, started.InstanceID)
	expect(t, in, history.Terminated, "not wanted")
	if time.Now().After(at) {
		t.Skip("the machine is too busy to terminate an instance twelve seconds before its start")
	}
	eventually(t, "the start message is gone", func() bool {
		n, err := hub.Queues().ControlFor(started.InstanceID).ApproximateCount(within(t, patience))
		return err == nil && n == 0
	})
	if in, err = c.GetInstance(ctx, started.InstanceID); err != nil {
		t.Fatal(err)
	}
	expect(t, in, history.Terminated, "not wanted")
}

// TestManyAtOnce starts more than fits into one receive, in every partition.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startWorker(t, hub, worker.Config{}, twins()...)
	ids := make([]string, 120)
	for i := range ids {
		ids[i] = start(t, hub, "Chain", fmt.Sprint(i%4))
	}
	for i, id := range ids {
		expect(t, wait(t, hub, id), history.Completed, []string{"0", "0", "1", "5"}[i%4])
	}
}
