package partition

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

var errInjected = errors.New("the test broke the connection")

// statusWrite says whether a request merges a row of the Instances table.
func statusWrite(req *http.Request) bool {
	return (req.Method == http.MethodPatch || req.Method == "MERGE") && strings.Contains(req.URL.Path, "Instances(")
}

func commits(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "$batch") }

// first lets the test break the first n requests of a kind.
func first(n int32, kind func(*http.Request) bool) func(*http.Request) error {
	var seen atomic.Int32
	return func(req *http.Request) error {
		if kind(req) && seen.Add(1) <= n {
			return errInjected
		}
		return nil
	}
}

// single ends in its first episode and counts how often its code runs.
func single(runs *atomic.Int32) durable.Registrable {
	return durable.NewOrchestrator("Single", func(*durable.Context, durable.Void) (string, error) {
		runs.Add(1)
		return "done", nil
	})
}

var waiter = durable.NewOrchestrator("Waiter", func(ctx *durable.Context, _ durable.Void) (string, error) {
	return durable.WaitForEvent[string](ctx, "Go").Await()
})

// TestTerminalStatusIsWrittenInTheEnd: the commit landed, the status row could not be written. Nobody sends another
// message to a finished instance, so the partition must come back to the row by itself.
func TestTerminalStatusIsWrittenInTheEnd(t *testing.T) {
	inBothFleets(t, testTerminalStatusIsWrittenInTheEnd)
}

