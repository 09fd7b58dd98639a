package durable

import (
	"context"
	"fmt"
	"reflect"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// Activity is a typed handle on an activity: a function that may do anything, runs
// at least once, and whose result is remembered.
type Activity[I, O any] struct {
	def      definition
	fn       func(context.Context, I) (O, error)
	defaults activityDefaults
}

// NewActivity defines an activity. The name is written down because it is kept in
// histories and shared with other workers, .NET ones included. An empty name or a
// nil function is reported by Call and by registration.
func NewActivity[I, O any](name string, fn func(ctx context.Context, input I) (O, error), opts ...ActivityDefinitionOption) *Activity[I, O] {
	a := &Activity[I, O]{def: definition{kind: KindActivity, name: name, hasFunc: fn != nil}, fn: fn}
	a.configure(opts)
	return a
}

func (a *Activity[I, O]) configure(opts []ActivityDefinitionOption) {
	for _, opt := range opts {
		opt.applyActivityDefinition(&a.defaults)
	}
}

// DeclareActivity names an activity whose code is elsewhere: in another worker,
// perhaps a .NET one, or bound later by [Activity.With].
func DeclareActivity[I, O any](name string, opts ...ActivityDefinitionOption) *Activity[I, O] {
	a := &Activity[I, O]{def: definition{kind: KindActivity, name: name, declared: true}}
	a.configure(opts)
	return a
}

// With returns the activity bound to a function, often a method value of something
// that holds its dependencies. Options replace those of the definition.
func (a *Activity[I, O]) With(fn func(ctx context.Context, input I) (O, error), opts ...ActivityDefinitionOption) *Activity[I, O] {
	bound := *a
	bound.fn, bound.def.hasFunc, bound.def.declared = fn, fn != nil, false
	bound.configure(opts)
	return &bound
}

// Name returns the activity's name.
func (a *Activity[I, O]) Name() string { return a.def.name }

// Kind returns [KindActivity].
func (a *Activity[I, O]) Kind() Kind { return KindActivity }

// Version returns "": activities are found by name alone.
func (a *Activity[I, O]) Version() string { return "" }

// Timeouts returns the time-outs of the definition.
func (a *Activity[I, O]) Timeouts() ActivityTimeouts { return a.defaults.timeouts }

// IsIdempotent reports whether the definition has the option [Idempotent].
func (a *Activity[I, O]) IsIdempotent() bool { return a.defaults.idempotent }

// Validate reports why the activity cannot be registered.
func (a *Activity[I, O]) Validate() error {
	if err := a.def.Validate(); err != nil {
		return err
	}
	if err := a.defaults.timeouts.validate(); err != nil {
		return &DefinitionError{a.def.kind, a.def.name, err.Error()}
	}
	for _, l := range a.defaults.limits {
		if err := l.validate(reflect.TypeFor[I]()); err != nil {
			return fmt.Errorf("durable: activity %s: %w", quote(a.def.name), err)
		}
	}
	return nil
}

// Definition returns nil.
func (a *Activity[I, O]) Definition() *replay.Definition { return nil }

// Handler returns the function a worker runs, with the default converter and
// without interceptors. It is nil when the activity is only declared.
func (a *Activity[I, O]) Handler() ActivityHandler { return a.handler(defaultEnvironment) }

func (a *Activity[I, O]) definition(*environment) *replay.Definition { return nil }

func (a *Activity[I, O]) handler(env *environment) ActivityHandler {
	if a.fn == nil {
		return nil
	}
	return env.wrapActivity(func(ctx context.Context, raw *string) (*string, error) {
		var input I
		if err := env.readActivityInput(raw, &input); err != nil {
			return nil, a.payloadError("the input", err)
		}
		result, err := a.fn(ctx, input)
		if err != nil {
			return nil, err
		}
		output, err := marshal(env.converter, result)
		if err != nil {
			return nil, a.payloadError("the result", err)
		}
		return output, nil
	})
}

func (a *Activity[I, O]) payloadError(what string, err error) error {
	return &PayloadError{Subject: a.def.subject().String(), What: what, Err: err}
}

// Call schedules the activity and returns at once; Await on the task gives the
// result. It runs when the orchestrator waits for something.
func (a *Activity[I, O]) Call(ctx *Context, input I, opts ...ActivityOption) *Task[O] {
	t, ok := newTask[O](ctx, a.def.subject(), "Activity.Call")
	if !ok {
		return t
	}
	if err := a.def.callable(); err != nil {
		return t.fail(err)
	}
	o := noOptions
	if len(opts) > 0 {
		o = new(callOptions)
		for _, opt := range opts {
			opt.applyActivity(o)
		}
		if err := o.timeouts.validate(); err != nil {
			return t.fail(fmt.Errorf("%v: %w", a.def.subject(), err))
		}
		o.tags = o.timeouts.addTags(o.tags)
	}
	payload, err := ctx.env.activityInput(input)
	if err != nil {
		return t.fail(a.payloadError("the input", err))
	}
	t.future.start(o, &replay.ScheduleTask{Name: a.def.name, Version: o.version, Input: &payload, Tags: o.historyTags(), Idempotent: o.idempotent})
	return t
}

// CallActivity calls an activity whose name is only known at run time. With a
// handle, prefer [Activity.Call].
func CallActivity[O any](ctx *Context, name string, input any, opts ...ActivityOption) *Task[O] {
	return DeclareActivity[any, O](name).Call(ctx, input, opts...)
}
