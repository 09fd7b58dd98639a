package partition

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// These tests are named after what happens in them. Each is a schedule of crashes, lost answers and late messages that
// would lose, repeat or wedge work without the rule that covers it.

// bodyOf reads a request's body and leaves it for the next reader.
func bodyOf(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return ""
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

func (s *scene) history(id string) *tables.History {
	s.t.Helper()
	h, err := s.hub.Tables().LoadHistory(within(s.t), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

// onTheList waits until an instance can be found by its row and by no message.
func (s *scene) onTheList(n int) {
	s.t.Helper()
	eventually(s.t, "rows take the place of the messages", func() bool {
		return len(s.active()) == n && s.messages(s.hub.Queues().Control(0)) == 0
	})
}

// TestTimerOfAnOlderGenerationFires: its message is late, and its id is that of an activity which runs by now. The copy
// goes; the activity must still be found by the next owner.
func TestTimerOfAnOlderGenerationFires(t *testing.T) {
	inGoFleet(t, testTimerOfAnOlderGenerationFires)
}

func testTimerOfAnOlderGenerationFires(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	s.start("Caller", "i", `"x"`)
	eventually(t, "it runs", func() bool { return c.of("x") == 1 })
	s.onTheList(1)
	at := time.Now().Add(-time.Second)
	s.put(&history.Envelope{ActivityID: messageA, Message: &history.Message{
		Event:  &history.TimerFired{Base: history.Base{EventID: -1, Timestamp: at}, TimerID: 0, FireAt: at},
		Target: history.Instance{InstanceID: "i", ExecutionID: history.String("0123456789abcdef0123456789abcdef")},
	}})
	eventually(t, "the copy is gone", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	eventually(t, "the session rests", func() bool { return !s.part.sessions.busy() })
	if !s.part.active.has("i") {
		t.Error("the instance's row was let go of although its activity runs")
	}
	s.crash()
	s.run(caller(a), a)
	eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
	c.open()
	s.awaitStatus("i", history.Completed)
	s.clean()
}

// TestOwnerEndsBeforeItLoadsWhatItTookOver: it has written its own rows and deleted the dead owner's; then it stops, and
// the instances never had their turn.
func TestOwnerEndsBeforeItLoadsWhatItTookOver(t *testing.T) {
	inGoFleet(t, testOwnerEndsBeforeItLoadsWhatItTookOver)
}

func testOwnerEndsBeforeItLoadsWhatItTookOver(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	s.start("Caller", "i", `"x"`)
	eventually(t, "it runs", func() bool { return c.of("x") == 1 })
	s.onTheList(1)
	s.crash()

	s.lease, s.host = newFakeLease(time.Hour), newFakeHost([]durable.Registrable{caller(a), a})
	s.host.ended = s.hub.Notify
	cfg := s.config()
	cfg.Slots = make(chan struct{}, 1)
	cfg.Slots <- struct{}{} // another partition's session has it
	s.part = New(cfg)
	part := s.part
	s.host.part.Store(part)
	part.Start()
	eventually(t, "it was taken over", func() bool {
		rows := s.active()
		return len(rows) == 1 && rows[0].Owner == part.active.owner
	})
	stopped := make(chan error, 1)
	go func() { stopped <- part.Stop(within(t)) }()
	eventually(t, "nothing is begun any more", func() bool {
		part.sessions.mu.Lock()
		defer part.sessions.mu.Unlock()
		return part.sessions.closed
	})
	<-cfg.Slots
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if rows := s.active(); len(rows) != 1 {
		t.Errorf("the active list is %+v", rows)
	}
	c.open()
	s.run(caller(a), a)
	s.awaitStatus("i", history.Completed)
	s.clean()
}

// chain continues as new once, after it has sent an event, and then waits for one.
func chain() durable.Registrable {
	return durable.NewOrchestrator("Chain", func(ctx *durable.Context, n int) (int, error) {
		if n == 1 {
			return durable.WaitForEvent[int](ctx, "End").Await()
		}
		if err := durable.SendEvent(ctx, "listener", "E", "sent"); err != nil {
			return 0, err
		}
		return 0, durable.ContinueAsNew(ctx, 1)
	})
}

var listener = durable.NewOrchestrator("Listener", func(ctx *durable.Context, _ durable.Void) (string, error) {
	return durable.WaitForEvent[string](ctx, "E").Await()
})

// TestOutboxRowsAreDeletedAndNobodyHearsOfIt: the transaction landed, its answer was lost, and the sentinel could not be
// read either. The rows must not be deleted a second time, which would fail for ever.
func TestOutboxRowsAreDeletedAndNobodyHearsOfIt(t *testing.T) {
	inGoFleet(t, testOutboxRowsAreDeletedAndNobodyHearsOfIt)
}

func testOutboxRowsAreDeletedAndNobodyHearsOfIt(t *testing.T) {
	s := newScene(t, chain(), listener)
	s.start("Listener", "listener", "")
	s.awaitStatus("listener", history.Running)
	var lost, unread atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "RowKey='sentinel'") && lost.Load() && unread.CompareAndSwap(false, true) {
			return errInjected
		}
		if commits(req) {
			body := bodyOf(req)
			req.Header.Set("X-Test-Deletes", fmt.Sprint(strings.Contains(body, "DELETE") && strings.Contains(body, "outbox-")))
		}
		return nil
	}, func(req *http.Request) error {
		if req.Header.Get("X-Test-Deletes") == "true" && lost.CompareAndSwap(false, true) {
			return errInjected
		}
		return nil
	})
	s.start("Chain", "i", "0")
	eventually(t, "the outbox's row was deleted unheard", unread.Load)
	s.awaitStatus("listener", history.Completed)
	s.raise("i", "End", 7)
	if out := s.awaitStatus("i", history.Completed); out != "7" {
		t.Errorf("the output is %s", out)
	}
	s.clean()
}

// TestEventForAnInstanceThatIsToStartLater is handed over in memory. It must wait in the queue, and its sender not for it.
func TestEventForAnInstanceThatIsToStartLater(t *testing.T) {
	inBothFleets(t, testEventForAnInstanceThatIsToStartLater)
}

func testEventForAnInstanceThatIsToStartLater(t *testing.T) {
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "sent", durable.SendEvent(ctx, "listener", "E", "early")
	})
	s := newScene(t, sender, listener)
	_, err := s.hub.Client().StartOrchestration(within(t), durable.StartRequest{
		Name: "Listener", InstanceID: "listener", StartAt: time.Now().Add(6 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.start("Sender", "sender", "")
	s.awaitStatus("sender", history.Completed)
	if is, _ := s.status("listener"); is != history.Pending {
		t.Errorf("the sender waited until the receiver was %v", is)
	}
	if out := s.awaitStatus("listener", history.Completed); out != `"early"` {
		t.Errorf("the output is %s", out)
	}
	s.clean()
}

// TestChildNobodyWaitsFor: the parent starts it and ends, or continues as new, and dies before the start is sent.
func TestChildNobodyWaitsFor(t *testing.T) { inGoFleet(t, testChildNobodyWaitsFor) }

func testChildNobodyWaitsFor(t *testing.T) {
	for _, again := range []bool{false, true} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("again %v later %v/go", again, later), func(t *testing.T) {
				t.Parallel()
				testUnawaitedChild(t, again, later)
			})
		}
	}
}

