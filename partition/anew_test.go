package partition

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// inTurn begins something for each of two events, whichever comes first, so that their order decides on the numbers.
func inTurn(begin func(ctx *durable.Context, in string) *durable.Task[string]) durable.Registrable {
	return durable.NewOrchestrator("InTurn", func(ctx *durable.Context, _ durable.Void) (string, error) {
		x, y := durable.WaitForEvent[string](ctx, "X"), durable.WaitForEvent[string](ctx, "Y")
		var forX, forY *durable.Task[string]
		if durable.WhenAny(x, y) == durable.Awaitable(x) {
			forX = begin(ctx, "x")
			_, _ = y.Await()
			forY = begin(ctx, "y")
		} else {
			forY = begin(ctx, "y")
			_, _ = x.Await()
			forX = begin(ctx, "x")
		}
		texts, err := durable.WhenAll([]*durable.Task[string]{forX, forY})
		return strings.Join(texts, "+"), err
	})
}

// inAnotherOrder lets the owner die between what it puts for the first event and its commit, and the next one meet the
// second event first.
func (s *scene) inAnotherOrder(items ...durable.Registrable) {
	s.t.Helper()
	s.run(items...)
	s.start("InTurn", "i", "")
	s.awaitStatus("i", history.Running)
	s.clean()
	dead := s.dieAt(1, commits, false)
	s.raise("i", "X", "")
	<-dead
	s.crash()
	s.faults.set(nil, nil)
	s.raise("i", "Y", "") // the other one is locked for a while
	s.run(items...)
}

// decisions are the activities in the history, by the id in their row.
func (s *scene) decisions(id string) (workItems []string) {
	for _, r := range s.history(id).Records {
		if _, ok := r.Event.(*history.TaskScheduled); ok {
			workItems = append(workItems, r.ActivityID)
		}
	}
	return workItems
}

// TestDecidedAnewInAnotherOrder: an owner dies after it has put the work item of a decision, and before the commit. The next
// one meets the events in another order, so that the number of the decision is another activity's. The result of the first
// work item comes before that of the right one, and is not taken for it.
func TestDecidedAnewInAnotherOrder(t *testing.T) { inVirtualTime(t, testDecidedAnewInAnotherOrder) }

func testDecidedAnewInAnotherOrder(t *testing.T) {
	s, c := stage(t), newCounter(t)
	c.open()
	a := c.activity("A")
	s.hostElsewhere(a)
	s.deaf = true // work items lie in their queue until the test has them served
	call := func(ctx *durable.Context, in string) *durable.Task[string] { return a.Call(ctx, in) }
	s.inAnotherOrder(inTurn(call), a)
	eventually(t, "both are decided", func() bool { return len(s.decisions("i")) == 2 })
	s.serveWork(0)
	if out := s.awaitStatus("i", history.Completed); out != `"x!+y!"` {
		t.Errorf("the output is %s", out)
	}
	s.whole("i")
	s.clean()
	if n := c.of("x"); fleetOf(t) == Mixed && n != 2 || fleetOf(t) == Go && n != 1 {
		t.Errorf("the first activity ran %d times", n)
	}
}

// TestChildrenDecidedAnewInAnotherOrder: the same with sub-orchestrations that have ids of their own.
func TestChildrenDecidedAnewInAnotherOrder(t *testing.T) {
	inVirtualTime(t, testChildrenDecidedAnewInAnotherOrder)
}

func testChildrenDecidedAnewInAnotherOrder(t *testing.T) {
	s := stage(t)
	kid := durable.NewOrchestrator("Kid", func(ctx *durable.Context, in string) (string, error) {
		if in == "y" { // its answer comes after that of the other one
			_, _ = durable.Timer(ctx, time.Second).Await()
		}
		return in + "!", nil
	})
	call := func(ctx *durable.Context, in string) *durable.Task[string] {
		return durable.CallSubOrchestration[string](ctx, "Kid", in, durable.WithInstanceID("kid "+in))
	}
	s.inAnotherOrder(inTurn(call), kid)
	if out := s.awaitStatus("i", history.Completed); out != `"x!+y!"` {
		t.Errorf("the output is %s", out)
	}
	for _, id := range []string{"i", "kid x", "kid y"} {
		s.whole(id)
	}
	s.clean()
}

