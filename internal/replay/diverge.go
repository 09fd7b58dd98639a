package replay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// DivergenceError is the error of an orchestrator whose code, replayed, does not do
// what the history says it did.
type DivergenceError struct {
	// Orchestrator and InstanceID name the execution.
	Orchestrator, InstanceID string
	// Event is the number of the offending event in the history, from 0 on; its
	// row key is the same number in hexadecimal.
	Event int
	// EventID is the number of the decision, the event's EventID.
	EventID int32
	// Expected is what the history says.
	Expected string
	// Found is what the code did.
	Found string
	// Cause is the likely reason.
	Cause string
}

// Error tells all of it and what to do.
func (d *DivergenceError) Error() string {
	return fmt.Sprintf("non-deterministic orchestrator %q: event %d of the history (row %016X, decision %d) says that %s, but the "+
		"code, replayed, %s. Likely cause: %s. What to do: run this instance with the code it began with, or guard the change with "+
		"durable.Patched or a new version, then rewind or restart the instance.",
		d.Orchestrator, d.Event, d.Event, d.EventID, d.Expected, d.Found, d.Cause)
}

// The likely reasons.
const (
	causeChanged = "the orchestrator's code was changed while this instance was running (a call was added, removed, renamed or " +
		"moved), or it depends on something that differs between runs: time.Now, random numbers, map order, environment or I/O"
	causeShortened = "the orchestrator now returns earlier than it did, because its code was changed while this instance was running " +
		"or because it depends on something that differs between runs"
	causeHistory = "the history was changed by hand, or two workers wrote it at once"
)

// confirm matches an event of the history with the decision of the same id.
func (s *Session) confirm(e history.Event) {
	id := e.Common().EventID
	if id == splitTimerID {
		return
	}
	if id < 0 || int(id) >= len(s.ops) {
		s.diverge(e, s.nothingDecided(id), causeChanged)
		return
	}
	o := &s.ops[id]
	switch {
	case o.kind != e.Kind():
		s.diverge(e, "decided to "+verb(o.kind, o.name)+" there", causeChanged)
	case !strings.EqualFold(o.name, nameOf(e)):
		s.diverge(e, "decided to "+verb(o.kind, o.name)+" there", causeChanged)
	case o.confirmed:
		s.diverge(e, "made that decision only once", causeHistory)
	default:
		o.confirmed = true
	}
}

func (s *Session) nothingDecided(id int32) string {
	if int(id) == len(s.ops) && len(s.ops) > 0 {
		last := &s.ops[len(s.ops)-1]
		return fmt.Sprintf("has made no such decision by then; its last one was number %d, to %s", id-1, verb(last.kind, last.name))
	}
	if len(s.ops) == 0 {
		return "has made no decision by then"
	}
	return fmt.Sprintf("has made only %d decisions by then", len(s.ops))
}

// confirmAfterEnd handles a decision in the history that follows the code's end.
// A terminated execution may have some: .NET goes on deciding until the episode is
// over.
func (s *Session) confirmAfterEnd(e history.Event) {
	id := e.Common().EventID
	if s.outcome == s.recorded || s.outcome.Status == history.Terminated || s.outcome.diverged() {
		return
	}
	was := s.outcome
	s.outcome, s.nextID = nil, was.EventID
	if id >= was.EventID {
		s.diverge(e, fmt.Sprintf("ended (%v) before it", was.Status), causeShortened)
		return
	}
	s.confirm(e)
	if s.outcome == nil {
		s.outcome, s.nextID = was, was.EventID+1
	}
}

// confirmEnd matches the end in the history with the code's. Only an orchestrator
// that returned can be compared: executions also end from outside, at any point.
func (s *Session) confirmEnd(e *history.ExecutionCompleted) {
	was := s.outcome
	if e.Status != history.Completed || was.Status != history.Completed || e.EventID == was.EventID {
		return
	}
	found := fmt.Sprintf("ended with decision %d", was.EventID)
	if id := e.EventID; id >= 0 && int(id) < len(s.ops) {
		found = "decided to " + verb(s.ops[id].kind, s.ops[id].name) + " there"
	}
	s.outcome, s.nextID = nil, was.EventID
	s.diverge(e, found, causeChanged)
}

// nameOf is what an event of a decision calls; "" for timers.
func nameOf(e history.Event) string {
	switch e := e.(type) {
	case *history.TaskScheduled:
		return e.Name
	case *history.SubOrchestrationCreated:
		return e.Name
	case *history.EventSent:
		return e.Name
	default:
		return ""
	}
}

// diverge ends the execution: the code cannot continue this history.
func (s *Session) diverge(e history.Event, found, cause string) {
	d := &DivergenceError{
		Orchestrator: s.def.Name, InstanceID: s.instance.InstanceID, Event: s.position, EventID: e.Common().EventID,
		Expected: expectation(e), Found: found, Cause: cause,
	}
	s.crash(d)
}

// diverged tells whether the execution ended because replay went wrong.
func (o *Outcome) diverged() bool {
	var d *DivergenceError
	return errors.As(o.Err, &d)
}

// expectation says in words what an event of the history stands for.
func expectation(e history.Event) string {
	switch e := e.(type) {
	case *history.TaskScheduled:
		return fmt.Sprintf("activity %q was called", e.Name)
	case *history.SubOrchestrationCreated:
		return fmt.Sprintf("sub-orchestration %q was started", e.Name)
	case *history.EventSent:
		return fmt.Sprintf("event %q was sent", e.Name)
	case *history.TimerCreated:
		return "a timer was set"
	case *history.ExecutionCompleted:
		return fmt.Sprintf("the orchestrator ended (%v)", e.Status)
	default:
		return e.Kind().String() + " happened"
	}
}

// verb says in words what a decision of the code is.
func verb(kind history.Kind, name string) string {
	switch kind {
	case history.KindTaskScheduled:
		return fmt.Sprintf("call activity %q", name)
	case history.KindSubOrchestrationCreated:
		return fmt.Sprintf("start sub-orchestration %q", name)
	case history.KindEventSent:
		return fmt.Sprintf("send event %q", name)
	default:
		return "set a timer"
	}
}
