package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/limits"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/telemetry"
)

// Work is a work item that this process holds invisible.
type Work struct {
	Envelope    *history.Envelope
	Receipt     queues.Receipt // none for work that is in no queue, because its instance's history keeps it
	LockedUntil time.Time
	// Attempt counts the deliveries of the work item. Defaults to 1.
	Attempt int
	// Promoted, if set, is told that work without a receipt was put to the work-item queue. It must not block.
	Promoted func()
	// Ahead is set for work whose decision was not committed when it was handed over. Defaults to none.
	Ahead Ahead
}

// Result is what became of a work item. Envelope is the message for the instance that asked.
type Result struct {
	Envelope    *history.Envelope
	WorkItem    queues.Receipt
	LockedUntil time.Time
}

// Config says how a Runner works. Fields without a default are required.
type Config struct {
	Hub    string
	Queues *queues.Queues
	// Handler finds the code of an activity; false means that this worker does not host it.
	Handler func(name string) (durable.ActivityHandler, bool)
	// Timeouts finds the time-outs of an activity's definition. Defaults to finding none.
	Timeouts func(name string) durable.ActivityTimeouts
	// DefaultTimeouts hold for activities that have none. Defaults to none.
	DefaultTimeouts durable.ActivityTimeouts
	// Deliver hands a result to the session that waits for it. False means that no partition of this process takes it.
	// Defaults to taking none.
	Deliver func(Result) bool
	// ResultPut tells that a result was put to a control queue. Defaults to doing nothing.
	ResultPut func(partition int)
	// Terminated says whether an execution was terminated, so that nobody waits for its activities any more. It is asked
	// for instances whose activities run here: when Runner.InstanceEnded is called, and once with every renewal of their
	// locks. Defaults to nobody knowing.
	Terminated func(ctx context.Context, execution history.Instance) (bool, error)
	// Limits says which activities have limits, and where those are kept. Room and Logger are the Runner's. Defaults to none.
	Limits *limits.Config
	// Bury stores a work item that was tried in vain too often, and returns what its activity fails with. Defaults to none:
	// such work items are tried for ever.
	Bury func(ctx context.Context, l DeadLetter) (text string, err error)
	// Purged says whether a work item that cannot be read was for an instance that was purged since: it is deleted then.
	// Defaults to never.
	Purged func(ctx context.Context, d *queues.Delivery) (bool, error)
	// Alone says whether no other worker puts work items, so that there is no need to look for them often.
	// Defaults to others doing so.
	Alone func() bool
	// Paused says whether work items are to be left in the queue, as while another application has the hub. Defaults to never.
	Paused func() bool
	// KeepAll says whether work without a receipt is taken however long it has to wait, as when no other worker could
	// take it. Defaults to not.
	KeepAll func() bool
	// Hosts says whether any activity is hosted at all; without one the work-item queue is not read. Defaults to true.
	Hosts *bool
	// Slots is how many activities run at one time. Defaults to 100.
	Slots int
	// Lock is how long a work item stays invisible; it is renewed at half of that while the item is here. A worker that
	// dies keeps its work items from others for so long. Defaults to 15 seconds.
	Lock time.Duration
	// MaxPoll is the longest pause between two looks at an idle work-item queue. Defaults to 5 seconds.
	MaxPoll time.Duration
	// SharedPoll is the longest pause while other workers put work items, too: unlike this worker's own they wake nobody
	// here. Defaults to a tenth of MaxPoll.
	SharedPoll time.Duration
	// Backlog is how much waiting for a slot is accepted for work items made in this process before they are left to
	// any worker. Defaults to 2 seconds.
	Backlog time.Duration
	// Grace is how long running activities may go on after Stop before their contexts are cancelled.
	// Defaults to 5 seconds.
	Grace time.Duration
	// Unwind is how long a cancelled activity may take to return before its attempt ends without it.
	// Defaults to 1 second.
	Unwind time.Duration
	// Errors says how failures are written. Defaults to failure details.
	Errors durable.ErrorStyle
	// Telemetry is told of attempts and messages. Defaults to none.
	Telemetry *telemetry.Recorder
	// Logger defaults to discarding.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	setDefault(&c.Slots, 100)
	setDefault(&c.Lock, 15*time.Second)
	setDefault(&c.MaxPoll, 5*time.Second)
	setDefault(&c.Backlog, 2*time.Second)
	setDefault(&c.SharedPoll, max(c.MaxPoll/10, minPoll))
	setDefault(&c.Grace, 5*time.Second)
	setDefault(&c.Unwind, time.Second)
	if c.Timeouts == nil {
		c.Timeouts = func(string) durable.ActivityTimeouts { return durable.ActivityTimeouts{} }
	}
	if c.Deliver == nil {
		c.Deliver = func(Result) bool { return false }
	}
	if c.ResultPut == nil {
		c.ResultPut = func(int) {}
	}
	if c.Terminated == nil {
		c.Terminated = func(context.Context, history.Instance) (bool, error) { return false, nil }
	}
	if c.Purged == nil {
		c.Purged = func(context.Context, *queues.Delivery) (bool, error) { return false, nil }
	}
	if c.Alone == nil {
		c.Alone = func() bool { return false }
	}
	if c.Paused == nil {
		c.Paused = func() bool { return false }
	}
	if c.KeepAll == nil {
		c.KeepAll = func() bool { return false }
	}
	if c.Hosts == nil {
		yes := true
		c.Hosts = &yes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Attribute keys of log records.
const (
	keyActivity  = "activity"
	keyCount     = "count"
	keyDelay     = "delay"
	keyError     = "error"
	keyLoop      = "loop"
	keyStack     = "stack"
	keyInstance  = "instance_id"
	keyMessage   = "message_id"
	keyOperation = "operation"
	keyReason    = "reason"
	keyTook      = "took"
)