func testTerminalStatusIsWrittenInTheEnd(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	s.faults.set(first(3, statusWrite), nil)
	s.start("Single", "i", "")
	if out := s.awaitStatus("i", history.Completed); out != `"done"` {
		t.Errorf("the output is %s", out)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("an instance that was committed ran %d times", n)
	}
	eventually(t, "its message is deleted", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
}

// TestLostAnswerOfTheOnlyCommit: the first and only commit landed, its answer was lost. The start is a copy then, but
// nobody has written the status row.
func TestLostAnswerOfTheOnlyCommit(t *testing.T) { inBothFleets(t, testLostAnswerOfTheOnlyCommit) }

func testLostAnswerOfTheOnlyCommit(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	s.faults.set(nil, first(1, commits))
	s.start("Single", "i", "")
	s.awaitStatus("i", history.Completed)
	if n := runs.Load(); n > 1 {
		t.Errorf("an instance that was committed ran %d times", n)
	}
}

// TestLostAnswerOfTheFirstCommit: the same for an instance that goes on.
func TestLostAnswerOfTheFirstCommit(t *testing.T) { inBothFleets(t, testLostAnswerOfTheFirstCommit) }

func testLostAnswerOfTheFirstCommit(t *testing.T) {
	s := newScene(t, waiter)
	s.faults.set(nil, first(1, commits))
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
}

// TestLostCommitAnswerDoesNotRepeatActivities: a doubtful first commit lets an activity run once more at most.
func TestLostCommitAnswerDoesNotRepeatActivities(t *testing.T) {
	inBothFleets(t, testLostCommitAnswerDoesNotRepeatActivities)
}

func testLostCommitAnswerDoesNotRepeatActivities(t *testing.T) {
	var scheduled atomic.Int32
	o := durable.NewOrchestrator("Caller", func(ctx *durable.Context, _ durable.Void) (int, error) {
		scheduled.Add(1)
		return durable.CallActivity[int](ctx, "Elsewhere", 1).Await()
	})
	s := newScene(t, o)
	s.faults.set(nil, first(1, commits))
	s.start("Caller", "i", "")
	s.awaitStatus("i", history.Running)
	if n := s.messages(s.hub.Queues().WorkItems()); n > 1 {
		t.Errorf("one activity was scheduled, and %d work items were put", n)
	}
}

// breakHistory makes an instance's history unreadable.
func (s *scene) breakHistory(id string) {
	s.t.Helper()
	client := s.hub.Account().Tables().NewClient(s.hub.Names().HistoryTable())
	body := []byte(`{"PartitionKey":"` + id + `","RowKey":"0000000000000001","EventType":"NoSuchEvent"}`)
	if _, err := client.UpdateEntity(within(s.t), body, &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
		s.t.Fatal(err)
	}
}

// TestUnreadableHistoryCostsLittle: an instance that cannot be loaded is tried again with growing delays.
func TestUnreadableHistoryCostsLittle(t *testing.T) {
	inBothFleets(t, testUnreadableHistoryCostsLittle)
}

func testUnreadableHistoryCostsLittle(t *testing.T) {
	s := newScene(t, waiter)
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
	s.stop(s.part)
	s.breakHistory("i")
	s.run(waiter)
	before := s.hub.Account().Counts()
	s.raise("i", "Go", "x")
	time.Sleep(1900 * time.Millisecond) // a bound on what is spent in a time, not a wait for something
	spent := s.hub.Account().Counts().Sub(before)
	if n := spent.Calls["table.query"]; n > 7 {
		t.Errorf("an unreadable history was asked for %d times in two seconds", n)
	}
}

// TestResultIsKeptWhileItsInstanceCannotGoOn: an activity that has run is not run again because its instance cannot take
// the result now.
func TestResultIsKeptWhileItsInstanceCannotGoOn(t *testing.T) {
	inBothFleets(t, testResultIsKeptWhileItsInstanceCannotGoOn)
}

func testResultIsKeptWhileItsInstanceCannotGoOn(t *testing.T) {
	release := make(chan struct{})
	pay := durable.NewActivity("Pay", func(context.Context, int) (int, error) { <-release; return 1, nil })
	o := durable.NewOrchestrator("Payer", func(ctx *durable.Context, _ durable.Void) (int, error) {
		return pay.Call(ctx, 1).Await()
	})
	s := newScene(t, o, pay)
	s.start("Payer", "i", "")
	s.awaitStatus("i", history.Running)
	s.faults.set(func(req *http.Request) error {
		if commits(req) || strings.Contains(req.URL.Path, "History(") {
			return errInjected
		}
		return nil
	}, nil)
	close(release)
	// The work item must go, and a message with the result take its place.
	eventually(t, "the result is a message", func() bool {
		return s.messages(s.hub.Queues().Control(0)) == 1 && s.messages(s.hub.Queues().WorkItems()) == 0
	})
	s.faults.set(nil, nil)
	s.awaitStatus("i", history.Completed)
}

// TestTimerOfOlderCode: the code's timeout was changed while an instance waits. Its timer is the one in the history.
func TestTimerOfOlderCode(t *testing.T) { inBothFleets(t, testTimerOfOlderCode) }

func testTimerOfOlderCode(t *testing.T) {
	sleeper := func(d time.Duration) durable.Registrable {
		return durable.NewOrchestrator("Sleeper", func(ctx *durable.Context, _ durable.Void) (string, error) {
			return "woken", durable.Sleep(ctx, d)
		})
	}
	s := newScene(t, sleeper(1500*time.Millisecond))
	s.start("Sleeper", "i", "")
	s.awaitStatus("i", history.Running)
	s.stop(s.part)
	s.run(sleeper(700 * time.Millisecond))
	s.awaitStatus("i", history.Completed)
}

// eventMessage is what an orchestrator that sends several events in one episode sends.
func eventMessage(instance, message, payload string, at time.Time) *history.Envelope {
	return &history.Envelope{
		ActivityID: message,
		Message: &history.Message{
			Event:  &history.EventRaised{Base: history.Base{EventID: -1, Timestamp: at}, Name: "E", Input: history.String(payload)},
			Target: history.Instance{InstanceID: instance},
		},
	}
}

const (
	messageA = "aaaaaaaa-0000-4000-8000-000000000001"
	messageB = "aaaaaaaa-0000-4000-8000-000000000002"
	messageC = "aaaaaaaa-0000-4000-8000-000000000003"
)

// looper counts events, one for each generation, with an activity's pause between them.
func looper(gate func(n int)) (durable.Registrable, durable.Registrable) {
	pause := durable.NewActivity("Pause", func(_ context.Context, n int) (int, error) { gate(n); return n, nil })
	return durable.NewOrchestrator("Looper", func(ctx *durable.Context, n int) (int, error) {
		if _, err := pause.Call(ctx, n).Await(); err != nil {
			return 0, err
		}
		if _, err := durable.WaitForEvent[int](ctx, "E").Await(); err != nil {
			return 0, err
		}
		if n+1 == 3 {
			return n + 1, nil
		}
		return 0, durable.ContinueAsNew(ctx, n+1)
	}), pause
}

// TestEqualEventsAreAllApplied: several events with equal content, sent in one episode and so with one time, are told
// apart by their messages' ids, also after one of them was carried into the next generation.
func TestEqualEventsAreAllApplied(t *testing.T) { inBothFleets(t, testEqualEventsAreAllApplied) }

func testEqualEventsAreAllApplied(t *testing.T) {
	gates := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	close(gates[2])
	o, pause := looper(func(n int) { <-gates[n] })
	s := newScene(t, o, pause)
	at := time.Now().UTC().Truncate(time.Second)
	s.start("Looper", "i", "0")
	s.awaitStatus("i", history.Running)
	s.put(eventMessage("i", messageA, "1", at))
	s.put(eventMessage("i", messageB, "1", at))
	eventually(t, "both events were received", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	close(gates[0])
	// The second event is carried and waits in generation 1, whose activity is held up.
	eventually(t, "the second generation runs", func() bool { return s.generation("i") == 1 })
	s.put(eventMessage("i", messageC, "1", at))
	eventually(t, "the third event was received", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	close(gates[1])
	s.awaitStatus("i", history.Completed)
}

// generation reads the input of the current generation.
func (s *scene) generation(id string) int {
	s.t.Helper()
	events, err := s.hub.Client().History(within(s.t), id)
	if err != nil {
		return -1
	}
	for _, e := range events {
		if e, ok := e.(*history.ExecutionStarted); ok {
			return int(deref(e.Input)[0] - '0')
		}
	}
	return -1
}

// TestCopyOfAnEventOfAnOlderGeneration: the message of an event comes again after the instance has consumed it and
// continued as new.
func TestCopyOfAnEventOfAnOlderGeneration(t *testing.T) {
	inBothFleets(t, testCopyOfAnEventOfAnOlderGeneration)
}

func testCopyOfAnEventOfAnOlderGeneration(t *testing.T) {
	o, pause := looper(func(int) {})
	s := newScene(t, o, pause)
	at := time.Now().UTC().Truncate(time.Second)
	s.start("Looper", "i", "0")
	s.awaitStatus("i", history.Running)
	s.put(eventMessage("i", messageA, "1", at))
	eventually(t, "the second generation runs", func() bool { return s.generation("i") == 1 })
	s.put(eventMessage("i", messageA, "1", at))
	eventually(t, "the copy is deleted", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	if g := s.generation("i"); g != 1 {
		t.Errorf("a copy of an event took the instance to generation %d", g)
	}
}

// TestTwoStartsOfOneChild: two parents start children with one id at the same time. Each start is an execution of its
// own; a history never has two starts.
func TestTwoStartsOfOneChild(t *testing.T) { inBothFleets(t, testTwoStartsOfOneChild) }

func testTwoStartsOfOneChild(t *testing.T) {
	s := newScene(t, waiter)
	s.stop(s.part)
	for i, parent := range []string{"p1", "p2"} {
		execution := strings.Repeat(string(rune('a'+i)), 32)
		s.put(&history.Envelope{
			ActivityID: "bbbbbbbb-0000-4000-8000-00000000000" + string(rune('0'+i)),
			Message: &history.Message{
				Target: history.Instance{InstanceID: "child", ExecutionID: &execution},
				Event: &history.ExecutionStarted{
					Base:     history.Base{EventID: -1, Timestamp: time.Now().UTC()},
					Instance: history.Instance{InstanceID: "child", ExecutionID: &execution}, Name: "Waiter", Version: history.String(""),
					Parent: &history.ParentInstance{Name: "P", Instance: history.Instance{InstanceID: parent, ExecutionID: history.String("x")}, TaskScheduleID: int32(i)},
				},
			},
		})
	}
	s.run(waiter)
	s.awaitStatus("child", history.Running)
	eventually(t, "both starts are dealt with", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	events, err := s.hub.Client().History(within(t), "child")
	if err != nil {
		t.Fatal(err)
	}
	starts := 0
	for _, e := range events {
		if e.Kind() == history.KindExecutionStarted {
			starts++
		}
	}
	if starts != 1 {
		t.Errorf("the history has %d starts", starts)
	}
}

// TestDrainingKeepsTheLease: an episode that takes longer than the lease lasts is finished while the partition drains.
func TestDrainingKeepsTheLease(t *testing.T) { inBothFleets(t, testDrainingKeepsTheLease) }

func testDrainingKeepsTheLease(t *testing.T) {
	s := newScene(t, waiter)
	s.stop(s.part)
	s.lease, s.host = newFakeLease(600*time.Millisecond), newFakeHost([]durable.Registrable{waiter})
	s.host.ended = s.hub.Notify
	s.part = New(s.config())
	s.host.part.Store(s.part)
	s.part.Start()
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if commits(req) && once.CompareAndSwap(false, true) {
			close(entered)
			<-leave
		}
		return nil
	}, nil)
	s.raise("i", "Go", "x")
	<-entered
	close(s.lease.handOver)
	select { // longer than the lease lasts
	case <-s.lease.released:
		t.Error("the lease was released while an episode was under way")
	case <-time.After(1200 * time.Millisecond):
	}
	close(leave)
	<-s.part.Done()
	s.host.wg.Wait()
	if status, _ := s.status("i"); status != history.Completed {
		t.Errorf("after the drain the instance is %v", status)
	}
}

// TestLeaseLostWhileDraining: nothing is written after the lease was lost, although Stop has time.
func TestLeaseLostWhileDraining(t *testing.T) { inBothFleets(t, testLeaseLostWhileDraining) }

func testLeaseLostWhileDraining(t *testing.T) {
	s := newScene(t, waiter)
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
	entered, leave := make(chan struct{}), make(chan struct{})
	var gate, after atomic.Bool
	var late atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if commits(req) && gate.CompareAndSwap(false, true) {
			close(entered)
			select {
			case <-leave:
			case <-req.Context().Done():
				return req.Context().Err()
			}
		}
		if after.Load() && req.Method != http.MethodGet {
			late.Add(1)
		}
		return nil
	}, nil)
	s.raise("i", "Go", "x")
	<-entered
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = s.part.Stop(within(t)) }()
	eventually(t, "it drains", func() bool { return s.part.receive.Err() != nil })
	s.lease.mu.Lock()
	s.lease.deadline = time.Now()
	s.lease.mu.Unlock()
	after.Store(true)
	close(s.lease.lost)
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Error("a partition without its lease went on with its episode")
		close(leave)
		<-stopped
	}
	s.host.wg.Wait()
	if n := late.Load(); n > 0 {
		t.Errorf("%d writes after the lease was lost", n)
	}
}

