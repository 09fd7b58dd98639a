package replay

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// process applies one event. Bodies it wakes run afterwards.
func (s *Session) process(e history.Event) {
	if started, ok := e.(*history.OrchestratorStarted); ok {
		// A live session must see what a replay will read back: a history keeps 100 ns.
		s.now = started.Timestamp.UTC().Truncate(100 * time.Nanosecond)
		return
	}
	if s.outcome != nil {
		s.afterEnd(e)
		return
	}
	if s.suspended && !endsSuspension(e) {
		if e.Kind() != history.KindExecutionSuspended {
			s.parked = append(s.parked, parkedEvent{e, s.position})
		}
		return
	}
	s.apply(e)
}

// endsSuspension tells which events a suspended execution still takes. The end of
// its own history is one of them.
func endsSuspension(e history.Event) bool {
	switch e.Kind() {
	case history.KindExecutionResumed, history.KindExecutionTerminated, history.KindExecutionCompleted:
		return true
	default:
		return false
	}
}

func (s *Session) apply(e history.Event) {
	switch e := e.(type) {
	case *history.ExecutionStarted:
		s.start(e)
	case *history.TaskScheduled, *history.SubOrchestrationCreated, *history.EventSent, *history.TimerCreated:
		s.confirm(e)
	case *history.TaskCompleted:
		s.answer(e, e.TaskScheduledID, history.KindTaskScheduled)
	case *history.TaskFailed:
		s.answer(e, e.TaskScheduledID, history.KindTaskScheduled)
	case *history.SubOrchestrationCompleted:
		s.answer(e, e.TaskScheduledID, history.KindSubOrchestrationCreated)
	case *history.SubOrchestrationFailed:
		s.answer(e, e.TaskScheduledID, history.KindSubOrchestrationCreated)
	case *history.TimerFired:
		s.answer(e, e.TimerID, history.KindTimerCreated)
	case *history.EventRaised:
		s.consumed++
		s.inbox.deliver(e)
	case *history.ExecutionSuspended:
		s.suspended = true
	case *history.ExecutionResumed:
		s.resume()
	case *history.ExecutionTerminated:
		s.terminate(e)
	case *history.ExecutionCompleted:
		s.completed(e)
	}
	// What remains carries no news: GenericEvent (our own markers were read before
	// the replay), OrchestratorCompleted, ContinueAsNew, HistoryState and
	// ExecutionRewound.
}

func (s *Session) start(e *history.ExecutionStarted) {
	if s.started != nil {
		s.ignored++
		return
	}
	s.started = e
	s.consumed++
	if s.instance.InstanceID == "" {
		s.instance.InstanceID = e.Instance.InstanceID
	}
	if s.instance.ExecutionID == nil {
		s.instance.ExecutionID = e.Instance.ExecutionID
	}
	if s.now.IsZero() {
		s.now = e.Timestamp
	}
	s.Go(func() {
		output, err := s.def.Run(s, e.Input)
		if !s.unloading {
			s.returned(output, err)
		}
	})
}

// returned ends the execution with what the orchestrator returned. Unlike .NET,
// which waits until every task and timer is answered, the instance completes at
// once: in Go a return is the end, as the end of main is for goroutines, and an
// abandoned timer or task must not keep an instance running for days. A history
// .NET wrote has no open tasks at its end, so it replays the same way.
func (s *Session) returned(output *string, err error) {
	s.mainDone = true
	var next *ContinueError
	switch {
	case err == nil:
		s.end(&Outcome{Status: history.Completed, Result: output})
	case errors.As(err, &next):
		out := &Outcome{Status: history.ContinuedAsNew, NewInput: next.Input, NewVersion: next.Version, drop: next.DropEvents}
		if !next.DropEvents {
			out.Carry = s.inbox.unconsumed()
		}
		s.end(out)
	default:
		s.crash(err)
	}
}

// crash ends the execution with an error.
func (s *Session) crash(err error) {
	s.mainDone = true
	message, details := s.describe(err)
	if s.errors == Exceptions {
		details = nil
	}
	s.end(&Outcome{Status: history.Failed, Result: &message, Failure: details, Err: err})
}

