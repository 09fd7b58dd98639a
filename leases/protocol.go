package leases

import (
	"context"
	"time"
)

// protocol is a partition manager: what the coordinating loop of a [Manager] needs of it. Its methods are called by that
// loop only; take and ask may run at the same time for different partitions.
type protocol interface {
	// look brings what is known up to date. A full look reads everything; another one may be a cheap check that becomes a
	// full one when it finds a difference. It reports whether it was a full one.
	look(ctx context.Context, full bool) (bool, error)
	// seats is the state for the balancer.
	seats() []seat
	// take claims a free partition.
	take(ctx context.Context, partition int) error
	// ask claims a partition that another worker has.
	ask(ctx context.Context, partition int) error
	// advance continues what takes more than one step, and keeps claims alive that are not handed out yet.
	advance(ctx context.Context)
	// unsettled tells whether something is under way that the next look may complete.
	unsettled() bool
	// alone tells whether every partition is this worker's.
	alone() bool
	// rest is the longest time between two full looks for a worker that is alone, and for another.
	rest() (alone, shared time.Duration)
	// resign gives up everything that is not handed out as a Lease.
	resign(ctx context.Context)
	// close ends background work; nothing is called afterwards but keepers, which fail.
	close()
	// intruder is a live worker of the other kind of fleet; empty when none was seen.
	intruder() string
	// describe says how a partition stands.
	describe(partition int) PartitionStatus
}

// hooks is what a protocol tells the manager.
type hooks struct {
	// grant hands a partition to the worker.
	grant func(partition int, k keeper, since instant)
	// lost says that the service has ended the lease that was handed out.
	lost func(partition int, reason string)
	// asked says that another worker is entitled to a partition that was handed out.
	asked func(partition int, reason string)
}
