package partition

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/queues"
)

// The tests TestCrashC1 to TestCrashC10 kill an owner at each step between the receiving of a message and its deletion, in both
// kinds of fleet. A second owner takes over. Every instance has to end as if nothing had happened, with each decision, answer
// and event in its history once, its status equal to its history, and nothing left in queues and tables.

// inVirtualTime runs a test in both kinds of fleet, without waiting for the locks of dead owners.
func inVirtualTime(t *testing.T, test func(*testing.T)) {
	inBothFleets(t, func(t *testing.T) { synctest.Test(t, test) })
}

// crashLock is short, so that the next owner need not wait long for what the dead one held.
const crashLock = 3 * time.Second

// stage is a hub without an owner yet, so that a test can arrange what the first one is to die of.
func stage(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	s.stop(s.part)
	s.lock = crashLock
	return s
}

// dieAt lets the owner get no further than the nth call of a kind. With landed, the call itself still reaches the storage and
// its answer is lost. Everything the owner asks for afterwards fails.
func (s *scene) dieAt(nth int32, kind func(*http.Request) bool, landed bool) (dead <-chan struct{}) {
	const last = "X-Test-Last"
	died := make(chan struct{})
	var seen atomic.Int32
	var gone atomic.Bool
	die := func() error {
		if gone.CompareAndSwap(false, true) {
			close(died)
		}
		return errInjected
	}
	s.faults.set(func(req *http.Request) error {
		switch {
		case gone.Load():
			return errInjected
		case !kind(req) || seen.Add(1) != nth:
			return nil
		case landed:
			req.Header.Set(last, "x")
			return nil
		}
		return die()
	}, func(req *http.Request) error {
		if req.Header.Get(last) != "" || gone.Load() {
			return die()
		}
		return nil
	})
	return died
}

// succeed buries the dead owner, without a call to the storage, and lets the next one begin.
func (s *scene) succeed(dead <-chan struct{}, items ...durable.Registrable) {
	s.t.Helper()
	select {
	case <-dead:
	case <-time.After(patience):
		s.t.Fatal("the owner does not come to the call at which it was to die")
	}
	s.crash()
	s.faults.set(nil, nil)
	s.deaf = false
	s.run(items...)
}

// dieNow kills the owner wherever it is.
func (s *scene) dieNow() (dead <-chan struct{}) {
	died := make(chan struct{})
	close(died)
	s.faults.set(func(*http.Request) error { return errInjected }, nil)
	return died
}

