package activities_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

func newQueues(t *testing.T) *queues.Queues {
	t.Helper()
	account := testkit.Account(t)
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	q := queues.New(queues.Config{Account: account, Names: names, Payloads: payloads.New(account, names), Partitions: 2})
	if err := q.Create(within(t)); err != nil {
		t.Fatal(err)
	}
	return q
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// handlers maps names to functions; "" in their result stands for no output.
type handlers map[string]durable.ActivityHandler

func (h handlers) find(name string) (durable.ActivityHandler, bool) {
	f, ok := h[name]
	return f, ok
}

func begin(t *testing.T, cfg activities.Config) *activities.Runner {
	t.Helper()
	if cfg.MaxPoll == 0 {
		cfg.MaxPoll = 100 * time.Millisecond
	}
	r := activities.New(cfg)
	r.Start()
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t *testing.T, r *activities.Runner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func request(name string, id int32) *history.Envelope {
	episode, target := int32(3), history.Instance{InstanceID: "caller", ExecutionID: history.String("e1")}
	e := &history.TaskScheduled{Base: history.Base{EventID: id, Timestamp: time.Now().UTC()}, Name: name, Version: history.String(""), Input: history.String(`["in"]`)}
	return &history.Envelope{
		ActivityID: fmt.Sprintf("00000000-0000-4000-8000-%012d", id+1), Episode: &episode, Sender: &target,
		Message: &history.Message{Event: e, Target: target, Context: &history.ExecutionContext{Tags: history.NewTags(map[string]string{"team": "blue"})}},
	}
}

func put(t *testing.T, q *queues.Queues, env *history.Envelope) {
	t.Helper()
	if _, err := q.WorkItems().Put(within(t), env, 0); err != nil {
		t.Fatal(err)
	}
}

// answers receives n messages from the caller's control queue.
func answers(t *testing.T, q *queues.Queues, n int) []*history.Envelope {
	t.Helper()
	var got []*history.Envelope
	for deadline := time.Now().Add(patience); len(got) < n && time.Now().Before(deadline); {
		batch, err := q.ControlFor("caller").Receive(within(t), 32, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			got = append(got, d.Envelope)
		}
		if len(batch) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if len(got) != n {
		t.Fatalf("%d answers came, want %d", len(got), n)
	}
	return got
}

func empty(t *testing.T, q *queues.Queue) bool {
	t.Helper()
	n, err := q.ApproximateCount(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return n == 0
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestOutcomesTravelAsMessages(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	infos := make(chan durable.ActivityInfoValue, 1)
	begin(t, activities.Config{Queues: q, Handler: handlers{
		"Fine": func(ctx context.Context, in *string) (*string, error) {
			infos <- durable.ActivityInfo(ctx)
			return history.String(`"out of ` + (*in)[2:4] + `"`), nil
		},
		"Bad":   func(context.Context, *string) (*string, error) { return nil, errors.New("no luck") },
		"Panic": func(context.Context, *string) (*string, error) { panic("oh no") },
	}.find})
	for i, name := range []string{"Fine", "Bad", "Panic"} {
		put(t, q, request(name, int32(i)))
	}
	byID := map[int32]history.Event{}
	for _, env := range answers(t, q, 3) {
		if env.Episode == nil || *env.Episode != 3 || env.Sender.InstanceID != "caller" || *env.Message.Target.ExecutionID != "e1" {
			t.Errorf("an answer is addressed wrongly: %+v", env)
		}
		switch e := env.Message.Event.(type) {
		case *history.TaskCompleted:
			byID[e.TaskScheduledID] = e
		case *history.TaskFailed:
			byID[e.TaskScheduledID] = e
		}
	}
	if e, ok := byID[0].(*history.TaskCompleted); !ok || *e.Result != `"out of in"` {
		t.Errorf("Fine ended with %+v", byID[0])
	}
	if e, ok := byID[1].(*history.TaskFailed); !ok || *e.Reason != "no luck" || e.Failure == nil || e.Failure.ErrorMessage != "no luck" || e.Details != nil {
		t.Errorf("Bad ended with %+v", byID[1])
	}
	if e, ok := byID[2].(*history.TaskFailed); !ok || e.Failure == nil {
		t.Errorf("Panic ended with %+v", byID[2])
	}
	info := <-infos
	if info.Name != "Fine" || info.InstanceID != "caller" || info.ExecutionID != "e1" || info.TaskID != 0 || info.Attempt != 1 || info.Tags["team"] != "blue" {
		t.Errorf("the activity was told %+v", info)
	}
	eventually(t, "the work items are deleted", func() bool { return empty(t, q.WorkItems()) })
}

func TestNoMoreThanSlots(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	var running, most atomic.Int64
	gate := make(chan struct{})
	begin(t, activities.Config{Queues: q, Slots: 3, Handler: handlers{"Wait": func(context.Context, *string) (*string, error) {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-gate
		running.Add(-1)
		return nil, nil
	}}.find})
	for i := range int32(9) {
		put(t, q, request("Wait", i))
	}
	eventually(t, "three run", func() bool { return running.Load() == 3 })
	visible, err := q.WorkItems().Peek(within(t), 32)
	if err != nil {
		t.Fatal(err)
	}
	if len(visible) != 6 {
		t.Errorf("%d of 9 work items are left for other workers while 3 slots are taken; want 6", len(visible))
	}
	close(gate)
	answers(t, q, 9)
	if most.Load() != 3 {
		t.Errorf("%d activities ran at a time with 3 slots", most.Load())
	}
}

func TestUnhostedGoesBackAtOnce(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begin(t, activities.Config{Queues: q, Handler: handlers{"Mine": func(context.Context, *string) (*string, error) { return nil, nil }}.find})
	put(t, q, request("Theirs", 1))
	eventually(t, "another worker may have it", func() bool {
		batch, err := q.WorkItems().Receive(within(t), 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return len(batch) == 1
	})
}

func TestStopHandsBack(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	started := make(chan struct{}, 8)
	r := begin(t, activities.Config{Queues: q, Slots: 2, Grace: 50 * time.Millisecond, Handler: handlers{
		"Long": func(ctx context.Context, _ *string) (*string, error) {
			started <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
	}.find})
	for i := range int32(2) {
		put(t, q, request("Long", i))
	}
	<-started
	<-started
	waiting := request("Long", 7)
	receipt, err := q.WorkItems().Put(within(t), waiting, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Offer(activities.Work{Envelope: waiting, Receipt: receipt, LockedUntil: time.Now().Add(time.Minute)}) {
		t.Fatal("the runner refused a work item that fits its backlog")
	}
	stop(t, r)
	visible, err := q.WorkItems().Peek(within(t), 32)
	if err != nil {
		t.Fatal(err)
	}
	if len(visible) != 3 {
		t.Errorf("%d of 3 work items are visible after the stop", len(visible))
	}
	if !empty(t, q.ControlFor("caller")) {
		t.Error("an activity that the stop cut short was reported")
	}
	if r.Offer(activities.Work{Envelope: waiting, Receipt: receipt}) {
		t.Error("a stopped runner took a work item")
	}
}

// TestLocksAreRenewed: an activity that runs longer than its lock is not delivered a second time.
func TestLocksAreRenewed(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	var runs atomic.Int64
	begin(t, activities.Config{Queues: q, Lock: 2 * time.Second, Handler: handlers{"Long": func(context.Context, *string) (*string, error) {
		runs.Add(1)
		time.Sleep(5 * time.Second) // the activity's own work
		return nil, nil
	}}.find})
	put(t, q, request("Long", 1))
	answers(t, q, 1)
	if runs.Load() != 1 {
		t.Errorf("it ran %d times", runs.Load())
	}
}

func TestDeliveredInProcess(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	results := make(chan activities.Result, 1)
	begin(t, activities.Config{
		Queues: q, Deliver: func(r activities.Result) bool { results <- r; return true },
		Handler: handlers{"Fine": func(context.Context, *string) (*string, error) { return history.String("1"), nil }}.find,
	})
	put(t, q, request("Fine", 4))
	r := <-results
	if e, ok := r.Envelope.Message.Event.(*history.TaskCompleted); !ok || e.TaskScheduledID != 4 {
		t.Errorf("delivered was %+v", r.Envelope.Message.Event)
	}
	if err := q.WorkItems().Delete(within(t), r.WorkItem); err != nil {
		t.Errorf("the receiver cannot delete the work item: %v", err)
	}
	if !empty(t, q.ControlFor("caller")) {
		t.Error("a result that was delivered was sent, too")
	}
}
