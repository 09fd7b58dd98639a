package partition

import (
	"sync/atomic"
	"time"
)

// health is what a partition can tell about itself.
type health struct {
	lastReceive atomic.Int64 // unix nanoseconds
	lag         atomic.Int64 // nanoseconds
	commits     atomic.Int64
	stepTime    atomic.Int64 // nanoseconds that a step takes at the moment
}

func (h *health) received(at time.Time) { h.lastReceive.Store(at.UnixNano()) }
func (h *health) committed()            { h.commits.Add(1) }

// took notes how long a step took from the wait for its slot to its commit. What it takes at the moment moves an eighth of the
// way there.
func (h *health) took(d time.Duration) {
	const share = 8
	before := h.stepTime.Load()
	h.stepTime.CompareAndSwap(before, before+(int64(d)-before)/share) // another one's number is as good
}

// Health is a snapshot of a partition.
type Health struct {
	Partition   int
	Queue       string
	LastReceive time.Time // zero before the first
	Commits     int64
	Sessions    int // instances in memory
	Waiting     int // messages received and not yet looked at
	// OldestWaiting is when the oldest of them was put, by the queue service's clock; zero without any.
	OldestWaiting time.Time
	// Lag is how long the oldest message of the last receive had been due, by the queue service's clock and this machine's. It is
	// zero unless the partition has a Config.Telemetry that measures.
	Lag        time.Duration
	LeaseUntil time.Time
}

// Health tells how the partition is doing.
func (p *Partition) Health() Health {
	h := Health{
		Partition: p.Index(), Queue: p.queue.Name(), Commits: p.health.commits.Load(),
		Waiting: p.sessions.pending(), Sessions: p.sessions.size(), LeaseUntil: p.cfg.Lease.Deadline(),
	}
	h.OldestWaiting = p.sessions.oldest()
	h.Lag = time.Duration(p.health.lag.Load())
	if at := p.health.lastReceive.Load(); at != 0 {
		h.LastReceive = time.Unix(0, at).UTC()
	}
	return h
}

// oldest is when the oldest message that waits for its turn was put.
func (ss *sessions) oldest() (at time.Time) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byID {
		for _, it := range s.mailbox {
			if !s.resting && !it.inserted.IsZero() && (at.IsZero() || it.inserted.Before(at)) {
				at = it.inserted.UTC()
			}
		}
	}
	return at
}

func (ss *sessions) size() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.byID)
}
