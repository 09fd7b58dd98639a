package durabletest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// Behavior says how calls of an activity or of an orchestrator go. [Mock] and its kin return one, [Env.On] that of code
// that runs for real. Its methods return it, to be chained.
type Behavior struct {
	env      *Env
	kind     durable.Kind
	name     string
	takes    time.Duration
	failures []failure
	mocked   durable.ActivityHandler // nil for real code
}

type behaviorKey struct {
	kind durable.Kind
	name string
}

// failure is what the next calls fail with.
type failure struct {
	left int
	err  error
}

// Takes sets how long a call takes on the virtual clock. The code still runs when the call is made; its result arrives d
// later. Defaults to no time at all. Of real orchestrators it cannot be set: they take what their timers and activities
// take.
func (b *Behavior) Takes(d time.Duration) *Behavior {
	b.env.t.Helper()
	switch {
	case d < 0:
		b.env.t.Fatalf("durabletest: %v %q: Takes(%v): the duration is negative", b.kind, b.name, d)
	case b.kind == durable.KindOrchestrator && b.mocked == nil:
		b.env.t.Fatalf("durabletest: orchestrator %q runs for real and takes what its timers and activities take; "+
			"set those, or mock it with durabletest.MockOrchestrator", b.name)
	default:
		b.takes = d
	}
	return b
}

// FailTimes lets the next n calls fail with an error, without running any code. A retry is a call. Called again, it adds
// to what it was told before: first these failures, then those. The error travels as it would from a real activity:
// errors.Is and errors.As find what is registered with [durable.RegisterSentinel] and [durable.RegisterError].
func (b *Behavior) FailTimes(n int, err error) *Behavior {
	b.env.t.Helper()
	switch {
	case n < 0:
		b.env.t.Fatalf("durabletest: %v %q: FailTimes(%d, …): the number is negative", b.kind, b.name, n)
	case err == nil:
		b.env.t.Fatalf("durabletest: %v %q: FailTimes(%d, nil): there is no error to fail with", b.kind, b.name, n)
	default:
		b.failures = append(b.failures, failure{n, err})
	}
	return b
}

// nextFailure returns what the next call fails with; nil when it does not.
func (b *Behavior) nextFailure() error {
	for len(b.failures) > 0 {
		f := &b.failures[0]
		if f.left > 0 {
			f.left--
			return f.err
		}
		b.failures = b.failures[1:]
	}
	return nil
}

// On returns the behavior of an activity or orchestrator: mocked, registered or still to be. A handle made by
// [durable.DeclareActivity] does for a name.
func (env *Env) On(item durable.Registrable) *Behavior {
	env.t.Helper()
	if isNil(item) {
		env.t.Fatalf("durabletest: On: the handle is nil")
		return &Behavior{env: env}
	}
	return env.behavior(item.Kind(), item.Name())
}

func (env *Env) behavior(kind durable.Kind, name string) *Behavior {
	key := behaviorKey{kind, name}
	b := env.behaviors[key]
	if b == nil {
		b = &Behavior{env: env, kind: kind, name: name}
		env.behaviors[key] = b
	}
	return b
}

func (env *Env) mockOf(kind durable.Kind, name string) *Behavior {
	if b := env.behaviors[behaviorKey{kind, name}]; b != nil && b.mocked != nil {
		return b
	}
	return nil
}

// Mock lets a function answer the calls of an activity, in place of its code. Its input and output go through the
// converter like the real ones. A second mock of the same activity replaces the first. A nil function or handle, or an
// empty name, fails the test at once.
func Mock[I, O any](env *Env, activity *durable.Activity[I, O], fn func(ctx context.Context, input I) (O, error)) *Behavior {
	env.t.Helper()
	if activity == nil {
		env.t.Fatalf("durabletest: Mock: the activity is nil; pass its handle, or use MockNamed")
		return &Behavior{env: env}
	}
	return mock(env, "Mock", durable.KindActivity, activity.Name(), fn)
}

// MockNamed is [Mock] for an activity that the test has no handle on.
func MockNamed[I, O any](env *Env, activity string, fn func(ctx context.Context, input I) (O, error)) *Behavior {
	env.t.Helper()
	return mock(env, "MockNamed", durable.KindActivity, activity, fn)
}