func testUnawaitedChild(t *testing.T, again, later bool) {
	var runs atomic.Int32
	child := single(&runs)
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, n int) (int, error) {
		if n == 1 {
			return n, nil
		}
		durable.CallSubOrchestration[string](ctx, "Single", durable.Void{}, durable.WithInstanceID("kid"))
		if later {
			if _, err := durable.WaitForEvent[string](ctx, "E").Await(); err != nil {
				return 0, err
			}
		}
		if again {
			return 0, durable.ContinueAsNew(ctx, 1)
		}
		return n, nil
	})
	s := newScene(t, parent, child)
	s.host.deaf.Store(true)
	s.start("Parent", "i", "0")
	var refused atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/messages") && strings.Contains(bodyOf(req), "kid") {
			refused.Add(1)
			return errInjected
		}
		return nil
	}, nil)
	eventually(t, "the start cannot be sent", func() bool { return refused.Load() > 0 })
	if later {
		s.raise("i", "E", "x")
	}
	eventually(t, "the parent is committed", func() bool {
		if again {
			return s.generation("i") == 1
		}
		records := s.history("i").Records
		for _, r := range records {
			if _, ended := r.Event.(*history.ExecutionCompleted); ended {
				return true
			}
		}
		return false
	})
	s.crash()
	s.faults.set(nil, nil)
	s.run(parent, child)
	s.awaitStatus("kid", history.Completed)
	s.awaitStatus("i", history.Completed)
	if n := runs.Load(); n != 1 {
		t.Errorf("the child ran %d times", n)
	}
	s.clean()
}

