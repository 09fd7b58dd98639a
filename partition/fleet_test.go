package partition

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// These tests are schedules that would lose, repeat or wedge work in a Go fleet without one of its rules.

func inGoFleet(t *testing.T, test func(*testing.T)) {
	t.Parallel()
	t.Run(Go.String(), func(t *testing.T) { test(t) })
}

// crash ends the partition as a lost lease or a dead process does: nothing is handed back.
func (s *scene) crash() {
	s.t.Helper()
	close(s.lease.lost)
	<-s.part.Done()
}

func (s *scene) active() []tables.ActiveRow {
	s.t.Helper()
	rows, err := s.hub.Tables().ListActive(within(s.t), s.hub.Queues().Control(0).Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// clean waits until nothing is left but histories and status rows.
func (s *scene) clean() {
	s.t.Helper()
	eventually(s.t, "no message is left", func() bool {
		return s.messages(s.hub.Queues().Control(0)) == 0 && s.messages(s.hub.Queues().WorkItems()) == 0
	})
	eventually(s.t, "the active list is empty", func() bool { return len(s.active()) == 0 })
}

// counter is an activity that counts how often it ran for each input, and may wait.
type counter struct {
	mu    sync.Mutex
	runs  map[string]int
	gate  chan struct{}
	once  sync.Once
	alive sync.WaitGroup
}

func newCounter(t *testing.T) *counter {
	c := &counter{runs: map[string]int{}, gate: make(chan struct{})}
	t.Cleanup(func() { c.open(); c.alive.Wait() })
	return c
}

func (c *counter) activity(name string) *durable.Activity[string, string] {
	return durable.NewActivity(name, func(ctx context.Context, in string) (string, error) {
		c.mu.Lock()
		c.runs[in]++
		c.alive.Add(1)
		defer c.alive.Done()
		gate := c.gate
		c.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return in + "!", nil
	})
}

func (c *counter) of(in string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[in]
}

func (c *counter) open() { c.once.Do(func() { close(c.gate) }) }

func caller(a *durable.Activity[string, string]) durable.Registrable {
	return durable.NewOrchestrator("Caller", func(ctx *durable.Context, in string) (string, error) {
		return a.Call(ctx, in).Await()
	})
}

// concernsActiveList says whether a transaction is one on the active list.
func concernsActiveList(req *http.Request) bool {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return bytes.Contains(body, []byte("Active("))
}

// TestRunningActivityOfADeadOwner: the owner dies while an activity runs that is in no queue. The next owner finds the
// instance by its start message, or by its row on the active list once the message was replaced, and runs it once more.
func TestRunningActivityOfADeadOwner(t *testing.T) { inGoFleet(t, testRunningActivityOfADeadOwner) }

func testRunningActivityOfADeadOwner(t *testing.T) {
	for _, listed := range []bool{false, true} {
		c := newCounter(t)
		a := c.activity("A")
		s := newScene(t, caller(a), a)
		s.start("Caller", "i", `"x"`)
		eventually(t, "it runs", func() bool { return c.of("x") == 1 })
		if listed {
			eventually(t, "a row takes the message's place", func() bool {
				return len(s.active()) == 1 && s.messages(s.hub.Queues().Control(0)) == 0
			})
		}
		s.crash()
		s.run(caller(a), a)
		eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
		c.open()
		if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
			t.Errorf("the output is %s", out)
		}
		if n := c.of("x"); n != 2 {
			t.Errorf("it ran %d times", n)
		}
		s.clean()
	}
}

// TestReloadAttachesToWhatRuns: a session that is dropped and loaded again under the same ownership starts nothing twice.
func TestReloadAttachesToWhatRuns(t *testing.T) { inGoFleet(t, testReloadAttachesToWhatRuns) }

func testReloadAttachesToWhatRuns(t *testing.T) {
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
	var refused atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if commits(req) && refused.Add(1) <= 2 {
			return errInjected
		}
		return nil
	}, nil)
	s.raise("i", "E", "e")
	eventually(t, "a commit was refused", func() bool { return refused.Load() >= 2 })
	c.open()
	if out := s.awaitStatus("i", history.Completed); out != `"ex!"` {
		t.Errorf("the output is %s", out)
	}
	if n := c.of("x"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	s.clean()
}

