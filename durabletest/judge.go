package durabletest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// judge compares what today's code did with what the history says. The session has compared the decisions already; what
// remains are those that the history does not have, and the end.
type judge struct {
	*performance
	s    *replay.Session
	turn *replay.Turn
}

func (j *judge) verdict() error {
	if err := j.decisions(); err != nil {
		return err
	}
	if err := j.end(); err != nil {
		return err
	}
	if j.r.Strict {
		return j.strict()
	}
	return nil
}

// decisions looks for a mismatch, and for decisions that the history should have by its end.
func (j *judge) decisions() error {
	var d *replay.DivergenceError
	if out := j.turn.Outcome; out != nil && errors.As(out.Err, &d) {
		return &durable.NonDeterminismError{
			Event: d.Event, EventID: d.EventID, Expected: d.Expected, Found: d.Found, Cause: d.Cause, Text: d.Error(),
		}
	}
	if len(j.turn.Actions) > 0 && j.turn.Recorded == nil && j.whole() {
		a := j.turn.Actions[0]
		return j.differs(len(j.events), a.ActionID(), "nothing more was decided up to its end", "also decided to "+plainIntent(a))
	}
	return nil
}

// whole tells that the history holds all that was decided in it: its last episode is complete, and it is neither one that
// was rewound, where decisions were taken out, nor one where .NET cut a long list of decisions in two.
func (j *judge) whole() bool {
	last := j.events[len(j.events)-1]
	if last.Kind() != history.KindOrchestratorCompleted {
		return false
	}
	return !slices.ContainsFunc(j.events, func(e history.Event) bool {
		switch e := e.(type) {
		case *history.GenericEvent:
			return e.EventID >= 0 || e.RewindReason != nil
		case *history.TimerCreated:
			return e.EventID < 0
		case *history.ExecutionRewound:
			return true
		default:
			return false
		}
	})
}

// end compares how the execution ended. Where it failed, today's code may do better.
func (j *judge) end() error {
	was, is := j.turn.Recorded, j.turn.Outcome
	switch {
	case was == nil:
		return j.endOfOpen(is)
	case was.Status == history.Failed || is == nil:
		return nil
	case was.Status == history.ContinuedAsNew && is == was:
		return j.differs(len(j.events)-1, was.EventID, "it continued as new", "goes on waiting")
	case was.Status != is.Status:
		return j.differs(len(j.events)-1, was.EventID, fmt.Sprintf("the orchestrator ended (%v)", was.Status), "ended "+ending(is))
	default:
		return nil
	}
}

// endOfOpen judges the end of an execution that has not ended according to its history.
func (j *judge) endOfOpen(is *replay.Outcome) error {
	if is == nil || is.Status == history.Terminated || !j.whole() {
		return nil
	}
	if is.Status == history.ContinuedAsNew && slices.ContainsFunc(j.events, func(e history.Event) bool { return e.Kind() == history.KindContinueAsNew }) {
		return nil
	}
	return j.differs(len(j.events), is.EventID, "the orchestrator goes on", "ended "+ending(is))
}

// strict compares what a worker does not look at.
func (j *judge) strict() error {
	for i, e := range j.events {
		created, ok := e.(*history.TimerCreated)
		if !ok || created.EventID < 0 {
			continue
		}
		if _, state, at := j.s.Lookup(created.EventID); state != replay.Unknown && !at.Equal(created.FireAt) {
			return j.differs(i, created.EventID, "a timer was set for "+stamp(created.FireAt), "set it for "+stamp(at))
		}
	}
	for _, a := range j.turn.Committed {
		if err := j.strictDecision(a); err != nil {
			return err
		}
	}
	return j.strictEnd()
}

func (j *judge) strictDecision(a replay.Action) error {
	i := slices.IndexFunc(j.events, func(e history.Event) bool { return e.Common().EventID == a.ActionID() && e.Kind() == a.Event().Kind() })
	if i < 0 {
		return nil
	}
	switch e := j.events[i].(type) {
	case *history.EventSent:
		a, ok := a.(*replay.SendEvent)
		switch {
		case !ok:
		case deref(e.InstanceID) != a.InstanceID:
			return j.differs(i, a.ID, fmt.Sprintf("event %q was sent to instance %q", e.Name, deref(e.InstanceID)), fmt.Sprintf("sent it to %q", a.InstanceID))
		case !j.samePayload(e.Input, a.Input):
			return j.differs(i, a.ID, fmt.Sprintf("event %q was sent with the value %s", e.Name, show(e.Input)), "sent it with "+show(a.Input))
		}
	case *history.SubOrchestrationCreated:
		if a, ok := a.(*replay.CreateSubOrchestration); ok && deref(e.InstanceID) != a.InstanceID {
			return j.differs(i, a.ID, fmt.Sprintf("sub-orchestration %q was started with the id %q", e.Name, deref(e.InstanceID)), fmt.Sprintf("gave it the id %q", a.InstanceID))
		}
	}
	return nil
}

func (j *judge) strictEnd() error {
	was, is := j.turn.Recorded, j.turn.Outcome
	if was == nil || is == nil {
		return nil
	}
	at := len(j.events) - 1
	switch {
	case was.Status != history.Failed && was.Status != history.Completed:
		return nil
	case was == is:
		return j.differs(at, was.EventID, "the orchestrator ended "+ending(was), "goes on waiting")
	case was.Status != is.Status:
		return j.differs(at, was.EventID, "the orchestrator ended "+ending(was), "ended "+ending(is))
	case was.Status == history.Failed && deref(was.Result) != deref(is.Result):
		return j.differs(at, was.EventID, "the error was "+show(was.Result), "failed with "+show(is.Result))
	case was.Status == history.Completed && !j.samePayload(was.Result, is.Result):
		return j.differs(at, was.EventID, "the output was "+show(was.Result), "returned "+show(is.Result))
	default:
		return nil
	}
}

// samePayload compares values as the converter reads them: .NET writes JSON a little differently.
func (j *judge) samePayload(a, b *string) bool {
	if deref(a) == deref(b) {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	c := j.r.Environment.Converter
	if c == nil {
		c = durable.JSON()
	}
	var x, y any
	return c.Unmarshal([]byte(*a), &x) == nil && c.Unmarshal([]byte(*b), &y) == nil && reflect.DeepEqual(x, y)
}

// differs makes the error in the words that a worker has for a mismatch.
func (j *judge) differs(event int, id int32, expected, found string) error {
	d := &replay.DivergenceError{
		Orchestrator: j.started.Name, InstanceID: j.started.Instance.InstanceID, Event: event, EventID: id, Expected: expected, Found: found,
		Cause: "the orchestrator's code was changed since this instance ran, or it depends on something that differs between runs: time.Now, " +
			"random numbers, map order, environment or I/O",
	}
	return &durable.NonDeterminismError{
		Event: event, EventID: id, Expected: expected, Found: found, Cause: d.Cause, Text: d.Error(),
	}
}

// plainIntent says in words what a decision is, without its input.
func plainIntent(a replay.Action) string {
	if call, ok := a.(*replay.ScheduleTask); ok {
		return fmt.Sprintf("call activity %q", call.Name)
	}
	return intent(a)
}