// TestClientPurgesOnCompleted: what the client reads is the end. Nothing of the instance may be written or sent after it,
// or what it purges would come back.
func TestClientPurgesOnCompleted(t *testing.T) { inGoFleet(t, testClientPurgesOnCompleted) }

func testClientPurgesOnCompleted(t *testing.T) {
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "sent", durable.SendEvent(ctx, "listener", "E", "x")
	})
	s := newScene(t, sender, listener)
	s.start("Listener", "listener", "")
	s.awaitStatus("listener", history.Running)
	left := make(chan string, 10)
	s.faults.set(func(req *http.Request) error {
		if statusWrite(req) && strings.Contains(req.URL.Path, "sender") && strings.Contains(bodyOf(req), `"Completed"`) {
			if h := s.history("sender"); !h.Local.Empty() || len(h.Outbox) > 0 {
				left <- fmt.Sprintf("local %v, %d rows in the outbox", h.Local, len(h.Outbox))
			}
		}
		return nil
	}, nil)
	s.start("Sender", "sender", "")
	s.awaitStatus("sender", history.Completed)
	if _, err := s.hub.Tables().PurgeInstance(within(t), "sender"); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus("listener", history.Completed)
	s.clean()
	select {
	case what := <-left:
		t.Error("the end was shown too early:", what)
	default:
	}
	if h := s.history("sender"); h.Exists {
		t.Error("the purged instance has a history again")
	}
	if row, err := s.hub.Tables().GetInstance(within(t), "sender", getStatusOnly); err != nil || row != nil {
		t.Errorf("the purged instance has the row %+v (%v)", row, err)
	}
}

// TestPausedOwnerWritesStatus after the next one has finished the instance. The end must stay.
func TestPausedOwnerWritesStatus(t *testing.T) { inBothFleets(t, testPausedOwnerWritesStatus) }

func testPausedOwnerWritesStatus(t *testing.T) {
	s := newScene(t, waiter)
	paused, resume := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if statusWrite(req) && once.CompareAndSwap(false, true) {
			close(paused)
			<-resume
		}
		return nil
	}, nil)
	s.start("Waiter", "i", "")
	<-paused
	row, err := s.hub.Tables().GetInstance(within(t), "i", getStatusOnly)
	if err != nil {
		t.Fatal(err)
	}
	completed, output := history.Completed, `"by the next owner"`
	if _, err := s.hub.Tables().MergeInstance(within(t), tables.InstanceUpdate{
		InstanceID: "i", Hub: s.hub.Names().Hub(), Status: &completed, Output: &output,
	}, row.ETag); err != nil {
		t.Fatal(err)
	}
	close(resume)
	eventually(t, "the paused owner has given the row up", func() bool { return !s.part.sessions.busy() && s.part.sessions.dirty() == 0 })
	if is, _ := s.status("i"); is != history.Completed {
		t.Errorf("the instance is %v again", is)
	}
}

// dirty counts the instances whose row is not written.
func (ss *sessions) dirty() (n int) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byID {
		if s.active || s.status.dirty() {
			n++
		}
	}
	return n
}

// TestActiveListInDoubt: a row was deleted, or written, and the answer lost.
func TestActiveListInDoubt(t *testing.T) { inGoFleet(t, testActiveListInDoubt) }

func testActiveListInDoubt(t *testing.T) {
	s := newScene(t)
	list := s.part.active
	ctx := within(t)
	lose := func(what string, do func()) {
		var n atomic.Int32
		s.faults.set(nil, func(req *http.Request) error {
			if commits(req) && n.Add(1) == 1 {
				return errInjected
			}
			return nil
		})
		do()
		eventually(t, what, func() bool { return n.Load() > 0 })
		s.faults.set(nil, nil)
	}
	if err := list.ensure(ctx, "i"); err != nil {
		t.Fatal(err)
	}
	// Asked for again while its deletion fails, it is written, and nobody hears of the deletion.
	deleting, goOn := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if commits(req) && once.CompareAndSwap(false, true) {
			close(deleting)
			<-goOn
			return errInjected
		}
		return nil
	}, nil)
	list.release("i")
	<-deleting
	again := make(chan error, 1)
	go func() { again <- list.ensure(ctx, "i") }()
	eventually(t, "the row is asked for", func() bool {
		list.mu.Lock()
		defer list.mu.Unlock()
		return len(list.entries["i"].waiting) > 0
	})
	close(goOn)
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	lose("the row is deleted", func() { list.release("i") })
	if err := list.ensure(ctx, "i"); err != nil {
		t.Fatal(err)
	}
	if rows := s.active(); len(rows) != 1 || !list.has("i") {
		t.Errorf("the list says that the row is there; it has %+v", rows)
	}
	lose("the other row is written", func() { _ = list.ensure(ctx, "j") })
	list.release("i")
	list.release("j")
	eventually(t, "no row is left", func() bool { return len(s.active()) == 0 })
	eventually(t, "the list knows of none", func() bool {
		list.mu.Lock()
		defer list.mu.Unlock()
		return len(list.entries) == 0
	})
}

