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
)

// Activities that may run more often than once run ahead of the commit that decides them. These tests look at what is stored,
// and at what is left of it when that commit does not come about.

func inVirtualGoFleet(t *testing.T, test func(*testing.T)) {
	inGoFleet(t, func(t *testing.T) { synctest.Test(t, test) })
}

// newAheadScene is a hub without an owner yet, whose owners let all activities run ahead.
func newAheadScene(t *testing.T) *scene {
	s := stage(t)
	s.idempotent = func(string, bool) bool { return true }
	return s
}

// chainOf calls an activity so many times, each time with what came before.
func chainOf(a *durable.Activity[string, string], steps int) durable.Registrable {
	return durable.NewOrchestrator("Chain", func(ctx *durable.Context, in string) (out string, err error) {
		for out = in; steps > 0 && err == nil && len(out) < len(in)+steps; {
			out, err = a.Call(ctx, out).Await()
		}
		return out, err
	})
}

// counting counts the calls of a kind from now on.
func (s *scene) counting(kind func(*http.Request) bool) *atomic.Int32 {
	var n atomic.Int32
	s.faults.set(func(req *http.Request) error {
		if kind(req) {
			n.Add(1)
		}
		return nil
	}, nil)
	return &n
}

// TestChainIsOneCommit: the steps of a chain of short activities are stored together, as the episodes that they are.
func TestChainIsOneCommit(t *testing.T) { inVirtualGoFleet(t, testChainIsOneCommit) }

func testChainIsOneCommit(t *testing.T) {
	s := newAheadScene(t)
	c := newCounter(t)
	c.open()
	a := c.activity("A")
	n := s.counting(commits)
	s.run(chainOf(a, 3), a)
	s.start("Chain", "i", `"x"`)
	if out := s.awaitStatus("i", history.Completed); out != `"x!!!"` {
		t.Errorf("the output is %s", out)
	}
	if n.Load() != 1 {
		t.Errorf("%d commits", n.Load())
	}
	var kinds []string
	for _, r := range s.history("i").Records {
		kinds = append(kinds, r.Event.Kind().String())
	}
	step := "OrchestratorCompleted OrchestratorStarted TaskCompleted "
	want := "OrchestratorStarted ExecutionStarted TaskScheduled " + strings.Repeat(step+"TaskScheduled ", 2) + step + "ExecutionCompleted OrchestratorCompleted"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("the history is\n%s\nwant\n%s", got, want)
	}
	s.whole("i")
	s.clean()
}

// TestCallRunsAhead: a call may say so for an activity that is not defined that way; other calls of it wait for their
// commit.
func TestCallRunsAhead(t *testing.T) { inVirtualGoFleet(t, testCallRunsAhead) }

func testCallRunsAhead(t *testing.T) {
	s := stage(t)
	a := durable.NewActivity("A", func(_ context.Context, in string) (string, error) { return in + "!", nil })
	o := durable.NewOrchestrator("Calls", func(ctx *durable.Context, in string) (out string, err error) {
		retry := durable.WithRetry(durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Millisecond})
		for _, options := range [][]durable.ActivityOption{{durable.Idempotent()}, {durable.Idempotent(), retry}, {}} {
			if out, err = a.Call(ctx, in, options...).Await(); err != nil {
				return out, err
			}
		}
		return out, nil
	})
	n := s.counting(commits)
	s.run(o, a)
	s.start("Calls", "i", `"x"`)
	s.awaitStatus("i", history.Completed)
	if n.Load() != 2 {
		t.Errorf("%d commits instead of one behind the first two calls, and the last", n.Load())
	}
	s.whole("i")
	s.clean()
}

// TestCommitFailsBehindWhatRanAhead: the activities have run and the body has ended when the commit fails. Nothing of it is
// to be seen: no row, no message, no status. The next owner begins anew.
func TestCommitFailsBehindWhatRanAhead(t *testing.T) { inVirtualGoFleet(t, testCommitFailsBehind) }

func testCommitFailsBehind(t *testing.T) {
	for _, landed := range []bool{false, true} {
		s := newAheadScene(t)
		c := newCounter(t)
		c.open()
		a := c.activity("A")
		child := durable.NewOrchestrator("Child", func(*durable.Context, string) (string, error) { return "c", nil })
		o := durable.NewOrchestrator("Sender", func(ctx *durable.Context, in string) (string, error) {
			out, err := a.Call(ctx, in).Await()
			if err != nil {
				return "", err
			}
			return child.Call(ctx, out).Await()
		})
		look := s.besides()
		dead := s.dieAt(1, commits, landed)
		s.run(o, child, a)
		s.start("Sender", "i", `"x"`)
		<-dead
		if c.of("x") != 1 {
			t.Errorf("the activity ran %d times before the commit", c.of("x"))
		}
		if h := look.history("i"); landed == (len(h.Records) == 0) {
			t.Errorf("landed %v: %d rows", landed, len(h.Records))
		}
		if n := look.messages(look.hub.Queues().Control(0)) + look.messages(look.hub.Queues().WorkItems()); n != 1 {
			t.Errorf("landed %v: %d messages instead of the start", landed, n)
		}
		if is, _ := look.status("i"); is != history.Pending {
			t.Errorf("landed %v: the status is %v", landed, is)
		}
		s.succeed(dead, o, child, a)
		if out := s.awaitStatus("i", history.Completed); out != `"c"` {
			t.Errorf("the output is %s", out)
		}
		want := 2
		if landed {
			want = 1 // its result is in the history
		}
		if n := c.of("x"); n != want {
			t.Errorf("landed %v: the activity ran %d times", landed, n)
		}
		s.whole("i")
		s.clean()
	}
}

