package durable

import (
	"context"
	"errors"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// Orchestrator is a typed handle on an orchestrator: a function that decides what
// happens next, and that is run again from the start, against its own history,
// whenever the process has lost it. Besides its input it must depend on nothing
// but what the [Context] gives it.
type Orchestrator[I, O any] struct {
	def definition
	fn  func(*Context, I) (O, error)
}

// NewOrchestrator defines an orchestrator. The name is written down because it is
// kept in histories and shared with other workers. An empty name or a nil function
// is reported by Start, Call and registration.
//
// An orchestrator in a package-level variable that starts itself through that
// variable is an initialization cycle for the compiler; declare it with
// [DeclareOrchestrator] and bind the function with [Orchestrator.With].
func NewOrchestrator[I, O any](name string, fn func(ctx *Context, input I) (O, error), opts ...OrchestratorOption) *Orchestrator[I, O] {
	o := &Orchestrator[I, O]{def: definition{kind: KindOrchestrator, name: name, hasFunc: fn != nil}, fn: fn}
	o.configure(opts)
	return o
}

// DeclareOrchestrator names an orchestrator whose code is elsewhere: in another
// worker, perhaps a .NET one, or bound later by [Orchestrator.With].
func DeclareOrchestrator[I, O any](name string, opts ...OrchestratorOption) *Orchestrator[I, O] {
	o := &Orchestrator[I, O]{def: definition{kind: KindOrchestrator, name: name, declared: true}}
	o.configure(opts)
	return o
}

func (o *Orchestrator[I, O]) configure(opts []OrchestratorOption) {
	for _, opt := range opts {
		opt.applyOrchestrator(&o.def)
	}
}

// With returns the orchestrator bound to a function.
func (o *Orchestrator[I, O]) With(fn func(ctx *Context, input I) (O, error)) *Orchestrator[I, O] {
	bound := *o
	bound.fn, bound.def.hasFunc, bound.def.declared = fn, fn != nil, false
	return &bound
}

// Name returns the orchestrator's name.
func (o *Orchestrator[I, O]) Name() string { return o.def.name }

// Kind returns [KindOrchestrator].
func (o *Orchestrator[I, O]) Kind() Kind { return KindOrchestrator }

// Version returns the version it was defined with, normally "".
func (o *Orchestrator[I, O]) Version() string { return o.def.version }

// Validate reports why the orchestrator cannot be registered.
func (o *Orchestrator[I, O]) Validate() error { return o.def.Validate() }

// Timeouts returns none: an orchestration takes as long as it takes.
func (o *Orchestrator[I, O]) Timeouts() ActivityTimeouts { return ActivityTimeouts{} }

// Handler returns nil.
func (o *Orchestrator[I, O]) Handler() ActivityHandler { return nil }

func (o *Orchestrator[I, O]) handler(*environment) ActivityHandler { return nil }

// Definition returns what the engine runs, with the default converter and without
// interceptors. It is nil when the orchestrator is only declared.
func (o *Orchestrator[I, O]) Definition() *replay.Definition { return o.definition(defaultEnvironment) }

func (o *Orchestrator[I, O]) definition(env *environment) *replay.Definition {
	if o.fn == nil {
		return nil
	}
	run := env.wrapOrchestration(func(ctx *Context, raw *string) (*string, error) {
		ctx.run.accepts = o.accepts
		var input I
		if err := env.readInput(raw, &input); err != nil {
			return nil, o.payloadError("the input", err)
		}
		result, err := o.fn(ctx, input)
		if err != nil {
			return nil, err
		}
		output, err := marshal(env.converter, result)
		if err != nil {
			return nil, o.payloadError("the result", err)
		}
		return output, nil
	})
	return &replay.Definition{
		Name: o.def.name, Version: o.def.version, Failure: describeFailure,
		Run: func(s *replay.Session, input *string) (*string, error) {
			return run(newContext(s, env), input)
		},
	}
}

// accepts reports whether the orchestrator could read an input.
func (o *Orchestrator[I, O]) accepts(env *environment, raw *string) error {
	var input I
	return env.readInput(raw, &input)
}

func (o *Orchestrator[I, O]) payloadError(what string, err error) error {
	return &PayloadError{Subject: o.def.subject().String(), What: what, Err: err}
}

// Call starts the orchestrator as a child and returns at once; Await on the task
// gives its output. Without [WithInstanceID] the child's id is
// "{parent's execution id}:{event id}", as in .NET. The child inherits the
// parent's tags.
func (o *Orchestrator[I, O]) Call(ctx *Context, input I, opts ...SubOrchestrationOption) *Task[O] {
	t, ok := newTask[O](ctx, subject{"sub-orchestration", o.def.name}, "Orchestrator.Call")
	if !ok {
		return t
	}
	call, err := o.prepare(ctx, input, opts)
	if err != nil {
		return t.fail(err)
	}
	t.future.start(call, &replay.CreateSubOrchestration{
		Name: o.def.name, Version: call.version, InstanceID: call.instanceID, Input: call.input, Tags: call.historyTags(),
	})
	return t
}

// Spawn starts the orchestrator as a child that nobody waits for and returns its
// instance id. It outlives the parent, and its result goes nowhere. Retry and
// time-out options do not apply.
func (o *Orchestrator[I, O]) Spawn(ctx *Context, input I, opts ...SubOrchestrationOption) (string, error) {
	if !ctx.s.Enter("Orchestrator.Spawn") {
		return "", errUnloading
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	call, err := o.prepare(ctx, input, opts)
	if err != nil {
		return "", err
	}
	if call.retry != nil || call.hasTimeout {
		return "", errors.New("durable: a child that nobody waits for takes neither a retry policy nor a time-out")
	}
	if call.tags == nil {
		call.tags = map[string]string{}
	}
	call.tags[replay.FireAndForgetTag] = ""
	child := &replay.CreateSubOrchestration{
		Name: o.def.name, Version: call.version, InstanceID: call.instanceID, Input: call.input, Tags: call.historyTags(),
	}
	ctx.s.Decide(child, nil)
	return child.InstanceID, nil
}

func (o *Orchestrator[I, O]) prepare(ctx *Context, input I, opts []SubOrchestrationOption) (*callOptions, error) {
	if err := o.def.callable(); err != nil {
		return nil, err
	}
	call := &callOptions{version: o.def.version}
	for _, opt := range opts {
		opt.applySubOrchestration(call)
	}
	if call.version == "" && ctx.env.inheritVersion {
		call.version = ctx.Version()
	}
	raw, err := marshal(ctx.env.converter, input)
	if err != nil {
		return nil, o.payloadError("the input", err)
	}
	call.input = raw
	return call, nil
}

// CallSubOrchestration starts a child whose orchestrator is only known by name at
// run time. With a handle, prefer [Orchestrator.Call].
func CallSubOrchestration[O any](ctx *Context, name string, input any, opts ...SubOrchestrationOption) *Task[O] {
	return DeclareOrchestrator[any, O](name).Call(ctx, input, opts...)
}

// Start starts an instance and returns a handle on its run. Without
// [WithInstanceID] it gets a random id.
func (o *Orchestrator[I, O]) Start(ctx context.Context, c Client, input I, opts ...StartOption) (*Run[O], error) {
	if err := o.def.callable(); err != nil {
		return nil, err
	}
	if c == nil {
		return nil, &DefinitionError{o.def.kind, o.def.name, "cannot be started without a client"}
	}
	req := StartRequest{Name: o.def.name, Version: o.def.version}
	for _, opt := range opts {
		opt.applyStart(&req)
	}
	raw, err := marshal(converterOr(c.Converter()), input)
	if err != nil {
		return nil, o.payloadError("the input", err)
	}
	req.Input = raw
	started, err := c.StartOrchestration(ctx, req)
	if err != nil {
		return nil, err
	}
	return &Run[O]{client: c, instanceID: started.InstanceID, executionID: started.ExecutionID}, nil
}

// Start starts an orchestrator that is only known by name at run time. With a
// handle, prefer [Orchestrator.Start].
func Start[O any](ctx context.Context, c Client, name string, input any, opts ...StartOption) (*Run[O], error) {
	return DeclareOrchestrator[any, O](name).Start(ctx, c, input, opts...)
}
