package durabletest

import (
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// episode runs the orchestrator over events and writes down what it decides, row for row as a worker does.
func (in *instance) episode(events []history.Event) {
	env := in.env
	env.episodes++
	s := in.load()
	if s == nil {
		return
	}
	in.begun = true
	fresh := append([]history.Event{in.marker(&history.OrchestratorStarted{})}, events...)
	for _, e := range events {
		e.Common().IsPlayed = true
	}
	turn, err := in.advance(s, nil, fresh)
	if err != nil {
		return
	}
	in.rows = append(in.rows, fresh...)
	in.conclude(turn)
}

// marker completes an event that only marks the history.
func (in *instance) marker(e history.Event) history.Event {
	*e.Common() = history.Base{EventID: -1, Timestamp: in.env.now}
	return e
}

// conclude turns decisions into rows and messages. Generations that continue as new follow at once.
func (in *instance) conclude(turn *replay.Turn) {
	for {
		in.decide(turn.Actions)
		in.note(turn)
		if turn.Outcome == nil || turn.Outcome.Status != history.ContinuedAsNew {
			break
		}
		if d := in.replay(turn.Outcome); d != nil {
			in.diverged(d)
			return
		}
		if turn = in.nextGeneration(turn.Outcome); turn == nil {
			return
		}
	}
	d := in.replay(turn.Outcome)
	switch {
	case d != nil:
		in.diverged(d)
	case turn.Outcome != nil:
		in.end(turn.Outcome)
	default:
		in.rows = append(in.rows, in.marker(&history.OrchestratorCompleted{}))
	}
}

// decide writes decisions down and carries them out.
func (in *instance) decide(actions []replay.Action) {
	for _, a := range actions {
		e := a.Event()
		e.Common().Timestamp = in.env.now
		in.rows = append(in.rows, e)
		if id := a.ActionID(); id != replay.MarkerID {
			in.decisions[id] = a
		}
		in.carryOut(a)
	}
}

func (in *instance) carryOut(a replay.Action) {
	switch a := a.(type) {
	case *replay.ScheduleTask:
		in.callActivity(a)
	case *replay.CreateTimer:
		in.setTimer(a)
	case *replay.CreateSubOrchestration:
		in.startChild(a)
	case *replay.SendEvent:
		in.sendEvent(a)
	}
}

func (in *instance) setTimer(a *replay.CreateTimer) {
	env := in.env
	t := &Timer{InstanceID: in.id, ExecutionID: in.execution, ID: a.ID, CreatedAt: env.now, FireAt: a.FireAt.UTC()}
	env.timers = append(env.timers, t)
	env.timerOf[decisionKey{in.execution, a.ID}] = t
	in.answerAt(&message{due: t.FireAt}, &history.TimerFired{TimerID: a.ID, FireAt: t.FireAt})
}

func (in *instance) sendEvent(a *replay.SendEvent) {
	env := in.env
	e := &history.EventRaised{Name: a.Name, Input: a.Input}
	s := &SentEvent{From: in.id, To: a.InstanceID, Name: a.Name, At: env.now, Payload: a.Input, env: env}
	env.sent = append(env.sent, s)
	env.sentAs[e] = s
	env.send(env.now, a.InstanceID, e)
}

// answerAt puts the answer to a decision of the current generation.
func (in *instance) answerAt(m *message, e history.Event) {
	*e.Common() = history.Base{EventID: -1, Timestamp: in.env.now}
	m.to, m.execution, m.event = in.id, in.execution, e
	in.env.put(m)
}

// note keeps what a turn tells besides decisions.
func (in *instance) note(turn *replay.Turn) {
	env := in.env
	in.suspended = turn.Suspended
	in.updated = env.now
	if !samePointee(in.custom, turn.CustomStatus) {
		in.custom = turn.CustomStatus
		in.statuses = append(in.statuses, StatusChange{At: env.now, Value: deref(turn.CustomStatus), env: env})
	}
}

func samePointee(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// nextGeneration begins the history anew and runs the first turn of the next generation; nil after a problem.
func (in *instance) nextGeneration(out *replay.Outcome) *replay.Turn {
	env, old := in.env, in.started
	in.unload()
	if in.continued >= env.cfg.MaxGenerations {
		in.halted = true
		_ = env.halt(&LimitError{What: limitGenerations, Limit: env.cfg.MaxGenerations, InstanceID: in.id, Orchestrator: in.name()})
		return nil
	}
	version := old.Version
	if out.NewVersion != nil {
		version = out.NewVersion
	}
	in.continued++
	in.execution = executionID("generation", in.execution, itoa(out.EventID))
	in.started = &history.ExecutionStarted{
		Base: history.Base{EventID: -1, Timestamp: env.now}, Instance: in.self(),
		Parent: old.Parent, Name: old.Name, Version: version, Input: out.NewInput, Tags: old.Tags, ParentTrace: old.ParentTrace,
	}
	in.inherited, in.decisions, in.checked = in.custom, map[int32]replay.Action{}, 0
	in.rows = []history.Event{in.marker(&history.OrchestratorStarted{}), in.started}
	if out.CarrySuspend != nil {
		in.rows = append(in.rows, out.CarrySuspend)
	}
	for _, e := range out.Carry {
		e.Common().IsPlayed = false
		in.rows = append(in.rows, e)
	}
	def, ok := env.registry.orchestrator(in.started.Name, deref(version))
	if !ok {
		env.fail(env.notRegistered(durable.KindOrchestrator, in.started.Name, deref(version)))
		return nil
	}
	in.definition, in.session = def, nil
	in.session = in.newSession()
	turn, err := in.advance(in.session, nil, in.rows)
	if err != nil {
		return nil
	}
	in.rows = append(in.rows, in.marker(&history.OrchestratorCompleted{}))
	return turn
}

// end writes the end of the instance down and tells its parent.
func (in *instance) end(out *replay.Outcome) {
	env := in.env
	in.unload()
	in.outcome, in.completed, in.updated, in.suspended = out, env.now, env.now, false
	e := out.Event()
	e.Timestamp = env.now
	in.rows = append(in.rows, e, in.marker(&history.OrchestratorCompleted{}))
	in.answerParent(out)
}