// TestUnnamedChildrenDecidedAnewInAnotherOrder: the same with ids that the engine makes. Both decisions start an instance with one
// id, and the answer says by which of them it was started.
func TestUnnamedChildrenDecidedAnewInAnotherOrder(t *testing.T) {
	inVirtualTime(t, testUnnamedChildrenDecidedAnewInAnotherOrder)
}

func testUnnamedChildrenDecidedAnewInAnotherOrder(t *testing.T) {
	s := stage(t)
	kid := durable.NewOrchestrator("Kid", func(ctx *durable.Context, in string) (string, error) {
		if in == "y" { // its answer comes after that of the other one
			_, _ = durable.Timer(ctx, time.Second).Await()
		}
		return in + "!", nil
	})
	call := func(ctx *durable.Context, in string) *durable.Task[string] {
		return durable.CallSubOrchestration[string](ctx, "Kid", in)
	}
	s.inAnotherOrder(inTurn(call), kid)
	if out := s.awaitStatus("i", history.Completed); out != `"x!+y!"` {
		t.Errorf("the output is %s", out)
	}
	s.whole("i")
	s.clean()
}

// TestAnswerBeforeItsGeneration: an orchestration continues as new and starts a sub-orchestration in one episode. The start is sent, the
// commit fails, and the answer comes while the parent is still in the generation before. It is told again when the decision is made again.
func TestAnswerBeforeItsGeneration(t *testing.T) { inVirtualTime(t, testAnswerBeforeItsGeneration) }

func testAnswerBeforeItsGeneration(t *testing.T) {
	s := stage(t)
	kid := durable.NewOrchestrator("Kid", func(_ *durable.Context, in string) (string, error) { return in + "!", nil })
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, in string) (string, error) {
		if in == "first" {
			return "", durable.ContinueAsNew(ctx, "second")
		}
		return durable.CallSubOrchestration[string](ctx, "Kid", in, durable.WithInstanceID("kid")).Await()
	})
	s.faults.set(func(req *http.Request) error {
		if commits(req) && strings.Contains(bodyOf(req), "PartitionKey='i'") {
			return errInjected
		}
		return nil
	}, nil)
	s.run(parent, kid)
	s.start("Parent", "i", `"first"`)
	if fleetOf(t) == Mixed { // which sends before it commits
		s.awaitStatus("kid", history.Completed)
	}
	time.Sleep(10 * time.Second) // in which the answer meets the parent
	s.crash()
	s.faults.set(nil, nil)
	s.run(parent, kid)
	if out := s.awaitStatus("i", history.Completed); out != `"second!"` {
		t.Errorf("the output is %s", out)
	}
	s.clean()
}

// TestResultsOfUnknownWorkItems: rows that .NET wrote say nothing of work items, and results that .NET made have ids of their
// own. They count, as do those of Go workers for rows that keep no id; only a result that names another work item does not.
func TestResultsOfUnknownWorkItems(t *testing.T) {
	t.Parallel()
	const random = "5406d369-4369-4673-afae-6671a2fa1e57"
	for name, c := range map[string]struct {
		answer func(workItem string) string
		erase  bool
		counts bool
	}{
		"its own":          {answer: layout.AnswerID, counts: true},
		".NET ran it":      {answer: func(string) string { return random }, counts: true},
		"of what .NET put": {answer: func(string) string { return layout.AnswerID(random) }, counts: true},
		"of another work item": {answer: func(string) string {
			return layout.AnswerID(messageID("e", 0, history.KindTaskScheduled, "i", "B", nil))
		}},
		"for a row that .NET wrote":  {answer: layout.AnswerID, erase: true, counts: true},
		"of another, for such a row": {answer: func(id string) string { return layout.AnswerID(layout.AnswerID(id)) }, erase: true, counts: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, count := newScene(t), newCounter(t)
			a := count.activity("A")
			s.stop(s.part)
			s.deaf = true
			s.run(caller(a), a)
			s.start("Caller", "i", `"x"`)
			eventually(t, "it is decided", func() bool { return len(s.decisions("i")) == 1 })
			id := s.decisions("i")[0]
			if !layout.Derived(id) {
				t.Fatalf("the row has the id %q", id)
			}
			h := s.history("i")
			if c.erase {
				s.stop(s.part)
				for row, r := range h.Records {
					if r.ActivityID == id {
						s.writeRow("i", row, "ActivityId", "")
					}
				}
				s.run(caller(a), a)
			}
			s.put(&history.Envelope{ActivityID: c.answer(id), Message: &history.Message{
				Event:  &history.TaskCompleted{Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, Result: history.String(`"taken"`)},
				Target: history.Instance{InstanceID: "i", ExecutionID: &h.ExecutionID},
			}})
			if c.counts {
				if out := s.awaitStatus("i", history.Completed); out != `"taken"` {
					t.Errorf("the output is %s", out)
				}
				return
			}
			eventually(t, "it is deleted", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 && !s.part.sessions.busy() })
			if is, _ := s.status("i"); is != history.Running || len(s.history("i").Records) != len(h.Records) {
				t.Errorf("the instance is %v", is)
			}
		})
	}
}

