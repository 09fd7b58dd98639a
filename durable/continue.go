package durable

import (
	"github.com/go-taskhub/taskhub/internal/replay"
)

// ContinueAsNewOption is an option of [ContinueAsNew].
type ContinueAsNewOption interface{ applyContinueAsNew(*continueOptions) }

type continueOptions struct {
	version    *string
	dropEvents bool
}

// DropEventsOption is what [DropEvents] returns.
type DropEventsOption struct{}

// DropEvents leaves behind the events that the ending generation did not consume.
func DropEvents() DropEventsOption { return DropEventsOption{} }

func (DropEventsOption) applyContinueAsNew(o *continueOptions) { o.dropEvents = true }

// ContinueAsNew begins the orchestration again with a new input and an empty
// history, under the same instance id. It must be returned:
//
//	return Result{}, durable.ContinueAsNew(ctx, next)
//
// Events that have arrived and were not consumed are carried over, unless
// [DropEvents] is given; [WithVersion] changes the version. Tasks that are not done
// are abandoned. A parent goes on waiting and gets the last generation's output.
func ContinueAsNew[I any](ctx *Context, input I, opts ...ContinueAsNewOption) error {
	if !ctx.s.Enter("ContinueAsNew") {
		return errUnloading
	}
	var o continueOptions
	for _, opt := range opts {
		opt.applyContinueAsNew(&o)
	}
	raw, err := marshal(ctx.env.converter, input)
	if err == nil && ctx.run.accepts != nil {
		// Better now than when the next generation begins, and this one is gone.
		err = ctx.run.accepts(ctx.env, raw)
	}
	if err != nil {
		return &PayloadError{
			Subject: subject{"orchestrator", ctx.Name()}.String(), What: "the input of the next generation", Err: err,
		}
	}
	return &replay.ContinueError{Input: raw, Version: o.version, DropEvents: o.dropEvents}
}
