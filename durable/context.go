package durable

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// Context is an orchestrator's only window on the world. It is not a
// context.Context, on purpose: what takes one does I/O, and an orchestrator that
// passes its context to such a call does not compile.
//
// A Context belongs to its orchestrator and to the coroutines the orchestrator
// starts with [Go]. Using it, or a [Task] made with it, from anywhere else panics.
type Context struct {
	s     *replay.Session
	env   *environment
	run   *execution
	scope *scope
}

// execution is what all contexts of one execution share.
type execution struct {
	accepts func(*environment, *string) error
	random  *rand.Rand
	logger  *slog.Logger
}

func newContext(s *replay.Session, env *environment) *Context {
	return &Context{s: s, env: env, run: &execution{}}
}

// Now returns the time of the current step in UTC: when the worker began to handle
// the events the orchestrator now reacts to. It is the same in every replay, and
// does not change between two waits. Use it instead of time.Now.
func (c *Context) Now() time.Time {
	c.s.Enter("Context.Now")
	return c.s.Now()
}

// IsReplaying tells whether the code is only catching up with its history. Use it
// to avoid repeating what is not durable, such as metrics; [Context.Logger] already
// does. What the orchestrator decides must not depend on it.
func (c *Context) IsReplaying() bool {
	c.s.Enter("Context.IsReplaying")
	return c.s.Replaying()
}

// Unloading tells whether the orchestrator is being taken out of memory. It goes on
// elsewhere or later, from its history; deferred functions run now, but every
// durable call in them does nothing and returns at once.
func (c *Context) Unloading() bool { return c.s.Unloading() }

// InstanceID returns the id of the instance.
func (c *Context) InstanceID() string { return c.s.Instance().InstanceID }

// ExecutionID returns the id of this execution. It is new in each generation.
func (c *Context) ExecutionID() string { return text(c.s.Instance().ExecutionID) }

// Name returns the name under which the orchestrator was started.
func (c *Context) Name() string {
	if started := c.s.Started(); started != nil {
		return started.Name
	}
	return c.s.Definition().Name
}

// Version returns the version the instance was started with, normally "".
func (c *Context) Version() string {
	if started := c.s.Started(); started != nil {
		return text(started.Version)
	}
	return ""
}

// Parent says who started a child.
type Parent struct {
	// Name and Version are the parent orchestrator's.
	Name, Version string
	// InstanceID and ExecutionID are the parent's.
	InstanceID, ExecutionID string
}

// ParentInstance returns who started this orchestration, and false if it was a
// client.
func (c *Context) ParentInstance() (Parent, bool) {
	started := c.s.Started()
	if started == nil || started.Parent == nil {
		return Parent{}, false
	}
	p := started.Parent
	return Parent{
		Name: p.Name, Version: text(p.Version), InstanceID: p.Instance.InstanceID, ExecutionID: text(p.Instance.ExecutionID),
	}, true
}

// Tags returns a copy of the tags the instance was started with.
func (c *Context) Tags() map[string]string {
	started := c.s.Started()
	if started == nil || started.Tags == nil {
		return map[string]string{}
	}
	return started.Tags.Map()
}

// HistorySize returns how much history this execution has collected: one for every
// decision and one for every result or event. Rows that only mark episodes are not
// counted, so the number is the same in every replay. Long-running orchestrators
// use it to decide when to [ContinueAsNew].
func (c *Context) HistorySize() int {
	c.s.Enter("Context.HistorySize")
	return c.s.HistorySize()
}

// Err returns [ErrCanceled] once the context's scope was canceled; see [WithCancel].
func (c *Context) Err() error {
	if c.scope.isCanceled() {
		return ErrCanceled
	}
	return nil
}

// Patched lets the code of running orchestrations change. Ask it where the new code
// differs:
//
//	if ctx.Patched("send-receipt") {
//		... the new way
//	} else {
//		... the old way
//	}
//
// Executions that had already passed this point go on the old way, all others take
// the new one. The answer is kept in the history as a GenericEvent row, which .NET
// skips. Within an execution the first answer for a name holds.
func (c *Context) Patched(name string) bool {
	if !c.s.Enter("Patched") {
		return false
	}
	return c.s.Patched(name)
}

// Patched is [Context.Patched].
func Patched(ctx *Context, name string) bool { return ctx.Patched(name) }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