// TestPurgedChildStaysPurged: the row of a sub-orchestration that was purged while it ran is not written again.
func TestPurgedChildStaysPurged(t *testing.T) { inBothFleets(t, testPurgedChildStaysPurged) }

func testPurgedChildStaysPurged(t *testing.T) {
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "Go").Await()
	})
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return child.Call(ctx, durable.Void{}, durable.WithInstanceID("kid")).Await()
	})
	s := newScene(t, parent, child)
	s.start("Parent", "i", "")
	s.awaitStatus("kid", history.Running)
	entered, leave := make(chan struct{}), make(chan struct{})
	var gate atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if statusWrite(req) && strings.Contains(req.URL.String(), "kid") && gate.CompareAndSwap(false, true) {
			close(entered)
			<-leave
		}
		return nil
	}, nil)
	s.raise("kid", "Go", "x")
	<-entered
	if _, err := s.hub.Tables().PurgeInstance(within(t), "kid"); err != nil {
		t.Fatal(err)
	}
	close(leave)
	s.awaitStatus("i", history.Completed)
	s.stop(s.part)
	if row, err := s.hub.Tables().GetInstance(within(t), "kid", getStatusOnly); err != nil || row != nil {
		t.Errorf("the purged child has the row %+v (%v)", row, err)
	}
}