func (s *Session) describe(err error) (string, *history.FailureDetails) {
	if s.def.Failure != nil {
		return s.def.Failure(err)
	}
	details := &history.FailureDetails{ErrorType: fmt.Sprintf("%T", err), ErrorMessage: err.Error()}
	return details.ErrorMessage, details
}

// end sets the outcome, once, with the next event id.
func (s *Session) end(o *Outcome) {
	if s.outcome != nil {
		return
	}
	o.EventID = s.nextID
	s.nextID++
	s.outcome = o
}

// afterEnd handles what follows the end of the execution in the same episode or,
// when the history goes on, in later ones.
func (s *Session) afterEnd(e history.Event) {
	continued := s.outcome.Status == history.ContinuedAsNew
	switch e := e.(type) {
	case *history.EventRaised:
		if continued && !s.outcome.drop {
			s.outcome.Carry = append(s.outcome.Carry, e)
		}
	case *history.ExecutionSuspended:
		if continued {
			s.outcome.CarrySuspend = e
		}
	case *history.ExecutionResumed:
		if continued {
			s.outcome.CarrySuspend = nil
		}
	case *history.ExecutionTerminated:
		if continued { // the end wins over going on
			s.outcome = &Outcome{EventID: s.outcome.EventID, Status: history.Terminated, Result: e.Input}
		}
	case *history.TaskScheduled, *history.SubOrchestrationCreated, *history.EventSent, *history.TimerCreated:
		s.confirmAfterEnd(e)
	case *history.TaskCompleted, *history.TaskFailed, *history.SubOrchestrationCompleted,
		*history.SubOrchestrationFailed, *history.TimerFired:
		s.ignored++
	case *history.ExecutionCompleted:
		s.completed(e)
	}
}

// parkedEvent is an event that waits for the execution to be resumed.
type parkedEvent struct {
	event    history.Event
	position int
}

// resume applies the events of the suspension in the order they came. None of
// them can suspend again: while suspended, further suspensions are dropped.
func (s *Session) resume() {
	s.suspended = false
	parked, here := s.parked, s.position
	s.parked = nil
	for _, p := range parked {
		s.position = p.position
		s.process(p.event)
		s.runReady()
	}
	s.position = here
}

func (s *Session) terminate(e *history.ExecutionTerminated) {
	s.mainDone = true
	s.end(&Outcome{Status: history.Terminated, Result: e.Input})
}

// completed reads the end of the execution out of its history.
func (s *Session) completed(e *history.ExecutionCompleted) {
	if s.recorded != nil {
		return
	}
	s.recorded = &Outcome{EventID: e.EventID, Status: e.Status, Result: e.Result, Failure: e.Failure}
	if s.outcome != nil {
		s.confirmEnd(e)
		return
	}
	if e.Status == history.Completed {
		s.diverge(e, "still waits for something", causeChanged)
		return
	}
	// Ended from outside the code: failed by the engine, say.
	s.mainDone = true
	s.outcome = s.recorded
}

// answer settles an open action.
func (s *Session) answer(e history.Event, id int32, kind history.Kind) {
	if id < 0 || int(id) >= len(s.ops) || s.ops[id].done || s.ops[id].kind != kind {
		s.ignored++
		return
	}
	o := &s.ops[id]
	sink := o.sink
	o.done, o.sink = true, nil
	s.consumed++
	sink.Resolve(id, e)
}

func (s *Session) childID(id int32) string {
	var execution string
	if s.instance.ExecutionID != nil {
		execution = *s.instance.ExecutionID
	}
	return execution + ":" + strconv.Itoa(int(id))
}

// childTags merges the tags of a call over the parent's, as .NET does. The mark of
// a child that nobody waits for is not inherited.
func (s *Session) childTags(tags *history.Tags) *history.Tags {
	if s.started == nil || s.started.Tags == nil || s.started.Tags.Len() == 0 {
		return tags
	}
	merged := s.started.Tags.Map()
	delete(merged, FireAndForgetTag)
	if tags != nil {
		maps.Copy(merged, tags.Map())
	}
	if len(merged) == 0 {
		return nil
	}
	return history.NewTags(merged)
}