// MockOrchestrator lets a function answer for an orchestrator, mostly for one that the tested orchestrator calls as a
// child. It is an ordinary function and runs once. The instance exists, takes the time that [Behavior.Takes] says, and
// ends with what the function returned; events for it go nowhere.
func MockOrchestrator[I, O any](env *Env, orchestrator *durable.Orchestrator[I, O], fn func(ctx context.Context, input I) (O, error)) *Behavior {
	env.t.Helper()
	if orchestrator == nil {
		env.t.Fatalf("durabletest: MockOrchestrator: the orchestrator is nil; pass its handle, or use MockOrchestratorNamed")
		return &Behavior{env: env}
	}
	return mock(env, "MockOrchestrator", durable.KindOrchestrator, orchestrator.Name(), fn)
}

// MockOrchestratorNamed is [MockOrchestrator] for an orchestrator that the test has no handle on.
func MockOrchestratorNamed[I, O any](env *Env, orchestrator string, fn func(ctx context.Context, input I) (O, error)) *Behavior {
	env.t.Helper()
	return mock(env, "MockOrchestratorNamed", durable.KindOrchestrator, orchestrator, fn)
}

func mock[I, O any](env *Env, call string, kind durable.Kind, name string, fn func(ctx context.Context, input I) (O, error)) *Behavior {
	env.t.Helper()
	switch {
	case strings.TrimSpace(name) == "":
		env.t.Fatalf("durabletest: %s: the name of the %v is empty", call, kind)
		return &Behavior{env: env}
	case fn == nil:
		env.t.Fatalf("durabletest: %s: the function for %v %q is nil", call, kind, name)
		return &Behavior{env: env}
	}
	b := env.behavior(kind, name)
	around := env.cfg.Environment
	if kind == durable.KindOrchestrator {
		around.Interceptors = nil // those of activities have no business here
	}
	b.mocked = around.Handler(durable.NewActivity(name, fn))
	return b
}

// callActivity carries out the decision to call an activity: its code runs at once, its result arrives when it is done.
func (in *instance) callActivity(a *replay.ScheduleTask) {
	env := in.env
	call := &Call{
		Kind: durable.KindActivity, Name: a.Name, InstanceID: in.id, ExecutionID: in.execution, TaskID: a.ID,
		At: env.now, Input: argument(a.Input), env: env,
	}
	env.calls = append(env.calls, call)
	b := env.behavior(durable.KindActivity, a.Name)
	handler := b.mocked
	if handler == nil {
		handler = env.registry.activities[a.Name].handler
	}
	if handler == nil {
		missing := env.notRegistered(durable.KindActivity, a.Name, "")
		missing.By = in.name()
		in.halted = true
		env.fail(missing)
		return
	}
	tags := in.started.Tags.Map()
	env.put(&message{due: env.now, run: func() { in.runActivity(call, b, handler, a, tags) }})
}

func (in *instance) runActivity(call *Call, b *Behavior, handler durable.ActivityHandler, a *replay.ScheduleTask, tags map[string]string) {
	env := in.env
	var output *string
	err := b.nextFailure()
	if err == nil {
		ctx, cancel := context.WithCancelCause(env.ctx)
		output, err = handler(durable.WithActivityInfo(ctx, durable.ActivityInfoValue{
			Name: a.Name, InstanceID: call.InstanceID, ExecutionID: call.ExecutionID, TaskID: a.ID, Attempt: 1, ScheduledAt: call.At,
			Tags: tags, Converter: env.cfg.Environment.Converter,
			Heartbeat: func(_ context.Context, details *string) error {
				call.Heartbeats = append(call.Heartbeats, deref(details))
				return nil
			},
		}), a.Input)
		cancel(errReturned)
	}
	done := env.now.Add(b.takes)
	call.Ran, call.EndedAt, call.Output, call.Err = true, done, output, err
	var answer history.Event = &history.TaskCompleted{TaskScheduledID: a.ID, Result: output}
	if err != nil {
		answer = &history.TaskFailed{TaskScheduledID: a.ID, Reason: history.String(err.Error()), Failure: env.failureOf(err)}
	}
	*answer.Common() = history.Base{EventID: -1, Timestamp: done}
	env.put(&message{due: done, to: call.InstanceID, execution: call.ExecutionID, event: answer})
}

// errReturned is why the context of an activity is done once its function has returned.
var errReturned = errors.New("durabletest: the activity has returned")

// failureOf describes an error as the hub would.
func (env *Env) failureOf(err error) *history.FailureDetails {
	if env.cfg.Errors != durable.FailureDetails {
		return nil
	}
	return durable.FailureOf(err)
}
