package partition

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/telemetry"
)

// Lease is the ownership of one control queue. The receive loop renews it; the other methods may be called from any
// goroutine.
type Lease interface {
	// Partition is the index of the control queue.
	Partition() int
	// Renew extends the lease. It returns an error when the lease is gone or the extension was not acknowledged.
	Renew(ctx context.Context) error
	// RenewAt is when the lease should be renewed.
	RenewAt() time.Time
	// Deadline is the instant after which nothing may be written any more, by the monotonic clock.
	Deadline() time.Time
	// Lost is closed when the lease is known to be gone.
	Lost() <-chan struct{}
	// HandOver is closed when another worker wants the partition; the partition drains and stops.
	HandOver() <-chan struct{}
	// Release gives the partition up, so that the next owner need not wait for the lease to lapse.
	Release(ctx context.Context) error
}

// Host is the process around the partition.
type Host interface {
	// Orchestrator finds the code of an instance's orchestrator; false means this worker does not host it.
	Orchestrator(instanceID, name, version string) (*replay.Definition, bool)
	// ActivityRoom says whether an activity put now would start in this process soon, and keeps a place for it then. The
	// place is taken up by OfferActivity or returned by ActivityRoomLeft.
	ActivityRoom(name string) bool
	// ActivityRoomLeft returns places that ActivityRoom kept and that are not needed.
	ActivityRoomLeft(places int)
	// OfferActivity hands over a work item that this partition put invisible, or one without a receipt that is in no
	// queue. When it returns false the partition leaves the work item to every worker.
	OfferActivity(WorkItem) bool
	// DetachActivities makes activities that the host has without a receipt durable in the work-item queue, as far as it
	// can before ctx ends: the partition goes to another owner.
	DetachActivities(ctx context.Context, concerns func(instanceID string) bool)
	// HandOver gives a message to the owner of another control queue in this process. False means that there is none.
	HandOver(partition int, h HandOver) bool
	// ControlMessagePut tells that a message was put to a control queue, so that an owner in this process looks at once.
	ControlMessagePut(partition int)
	// WorkItemPut tells that a visible work item was put.
	WorkItemPut()
	// InstanceEnded tells that an instance's terminal status was written. The row is as written; nil when that is not known.
	InstanceEnded(instanceID string, row *tables.InstanceRow)
}

// WorkItem is an activity's work item in the work-item queue, held invisible by the process that put it.
type WorkItem struct {
	Envelope    *history.Envelope
	Receipt     queues.Receipt // none in a Go fleet: the history keeps the activity
	LockedUntil time.Time
	// Promoted is called when the host has put a work item without a receipt to the work-item queue, because it runs for
	// long. Nil for those that have a receipt.
	Promoted func()
	// Ahead is set while the decision to run the activity is not committed. Nil for all others.
	Ahead *Ahead
}

// Result is an activity's outcome on its way to the session that waits for it. Whoever accepts it deletes the work
// item once the outcome is in the history.
type Result struct {
	Envelope    *history.Envelope
	WorkItem    queues.Receipt
	LockedUntil time.Time
}

// Config says what a partition works with. Fields without a default are required.
type Config struct {
	Names  layout.Names
	Queues *queues.Queues
	Tables *tables.Store
	Host   Host
	Lease  Lease
	Logger *slog.Logger

	// Worker is the name of the process, for dead letters. Defaults to none.
	Worker string
	// Notice is called when a message says that the hub's schedules have changed; it must return soon. Defaults to nothing.
	Notice func()
	// Idempotent says of an activity that it may begin before the decision to call it is committed; called is whether the call says so.
	// Defaults to what the call says.
	Idempotent func(activity string, called bool) bool
	// Quarantine is shared by the partitions of a process: who holds its place tries a message that may have ended processes
	// before. Defaults to one of the partition's own.
	Quarantine chan struct{}
	// Fleet is the kind of workers that run the hub. Defaults to Mixed.
	Fleet Fleet
	// Slots bounds the episodes that run at one time over all partitions of a worker.
	Slots chan struct{}
	// MessageLock is how long a received message stays invisible; it is renewed while it is in use.
	// Defaults to 30 seconds in a mixed fleet, 15 seconds in a Go fleet.
	MessageLock time.Duration
	// MaxPoll is the longest pause between two looks at an idle queue. Defaults to 5 seconds.
	MaxPoll time.Duration
	// StatusDelay is how long changes of a running instance's status row are gathered before they are written; while steps take
	// more than an eighth of that, eight times as long as a step, but no more than ten seconds.
	// Defaults to 500 milliseconds.
	StatusDelay time.Duration
	// MaxSessions is how many idle sessions stay in memory. Defaults to 10,000.
	MaxSessions int
	// MaxPending is how many received messages may wait for their turn before receiving pauses. Defaults to 256.
	MaxPending int
	// Limits bound what an instance may grow to.
	Limits Limits
	// Pressed says that memory is short: idle sessions are not kept then, and less is received at a time. Defaults to it never
	// being short.
	Pressed func() bool
	// Errors says how failures are written. Defaults to failure details.
	Errors replay.ErrorStyle
	// Telemetry is told what the partition does. Defaults to none.
	Telemetry *telemetry.Recorder
	// StuckAfter is how long a body may run without reaching the next await. Defaults to 10 seconds.
	StuckAfter time.Duration
}

func (c Config) withDefaults() Config {
	if c.Fleet == Go {
		setDefault(&c.MessageLock, 15*time.Second)
	}
	setDefault(&c.MessageLock, 30*time.Second)
	setDefault(&c.MaxPoll, 5*time.Second)
	setDefault(&c.StatusDelay, 500*time.Millisecond)
	setDefault(&c.StuckAfter, 10*time.Second)
	setDefault(&c.MaxSessions, 10_000)
	setDefault(&c.MaxPending, 256)
	c.Limits = c.Limits.withDefaults()
	if c.Pressed == nil {
		c.Pressed = func() bool { return false }
	}
	if c.Idempotent == nil {
		c.Idempotent = func(_ string, called bool) bool { return called }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Quarantine == nil {
		c.Quarantine = make(chan struct{}, 1)
	}
	if c.Slots == nil {
		c.Slots = make(chan struct{}, 64)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