// TestRowForAnInstanceThatIsDone: the row was on its way when its instance had nothing left to do, and was forgotten.
func TestRowForAnInstanceThatIsDone(t *testing.T) { inGoFleet(t, testRowForAnInstanceThatIsDone) }

func testRowForAnInstanceThatIsDone(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	s.faults.set(func(req *http.Request) error {
		if commits(req) && concernsActiveList(req) && once.CompareAndSwap(false, true) {
			close(entered)
			<-leave
		}
		return nil
	}, nil)
	s.start("Caller", "i", `"x"`)
	<-entered
	c.open()
	s.awaitStatus("i", history.Completed)
	eventually(t, "the instance is forgotten", func() bool { return s.part.sessions.size() == 0 })
	close(leave)
	eventually(t, "the list is at rest", func() bool { return len(s.active()) == 0 })
	s.clean()
}

// TestSweepMeetsANewMessage: the instance's row was let go of while the sweeper waited for it, and a newer message has
// become its anchor since. That one must stay.
func TestSweepMeetsANewMessage(t *testing.T) { inGoFleet(t, testSweepMeetsANewMessage) }

func testSweepMeetsANewMessage(t *testing.T) {
	s := newScene(t)
	w := newLocalWork()
	w.anchor([]*hold{{queue: s.part.queue}})
	if list := s.part.replaceable("i", w); len(list) > 0 {
		t.Error("an anchor was given up without a row")
	}
	if err := s.part.active.ensure(within(t), "i"); err != nil {
		t.Fatal(err)
	}
	s.part.active.release("i")
	if list := s.part.replaceable("i", w); len(list) > 0 {
		t.Error("an anchor was given up for a row that is about to be deleted")
	}
	if err := s.part.active.ensure(within(t), "i"); err != nil {
		t.Fatal(err)
	}
	if list := s.part.replaceable("i", w); len(list) != 1 {
		t.Error("an anchor was kept although the row is there")
	}
}

// TestSenderEndsWhileItsEventIsApplied: what is handed over belongs to the receiver; the sender, which stores it as its
// generation ends, must not read what the receiver marks.
func TestSenderEndsWhileItsEventIsApplied(t *testing.T) {
	inGoFleet(t, testSenderEndsWhileItsEventIsApplied)
}

func testSenderEndsWhileItsEventIsApplied(t *testing.T) {
	const generations = 40
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, n int) (int, error) {
		if n == generations {
			return n, nil
		}
		if err := durable.SendEvent(ctx, "listener", "E", n); err != nil {
			return 0, err
		}
		if err := durable.Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		return 0, durable.ContinueAsNew(ctx, n+1)
	})
	counter := durable.NewOrchestrator("Counter", func(ctx *durable.Context, _ durable.Void) (int, error) {
		sum := 0
		for range generations {
			n, err := durable.WaitForEvent[int](ctx, "E").Await()
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	})
	s := newScene(t, sender, counter)
	s.start("Counter", "listener", "")
	s.awaitStatus("listener", history.Running)
	s.start("Sender", "i", "0")
	if out := s.awaitStatus("listener", history.Completed); out != "780" {
		t.Errorf("the sum is %s", out)
	}
	s.awaitStatus("i", history.Completed)
	s.clean()
}

// TestEndedInstanceWithoutItsCode: its last owner died before it sent an event. The next one does not host the code that
// would yield the event again; a later one does.
func TestEndedInstanceWithoutItsCode(t *testing.T) { inGoFleet(t, testEndedInstanceWithoutItsCode) }