// serveWork runs the activities that lie in the work-item queue, as any worker of the hub does, until the test ends. With
// lapses, so many of its first deletions of work items fail: the worker has sent the result and died.
func (s *scene) serveWork(lapses int32) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for q := s.hub.Queues().WorkItems(); ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			batch, err := q.Receive(ctx, receiveBatch, crashLock)
			if err != nil {
				continue
			}
			for _, d := range batch {
				s.serveOne(ctx, d)
				if lapses--; lapses < 0 {
					_ = q.Delete(ctx, d.Receipt())
				}
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

func (s *scene) serveOne(ctx context.Context, d *queues.Delivery) {
	e := d.Envelope.Message.Event.(*history.TaskScheduled)
	out, err := s.activities[e.Name](ctx, e.Input)
	if err != nil {
		s.t.Errorf("activity %s: %v", e.Name, err)
	}
	completed := &history.TaskCompleted{Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, TaskScheduledID: e.EventID, Result: out}
	_, _ = s.hub.Queues().Control(0).Put(ctx, &history.Envelope{
		ActivityID: layout.AnswerID(d.Envelope.ActivityID), Message: &history.Message{Event: completed, Target: d.Envelope.Message.Target},
	}, 0)
}

// hostElsewhere gives serveWork the activities.
func (s *scene) hostElsewhere(items ...durable.Registrable) {
	s.activities = newFakeHost(items).activities
}

// whole checks what the storage has of an instance that has ended.
func (s *scene) whole(id string) {
	s.t.Helper()
	decided, answered, consumed := map[int32]bool{}, map[string]bool{}, map[string]bool{}
	once := func(what string, seen map[string]bool, key string) {
		if seen[key] {
			s.t.Errorf("%s: %s %s is in the history twice", id, what, key)
		}
		seen[key] = true
	}
	starts := 0
	var end *history.ExecutionCompleted
	for _, r := range s.history(id).Records {
		if r.ActivityID != "" {
			once("message", consumed, r.ActivityID)
		}
		if answers, ok := history.Answers(r.Event); ok {
			once("the answer to", answered, fmt.Sprint(answers))
		}
		switch e := r.Event.(type) {
		case *history.ExecutionStarted:
			starts++
		case *history.ExecutionCompleted:
			end = e
		case *history.TaskScheduled, *history.SubOrchestrationCreated, *history.TimerCreated, *history.EventSent:
			if n := e.Common().EventID; decided[n] {
				s.t.Errorf("%s: decision %d is in the history twice", id, n)
			} else {
				decided[n] = true
			}
		}
	}
	if starts != 1 || end == nil {
		s.t.Errorf("%s: the history has %d starts and the end %v", id, starts, end)
		return
	}
	if is, output := s.status(id); is != end.Status || output != deref(end.Result) {
		s.t.Errorf("%s: the status row says %v with %s, the history %v with %s", id, is, output, end.Status, deref(end.Result))
	}
}

// Kinds of calls.
func readsRow(req *http.Request) bool {
	return req.Method == http.MethodGet && strings.Contains(req.URL.Path, "Instances(")
}

func puts(req *http.Request) bool {
	return req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/messages")
}

func deletesControl(req *http.Request) bool {
	return req.Method == http.MethodDelete && strings.Contains(req.URL.Path, "-control-")
}

// TestCrashC1ClientDiesBeforeItsRow: the start message is there, the status row never comes. The message goes after ten
// deliveries, and runs nothing; the client's second attempt, with a new execution, runs once.
func TestCrashC1ClientDiesBeforeItsRow(t *testing.T) { inVirtualTime(t, testCrashC1) }

func testCrashC1(t *testing.T) {
	var runs atomic.Int32
	s := stage(t)
	for _, id := range []string{"given up", "tried again"} {
		s.put(startMessage("Single", id, "0123456789abcdef0123456789abcdef"))
	}
	q := s.hub.Queues().Control(0)
	for range 9 { // the pauses between them would add up to 17 minutes
		batch, err := q.Receive(within(t), receiveBatch, crashLock)
		if err != nil || len(batch) != 2 {
			t.Fatalf("%d messages, %v", len(batch), err)
		}
		for _, d := range batch {
			if _, err := q.SetVisibility(within(t), d.Receipt(), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.start("Single", "tried again", "")
	s.run(single(&runs))
	s.awaitStatus("tried again", history.Completed)
	s.whole("tried again")
	s.clean()
	if n := runs.Load(); n != 1 {
		t.Errorf("the code ran %d times", n)
	}
	if h := s.history("given up"); len(h.Records) != 0 {
		t.Errorf("the start without a row has left %d rows", len(h.Records))
	}
}

// startMessage is what a client puts before it writes the status row.
func startMessage(name, id, execution string) *history.Envelope {
	target := history.Instance{InstanceID: id, ExecutionID: &execution}
	return &history.Envelope{ActivityID: newCommitID(), Message: &history.Message{
		Event: &history.ExecutionStarted{
			Base: history.Base{EventID: -1, Timestamp: time.Now().UTC().Add(-time.Minute)}, Instance: target, Name: name, Version: history.String(""),
		},
		Target: target,
	}}
}

// TestCrashC2AfterReceiving: nothing was sent or written. The message comes again when its lock ends.
func TestCrashC2AfterReceiving(t *testing.T) { inVirtualTime(t, testCrashC2) }

func testCrashC2(t *testing.T) {
	var runs atomic.Int32
	s := stage(t)
	s.start("Single", "i", "")
	dead := s.dieAt(1, readsRow, false)
	s.run(single(&runs))
	s.succeed(dead, single(&runs))
	s.awaitStatus("i", history.Completed)
	s.whole("i")
	s.clean()
	if n := runs.Load(); n != 1 {
		t.Errorf("the code ran %d times", n)
	}
}

// sends decides one of everything that leaves an instance, and waits for all answers.
func sends(a *durable.Activity[string, string]) durable.Registrable {
	return durable.NewOrchestrator("Sends", func(ctx *durable.Context, _ durable.Void) (string, error) {
		x, y := a.Call(ctx, "x"), a.Call(ctx, "y")
		kid := durable.CallSubOrchestration[string](ctx, "Single", durable.Void{}, durable.WithInstanceID("kid"))
		if err := durable.SendEvent(ctx, "listener", "E", "heard"); err != nil {
			return "", err
		}
		timer := durable.Timer(ctx, time.Second)
		parts, err := durable.WhenAll([]*durable.Task[string]{x, y, kid})
		if err != nil {
			return "", err
		}
		_, err = timer.Await()
		return strings.Join(parts, ""), err
	})
}

// sender is a stage with an instance that sends, and one that listens. The owner keeps nothing in its process, so that
// everything is put.
type sender struct {
	*scene
	c     *counter
	items []durable.Registrable
	kids  atomic.Int32
}

func newSender(t *testing.T) *sender {
	t.Helper()
	s := &sender{scene: stage(t), c: newCounter(t)}
	s.c.open()
	a := s.c.activity("A")
	s.items = []durable.Registrable{sends(a), single(&s.kids), twoEvents(), a}
	s.run(s.items...)
	s.start("TwoEvents", "listener", "")
	s.awaitStatus("listener", history.Running)
	s.stop(s.part)
	s.start("Sends", "i", "")
	s.deaf = true
	s.hostElsewhere(s.items...)
	return s
}

// twoEvents shows an event that was applied twice.
func twoEvents() durable.Registrable {
	return durable.NewOrchestrator("TwoEvents", func(ctx *durable.Context, _ durable.Void) (string, error) {
		one, two := durable.WaitForEvent[string](ctx, "E"), durable.WaitForEvent[string](ctx, "E")
		texts, err := durable.WhenAll([]*durable.Task[string]{two, one}) // the last to wait gets the first event
		return strings.Join(texts, "+"), err
	})
}

// ends checks that everything that was sent took effect once.
func (s *sender) ends() {
	s.t.Helper()
	s.serveWork(0)
	if out := s.awaitStatus("i", history.Completed); out != `"x!y!done"` {
		s.t.Errorf("the output is %s", out)
	}
	s.raise("listener", "E", "last")
	if out := s.awaitStatus("listener", history.Completed); out != `"heard+last"` {
		s.t.Errorf("the listener has %s", out)
	}
	s.awaitStatus("kid", history.Completed) // a Go fleet shows the end of a child once its parent has committed the answer
	for _, id := range []string{"i", "kid", "listener"} {
		s.whole(id)
	}
	s.clean()
	if n := s.kids.Load(); n != 1 {
		s.t.Errorf("the child ran %d times", n)
	}
}

// TestCrashC3BetweenTwoSends: some messages are out, others not. In a mixed fleet nothing is committed yet, and all is sent
// again; in a Go fleet the decision stands, and what is missing is sent.
func TestCrashC3BetweenTwoSends(t *testing.T) {
	t.Parallel()
	for f, most := range map[Fleet]int32{Mixed: 5, Go: 4} { // a near timer is no message in a Go fleet
		for nth := int32(1); nth <= most; nth++ {
			for _, landed := range []bool{false, true} {
				t.Run(fmt.Sprintf("call %d landed %v/%v", nth, landed, f), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						s := newSender(t)
						dead := s.dieAt(nth, puts, landed)
						s.run(s.items...)
						s.succeed(dead, s.items...)
						s.ends()
					})
				})
			}
		}
	}
}

// TestCrashC4BeforeTheCommit: in a mixed fleet everything is sent, in a Go fleet nothing, and the history knows of none of it.
func TestCrashC4BeforeTheCommit(t *testing.T) { inVirtualTime(t, testCrashC4) }

func testCrashC4(t *testing.T) {
	s := newSender(t)
	dead := s.dieAt(1, commits, false)
	s.run(s.items...)
	s.succeed(dead, s.items...)
	s.ends()
}

// TestCrashC5BetweenTwoTransactions: an episode that needs more than one transaction is as many episodes, each whole.
func TestCrashC5BetweenTwoTransactions(t *testing.T) { inVirtualTime(t, testCrashC5) }

func testCrashC5(t *testing.T) {
	for _, landed := range []bool{false, true} {
		const width = 150
		var runs [width]atomic.Int32
		a := durable.NewActivity("A", func(_ context.Context, n int) (int, error) {
			runs[n].Add(1)
			return n, nil
		})
		fan := durable.NewOrchestrator("Fan", func(ctx *durable.Context, _ durable.Void) (int, error) {
			var tasks []*durable.Task[int]
			for n := range width {
				tasks = append(tasks, a.Call(ctx, n))
			}
			all, err := durable.WhenAll(tasks)
			sum := 0
			for _, n := range all {
				sum += n
			}
			return sum, err
		})
		s := stage(t)
		s.hostElsewhere(a)
		s.start("Fan", "i", "")
		dead := s.dieAt(2, commits, landed)
		s.deaf = true // results would be the next transaction
		s.run(fan, a)
		s.succeed(dead, fan, a)
		s.serveWork(0)
		if out := s.awaitStatus("i", history.Completed); out != fmt.Sprint(width*(width-1)/2) {
			t.Errorf("the output is %s", out)
		}
		s.whole("i")
		s.clean()
		for n := range runs {
			// Each owner decides, and in a mixed fleet sends, what was not committed.
			if got := runs[n].Load(); got < 1 || got > 2 {
				t.Errorf("activity %d ran %d times", n, got)
			}
		}
	}
}

// TestCrashC6BeforeTheStatus: the history has the episode, the status row has not. Whoever takes over writes it, without
// another message for the instance.
func TestCrashC6BeforeTheStatus(t *testing.T) { inVirtualTime(t, testCrashC6) }

func testCrashC6(t *testing.T) {
	var runs atomic.Int32
	for name, want := range map[string]history.Status{"Single": history.Completed, "Waiter": history.Running} {
		s := stage(t)
		s.start(name, "i", "")
		dead := s.dieAt(1, statusWrite, false)
		s.run(single(&runs), waiter)
		s.succeed(dead, single(&runs), waiter)
		s.awaitStatus("i", want)
		if want == history.Running {
			s.raise("i", "Go", "on")
			s.awaitStatus("i", history.Completed)
		}
		s.whole("i")
		s.clean()
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("the code ran %d times", n)
	}
}

// TestCrashC7BeforeTheDeletion: everything is done but the deletion of what was received. The copy changes nothing, neither
// that of a start nor that of an event.
func TestCrashC7BeforeTheDeletion(t *testing.T) { inVirtualTime(t, testCrashC7) }

func testCrashC7(t *testing.T) {
	var runs atomic.Int32
	s := stage(t)
	s.start("Single", "i", "")
	dead := s.dieAt(1, deletesControl, false)
	s.run(single(&runs), twoEvents())
	s.succeed(dead, single(&runs), twoEvents())
	s.awaitStatus("i", history.Completed)
	s.whole("i")
	s.clean()
	if n := runs.Load(); n != 1 {
		t.Errorf("the code ran %d times", n)
	}

	s.start("TwoEvents", "j", "")
	s.awaitStatus("j", history.Running)
	s.clean()
	dead = s.dieAt(1, deletesControl, false)
	s.raise("j", "E", "a")
	s.succeed(dead, twoEvents())
	s.raise("j", "E", "b")
	if out := s.awaitStatus("j", history.Completed); out != `"a+b"` {
		t.Errorf("the output is %s", out)
	}
	s.whole("j")
	s.clean()
}

// TestCrashC8DuringAnActivity: it runs once more, and one result counts.
func TestCrashC8DuringAnActivity(t *testing.T) { inVirtualTime(t, testCrashC8) }

func testCrashC8(t *testing.T) {
	s, c := stage(t), newCounter(t)
	a := c.activity("A")
	s.hostElsewhere(a)
	s.start("Caller", "i", `"x"`)
	s.run(caller(a), a)
	eventually(t, "it runs", func() bool { return c.of("x") == 1 })
	s.succeed(s.dieNow(), caller(a), a)
	s.serveWork(0)
	eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
	c.open()
	if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
		t.Errorf("the output is %s", out)
	}
	s.whole("i")
	s.clean()
	if n := c.of("x"); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

// TestCrashC9BeforeTheWorkItemIsDeleted: the runner has sent the result and died. The activity runs again, and its second
// result is a copy, also when the instance has ended by then.
func TestCrashC9BeforeTheWorkItemIsDeleted(t *testing.T) { inVirtualTime(t, testCrashC9) }

func testCrashC9(t *testing.T) {
	for _, name := range []string{"Caller", "CallsAndWaits"} {
		s, c := stage(t), newCounter(t)
		c.open()
		a := c.activity("A")
		waits := durable.NewOrchestrator("CallsAndWaits", func(ctx *durable.Context, in string) (string, error) {
			out, err := a.Call(ctx, in).Await()
			if err != nil {
				return "", err
			}
			_, err = durable.WaitForEvent[string](ctx, "Go").Await()
			return out, err
		})
		s.hostElsewhere(a)
		s.deaf = true
		s.start(name, "i", `"x"`)
		s.run(caller(a), waits, a)
		s.serveWork(1)
		eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
		if name != "Caller" {
			eventually(t, "the second result is gone", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
			s.raise("i", "Go", "on")
		}
		if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
			t.Errorf("the output is %s", out)
		}
		s.whole("i")
		s.clean()
	}
}

// TestCrashC10StalledOwner: the owner stands still in the middle of its commit until another one has finished the instance.
// Then its request reaches the storage, and changes nothing. What it would have begun after the commit is never begun.
func TestCrashC10StalledOwner(t *testing.T) { inVirtualTime(t, testCrashC10) }

func testCrashC10(t *testing.T) {
	s, c := stage(t), newCounter(t)
	c.open()
	a := c.activity("A")
	s.start("Caller", "i", `"x"`)
	stalled, resume := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if commits(req) && once.CompareAndSwap(false, true) {
			close(stalled)
			<-resume
			*req = *req.WithContext(context.WithoutCancel(req.Context())) // it is on its way: the owner cannot take it back
		}
		return nil
	}, nil)
	s.run(caller(a), a)
	<-stalled
	close(s.lease.lost)
	first := s.part

	next := s.besides()
	next.hostElsewhere(a)
	next.run(caller(a), a)
	next.serveWork(0)
	if out := next.awaitStatus("i", history.Completed); out != `"x!"` {
		t.Errorf("the output is %s", out)
	}
	before := next.history("i")
	close(resume)
	<-first.Done()
	next.whole("i")
	if after := next.history("i"); after.ETag != before.ETag || len(after.Records) != len(before.Records) {
		t.Error("the stalled owner has changed the history")
	}
	next.clean()
	if n := c.of("x"); fleetOf(t) == Go && n != 1 || n > 2 {
		t.Errorf("it ran %d times", n)
	}
}
