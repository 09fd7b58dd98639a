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
	LeaseUntil  time.Time
}

// Health tells how the partition is doing.
func (p *Partition) Health() Health {
	h := Health{
		Partition: p.Index(), Queue: p.queue.Name(), Commits: p.health.commits.Load(),
		Waiting: p.sessions.pending(), Sessions: p.sessions.size(), LeaseUntil: p.cfg.Lease.Deadline(),
	}
	if at := p.health.lastReceive.Load(); at != 0 {
		h.LastReceive = time.Unix(0, at).UTC()
	}
	return h
}

func (ss *sessions) size() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.byID)
}
