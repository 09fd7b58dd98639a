package partition

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/queues"
)

// ErrLeaseLost ends a partition whose lease is gone or past its deadline.
var ErrLeaseLost = errors.New("the partition's lease was lost")

// Partition runs the instances of one control queue from [Partition.Start] until its lease is lost, another worker
// asks for it, or [Partition.Stop].
type Partition struct {
	cfg   Config
	queue *queues.Queue
	log   *slog.Logger

	holds    *holds
	sessions *sessions
	timers   *timers
	active   *activeList
	suspects *suspects
	stuck    stuck
	wake     chan struct{}
	room     chan struct{}

	// work is the context of everything that touches storage; it ends when the lease is lost.
	work      context.Context
	endWork   context.CancelCauseFunc
	receive   context.Context
	endRecv   context.CancelFunc
	running   sync.WaitGroup // helpers
	receiving sync.WaitGroup // the receive loop
	episodes  sync.WaitGroup // sessions at work
	started   recent         // instances that were worked on here
	handOvers handOvers
	leaving   atomic.Bool // nothing is kept in this process any more
	failure   atomic.Pointer[error]
	expected  expectation

	startOnce sync.Once
	// quiesceOnce ends the receiving.
	quiesceOnce sync.Once
	stopOnce    sync.Once
	done        chan struct{}
	health      health
}

// New prepares a partition; nothing happens before Start.
func New(cfg Config) *Partition {
	cfg = cfg.withDefaults()
	p := &Partition{
		cfg:   cfg,
		queue: cfg.Queues.Control(cfg.Lease.Partition()),
		wake:  make(chan struct{}, 1),
		room:  make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	p.log = cfg.Logger.With(keyPartition, cfg.Lease.Partition(), keyQueue, p.queue.Name())
	p.holds = newHolds(cfg.MessageLock, p.log)
	if cfg.Telemetry.Measuring() {
		p.holds.deleted = p.reportDeleted
	}
	p.sessions = newSessions(p)
	p.timers = newTimers(p.timerDue)
	p.active = newActiveList(p)
	p.suspects = newSuspects(p)
	p.work, p.endWork = context.WithCancelCause(context.Background())
	p.receive, p.endRecv = context.WithCancel(p.work)
	return p
}

// Index is the number of the control queue.
func (p *Partition) Index() int { return p.cfg.Lease.Partition() }

// drainLimit is how long a partition that another worker asked for takes at most to finish what runs.
const drainLimit = time.Minute

// Start begins to receive. It returns at once; Done tells when the partition has ended.
func (p *Partition) Start() {
	p.startOnce.Do(func() {
		p.loop("renewing the locks of messages", func() { p.holds.keep(p.work) })
		p.loop("letting timers fire", p.timers.run)
		p.loop("watching the lease's deadline", p.guard)
		p.loop("watching the lease", p.watchLease)
		p.receiving.Go(p.guarded("receiving", p.receiveLoop))
		if p.goFleet() {
			p.loop("keeping the active list", func() { p.active.run(p.work) })
			p.loop("taking over instances", func() { p.takeOver(p.receive) })
			p.loop("trying suspects", func() { p.suspects.run(p.receive) })
			p.loop("replacing held messages", func() { p.sweepAnchors(p.work) })
		}
	})
}

func (p *Partition) loop(what string, run func()) { p.running.Go(p.guarded(what, run)) }

// Done is closed when the partition has ended and its lease was released.
func (p *Partition) Done() <-chan struct{} { return p.done }

// Wake makes the partition look at its queue now.
func (p *Partition) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Quiesce lets the partition receive no more; what it has goes on.
func (p *Partition) Quiesce() {
	p.quiesceOnce.Do(func() {
		p.endRecv()
		p.loop("renewing the lease", p.keepLease) // the loop that does it otherwise ends
	})
}

// Stop drains the partition: it receives no more, lets episodes that run end, writes what is outstanding, gives
// unprocessed messages back and releases the lease. It returns when all that is done or ctx ends; what ctx cut short
// is found again when message locks and lease run out.
func (p *Partition) Stop(ctx context.Context) error {
	go p.stopOnce.Do(func() { p.drain(ctx) })
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.endWork(ctx.Err())
		return fmt.Errorf("stopping partition %d: %w", p.Index(), ctx.Err())
	}
}

// Deliver takes the outcome of an activity that ran in this process. False means that the partition has ended and the
// outcome has to travel as a message.
func (p *Partition) Deliver(r Result) bool {
	return p.sessions.deliverTo(r.Envelope.Message.Target.InstanceID, func() *item {
		if r.WorkItem.ID == "" {
			return newItem(r.Envelope, 1, time.Time{})
		}
		h, _ := p.holds.add(p.cfg.Queues.WorkItems(), r.WorkItem, r.LockedUntil)
		return newItem(r.Envelope, 1, time.Time{}, h)
	})
}

// fenced gives the context for a step that writes: it ends with the lease.
func (p *Partition) fenced() (context.Context, error) {
	if err := p.owned(); err != nil {
		return nil, err
	}
	return p.work, nil
}