// TestRewindAndALateFailure: what a rewind undoes is decided once more with the same number. A second delivery of the failure
// is not taken for the outcome of the new attempt.
func TestRewindAndALateFailure(t *testing.T) { inVirtualTime(t, testRewindAndALateFailure) }

func testRewindAndALateFailure(t *testing.T) {
	s, c := stage(t), newCounter(t)
	c.open()
	a := c.activity("A")
	s.deaf = true // work items lie in their queue
	s.run(caller(a), a)
	s.start("Caller", "i", `"x"`)
	failure := failureOf(s.takeWork())
	s.put(failure)
	s.awaitStatus("i", history.Failed)
	s.clean()
	if err := s.hub.Client().Rewind(within(t), "i", "mended"); err != nil {
		t.Fatal(err)
	}
	s.part.Wake()
	eventually(t, "it is decided again", func() bool { return len(s.decisions("i")) == 1 })
	s.put(failure)
	eventually(t, "the copy is gone", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 && !s.part.sessions.busy() })
	s.hostElsewhere(a)
	s.serveWork(0)
	if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
		t.Errorf("the output is %s", out)
	}
	s.clean()
}

// TestRewindTogetherWithALateFailure: the same when the failure is there before the new attempt is decided, so that both come at
// once.
func TestRewindTogetherWithALateFailure(t *testing.T) {
	inVirtualTime(t, testRewindTogetherWithALateFailure)
}

func testRewindTogetherWithALateFailure(t *testing.T) {
	s, c := stage(t), newCounter(t)
	c.open()
	a := c.activity("A")
	s.deaf = true // work items lie in their queue
	s.run(caller(a), a)
	s.start("Caller", "i", `"x"`)
	failure := failureOf(s.takeWork())
	s.put(failure)
	s.awaitStatus("i", history.Failed)
	s.clean()
	s.crash()
	s.put(failure)
	if err := s.hub.Client().Rewind(within(t), "i", "mended"); err != nil {
		t.Fatal(err)
	}
	s.run(caller(a), a)
	eventually(t, "it is decided again", func() bool { return len(s.decisions("i")) == 1 })
	eventually(t, "the copy is gone", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 && !s.part.sessions.busy() })
	s.hostElsewhere(a)
	s.serveWork(0)
	if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
		t.Errorf("the output is %s", out)
	}
	s.clean()
}

// failureOf is the message that a work item's activity has failed.
func failureOf(work *history.Envelope) *history.Envelope {
	failed := &history.TaskFailed{
		Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, TaskScheduledID: work.Message.Event.Common().EventID, Reason: history.String("broken"),
	}
	return &history.Envelope{ActivityID: layout.AnswerID(work.ActivityID), Message: &history.Message{Event: failed, Target: work.Message.Target}}
}

// takeWork receives a work item and deletes it.
func (s *scene) takeWork() (work *history.Envelope) {
	s.t.Helper()
	q := s.hub.Queues().WorkItems()
	eventually(s.t, "there is a work item", func() bool {
		batch, err := q.Receive(within(s.t), 1, crashLock)
		if err != nil || len(batch) == 0 {
			return false
		}
		work = batch[0].Envelope
		if err := q.Delete(within(s.t), batch[0].Receipt()); err != nil {
			s.t.Fatal(err)
		}
		return true
	})
	return work
}