func testEndedInstanceWithoutItsCode(t *testing.T) {
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "sent", durable.SendEvent(ctx, "listener", "E", "x")
	})
	s := newScene(t, sender, listener)
	s.start("Listener", "listener", "")
	s.awaitStatus("listener", history.Running)
	s.host.deaf.Store(true)
	var refused, loads atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/messages") && strings.Contains(bodyOf(req), "EventRaised") {
			refused.Add(1)
			return errInjected
		}
		return nil
	}, nil)
	s.start("Sender", "i", "")
	eventually(t, "the event cannot be sent", func() bool { return refused.Load() > 0 })
	s.onTheList(1)
	s.crash()
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "History") {
			loads.Add(1)
		}
		return nil
	}, nil)
	s.run(listener)
	owner := s.part.active.owner
	eventually(t, "it was taken over", func() bool { rows := s.active(); return len(rows) == 1 && rows[0].Owner == owner })
	eventually(t, "it was looked at", func() bool { return loads.Load() > 0 && !s.part.sessions.summoned() })
	if !s.part.active.has("i") {
		t.Error("its row was let go of although it has an event to send")
	}
	if is, _ := s.status("i"); is == history.Completed {
		t.Error("it shows its end although it has an event to send")
	}
	s.crash()
	s.run(sender, listener)
	s.awaitStatus("listener", history.Completed)
	s.awaitStatus("i", history.Completed)
	s.clean()
}

// summoned says whether an instance waits to be loaded.
func (ss *sessions) summoned() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byID {
		if s.active || s.due.load {
			return true
		}
	}
	return false
}

// TestEventOvertakesTheDeadOwnersStart: the dead owner still holds the start's message when an event for the instance
// reaches the next one. That loads and redrives first.
func TestEventOvertakesTheDeadOwnersStart(t *testing.T) {
	inGoFleet(t, testEventOvertakesTheDeadOwnersStart)
}

func testEventOvertakesTheDeadOwnersStart(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	o := durable.NewOrchestrator("Both", func(ctx *durable.Context, _ durable.Void) (string, error) {
		task, event := a.Call(ctx, "x"), durable.WaitForEvent[string](ctx, "E")
		got, err := event.Await()
		if err != nil {
			return "", err
		}
		done, err := task.Await()
		return got + done, err
	})
	s := newScene(t, o, a)
	s.start("Both", "i", "")
	eventually(t, "it runs", func() bool { return c.of("x") == 1 })
	s.crash()
	s.run(o, a)
	s.raise("i", "E", "e")
	eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
	c.open()
	if out := s.awaitStatus("i", history.Completed); out != `"ex!"` {
		t.Errorf("the output is %s", out)
	}
	s.clean()
	if n := c.of("x"); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

// TestChildWhosePartitionMovesAlone: its start was handed over in memory and never committed. The parent's owner, who lives
// on, sends it as a message.
func TestChildWhosePartitionMovesAlone(t *testing.T) { inGoFleet(t, testChildWhosePartitionMovesAlone) }

func testChildWhosePartitionMovesAlone(t *testing.T) {
	var runs atomic.Int32
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.CallSubOrchestration[string](ctx, "Single", durable.Void{}, durable.WithInstanceID("kid")).Await()
	})
	s := newScene(t, parent, single(&runs))
	taken := make(chan HandOver, 1)
	var once atomic.Bool
	s.host.elsewhere = func(h HandOver) bool {
		if !once.CompareAndSwap(false, true) {
			return false // nobody here owns its partition now
		}
		taken <- h
		return true
	}
	s.start("Parent", "i", "")
	h := <-taken
	if n := runs.Load(); n != 0 {
		t.Fatalf("the child ran %d times", n)
	}
	if local := s.history("i").Local; local.Empty() {
		t.Error("the child's start is in nobody's hands, and the parent's history does not say so")
	}
	h.Taken(false)
	if out := s.awaitStatus("i", history.Completed); out != `"done"` {
		t.Errorf("the output is %s", out)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("the child ran %d times", n)
	}
	s.clean()
}

// TestMonitorWhoseStartIsNeverDeleted: the message comes again while a much later generation runs.
func TestMonitorWhoseStartIsNeverDeleted(t *testing.T) {
	inGoFleet(t, testMonitorWhoseStartIsNeverDeleted)
}