// TestLostAnswerOfACommit: the commit landed, its answer did not come. The decisions stand and are carried out once.
func TestLostAnswerOfACommit(t *testing.T) { inGoFleet(t, testLostAnswerOfACommit) }

func testLostAnswerOfACommit(t *testing.T) {
	for lost := range int32(2) {
		c := newCounter(t)
		c.open()
		a := c.activity("A")
		s := newScene(t, caller(a), a)
		var n atomic.Int32
		s.faults.set(nil, func(req *http.Request) error {
			if commits(req) && n.Add(1) == lost+1 {
				return errInjected
			}
			return nil
		})
		s.start("Caller", "i", `"x"`)
		s.awaitStatus("i", history.Completed)
		if n := c.of("x"); n != 1 {
			t.Errorf("answer %d lost: the activity ran %d times", lost+1, n)
		}
		s.clean()
	}
}

// TestGenerationThatSendsAndDies: an ending generation has decided to send an event and to run an activity that it does not
// wait for; its owner dies after the commit and before it sends. No replay could yield either again.
func TestGenerationThatSendsAndDies(t *testing.T) { inGoFleet(t, testGenerationThatSendsAndDies) }

func testGenerationThatSendsAndDies(t *testing.T) {
	c := newCounter(t)
	c.open()
	a := c.activity("A")
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, n int) (int, error) {
		if n == 1 {
			return durable.WaitForEvent[int](ctx, "End").Await()
		}
		if err := durable.SendEvent(ctx, "listener", "E", "sent"); err != nil {
			return 0, err
		}
		a.Call(ctx, "x")
		return 0, durable.ContinueAsNew(ctx, 1)
	})
	listener := durable.NewOrchestrator("Listener", func(ctx *durable.Context, _ durable.Void) (string, error) {
		first, err := durable.WaitForEvent[string](ctx, "E").Await()
		if err != nil {
			return "", err
		}
		second, err := durable.WaitForEvent[string](ctx, "E").Await()
		return first + second, err
	})
	s := newScene(t, sender, listener, a)
	s.start("Listener", "listener", "")
	s.awaitStatus("listener", history.Running)
	s.host.deaf.Store(true)
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/messages") && s.generation("sender") == 1 {
			return errInjected
		}
		return nil
	}, nil)
	s.start("Sender", "sender", "0")
	eventually(t, "the second generation is committed", func() bool { return s.generation("sender") == 1 })
	s.crash()
	s.faults.set(nil, nil)
	s.run(sender, listener, a)
	eventually(t, "the work item was sent", func() bool { return s.host.visible.Load() == 1 })
	s.raise("listener", "E", "own")
	if out := s.awaitStatus("listener", history.Completed); out != `"sentown"` && out != `"ownsent"` {
		t.Errorf("the listener got %s", out)
	}
	s.raise("sender", "End", 1)
	s.awaitStatus("sender", history.Completed)
	eventually(t, "the outbox is empty", func() bool {
		h, err := s.hub.Tables().LoadHistory(within(t), "sender")
		return err == nil && len(h.Outbox) == 0
	})
	if n, err := s.hub.Queues().WorkItems().ApproximateCount(within(t)); err != nil || n != 1 {
		t.Errorf("%d work items, %v", n, err)
	}
}

// TestNearTimerOfADeadOwner: a timer that is in no queue fires under the next owner, and not early.
func TestNearTimerOfADeadOwner(t *testing.T) { inGoFleet(t, testNearTimerOfADeadOwner) }

