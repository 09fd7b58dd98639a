package activities

import (
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

// Work is a work item that this process holds invisible.
type Work struct {
	Envelope    *history.Envelope
	Receipt     queues.Receipt
	LockedUntil time.Time
	// Attempt counts the deliveries of the work item. Defaults to 1.
	Attempt int
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
	// Deliver hands a result to the session that waits for it. False means that no partition of this process takes it.
	// Defaults to taking none.
	Deliver func(Result) bool
	// ResultPut tells that a result was put to a control queue. Defaults to doing nothing.
	ResultPut func(partition int)
	// Hosts says whether any activity is hosted at all; without one the work-item queue is not read. Defaults to true.
	Hosts *bool
	// Slots is how many activities run at one time. Defaults to 100.
	Slots int
	// Lock is how long a work item stays invisible; it is renewed while the item is here. Defaults to 30 seconds.
	Lock time.Duration
	// MaxPoll is the longest pause between two looks at an idle work-item queue. Defaults to 5 seconds.
	MaxPoll time.Duration
	// Backlog is how much waiting for a slot is accepted for work items made in this process before they are left to
	// any worker. Defaults to 2 seconds.
	Backlog time.Duration
	// Grace is how long running activities may go on after Stop before their contexts are cancelled.
	// Defaults to 5 seconds.
	Grace time.Duration
	// Errors says how failures are written. Defaults to failure details.
	Errors durable.ErrorStyle
	// Logger defaults to discarding.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	setDefault(&c.Slots, 100)
	setDefault(&c.Lock, 30*time.Second)
	setDefault(&c.MaxPoll, 5*time.Second)
	setDefault(&c.Backlog, 2*time.Second)
	setDefault(&c.Grace, 5*time.Second)
	if c.Deliver == nil {
		c.Deliver = func(Result) bool { return false }
	}
	if c.ResultPut == nil {
		c.ResultPut = func(int) {}
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
	keyInstance  = "instance_id"
	keyMessage   = "message_id"
	keyOperation = "operation"
	keyReason    = "reason"
)
