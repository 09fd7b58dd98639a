package partition

import (
	"sync/atomic"
	"time"
)

// health is what a partition can tell about itself.
type health struct {
	lastReceive atomic.Int64 // unix nanoseconds
	commits     atomic.Int64
}

func (h *health) received(at time.Time) { h.lastReceive.Store(at.UnixNano()) }
func (h *health) committed()            { h.commits.Add(1) }

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
	LeaseUntil    time.Time
}

// Health tells how the partition is doing.
func (p *Partition) Health() Health {
	h := Health{
		Partition: p.Index(), Queue: p.queue.Name(), Commits: p.health.commits.Load(),
		Waiting: p.sessions.pending(), Sessions: p.sessions.size(), LeaseUntil: p.cfg.Lease.Deadline(),
	}
	h.OldestWaiting = p.sessions.oldest()
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