func testNearTimerOfADeadOwner(t *testing.T) {
	const nap = 5 * time.Second
	o := durable.NewOrchestrator("Sleeper", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "woken", durable.Sleep(ctx, nap)
	})
	s := newScene(t, o)
	began := time.Now()
	s.start("Sleeper", "i", "")
	s.awaitStatus("i", history.Running)
	s.crash()
	s.run(o)
	eventually(t, "it was loaded", func() bool { return s.part.timers.count() == 1 })
	if n := s.messages(s.hub.Queues().Control(0)); n != 1 {
		t.Errorf("%d messages; the start alone is expected", n)
	}
	s.awaitStatus("i", history.Completed)
	if took := time.Since(began); took < nap {
		t.Errorf("it woke after %v", took)
	}
	s.clean()
}

// TestFarTimer: a timer beyond a minute is a message, so that the instance needs no place on the active list.
func TestFarTimer(t *testing.T) { inGoFleet(t, testFarTimer) }

func testFarTimer(t *testing.T) {
	o := durable.NewOrchestrator("Sleeper", func(ctx *durable.Context, _ durable.Void) (string, error) {
		timeout, event := durable.Timer(ctx, time.Hour), durable.WaitForEvent[string](ctx, "E")
		durable.WhenAny(timeout, event)
		return "woken", nil
	})
	s := newScene(t, o)
	s.start("Sleeper", "i", "")
	eventually(t, "the timer alone is in the queue", func() bool {
		_, known := s.status("i")
		return known == "" && s.messages(s.hub.Queues().Control(0)) == 1 && len(s.part.holds.all()) == 1
	})
	s.crash()
	s.run(o)
	s.raise("i", "E", "x")
	s.awaitStatus("i", history.Completed)
	if rows := s.active(); len(rows) != 0 {
		t.Errorf("%d rows on the active list", len(rows))
	}
}

// TestFanOutOfADeadOwner: the owner of a large fan-out dies half way. What was answered is not run again.
func TestFanOutOfADeadOwner(t *testing.T) { inGoFleet(t, testFanOutOfADeadOwner) }

func testFanOutOfADeadOwner(t *testing.T) {
	const width = 300
	var runs [width]atomic.Int32
	var done atomic.Int32
	a := durable.NewActivity("A", func(_ context.Context, n int) (int, error) {
		runs[n].Add(1)
		done.Add(1)
		return n, nil
	})
	o := durable.NewOrchestrator("Fan", func(ctx *durable.Context, _ durable.Void) (int, error) {
		var tasks []*durable.Task[int]
		for n := range width {
			tasks = append(tasks, a.Call(ctx, n))
		}
		all, err := durable.WhenAll(tasks)
		return len(all), err
	})
	s := newScene(t, o, a)
	s.start("Fan", "i", "")
	eventually(t, "it is half way", func() bool { return done.Load() >= width/2 })
	s.crash()
	s.run(o, a)
	if out := s.awaitStatus("i", history.Completed); out != "300" {
		t.Errorf("the output is %s", out)
	}
	for n := range runs {
		if got := runs[n].Load(); got < 1 || got > 2 {
			t.Errorf("activity %d ran %d times", n, got)
		}
	}
	s.clean()
}

// TestChildOfADeadOwner: parent and child live in one process and know of each other only in memory. Both move.
func TestChildOfADeadOwner(t *testing.T) { inGoFleet(t, testChildOfADeadOwner) }

func testChildOfADeadOwner(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	child := caller(a)
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, in string) (string, error) {
		return durable.CallSubOrchestration[string](ctx, "Caller", in).Await()
	})
	s := newScene(t, parent, child, a)
	s.start("Parent", "i", `"x"`)
	eventually(t, "the child's activity runs", func() bool { return c.of("x") == 1 })
	s.crash()
	s.run(parent, child, a)
	eventually(t, "it runs again", func() bool { return c.of("x") == 2 })
	c.open()
	if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
		t.Errorf("the output is %s", out)
	}
	if n := c.of("x"); n != 2 {
		t.Errorf("it ran %d times", n)
	}
	s.clean()
}

// TestInstanceThatKillsItsOwners: after many owners the instance fails instead of going on for ever.
func TestInstanceThatKillsItsOwners(t *testing.T) { inGoFleet(t, testInstanceThatKillsItsOwners) }