// TestOldGenerationsLeaveNoTimers: an eternal orchestration that waits with a time-out leaves nothing in memory.
func TestOldGenerationsLeaveNoTimers(t *testing.T) { inBothFleets(t, testOldGenerationsLeaveNoTimers) }

func testOldGenerationsLeaveNoTimers(t *testing.T) {
	o := durable.NewOrchestrator("Eternal", func(ctx *durable.Context, n int) (int, error) {
		if n == 5 {
			return n, durable.Sleep(ctx, time.Hour)
		}
		timeout := durable.Timer(ctx, time.Hour)
		event := durable.WaitForEvent[int](ctx, "E")
		durable.WhenAny(timeout, event)
		return 0, durable.ContinueAsNew(ctx, n+1)
	})
	s := newScene(t, o)
	s.start("Eternal", "i", "0")
	for n := range 5 {
		eventually(t, "a generation runs", func() bool { return s.generation("i") == n })
		s.raise("i", "E", n)
	}
	eventually(t, "the last generation runs", func() bool { return s.generation("i") == 5 })
	eventually(t, "one timer is left", func() bool {
		s.part.timers.mu.Lock()
		defer s.part.timers.mu.Unlock()
		return len(s.part.timers.due) == 1
	})
	eventually(t, "one message is left", func() bool { return s.messages(s.hub.Queues().Control(0)) == 1 })
}

