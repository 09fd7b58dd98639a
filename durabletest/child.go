package durabletest

import (
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// startChild carries out the decision to start a child.
func (in *instance) startChild(a *replay.CreateSubOrchestration) {
	env := in.env
	call := &Call{
		Kind: durable.KindOrchestrator, Name: a.Name, InstanceID: in.id, ExecutionID: in.execution, TaskID: a.ID,
		At: env.now, Input: a.Input, Child: a.InstanceID, env: env,
	}
	env.calls = append(env.calls, call)
	started := &history.ExecutionStarted{
		Name: a.Name, Version: &a.Version, Input: a.Input, Tags: a.Tags,
		Parent: &history.ParentInstance{Name: in.name(), Instance: in.self(), TaskScheduleID: a.ID, Version: in.started.Version},
	}
	child := env.create(a.InstanceID, executionID("child", in.execution, itoa(a.ID), a.InstanceID), started, env.now)
	child.startCall = call
	if child.mock == nil && child.definition == nil {
		missing := env.notRegistered(durable.KindOrchestrator, a.Name, a.Version)
		missing.By = in.name()
		in.halted, child.halted = true, true
		env.fail(missing)
	}
}

// answerParent tells the parent how a child has ended.
func (in *instance) answerParent(out *replay.Outcome) {
	env := in.env
	if call := in.startCall; call != nil {
		call.Ran, call.EndedAt, call.Output = true, env.now, out.Result
		if out.Status != history.Completed {
			call.Output, call.Err = nil, in.snapshot().Err()
		}
	}
	parent := in.started.Parent
	if parent == nil {
		return
	}
	if _, oneWay := in.started.Tags.Get(replay.FireAndForgetTag); oneWay {
		return
	}
	var answer history.Event = &history.SubOrchestrationCompleted{TaskScheduledID: parent.TaskScheduleID, Result: out.Result}
	if out.Status != history.Completed {
		answer = &history.SubOrchestrationFailed{TaskScheduledID: parent.TaskScheduleID, Reason: out.Result, Failure: out.Failure}
	}
	*answer.Common() = history.Base{EventID: -1, Timestamp: env.now}
	env.put(&message{due: env.now, to: parent.Instance.InstanceID, execution: deref(parent.Instance.ExecutionID), event: answer})
}

// beginMock runs the function that answers for an orchestrator; the instance ends when the time it takes is over.
func (in *instance) beginMock() {
	env := in.env
	if in.over() {
		return // terminated before it began
	}
	in.begun = true
	out := &replay.Outcome{Status: history.Completed}
	err := in.mockErr
	if err == nil {
		// The handler is one for activities, whose input is an array.
		out.Result, err = in.mock.mocked(env.ctx, history.String("["+orNull(in.started.Input)+"]"))
	}
	if err != nil {
		out = &replay.Outcome{Status: history.Failed, Result: history.String(err.Error()), Failure: env.failureOf(err), Err: err}
	}
	env.put(&message{due: env.now.Add(in.mock.takes), run: func() {
		if !in.over() {
			in.endMock(out)
		}
	}})
}

func orNull(raw *string) string {
	if raw == nil {
		return "null"
	}
	return *raw
}

// endMock writes the history that an orchestrator without decisions has.
func (in *instance) endMock(out *replay.Outcome) {
	in.rows = append(in.rows, in.marker(&history.OrchestratorStarted{}), in.started)
	in.end(out)
}

// deliverToMock gives an event to a mocked instance. Only its end from outside means something.
func (in *instance) deliverToMock(m *message) {
	if e, ok := in.env.accept(m).(*history.ExecutionTerminated); ok {
		in.endMock(&replay.Outcome{Status: history.Terminated, Result: e.Input})
		return
	}
	in.env.drop(m, "the instance is a mock")
}

// deliverEarly deals with an event for an instance whose start is still to come.
func (in *instance) deliverEarly(m *message) {
	if e, ok := m.event.(*history.ExecutionTerminated); ok {
		in.outcome = &replay.Outcome{Status: history.Terminated, Result: e.Input}
		in.completed, in.updated = in.env.now, in.env.now
		return
	}
	m.due = in.startsAt()
	in.env.put(m) // behind the start
}
