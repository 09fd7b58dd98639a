package durabletest

import (
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Call is a call of an activity, or the start of a child. Every attempt that a retry policy makes is a call.
type Call struct {
	// Kind tells activities from children.
	Kind durable.Kind
	// Name is the activity, or the child's orchestrator.
	Name string
	// InstanceID and ExecutionID are the orchestration that made the call, TaskID the number of its decision.
	InstanceID, ExecutionID string
	TaskID                  int32
	// At is when it was made.
	At time.Time
	// Input is the serialized input; nil for null. Decode reads it.
	Input *string
	// Child is the instance id of the child.
	Child string
	// Ran tells that the activity's code has run, or that the child has ended.
	Ran bool
	// EndedAt is when the result was or will be there.
	EndedAt time.Time
	// Output is the serialized result, Err the error instead.
	Output *string
	Err    error
	// Heartbeats are the details that the activity reported, as JSON.
	Heartbeats []string

	env *Env
}

// Decode reads the input into the variable v points to.
func (c Call) Decode(v any) error { return c.env.parse(c.Input, v) }

// Timer is a timer that an orchestration set: by [durable.Sleep] or [durable.Timer], for a time-out, or between retries.
type Timer struct {
	// InstanceID and ExecutionID are the orchestration, ID the number of its decision.
	InstanceID, ExecutionID string
	ID                      int32
	// CreatedAt is when it was set, FireAt when it is due.
	CreatedAt, FireAt time.Time
	// FiredAt is when the orchestration was told; zero when it has not been, or no longer wanted to know.
	FiredAt time.Time
}

// Duration is how long the timer was set for.
func (t Timer) Duration() time.Duration { return t.FireAt.Sub(t.CreatedAt) }

// SentEvent is an event that an orchestration sent to another with [durable.SendEvent].
type SentEvent struct {
	// From and To are instance ids.
	From, To string
	// Name is the event's name.
	Name string
	// At is when it was sent.
	At time.Time
	// Payload is the serialized value; nil for null. Decode reads it.
	Payload *string
	// Delivered tells that an instance of the environment got it.
	Delivered bool

	env *Env
}

// Decode reads the value into the variable v points to.
func (s SentEvent) Decode(v any) error { return s.env.parse(s.Payload, v) }

// Calls returns the calls of an activity, or the starts of an orchestrator as a child, by any orchestration and in order.
// A handle made by [durable.DeclareActivity] does for a name. See [Inputs] for the inputs alone, with their type.
func (env *Env) Calls(item durable.Registrable) []Call {
	env.t.Helper()
	if isNil(item) {
		env.t.Fatalf("durabletest: the handle is nil")
		return nil
	}
	return env.callsOf(item.Kind(), item.Name())
}

func (env *Env) callsOf(kind durable.Kind, name string) []Call {
	var calls []Call
	for _, c := range env.calls {
		if c.Kind == kind && c.Name == name {
			calls = append(calls, *c)
		}
	}
	return calls
}

// AllCalls returns the calls of all activities and the starts of all children, in order.
func (env *Env) AllCalls() []Call {
	calls := make([]Call, len(env.calls))
	for i, c := range env.calls {
		calls[i] = *c
	}
	return calls
}

// Children returns the starts of all children, in order.
func (env *Env) Children() []Call {
	var calls []Call
	for _, c := range env.calls {
		if c.Kind == durable.KindOrchestrator {
			calls = append(calls, *c)
		}
	}
	return calls
}

// Timers returns the timers that orchestrations set, in order.
func (env *Env) Timers() []Timer {
	timers := make([]Timer, len(env.timers))
	for i, t := range env.timers {
		timers[i] = *t
	}
	return timers
}

// SentEvents returns the events that orchestrations sent, in order.
func (env *Env) SentEvents() []SentEvent {
	sent := make([]SentEvent, len(env.sent))
	for i, s := range env.sent {
		sent[i] = *s
	}
	return sent
}

// Inputs returns the inputs of the calls of an activity, in order. An input that the type cannot hold fails the test.
func Inputs[I, O any](env *Env, activity *durable.Activity[I, O]) []I {
	env.t.Helper()
	return inputs[I](env, env.Calls(activity))
}

// ChildInputs returns the inputs with which an orchestrator was started as a child, in order.
func ChildInputs[I, O any](env *Env, orchestrator *durable.Orchestrator[I, O]) []I {
	env.t.Helper()
	return inputs[I](env, env.Calls(orchestrator))
}

func inputs[I any](env *Env, calls []Call) []I {
	env.t.Helper()
	list := make([]I, len(calls))
	for i, c := range calls {
		if err := c.Decode(&list[i]); err != nil {
			env.t.Fatalf("durabletest: call %d of %v %q: the input %s: %v", i+1, c.Kind, c.Name, show(c.Input), err)
			return nil
		}
	}
	return list
}

// CustomStatuses returns every custom status that an instance has set, in order. One that the type cannot hold fails
// the test.
func CustomStatuses[S, O any](result *Result[O]) []S {
	list := make([]S, len(result.CustomStatuses))
	for i, s := range result.CustomStatuses {
		if err := s.Decode(&list[i]); err != nil {
			s.env.t.Helper()
			s.env.t.Fatalf("durabletest: custom status %d of instance %q, %s: %v", i+1, result.InstanceID, s.Value, err)
			return nil
		}
	}
	return list
}