// TestResultOfADiscardedDecision: while the activity runs ahead, its decision is discarded, and another one takes its task id.
// The result must not be taken for that one's.
func TestResultOfADiscardedDecision(t *testing.T) {
	inVirtualGoFleet(t, testResultOfADiscardedDecision)
}

func testResultOfADiscardedDecision(t *testing.T) {
	s := newAheadScene(t)
	c := newCounter(t)
	a := c.activity("A")
	var decisions atomic.Int32
	o := durable.NewOrchestrator("Fickle", func(ctx *durable.Context, _ durable.Void) (string, error) {
		n := int32(2)
		if !ctx.IsReplaying() { // stands for an event that was first the first time, and another one the second time
			n = decisions.Add(1)
		}
		return a.Call(ctx, fmt.Sprint("decision ", n)).Await()
	})
	s.faults.set(first(1, commits), nil)
	s.run(o, a)
	s.start("Fickle", "i", "")
	eventually(t, "the second decision is carried out", func() bool { return c.of("decision 2") == 1 })
	c.open()
	if out := s.awaitStatus("i", history.Completed); out != `"decision 2!"` {
		t.Errorf("the output is %s", out)
	}
	s.whole("i")
	s.clean()
}

// TestEndBeforeWhatRunsAhead: the body does not wait for all that runs ahead. What it leaves runs all the same, as
// activities do that nobody waits for, and keeps nothing from being tidied up.
func TestEndBeforeWhatRunsAhead(t *testing.T) { inVirtualGoFleet(t, testEndBeforeWhatRunsAhead) }

func testEndBeforeWhatRunsAhead(t *testing.T) {
	for _, again := range []bool{false, true} {
		s := newAheadScene(t)
		slow, quick := newCounter(t), newCounter(t)
		quick.open()
		left, taken := slow.activity("Left"), quick.activity("Taken")
		o := durable.NewOrchestrator("Race", func(ctx *durable.Context, round int) (string, error) {
			_ = left.Call(ctx, fmt.Sprint("left ", round))
			out, err := taken.Call(ctx, fmt.Sprint("taken ", round)).Await()
			if again && round == 0 && err == nil {
				return "", durable.ContinueAsNew(ctx, 1)
			}
			return out, err
		})
		s.hostElsewhere(left, taken)
		s.serveWork(0)
		s.run(o, left, taken)
		s.start("Race", "i", "0")
		eventually(t, "what was left runs as a work item", func() bool { return slow.of("left 0") == 2 })
		slow.open()
		s.awaitStatus("i", history.Completed)
		s.clean()
	}
}

// TestCrashesOfAChainThatRunsAhead: whichever call the owner dies at, before it reached the storage or after, the chain ends
// with each step in its history once.
func TestCrashesOfAChainThatRunsAhead(t *testing.T) { inVirtualGoFleet(t, testCrashesOfAChain) }

func testCrashesOfAChain(t *testing.T) {
	everything := func(*http.Request) bool { return true }
	for nth := int32(1); nth <= 8; nth++ {
		for _, landed := range []bool{false, true} {
			s := newAheadScene(t)
			c := newCounter(t)
			c.open()
			a := c.activity("A")
			s.run(chainOf(a, 4), a)
			s.start("Chain", "i", `"x"`)
			dead := s.dieAt(nth, everything, landed)
			s.succeed(dead, chainOf(a, 4), a)
			if out := s.awaitStatus("i", history.Completed); out != `"x!!!!"` {
				t.Errorf("call %d, landed %v: the output is %s", nth, landed, out)
			}
			if n := c.of("x"); n > 2 {
				t.Errorf("call %d, landed %v: a step ran %d times", nth, landed, n)
			}
			s.whole("i")
			s.clean()
			s.stop(s.part)
		}
	}
}

// TestSlowActivityIsCommitted: a decision does not wait for long activities, and what comes up meanwhile is seen to at once.
func TestSlowActivityIsCommitted(t *testing.T) { inVirtualGoFleet(t, testSlowActivityIsCommitted) }

func testSlowActivityIsCommitted(t *testing.T) {
	for _, dies := range []bool{false, true} {
		s := newAheadScene(t)
		c := newCounter(t)
		a := c.activity("A")
		s.run(caller(a), a)
		s.start("Caller", "i", `"x"`)
		eventually(t, "it is committed while it runs", func() bool { return len(s.history("i").Records) > 0 && c.of("x") == 1 })
		if dies {
			s.crash()
			s.run(caller(a), a)
			eventually(t, "the next owner runs it", func() bool { return c.of("x") == 2 })
		}
		c.open()
		s.awaitStatus("i", history.Completed)
		if n := c.of("x"); !dies && n != 1 {
			t.Errorf("it ran %d times", n)
		}
		s.whole("i")
		s.clean()
	}
}

// TestNothingRunsAheadOfMixedFleets: there a work item is put before the commit, and a .NET worker may take over.
func TestNothingRunsAheadOfMixedFleets(t *testing.T) {
	t.Parallel()
	t.Run(Mixed.String(), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newAheadScene(t)
			a := durable.NewActivity("A", func(context.Context, string) (string, error) {
				if len(s.history("i").Records) == 0 {
					t.Error("it runs before it is decided")
				}
				return "a", nil
			})
			s.run(caller(a), a)
			s.start("Caller", "i", `"x"`)
			s.awaitStatus("i", history.Completed)
		})
	})
}