func testMonitorWhoseStartIsNeverDeleted(t *testing.T) {
	var begun atomic.Int32
	monitor := durable.NewOrchestrator("Monitor", func(ctx *durable.Context, n int) (int, error) {
		if n == 0 && !ctx.IsReplaying() {
			begun.Add(1)
		}
		if n < 5 {
			return 0, durable.ContinueAsNew(ctx, n+1)
		}
		return durable.WaitForEvent[int](ctx, "End").Await()
	})
	s := newScene(t, monitor)
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodDelete && strings.Contains(req.URL.Path, "/messages/") {
			return errInjected
		}
		return nil
	}, nil)
	s.start("Monitor", "i", "0")
	eventually(t, "the last generation runs", func() bool { return s.generation("i") == 5 })
	s.crash()
	s.run(monitor)
	eventually(t, "the start has come again", func() bool { return s.part.Health().Sessions > 0 && !s.part.sessions.busy() })
	s.faults.set(nil, nil)
	s.raise("i", "End", 3)
	if out := s.awaitStatus("i", history.Completed); out != "3" {
		t.Errorf("the output is %s", out)
	}
	s.clean()
	if n := begun.Load(); n != 1 {
		t.Errorf("it began %d times", n)
	}
}

// startOf is the message that starts an instance, as it is in the queue.
func (s *scene) startOf(id string, do func()) *history.Envelope {
	s.t.Helper()
	var body atomic.Pointer[string]
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/messages") {
			text := bodyOf(req)
			body.CompareAndSwap(nil, &text)
		}
		return nil
	}, nil)
	do()
	s.faults.set(nil, nil)
	_, text, _ := strings.Cut(*body.Load(), "<MessageText>")
	text, _, _ = strings.Cut(text, "</MessageText>")
	env, err := history.UnmarshalEnvelope([]byte(html.UnescapeString(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	return env
}

// TestStartAfterItsInstanceWasPurged comes a second time. It must start nothing.
func TestStartAfterItsInstanceWasPurged(t *testing.T) {
	inBothFleets(t, testStartAfterItsInstanceWasPurged)
}

func testStartAfterItsInstanceWasPurged(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	start := s.startOf("i", func() { s.start("Single", "i", "") })
	s.awaitStatus("i", history.Completed)
	eventually(t, "it is done with", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	if _, err := s.hub.Tables().PurgeInstance(within(t), "i"); err != nil {
		t.Fatal(err)
	}
	s.put(start)
	s.start("Single", "other", "")
	s.awaitStatus("other", history.Completed)
	eventually(t, "the copy is set aside", func() bool { return s.part.sessions.size() == 0 && len(s.part.holds.all()) == 0 })
	if n := runs.Load(); n != 2 {
		t.Errorf("%d runs", n)
	}
	if h := s.history("i"); h.Exists {
		t.Error("the purged instance has a history again")
	}
}

// TestOldMessagesAfterARestart: a termination of the first run, and a suspension that was taken back, come once more.
func TestOldMessagesAfterARestart(t *testing.T) { inBothFleets(t, testOldMessagesAfterARestart) }

func testOldMessagesAfterARestart(t *testing.T) {
	s := newScene(t, waiter)
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
	client := s.hub.Client()
	suspend := s.startOf("i", func() {
		if err := client.Suspend(within(t), "i", "a while"); err != nil {
			t.Fatal(err)
		}
	})
	s.part.Wake()
	s.awaitStatus("i", history.Suspended)
	if err := client.Resume(within(t), "i", "go on"); err != nil {
		t.Fatal(err)
	}
	s.part.Wake()
	s.awaitStatus("i", history.Running)
	s.put(suspend)
	terminate := s.startOf("i", func() {
		if err := client.Terminate(within(t), "i", "enough"); err != nil {
			t.Fatal(err)
		}
	})
	s.part.Wake()
	s.awaitStatus("i", history.Terminated)
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
	s.put(terminate)
	s.put(suspend)
	eventually(t, "the copies are deleted", func() bool {
		return s.messages(s.hub.Queues().Control(0)) == 0 || fleetOf(t) == Go && len(s.part.holds.all()) == 0
	})
	if is, _ := s.status("i"); is != history.Running {
		t.Errorf("the instance is %v", is)
	}
	s.raise("i", "Go", "on")
	if out := s.awaitStatus("i", history.Completed); out != `"on"` {
		t.Errorf("the output is %s", out)
	}
}

// TestBodyLongerThanItsMessagesLock runs once: the message is renewed until its event is committed.
func TestBodyLongerThanItsMessagesLock(t *testing.T) { inGoFleet(t, testBodyLongerThanItsMessagesLock) }

func testBodyLongerThanItsMessagesLock(t *testing.T) {
	var runs atomic.Int32
	slow := durable.NewOrchestrator("Slow", func(*durable.Context, durable.Void) (string, error) {
		runs.Add(1)
		time.Sleep(lockOf(t) * 4 / 3)
		return "done", nil
	})
	s := newScene(t, slow)
	s.start("Slow", "i", "")
	s.awaitStatus("i", history.Completed)
	s.clean()
	if n := runs.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// TestTimerOfACommitThatNeverLanded: its message was put before. The decision is made again, for another instant, and only
// that timer counts.
func TestTimerOfACommitThatNeverLanded(t *testing.T) { inGoFleet(t, testTimerOfACommitThatNeverLanded) }

func testTimerOfACommitThatNeverLanded(t *testing.T) {
	o := durable.NewOrchestrator("Sleeper", func(ctx *durable.Context, _ durable.Void) (string, error) {
		timeout, event := durable.Timer(ctx, time.Hour), durable.WaitForEvent[string](ctx, "E")
		durable.WhenAny(timeout, event)
		return "woken", nil
	})
	s := newScene(t, o)
	s.faults.set(first(1, commits), nil)
	s.start("Sleeper", "i", "")
	s.awaitStatus("i", history.Running)
	eventually(t, "both timers are in the queue", func() bool {
		return s.messages(s.hub.Queues().Control(0)) == 2 && !s.part.sessions.busy()
	})
	h := s.history("i")
	at := time.Now().Add(-time.Second)
	s.put(&history.Envelope{ActivityID: messageA, Message: &history.Message{
		Event:  &history.TimerFired{Base: history.Base{EventID: -1, Timestamp: at}, TimerID: 0, FireAt: at},
		Target: history.Instance{InstanceID: "i", ExecutionID: &h.ExecutionID},
	}})
	eventually(t, "the copy is deleted", func() bool { return s.messages(s.hub.Queues().Control(0)) == 2 && !s.part.sessions.busy() })
	if is, _ := s.status("i"); is != history.Running {
		t.Errorf("the instance is %v", is)
	}
	s.raise("i", "E", "x")
	s.awaitStatus("i", history.Completed)
}

// TestFanOutThatWasHalfQueued: what is in the queue when the owner dies is not queued again.
func TestFanOutThatWasHalfQueued(t *testing.T) { inGoFleet(t, testFanOutThatWasHalfQueued) }

func testFanOutThatWasHalfQueued(t *testing.T) {
	width, limit, look := 300, patience, 5*time.Millisecond
	if os.Getenv("TASKHUB_FULL") != "" {
		width, limit, look = 100_000, 20*time.Minute, 5*time.Second
	}
	eventually := func(t *testing.T, what string, condition func() bool) {
		for deadline := time.Now().Add(limit); !condition(); time.Sleep(look) {
			if time.Now().After(deadline) {
				t.Fatalf("it did not come about that %s", what)
			}
		}
	}
	a := durable.NewActivity("A", func(_ context.Context, n int) (int, error) { return n, nil })
	o := durable.NewOrchestrator("Fan", func(ctx *durable.Context, _ durable.Void) (int, error) {
		var tasks []*durable.Task[int]
		for n := range width {
			tasks = append(tasks, a.Call(ctx, n))
		}
		all, err := durable.WhenAll(tasks)
		return len(all), err
	})
	s := newScene(t, o, a)
	s.host.deaf.Store(true)
	var puts atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "-workitems/messages") && puts.Add(1) > int32(width/2) {
			return errInjected
		}
		return nil
	}, nil)
	s.start("Fan", "i", "")
	eventually(t, "half of it is queued", func() bool { return puts.Load() > int32(width/2)+20 })
	s.crash()
	queued := s.messages(s.hub.Queues().WorkItems())
	local := 0
	for _, r := range s.history("i").Local.Ranges {
		local += int(r.To-r.From) + 1
	}
	s.faults.set(nil, nil)
	s.run(o, a)
	s.host.deaf.Store(true)
	eventually(t, "all of it is decided", func() bool { return s.part.decidedOf("i") == width })
	eventually(t, "nothing is local", func() bool { return s.history("i").Local.Empty() })
	total := s.messages(s.hub.Queues().WorkItems())
	t.Logf("%d were queued, %d named as local; %d in the end", queued, local, total)
	// What the last commit named as local may have been put since: one commit's worth at most.
	if total < width || total > width+rowsPerEpisode {
		t.Errorf("%d work items for %d activities", total, width)
	}
	s.stop(s.part)
}

// decidedOf counts the committed activities of an instance.
func (p *Partition) decidedOf(id string) (n int) {
	h, err := p.cfg.Tables.LoadHistory(p.work, id)
	if err != nil {
		return -1
	}
	for _, r := range h.Records {
		if _, ok := r.Event.(*history.TaskScheduled); ok {
			n++
		}
	}
	return n
}

// TestRestartBeforeTheLastRunHasSentAll: the first run ended and its owner died before it sent an event. A client starts the
// instance over; what the first run decided is sent all the same.
func TestRestartBeforeTheLastRunHasSentAll(t *testing.T) {
	inGoFleet(t, testRestartBeforeTheLastRunHasSentAll)
}

func testRestartBeforeTheLastRunHasSentAll(t *testing.T) {
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, to string) (string, error) {
		return "sent", durable.SendEvent(ctx, to, "E", "x")
	})
	s := newScene(t, sender, listener)
	s.start("Listener", "listener", "")
	s.awaitStatus("listener", history.Running)
	s.host.deaf.Store(true)
	var refused atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/messages") && strings.Contains(bodyOf(req), "EventRaised") {
			refused.Add(1)
			return errInjected
		}
		return nil
	}, nil)
	s.start("Sender", "i", `"listener"`)
	eventually(t, "the event cannot be sent", func() bool { return refused.Load() > 0 })
	s.onTheList(1)
	s.crash()
	s.faults.set(nil, nil)
	input := `"nobody"`
	if _, err := s.hub.Client().StartOrchestration(within(t), durable.StartRequest{
		Name: "Sender", InstanceID: "i", Input: &input, Reuse: []history.Status{history.Running, history.Pending},
	}); err != nil {
		t.Fatal(err)
	}
	s.run(sender, listener)
	s.awaitStatus("listener", history.Completed)
	s.awaitStatus("i", history.Completed)
}