func testInstanceThatKillsItsOwners(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	s.start("Caller", "i", `"x"`)
	eventually(t, "it is on the active list", func() bool {
		return len(s.active()) == 1 && s.messages(s.hub.Queues().Control(0)) == 0
	})
	for n := range int32(mostAttempts) {
		s.crash()
		s.run(caller(a), a)
		eventually(t, "it runs again", func() bool { return c.of("x") == int(n)+2 })
	}
	s.crash()
	s.run(caller(a), a)
	s.awaitStatus("i", history.Failed)
	s.clean()
}

// TestGracefulMoveIsNoAttempt: an owner that ends in order leaves no attempt behind.
func TestGracefulMoveIsNoAttempt(t *testing.T) { inGoFleet(t, testGracefulMoveIsNoAttempt) }

func testGracefulMoveIsNoAttempt(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	s.start("Caller", "i", `"x"`)
	eventually(t, "it is on the active list", func() bool { return len(s.active()) == 1 })
	s.crash()
	for n := range 3 {
		s.run(caller(a), a)
		eventually(t, "it runs again", func() bool { return c.of("x") == n+2 })
		owner := s.part.active.owner
		eventually(t, "it was taken over", func() bool { rows := s.active(); return len(rows) == 1 && rows[0].Owner == owner })
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := s.part.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if rows := s.active(); len(rows) != 1 || rows[0].Attempts != 0 {
			t.Errorf("the active list is %+v", rows)
		}
	}
	c.open()
	s.run(caller(a), a)
	s.awaitStatus("i", history.Completed)
	s.clean()
}

// TestActiveListOutage: rows cannot be written. Messages are renewed instead, and nothing runs twice.
func TestActiveListOutage(t *testing.T) { inGoFleet(t, testActiveListOutage) }

func testActiveListOutage(t *testing.T) {
	c := newCounter(t)
	a := c.activity("A")
	s := newScene(t, caller(a), a)
	var refused atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if req.URL.Path != "" && strings.Contains(req.URL.Path, "$batch") && concernsActiveList(req) {
			refused.Add(1)
			return errors.New("the test broke the connection")
		}
		return nil
	}, nil)
	s.start("Caller", "i", `"x"`)
	eventually(t, "several rows were refused", func() bool { return refused.Load() >= 4 })
	c.open()
	s.faults.set(nil, nil)
	s.awaitStatus("i", history.Completed)
	if n := c.of("x"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	s.clean()
}

// TestNothingLocalAfterAnOrderlyEnd: an owner that ends in order turns what only it knew into messages.
func TestNothingLocalAfterAnOrderlyEnd(t *testing.T) { inGoFleet(t, testNothingLocalAfterAnOrderlyEnd) }

func testNothingLocalAfterAnOrderlyEnd(t *testing.T) {
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "E").Await()
	})
	o := durable.NewOrchestrator("All", func(ctx *durable.Context, _ durable.Void) (string, error) {
		timer := durable.Timer(ctx, 20*time.Second)
		kid := child.Call(ctx, durable.Void{}, durable.WithInstanceID("kid"))
		durable.WhenAny(timer, kid)
		return kid.Await()
	})
	s := newScene(t, o, child)
	s.start("All", "i", "")
	s.awaitStatus("kid", history.Running)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.part.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"i", "kid"} {
		h, err := s.hub.Tables().LoadHistory(within(t), id)
		if err != nil || !h.Local.Empty() {
			t.Errorf("%s: %v is local, %v", id, h.Local, err)
		}
	}
	if rows := s.active(); len(rows) != 0 {
		t.Errorf("the active list is %+v", rows)
	}
	if n := s.messages(s.hub.Queues().Control(0)); n != 1 {
		t.Errorf("%d messages; the timer alone is expected", n)
	}
	s.run(o, child)
	s.raise("kid", "E", "x")
	s.awaitStatus("i", history.Completed)
}
