package partition

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/taskhub"
)

// TestAnswerToALateDecision: a commit of a former owner, whose lease was broken from outside, lands after the next owner has loaded the
// instance. The answer to what it decided is all that the new owner ever hears of it.
func TestAnswerToALateDecision(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) { testAnswerToALateDecision(t, lateCommit{}) })
}

// TestAnswerToALateGeneration is the same with a commit that begins another execution.
func TestAnswerToALateGeneration(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) { testAnswerToALateDecision(t, lateCommit{generation: true}) })
}

// TestAnswerBeforeALateGeneration: in a mixed fleet, where messages are sent before the commit, the answer may even be there before that.
func TestAnswerBeforeALateGeneration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		testAnswerToALateDecision(t, lateCommit{generation: true, pause: 20 * time.Second})
	})
}

// lateCommit says what a late commit is like.
type lateCommit struct {
	generation bool          // it begins another execution
	pause      time.Duration // it lands so long after the answer
}

func testAnswerToALateDecision(t *testing.T, like lateCommit) {
	s := stage(t)
	a := durable.NewActivity("A", func(_ context.Context, in string) (string, error) { return in + "!", nil })
	late := durable.NewOrchestrator("Late", func(ctx *durable.Context, in string) (out string, err error) {
		if in == "" {
			for _, name := range []string{"First", "Go"} {
				if in, err = durable.WaitForEvent[string](ctx, name).Await(); err != nil {
					return "", err
				}
			}
			if like.generation {
				return "", durable.ContinueAsNew(ctx, in)
			}
		}
		return a.Call(ctx, in).Await()
	})
	s.hostElsewhere(a)
	s.run(late)
	s.start("Late", "i", `""`)
	first := event("i", messageA, "First", `"1"`)
	s.put(first)
	eventually(t, "it waits for the second event", func() bool {
		return len(s.history("i").Records) > 3 && !s.part.sessions.busy() && s.messages(s.hub.Queues().Control(0)) == 0
	})
	before := s.historyRows("i")
	s.put(event("i", messageB, "Go", `"x"`))
	work := s.takeWork()
	eventually(t, "nothing else is under way", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 && !s.part.sessions.busy() })
	s.crash()
	after := s.takeHistory("i")
	s.putHistory(before)

	s.run(late)
	s.put(first)
	eventually(t, "the next owner knows the instance as it was", func() bool {
		return s.messages(s.hub.Queues().Control(0)) == 0 && !s.part.sessions.busy()
	})
	if like.pause > 0 {
		s.put(successOf(work, `"x!"`))
		time.Sleep(like.pause)
	}
	s.takeHistory("i")
	s.putHistory(after)
	if like.pause == 0 {
		s.put(successOf(work, `"x!"`))
	}
	if out := s.awaitStatus("i", history.Completed); out != `"x!"` {
		t.Errorf("the output is %s", out)
	}
	s.whole("i")
	s.clean()
}

// event is a message for an instance.
func event(id, message, name, payload string) *history.Envelope {
	env := eventMessage(id, message, payload, time.Now().UTC())
	env.Message.Event.(*history.EventRaised).Name = name
	return env
}

// successOf is the message that a work item's activity has completed.
func successOf(work *history.Envelope, result string) *history.Envelope {
	completed := &history.TaskCompleted{
		Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, TaskScheduledID: work.Message.Event.Common().EventID, Result: &result,
	}
	return &history.Envelope{ActivityID: layout.AnswerID(work.ActivityID), Message: &history.Message{Event: completed, Target: work.Message.Target}}
}

// TestMessageOfAHistoryBroughtBack: the first commit of an instance lands after that was purged. What comes for it, such as a copy of a
// message, is not tried for hours.
func TestMessageOfAHistoryBroughtBack(t *testing.T) {
	inVirtualTime(t, testMessageOfAHistoryBroughtBack)
}

func testMessageOfAHistoryBroughtBack(t *testing.T) {
	s := stage(t)
	a := durable.NewActivity("A", func(context.Context, string) (string, error) { return "", nil })
	s.hostElsewhere(a)
	s.run(caller(a))
	s.start("Caller", "i", `""`)
	work := s.takeWork()
	eventually(t, "nothing else is under way", func() bool { return s.messages(s.hub.Queues().Control(0)) == 0 && !s.part.sessions.busy() })
	s.stop(s.part)
	rows := s.historyRows("i")
	if _, err := s.hub.Client().Purge(within(t), "i", taskhub.PurgeUnfinished()); err != nil {
		t.Fatal(err)
	}
	s.putHistory(rows)
	s.run(caller(a))
	work.Message.Event.Common().EventID = 7 // of an episode that has not come back
	s.put(successOf(work, `"x"`))
	time.Sleep(5 * time.Minute)
	if n := s.messages(s.hub.Queues().Control(0)); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	if n := len(s.letters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