// TestOwnerDiesBeforeTheRowIsWritten: the active list cannot be written. The message must not go before the row is there.
func TestOwnerDiesBeforeTheRowIsWritten(t *testing.T) {
	inGoFleet(t, testOwnerDiesBeforeTheRowIsWritten)
}

func testOwnerDiesBeforeTheRowIsWritten(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	t.Cleanup(c.open) // before the scene waits for the activity
	var refused atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if commits(req) && concernsActiveList(req) {
			refused.Add(1)
			return errInjected
		}
		return nil
	}, nil)
	s.start("Caller", "i", `"x"`)
	eventually(t, "the row was refused", func() bool { return refused.Load() >= 1 })
	s.crash()
	s.faults.set(nil, nil)
	s.run(caller(a), a)
	eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
	c.open()
	s.awaitStatus("i", history.Completed)
	s.clean()
}

// TestGenerationThatCarriesManyEvents dies while the next one is being written. Each event counts once.
func TestGenerationThatCarriesManyEvents(t *testing.T) {
	inGoFleet(t, testGenerationThatCarriesManyEvents)
}

func testGenerationThatCarriesManyEvents(t *testing.T) {
	for _, landed := range []int32{0, 1, 4, 5, 6} {
		t.Run(fmt.Sprintf("after %d transactions/go", landed), func(t *testing.T) {
			t.Parallel()
			testCarriedEvents(t, landed)
		})
	}
}

