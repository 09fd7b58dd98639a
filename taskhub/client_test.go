package taskhub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

// received takes all visible messages of an instance out of its control queue.
func received(t *testing.T, h *Hub, id string) []*queues.Delivery {
	t.Helper()
	all, err := h.Queues().ControlFor(id).Receive(t.Context(), queues.MaxReceive, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var own []*queues.Delivery
	for _, d := range all {
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		if d.Envelope.Message.Target.InstanceID == id {
			own = append(own, d)
			continue
		}
		if _, err := h.Queues().ControlFor(id).SetVisibility(t.Context(), queues.Receipt{ID: d.ID, PopReceipt: d.PopReceipt}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return own
}

// inQueues counts the messages of a hub, invisible ones included.
func inQueues(t *testing.T, h *Hub) int {
	t.Helper()
	total := 0
	for i := range h.Partitions() {
		n, err := h.Queues().Control(i).ApproximateCount(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// setStatus does what a worker does to a status row.
func setStatus(t *testing.T, h *Hub, id string, status history.Status, output string) {
	t.Helper()
	at := now()
	update := tables.InstanceUpdate{InstanceID: id, Status: &status, Output: &output, LastUpdatedTime: &at}
	if status.IsTerminal() {
		update.CompletedTime = &at
	}
	if _, err := h.Tables().MergeInstance(t.Context(), update, tables.AnyVersion); err != nil {
		t.Fatal(err)
	}
}

func mustStart(t *testing.T, h *Hub, req durable.StartRequest, options ...StartOption) StartResult {
	t.Helper()
	if req.Name == "" {
		req.Name = "Checkout"
	}
	result, err := h.Client().Start(t.Context(), req, options...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestStartWritesWhatDotNetWrites(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	for _, id := range []string{"", "order-42", "o'brien", "id with spaces+plus=eq&amp;é:colon|pipe", "50%", "😀日本", strings.Repeat("é", 100)} {
		t.Run(id, func(t *testing.T) {
			var woken []int
			defer h.OnMessage(func(partition int) { woken = append(woken, partition) })()
			result := mustStart(t, h, durable.StartRequest{InstanceID: id, Input: history.String(`{"qty":3}`), Version: "1.0", Tags: map[string]string{"team": "blue"}})
			if id == "" && len(result.InstanceID) != 32 || id != "" && result.InstanceID != id || len(result.ExecutionID) != 32 || result.Existing {
				t.Errorf("started %+v", result)
			}
			in, err := h.Client().GetInstance(t.Context(), result.InstanceID)
			if err != nil || in.Status != history.Pending || in.ExecutionID != result.ExecutionID || in.Name != "Checkout" || in.Version != "1.0" || in.Generation != 0 ||
				*in.Input != `{"qty":3}` || !maps.Equal(in.Tags, map[string]string{"team": "blue"}) || in.Output != nil || !in.CompletedAt.IsZero() {
				t.Errorf("%+v, %v", in, err)
			}
			messages := received(t, h, result.InstanceID)
			if len(messages) != 1 {
				t.Fatalf("%d messages", len(messages))
			}
			envelope := messages[0].Envelope
			started := envelope.Message.Event.(*history.ExecutionStarted)
			if *started.Generation != 0 || !started.Timestamp.Equal(in.CreatedAt) || started.EventID != -1 || *started.Instance.ExecutionID != result.ExecutionID ||
				envelope.Sender == nil || envelope.Sender.InstanceID != "" || *envelope.Sender.ExecutionID != "" || envelope.Episode != nil || envelope.Message.Context != nil {
				t.Errorf("envelope %+v, event %+v", envelope, started)
			}
			if want := layout.Partition(result.InstanceID, h.Partitions()); len(woken) != 1 || woken[0] != want {
				t.Errorf("woken %v, want %d", woken, want)
			}
		})
	}
}

func TestStartFaults(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	long := strings.Repeat("x", 101)
	for name, test := range map[string]struct {
		req     durable.StartRequest
		options []StartOption
	}{
		"slash":       {req: durable.StartRequest{InstanceID: "a/b"}},
		"hash":        {req: durable.StartRequest{InstanceID: "a#b"}},
		"control":     {req: durable.StartRequest{InstanceID: "a\x01"}},
		"too long":    {req: durable.StartRequest{InstanceID: long}},
		"surrogates":  {req: durable.StartRequest{InstanceID: strings.Repeat("😀", 51)}},
		"entity":      {req: durable.StartRequest{InstanceID: "@counter@k"}},
		"no name":     {req: durable.StartRequest{Name: " "[:0], InstanceID: "no-name"}},
		"long name":   {req: durable.StartRequest{Name: strings.Repeat("n", 30_721)}},
		"eight days":  {req: durable.StartRequest{InstanceID: "late", StartAt: time.Now().Add(8 * 24 * time.Hour)}},
		"tag":         {req: durable.StartRequest{InstanceID: "tag", Tags: map[string]string{"$type": "x"}}},
		"event":       {req: durable.StartRequest{InstanceID: "event"}, options: []StartOption{WithFirstEvent("", 1)}},
		"payload":     {req: durable.StartRequest{InstanceID: "payload"}, options: []StartOption{WithFirstEvent("e", make(chan int))}},
		"policy":      {req: durable.StartRequest{InstanceID: "policy"}, options: []StartOption{IfExists(9)}},
		"big version": {req: durable.StartRequest{InstanceID: "version", Version: strings.Repeat("v", 40_000)}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.req.Name == "" && name != "no name" {
				test.req.Name = "Checkout"
			}
			_, err := h.Client().Start(t.Context(), test.req, test.options...)
			var argument *ArgumentError
			var id *InvalidInstanceIDError
			var large *tables.ValueTooLargeError
			if !errors.As(err, &argument) && !errors.As(err, &id) && !errors.As(err, &large) {
				t.Errorf("%v", err)
			}
			if err != nil && !strings.Contains(err.Error(), h.Name()) {
				t.Errorf("the error does not name the hub: %v", err)
			}
		})
	}
	orchestrator := durable.DeclareOrchestrator[chan int, int]("Checkout")
	if _, err := orchestrator.Start(t.Context(), h.Client(), make(chan int), durable.WithInstanceID("unmarshallable")); err == nil {
		t.Error("an input that cannot be serialized is accepted")
	}
	if n := inQueues(t, h); n != 0 {
		t.Errorf("%d messages are left of starts that were refused", n)
	}
	for i, err := range h.Client().Query(t.Context(), Query{IncludeEntities: true}) {
		t.Errorf("a row is left: %+v, %v", i, err)
	}
}

func TestStartOfAnExistingInstance(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	const id = "order-1"
	first := mustStart(t, h, durable.StartRequest{InstanceID: id})
	for _, status := range []history.Status{history.Pending, history.Running, history.Suspended, history.ContinuedAsNew} {
		setStatus(t, h, id, status, "")
		_, err := h.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "Checkout", InstanceID: id})
		var exists *InstanceExistsError
		if !errors.Is(err, ErrInstanceExists) || !errors.As(err, &exists) || exists.Status != status || exists.ExecutionID != first.ExecutionID {
			t.Errorf("%v: %v", status, err)
		}
		same := mustStart(t, h, durable.StartRequest{InstanceID: id}, IfExists(ReturnExisting))
		if !same.Existing || same.ExecutionID != first.ExecutionID {
			t.Errorf("%v: %+v", status, same)
		}
	}
	if n := inQueues(t, h); n != 1 {
		t.Errorf("%d messages instead of the first start's", n)
	}

	generation := int32(0)
	for _, status := range []history.Status{history.Completed, history.Failed, history.Terminated, history.Canceled} {
		setStatus(t, h, id, status, "out")
		again := mustStart(t, h, durable.StartRequest{InstanceID: id})
		generation++
		in, err := h.Client().GetInstance(t.Context(), id)
		if err != nil || in.Status != history.Pending || in.Generation != generation || in.ExecutionID != again.ExecutionID || in.Output != nil || !in.CompletedAt.IsZero() {
			t.Errorf("%v: %+v, %v", status, in, err)
		}
	}

	setStatus(t, h, id, history.Running, "")
	mustStart(t, h, durable.StartRequest{InstanceID: id}, IfExists(Replace))
	setStatus(t, h, id, history.Running, "")
	mustStart(t, h, durable.StartRequest{InstanceID: id, Reuse: []history.Status{history.Running}})
	setStatus(t, h, id, history.Completed, "")
	_, err := h.Client().Start(t.Context(), durable.StartRequest{Name: "Checkout", InstanceID: id, Reuse: []history.Status{}})
	if !errors.Is(err, ErrInstanceExists) {
		t.Errorf("nothing may be reused: %v", err)
	}
	if kept := mustStart(t, h, durable.StartRequest{InstanceID: id, Reuse: []history.Status{}}, IfExists(ReturnExisting)); !kept.Existing {
		t.Errorf("%+v", kept)
	}
}

func TestStartAfterTermination(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	const id = "order-1"
	first := mustStart(t, h, durable.StartRequest{InstanceID: id})
	messages := make(chan int, 10)
	defer h.OnMessage(func(partition int) { messages <- partition })()
	worker := make(chan int)
	go func() { // terminates what it is told to terminate
		<-messages
		terminations := 0
		for _, d := range received(t, h, id) {
			if _, ok := d.Envelope.Message.Event.(*history.ExecutionTerminated); ok {
				terminations++
			}
		}
		setStatus(t, h, id, history.Terminated, "replaced")
		h.Notify(id)
		worker <- terminations
	}()
	second := mustStart(t, h, durable.StartRequest{InstanceID: id}, IfExists(TerminateFirst))
	if second.Existing || second.ExecutionID == first.ExecutionID {
		t.Errorf("%+v after %+v", second, first)
	}
	if n := <-worker; n != 1 {
		t.Errorf("%d terminations", n)
	}
}

func TestRacingStarts(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	const id, racers = "order-1", 12
	var wg sync.WaitGroup
	var mu sync.Mutex
	started, refused := 0, 0
	for range racers {
		wg.Go(func() {
			_, err := h.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "Checkout", InstanceID: id})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				started++
			case errors.Is(err, ErrInstanceExists):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if started != 1 || refused != racers-1 {
		t.Errorf("%d were started, %d refused", started, refused)
	}
	if messages := received(t, h, id); len(messages) != 1 {
		t.Errorf("%d messages are left", len(messages))
	}
}

func TestRacingReplacements(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	const id, racers = "order-1", 4
	mustStart(t, h, durable.StartRequest{InstanceID: id})
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			if _, err := h.Client().Start(t.Context(), durable.StartRequest{Name: "Checkout", InstanceID: id}, IfExists(Replace)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	in, err := h.Client().GetInstance(t.Context(), id)
	if err != nil || in.Generation != racers {
		t.Errorf("%+v, %v", in, err)
	}
	generations := map[int32]int{}
	for _, d := range received(t, h, id) {
		generations[*d.Envelope.Message.Event.(*history.ExecutionStarted).Generation]++
	}
	for g := range int32(racers + 1) {
		if generations[g] != 1 {
			t.Errorf("messages by generation: %v", generations)
			break
		}
	}
}

func TestLargeInput(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	for _, size := range []int{30_720, 30_721, 45_000, 100_000} {
		input := `"` + strings.Repeat("i", size-2) + `"`
		id := fmt.Sprint("large-", size)
		mustStart(t, h, durable.StartRequest{InstanceID: id, Input: &input})
		in, err := h.Client().GetInstance(t.Context(), id)
		if err != nil || *in.Input != input {
			t.Errorf("%d: %v", size, err)
		}
		status, err := h.Client().GetStatus(t.Context(), id)
		if err != nil || status.Input != nil || status.Status != history.Pending {
			t.Errorf("%d: %+v, %v", size, status, err)
		}
		messages := received(t, h, id)
		if len(messages) != 1 || *messages[0].Envelope.Message.Event.(*history.ExecutionStarted).Input != input {
			t.Errorf("%d: the message is not what was sent", size)
		}
	}
}

func TestScheduledStart(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	at := time.Now().Add(7*24*time.Hour - time.Minute)
	result := mustStart(t, h, durable.StartRequest{InstanceID: "later", StartAt: at})
	in, err := h.Client().GetInstance(t.Context(), result.InstanceID)
	if err != nil || in.ScheduledStartAt.Sub(at).Abs() > time.Microsecond || in.Status != history.Pending {
		t.Errorf("%+v, %v", in, err)
	}
	if messages := received(t, h, "later"); len(messages) != 0 {
		t.Error("the message is visible")
	}
	if n := inQueues(t, h); n != 1 {
		t.Errorf("%d messages", n)
	}
	mustStart(t, h, durable.StartRequest{InstanceID: "overdue", StartAt: time.Now().Add(-time.Hour)})
	if messages := received(t, h, "overdue"); len(messages) != 1 {
		t.Errorf("%d messages of an overdue start", len(messages))
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	ctx := t.Context()
	operations := map[string]struct {
		do    func(id string) error
		check func(history.Event) bool
	}{
		"raise event": {
			func(id string) error { return c.RaiseEvent(ctx, id, "Approved", map[string]int{"n": 1}) },
			func(e history.Event) bool {
				raised, ok := e.(*history.EventRaised)
				return ok && raised.Name == "Approved" && *raised.Input == `{"n":1}`
			},
		},
		"raise null": {
			func(id string) error { return c.RaiseEvent(ctx, id, "Approved", nil) },
			func(e history.Event) bool { raised, ok := e.(*history.EventRaised); return ok && raised.Input == nil },
		},
		"terminate": {
			func(id string) error { return c.Terminate(ctx, id, "no longer needed") },
			func(e history.Event) bool {
				terminated, ok := e.(*history.ExecutionTerminated)
				return ok && *terminated.Input == "no longer needed"
			},
		},
		"suspend": {
			func(id string) error { return c.Suspend(ctx, id, "hold") },
			func(e history.Event) bool { s, ok := e.(*history.ExecutionSuspended); return ok && *s.Reason == "hold" },
		},
		"resume": {
			func(id string) error { return c.Resume(ctx, id, "") },
			func(e history.Event) bool { r, ok := e.(*history.ExecutionResumed); return ok && r.Reason == nil },
		},
	}
	for name, operation := range operations {
		t.Run(name, func(t *testing.T) {
			id := "control " + name
			if err := operation.do(id); !errors.Is(err, ErrInstanceNotFound) || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), h.Name()) {
				t.Errorf("unknown id: %v", err)
			}
			mustStart(t, h, durable.StartRequest{InstanceID: id})
			for _, status := range []history.Status{history.Completed, history.Failed, history.Terminated, history.Canceled} {
				setStatus(t, h, id, status, "")
				var finished *InstanceFinishedError
				if err := operation.do(id); !errors.Is(err, ErrInstanceFinished) || !errors.As(err, &finished) || finished.Status != status {
					t.Errorf("%v: %v", status, err)
				}
			}
			if messages := received(t, h, id); len(messages) != 1 {
				t.Errorf("%d messages of refused operations", len(messages)-1)
			}
			for _, status := range []history.Status{history.Pending, history.Running, history.Suspended} {
				setStatus(t, h, id, status, "")
				if err := operation.do(id); err != nil {
					t.Errorf("%v: %v", status, err)
				}
				messages := received(t, h, id)
				if len(messages) != 1 || !operation.check(messages[0].Envelope.Message.Event) || messages[0].Envelope.Message.Target.ExecutionID != nil {
					t.Errorf("%v: %+v", status, messages)
				}
			}
		})
	}
	mustStart(t, h, durable.StartRequest{InstanceID: "names"})
	var argument *ArgumentError
	if err := c.RaiseEvent(ctx, "names", "", 1); !errors.As(err, &argument) {
		t.Errorf("event without a name: %v", err)
	}
	if err := c.RaiseEvent(ctx, "names", "e", func() {}); !errors.As(err, &argument) {
		t.Errorf("event with a payload that cannot be serialized: %v", err)
	}
	if err := c.Terminate(ctx, "", ""); !errors.As(err, &argument) {
		t.Errorf("no id: %v", err)
	}
	if err := c.Terminate(ctx, strings.Repeat("^", 300), ""); !errors.Is(err, ErrInstanceNotFound) {
		t.Errorf("an id that no instance can have: %v", err)
	}
}

func TestFirstEvent(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	mustStart(t, h, durable.StartRequest{InstanceID: "both"}, WithFirstEvent("Go", 7))
	messages := received(t, h, "both")
	if len(messages) != 2 {
		t.Fatalf("%d messages", len(messages))
	}
	_, first := messages[0].Envelope.Message.Event.(*history.ExecutionStarted)
	raised, second := messages[1].Envelope.Message.Event.(*history.EventRaised)
	if !first || !second || raised.Name != "Go" || *raised.Input != "7" {
		t.Errorf("%+v, %+v", messages[0].Envelope, messages[1].Envelope)
	}
}

func TestDerivedIDsAreAccepted(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	id := strings.Repeat("a", 32) + ":0123/" + strings.Repeat("x", 200) // as a child's or an older version's
	running := history.Running
	if _, err := h.Tables().MergeInstance(t.Context(), tables.InstanceUpdate{InstanceID: id, Status: &running}, ""); err != nil {
		t.Fatal(err)
	}
	if in, err := h.Client().GetInstance(t.Context(), id); err != nil || in.InstanceID != id {
		t.Errorf("%+v, %v", in, err)
	}
	if err := h.Client().RaiseEvent(t.Context(), id, "e", nil); err != nil {
		t.Error(err)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	orchestrator := durable.DeclareOrchestrator[string, string]("Checkout")

	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		if _, err := c.WaitForCompletion(t.Context(), "no such", ""); !errors.Is(err, ErrInstanceNotFound) {
			t.Error(err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		t.Parallel()
		mustStart(t, h, durable.StartRequest{InstanceID: "slow"})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		if _, err := c.WaitForCompletion(ctx, "slow", ""); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "slow") {
			t.Error(err)
		}
	})
	t.Run("output", func(t *testing.T) {
		t.Parallel()
		run, err := orchestrator.Start(t.Context(), c, "in")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan string)
		for range 3 {
			go func() {
				out, err := run.Wait(t.Context())
				done <- fmt.Sprintf("%s %v", out, err)
			}()
		}
		setStatus(t, h, run.InstanceID(), history.Running, "")
		setStatus(t, h, run.InstanceID(), history.Completed, `"out"`)
		for range 3 {
			if got := <-done; got != "out <nil>" {
				t.Error(got)
			}
		}
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		run, err := orchestrator.Start(t.Context(), c, "in")
		if err != nil {
			t.Fatal(err)
		}
		execution := run.ExecutionID()
		_, err = h.Tables().Commit(t.Context(), tables.Commit{InstanceID: run.InstanceID(), ExecutionID: execution, Records: []tables.Record{
			{Event: &history.ExecutionStarted{Instance: history.Instance{InstanceID: run.InstanceID(), ExecutionID: &execution}, Name: "Checkout"}},
			{Event: &history.ExecutionCompleted{Status: history.Failed, Result: history.String("boom"), Failure: &history.FailureDetails{ErrorType: "My.Error", ErrorMessage: "boom"}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		setStatus(t, h, run.InstanceID(), history.Failed, "My.Error: boom")
		_, err = run.Wait(t.Context())
		var failed *durable.InstanceError
		if !errors.As(err, &failed) || failed.Status != history.Failed || failed.Message != "boom" || failed.Failure == nil || failed.Failure.ErrorType != "My.Error" {
			t.Errorf("%v", err)
		}
	})
	t.Run("purged", func(t *testing.T) {
		t.Parallel()
		mustStart(t, h, durable.StartRequest{InstanceID: "vanishes"})
		setStatus(t, h, "vanishes", history.Completed, "")
		if _, err := c.Purge(t.Context(), "vanishes"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := c.WaitForCompletion(ctx, "vanishes", ""); err == nil {
			t.Error("waiting for a purged instance succeeds")
		}
	})
}

// awaitWaiter waits until somebody waits for an instance.
func awaitWaiter(t *testing.T, h *Hub, id string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		h.watch.mu.Lock()
		joined := h.watch.watched[id] != nil
		h.watch.mu.Unlock()
		if joined {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}

func TestNotifyWakesAtOnce(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.MinPoll, cfg.MaxPoll = time.Hour, time.Hour
	h := openHub(t, cfg)
	mustStart(t, h, durable.StartRequest{InstanceID: "i"})
	done := make(chan error)
	go func() {
		_, err := h.Client().WaitForCompletion(t.Context(), "i", "")
		done <- err
	}()
	awaitWaiter(t, h, "i")
	setStatus(t, h, "i", history.Completed, "1")
	before := cfg.Account.Counts()
	h.Notify("i")
	h.Notify("another")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if calls := cfg.Account.Counts().Sub(before).Total(); calls != 1 {
		t.Errorf("%d requests", calls)
	}
	mustStart(t, h, durable.StartRequest{InstanceID: "early"})
	setStatus(t, h, "early", history.Completed, "1")
	h.Notify("early") // before anybody waits
	if _, err := h.Client().WaitForCompletion(t.Context(), "early", ""); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWaits(t *testing.T) {
	t.Parallel()
	h := openHub(t, testConfig(t))
	mustStart(t, h, durable.StartRequest{InstanceID: "i"})
	done := make(chan error)
	go func() {
		_, err := h.Client().WaitForCompletion(t.Context(), "i", "")
		done <- err
	}()
	awaitWaiter(t, h, "i")
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := h.Client().WaitForCompletion(t.Context(), "i", ""); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestQueryAndPurge(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	for i := range 7 {
		mustStart(t, h, durable.StartRequest{InstanceID: fmt.Sprint("order-", i), Input: history.String("1"), Tags: map[string]string{"even": fmt.Sprint(i%2 == 0)}})
	}
	setStatus(t, h, "order-1", history.Completed, "2")
	seen := 0
	for i, err := range c.Query(t.Context(), Query{IDPrefix: "order-", PageSize: 3, Outputs: true}) {
		if err != nil || i.Problem != nil || i.Input != nil {
			t.Fatalf("%+v, %v", i, err)
		}
		seen++
	}
	if seen != 7 {
		t.Errorf("%d instances", seen)
	}
	page, err := c.QueryPage(t.Context(), Query{Tags: map[string]string{"even": "true"}, PageSize: 1, Inputs: true}, "")
	if err != nil || len(page.Instances) != 1 || *page.Instances[0].Input != "1" || page.Next == "" {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := c.QueryPage(t.Context(), Query{}, "rubbish"); !errors.As(err, new(*InvalidTokenError)) {
		t.Error(err)
	}
	counts, err := c.Count(t.Context(), Query{})
	if err != nil || !maps.Equal(counts, map[history.Status]int{history.Pending: 6, history.Completed: 1}) {
		t.Errorf("%v, %v", counts, err)
	}

	if _, err := c.Purge(t.Context(), "order-2"); !errors.Is(err, ErrInstanceNotFinished) {
		t.Errorf("purging a pending instance: %v", err)
	}
	for i, want := range []int{1, 0} {
		if result, err := c.Purge(t.Context(), "order-1"); err != nil || result.Instances != want {
			t.Errorf("purge %d: %+v, %v", i+1, result, err)
		}
	}
	if result, err := c.Purge(t.Context(), "order-2", PurgeUnfinished()); err != nil || result.Instances != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := c.GetInstance(t.Context(), "order-2"); !errors.Is(err, ErrInstanceNotFound) {
		t.Error(err)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	if _, err := c.History(t.Context(), "no such"); !errors.Is(err, ErrInstanceNotFound) {
		t.Error(err)
	}
	result := mustStart(t, h, durable.StartRequest{InstanceID: "i"})
	if events, err := c.History(t.Context(), "i"); err != nil || len(events) != 0 {
		t.Errorf("%v, %v", events, err)
	}
	_, err := h.Tables().Commit(t.Context(), tables.Commit{InstanceID: "i", ExecutionID: result.ExecutionID, Records: []tables.Record{
		{Event: &history.OrchestratorStarted{Base: clientEvent()}},
		{Event: &history.TaskScheduled{Base: clientEvent(), Name: "Charge"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.History(t.Context(), "i")
	if err != nil || len(events) != 2 || events[1].Kind() != history.KindTaskScheduled {
		t.Errorf("%v, %v", events, err)
	}
	text, err := c.ExportHistory(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := history.UnmarshalExport(text); err != nil || len(again) != 2 {
		t.Errorf("%s: %v", text, err)
	}
}

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	if _, err := c.HistoryPage(t.Context(), "no such", "", 0); !errors.Is(err, ErrInstanceNotFound) {
		t.Error(err)
	}
	mustStart(t, h, durable.StartRequest{InstanceID: "new"})
	if page, err := c.HistoryPage(t.Context(), "new", "", 0); err != nil || len(page.Events) != 0 || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	var text strings.Builder
	if err := c.WriteHistory(t.Context(), "new", &text); err != nil || text.String() != "[]" {
		t.Errorf("%q, %v", text.String(), err)
	}
	scheduled := make([]tables.Record, 1200)
	for i := range scheduled {
		scheduled[i] = event(&history.TaskScheduled{Name: "Charge"}, int32(i))
	}
	scheduled[1100] = event(&history.TaskCompleted{Result: history.String(strings.Repeat("x", 40_000))}, -1)
	ran(t, h, "long", history.Running, "", scheduled)
	all, err := c.History(t.Context(), "long")
	if err != nil || len(all) != 1203 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	want, err := history.MarshalExport(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 7, 1203, 5000} {
		var events []history.Event
		pages := 0
		for token := ""; pages == 0 || token != "" && pages < 200; pages++ {
			page, err := c.HistoryPage(t.Context(), "long", token, size)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Events); size > 0 && n > size || n > tables.MaxPageSize {
				t.Errorf("size %d: a page of %d", size, n)
			}
			events, token = append(events, page.Events...), page.Next
		}
		got, err := history.MarshalExport(events)
		if err != nil {
			t.Fatal(err)
		}
		if size == 1 {
			if len(events) != 200 {
				t.Errorf("%d pages of one event", len(events))
			}
		} else if string(got) != string(want) {
			t.Errorf("size %d: %d events in %d pages", size, len(events), pages)
		}
	}
	text.Reset()
	if err := c.WriteHistory(t.Context(), "long", &text); err != nil || text.String() != string(want) {
		t.Errorf("%d bytes of export, want %d; %v", text.Len(), len(want), err)
	}
	first, err := c.HistoryPage(t.Context(), "long", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.HistoryPage(t.Context(), "long", "garbage", 10); !errors.As(err, new(*InvalidTokenError)) {
		t.Error(err)
	}
	if _, err := c.Purge(t.Context(), "long", PurgeUnfinished()); err != nil {
		t.Fatal(err)
	}
	ran(t, h, "long", history.Running, "", scheduled[:20])
	if _, err := c.HistoryPage(t.Context(), "long", first.Next, 10); !errors.Is(err, ErrHistoryReplaced) {
		t.Error(err)
	}
	count := 0
	for _, err := range c.Events(t.Context(), "long") {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 23 {
		t.Errorf("%d events", count)
	}
}
