package durable

import (
	"context"
	"slices"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// Environment is what a worker gives the code it runs: how payloads are converted
// and what is wrapped around activities and orchestrations.
type Environment struct {
	// Converter serializes payloads. Defaults to JSON.
	Converter Converter
	// Interceptors wrap activities and orchestrations, the first one outermost.
	// Defaults to none.
	Interceptors []Interceptor
	// InheritVersion gives children that are called without a version the version of their caller, so that a tree of
	// instances stays with workers of that version. Defaults to false: they get none, as in .NET.
	InheritVersion bool
}

// Definition returns what the engine runs for an orchestrator in this environment;
// nil for an activity.
func (e Environment) Definition(r Registrable) *replay.Definition {
	return r.definition(e.resolve())
}

// Handler returns what a worker runs for an activity in this environment; nil for an
// orchestrator.
func (e Environment) Handler(r Registrable) ActivityHandler {
	return r.handler(e.resolve())
}

func (e Environment) resolve() *environment {
	given := slices.DeleteFunc(slices.Clone(e.Interceptors), func(i Interceptor) bool { return i == nil })
	return &environment{converter: converterOr(e.Converter), interceptors: given, inheritVersion: e.InheritVersion}
}

// environment is an Environment with its defaults filled in.
type environment struct {
	converter      Converter
	interceptors   []Interceptor
	inheritVersion bool
}

var defaultEnvironment = Environment{}.resolve()

// wrapActivity puts the interceptors around an activity. Panics become errors both
// inside, where interceptors see them, and outside, for those of interceptors.
func (e *environment) wrapActivity(run ActivityHandler) ActivityHandler {
	run = recovering(run)
	if len(e.interceptors) > 0 {
		for i := len(e.interceptors) - 1; i >= 0; i-- {
			run = e.interceptors[i].Activity(run)
		}
		run = recovering(run)
	}
	return func(ctx context.Context, input *string) (*string, error) {
		return run(withConverter(ctx, e.converter), input)
	}
}

func recovering(run ActivityHandler) ActivityHandler {
	return func(ctx context.Context, input *string) (output *string, err error) {
		defer func() {
			if v := recover(); v != nil {
				output, err = nil, newPanicError(v)
			}
		}()
		return run(ctx, input)
	}
}

func (e *environment) wrapOrchestration(run OrchestrationHandler) OrchestrationHandler {
	for i := len(e.interceptors) - 1; i >= 0; i-- {
		run = e.interceptors[i].Orchestration(run)
	}
	return run
}

// OrchestrationHandler runs an orchestration: serialized input in, serialized output
// out. nil stands for null.
type OrchestrationHandler func(ctx *Context, input *string) (*string, error)

// ClientHandler makes a client call.
type ClientHandler func(ctx context.Context, call *ClientCall) error

// Interceptor wraps what a client calls and what a worker runs: for tracing,
// metrics, checks. Embed [PassThrough] to implement only some of it.
//
// An orchestration's interceptor runs inside the orchestrator, in every replay, and
// must be deterministic; Context.IsReplaying tells whether anything is new.
type Interceptor interface {
	// Orchestration wraps the run of an orchestration.
	Orchestration(next OrchestrationHandler) OrchestrationHandler
	// Activity wraps the run of an activity. [ActivityInfo] tells which.
	Activity(next ActivityHandler) ActivityHandler
	// Client wraps a call of a client.
	Client(next ClientHandler) ClientHandler
}

// PassThrough is an [Interceptor] that changes nothing.
type PassThrough struct{}

// Orchestration returns next.
func (PassThrough) Orchestration(next OrchestrationHandler) OrchestrationHandler { return next }

// Activity returns next.
func (PassThrough) Activity(next ActivityHandler) ActivityHandler { return next }

// Client returns next.
func (PassThrough) Client(next ClientHandler) ClientHandler { return next }