func testCarriedEvents(t *testing.T, landed int32) {
	const events = 500
	o := durable.NewOrchestrator("Collector", func(ctx *durable.Context, n int) (int, error) {
		if n == 0 {
			if _, err := durable.WaitForEvent[int](ctx, "Go").Await(); err != nil {
				return 0, err
			}
			return 0, durable.ContinueAsNew(ctx, 1)
		}
		sum := 0
		for range events {
			v, err := durable.WaitForEvent[int](ctx, "E").Await()
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
	s := newScene(t, o)
	s.start("Collector", "i", "0")
	for n := range events {
		s.raise("i", "E", n)
	}
	eventually(t, "all are applied", func() bool { return len(s.history("i").Records) > events && !s.part.sessions.busy() })
	eventually(t, "no message is left", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 })
	var batches, refused atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if commits(req) && !concernsActiveList(req) && batches.Add(1) > landed {
			refused.Add(1)
			return errInjected
		}
		return nil
	}, nil)
	s.raise("i", "Go", 1)
	eventually(t, "a commit is cut short", func() bool { return refused.Load() > 0 })
	s.crash()
	s.faults.set(nil, nil)
	s.run(o)
	if out := s.awaitStatus("i", history.Completed); out != "124750" {
		t.Errorf("the sum is %s", out)
	}
	if h := s.history("i"); len(h.Outbox) > 0 {
		t.Errorf("%d rows are left in the outbox", len(h.Outbox))
	}
	s.clean()
}
