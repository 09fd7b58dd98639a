package queues

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/storage"
)

// Config says which queues to use.
type Config struct {
	// Account holds the queues. There is no default.
	Account *storage.Account

	// Names are the hub's names. There is no default.
	Names layout.Names

	// Payloads holds the large messages. Defaults to a store of the same account and hub.
	Payloads *payloads.Store

	// Base64 sends messages as Base64 text, which .NET workers configured with the encoding Base64 expect. Both forms are
	// always read. Defaults to false: messages are JSON, as .NET's default UTF8 has it.
	Base64 bool

	// Partitions is the number of control queues, 1 to 16. Defaults to 4.
	Partitions int
}

// Queues are the queues of a hub. A Queues is safe for concurrent use.
type Queues struct {
	control    [layout.MaxPartitions]*Queue
	workItems  *Queue
	partitions int
	sequence   atomic.Int64
}

// New returns the queues of a hub. It makes no request. It panics when Partitions is not between 1 and 16.
func New(cfg Config) *Queues {
	if cfg.Partitions == 0 {
		cfg.Partitions = layout.DefaultPartitions
	}
	if cfg.Partitions < layout.MinPartitions || cfg.Partitions > layout.MaxPartitions {
		panic(fmt.Sprintf("queues: a hub has %d to %d partitions, not %d", layout.MinPartitions, layout.MaxPartitions, cfg.Partitions))
	}
	if cfg.Payloads == nil {
		cfg.Payloads = payloads.New(cfg.Account, cfg.Names)
	}
	q := &Queues{partitions: cfg.Partitions, workItems: newQueue(cfg, cfg.Names.WorkItemQueue())}
	for i := range q.control {
		q.control[i] = newQueue(cfg, cfg.Names.ControlQueue(i))
	}
	return q
}

// Partitions returns the number of control queues.
func (q *Queues) Partitions() int { return q.partitions }

// Control returns the control queue with a number, counted from 0. Numbers up to 15 are valid whatever the number of
// partitions is, since a hub may have more queues than this process is configured for. Other numbers panic.
func (q *Queues) Control(i int) *Queue { return q.control[i] }

// ControlFor returns the control queue in which an instance gets its messages.
func (q *Queues) ControlFor(instanceID string) *Queue {
	return q.control[layout.Partition(instanceID, q.partitions)]
}

// WorkItems returns the queue of activity requests.
func (q *Queues) WorkItems() *Queue { return q.workItems }

// NextSequence returns the next SequenceNumber for a message, the first one being 1. It orders messages that were put
// within the same second.
func (q *Queues) NextSequence() int64 { return q.sequence.Add(1) }

// Create makes the queues that are not there.
func (q *Queues) Create(ctx context.Context) error {
	return q.each(ctx, (*Queue).Create)
}

// Delete deletes the queues; missing ones are no error. The service takes about half a minute until queues of the same
// names can be made again.
func (q *Queues) Delete(ctx context.Context) error {
	return q.each(ctx, (*Queue).DeleteQueue)
}

func (q *Queues) each(ctx context.Context, do func(*Queue, context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return do(q.workItems, ctx) })
	for _, queue := range q.control[:q.partitions] {
		group.Go(func() error { return do(queue, ctx) })
	}
	return group.Wait()
}
