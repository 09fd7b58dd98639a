package partition

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// Starts by a client in the owner's process: their messages are put invisible and not received.

// StartLock makes a scene the worker in its client's process.
func (s *scene) StartLock(int) time.Duration { return s.part.StartLock() }

// TakeStart implements taskhub.StartTaker.
func (s *scene) TakeStart(_ int, st taskhub.LocalStart) bool { return s.part.TakeStart(Start(st)) }

// TestStartIsTaken: an instance runs although no message can be received, and its row is not read.
func TestStartIsTaken(t *testing.T) { inVirtualTime(t, testStartIsTaken) }

func testStartIsTaken(t *testing.T) {
	s := stage(t)
	c := newCounter(t)
	c.open()
	a := c.activity("A")
	s.hub.OnStart(s)
	s.run(caller(a), a)
	var reads atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if receives(req) {
			return errInjected
		}
		if readsRow(req) {
			reads.Add(1)
		}
		return nil
	}, nil)
	s.start("Caller", "i", `"x"`)
	eventually(t, "the activity has run", func() bool { return c.of("x") == 1 })
	if n := reads.Load(); n != 1 {
		t.Errorf("the status row was read %d times, and not just by the client before the start", n)
	}
	s.faults.set(nil, nil)
	s.awaitStatus("i", history.Completed)
	s.whole("i")
	s.clean()
}

// TestCrashesOfTakenStarts: whichever call the owner dies at, before it reached the storage or after, the message comes back
// and the next owner goes on.
func TestCrashesOfTakenStarts(t *testing.T) { inVirtualTime(t, testCrashesOfTakenStarts) }

func testCrashesOfTakenStarts(t *testing.T) {
	everything := func(*http.Request) bool { return true }
	for nth := int32(1); nth <= 6; nth++ {
		for _, landed := range []bool{false, true} {
			s := stage(t)
			c := newCounter(t)
			c.open()
			a := c.activity("A")
			cancel := s.hub.OnStart(s)
			s.hostElsewhere(a)
			s.serveWork(0)
			s.run(chainOf(a, 2), a)
			s.start("Chain", "i", `"x"`)
			dead := s.dieAt(nth, everything, landed)
			s.succeed(dead, chainOf(a, 2), a)
			if out := s.awaitStatus("i", history.Completed); out != `"x!!"` {
				t.Errorf("call %d, landed %v: the output is %s", nth, landed, out)
			}
			s.whole("i")
			s.clean()
			s.stop(s.part)
			cancel()
		}
	}
}

// TestStartThatIsNotTaken: the partition ends between the question and the start; whoever owns it next receives the message
// at once.
func TestStartThatIsNotTaken(t *testing.T) { inVirtualTime(t, testStartThatIsNotTaken) }

func testStartThatIsNotTaken(t *testing.T) {
	s := stage(t)
	s.lock = 0 // of the fleet: longer than what is waited for here
	c := newCounter(t)
	c.open()
	a := c.activity("A")
	s.run(caller(a), a)
	s.hub.OnStart(leaving{s})
	s.start("Caller", "i", `"x"`)
	began := time.Now()
	s.run(caller(a), a)
	s.awaitStatus("i", history.Completed)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	s.whole("i")
	s.clean()
}

// leaving is a worker that has lost the partition by the time the start comes.
type leaving struct{ *scene }

// TakeStart implements taskhub.StartTaker.
func (l leaving) TakeStart(n int, st taskhub.LocalStart) bool {
	l.stop(l.part)
	return l.scene.TakeStart(n, st)
}

// TestStatusWaitsWhereStepsTakeLong: what nobody looks for is written the more rarely the longer steps take; a custom status is
// not.
func TestStatusWaitsWhereStepsTakeLong(t *testing.T) { inVirtualTime(t, testStatusWaits) }

func testStatusWaits(t *testing.T) {
	for _, custom := range []bool{false, true} {
		s := stage(t)
		o := durable.NewOrchestrator("Waiter", func(ctx *durable.Context, _ durable.Void) (string, error) {
			if custom {
				if err := durable.SetCustomStatus(ctx, "here"); err != nil {
					return "", err
				}
			}
			return durable.WaitForEvent[string](ctx, "Go").Await()
		})
		s.faults.set(func(req *http.Request) error {
			if commits(req) {
				time.Sleep(time.Second) // of virtual time
			}
			return nil
		}, nil)
		s.run(o)
		for range 20 { // until that is noticed
			s.part.health.took(time.Second)
		}
		s.start("Waiter", "i", "")
		eventually(t, "the decision is stored", func() bool { return len(s.history("i").Records) > 0 })
		began := time.Now()
		s.awaitStatus("i", history.Running)
		if took := time.Since(began); took < 5*time.Second != custom {
			t.Errorf("custom status %v: the row was written after %v", custom, took)
		}
		s.raise("i", "Go", "x")
		s.awaitStatus("i", history.Completed)
		s.whole("i")
		s.clean()
	}
}