// TestMessagesForNobodyDoNotSlowOthers: more messages than may wait, for instances that are not there.
func TestMessagesForNobodyDoNotSlowOthers(t *testing.T) {
	inBothFleets(t, testMessagesForNobodyDoNotSlowOthers)
}

func testMessagesForNobodyDoNotSlowOthers(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	s.stop(s.part)
	for i := range 300 {
		s.put(eventMessage("nobody"+strconv.Itoa(i), messageA, "1", time.Now().UTC()))
	}
	s.start("Single", "i", "")
	s.run(single(&runs))
	began := time.Now()
	s.awaitStatus("i", history.Completed)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("an instance took %v beside messages for nobody", took)
	}
}

// TestEventsKeepTheirOrderOverFailures: events that come while an earlier one is tried again stay behind it.
func TestEventsKeepTheirOrderOverFailures(t *testing.T) {
	inBothFleets(t, testEventsKeepTheirOrderOverFailures)
}

func testEventsKeepTheirOrderOverFailures(t *testing.T) {
	o := durable.NewOrchestrator("Listener", func(ctx *durable.Context, _ durable.Void) (string, error) {
		var all strings.Builder
		for range 6 {
			v, err := durable.WaitForEvent[int](ctx, "E").Await()
			if err != nil {
				return "", err
			}
			all.WriteString(strconv.Itoa(v))
		}
		return all.String(), nil
	})
	s := newScene(t, o)
	s.start("Listener", "i", "")
	s.awaitStatus("i", history.Running)
	s.faults.set(first(3, commits), nil)
	for i := range 6 {
		s.raise("i", "E", i)
		time.Sleep(30 * time.Millisecond) // the sender's pace: later ones meet the retries of the first
	}
	if out := s.awaitStatus("i", history.Completed); out != `"012345"` {
		t.Errorf("the events came as %s", out)
	}
}

// TestCopiesWhileSuspended: an answer comes while the instance is suspended, and once more. The code has seen neither, so it
// cannot tell.
func TestCopiesWhileSuspended(t *testing.T) { inBothFleets(t, testCopiesWhileSuspended) }

func testCopiesWhileSuspended(t *testing.T) {
	s := newScene(t, durable.NewOrchestrator("Sleeper", func(ctx *durable.Context, _ durable.Void) (string, error) {
		if _, err := durable.WaitForEvent[string](ctx, "Go").Await(); err != nil {
			return "", err
		}
		return "awake", durable.Sleep(ctx, time.Second)
	}))
	s.start("Sleeper", "i", "")
	s.awaitStatus("i", history.Running)
	s.raise("i", "Go", "x")
	var set *history.TimerCreated
	eventually(t, "the timer is set", func() bool { set = rowOf[*history.TimerCreated](s, "i"); return set != nil })
	if err := s.hub.Client().Suspend(within(t), "i", "a while"); err != nil {
		t.Fatal(err)
	}
	s.part.Wake()
	s.awaitStatus("i", history.Suspended)
	eventually(t, "the timer fires", func() bool { return rowOf[*history.TimerFired](s, "i") != nil })
	execution := s.history("i").ExecutionID
	s.put(&history.Envelope{ActivityID: "0b6b1a0e-70b1-4bd6-8c33-2b1e7b7d2f10", Message: &history.Message{
		Event:  &history.TimerFired{Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, TimerID: set.EventID, FireAt: set.FireAt},
		Target: history.Instance{InstanceID: "i", ExecutionID: &execution},
	}})
	eventually(t, "the copy is gone", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	if err := s.hub.Client().Resume(within(t), "i", "go on"); err != nil {
		t.Fatal(err)
	}
	s.part.Wake()
	s.awaitStatus("i", history.Completed)
	fired := 0
	for _, r := range s.history("i").Records {
		if _, ok := r.Event.(*history.TimerFired); ok {
			fired++
		}
	}
	if fired != 1 {
		t.Errorf("the timer has fired %d times", fired)
	}
}

// rowOf is the first row of a kind in a history, nil when there is none.
func rowOf[E history.Event](s *scene, id string) (found E) {
	s.t.Helper()
	for _, r := range s.history(id).Records {
		if e, ok := r.Event.(E); ok {
			return e
		}
	}
	return found
}
