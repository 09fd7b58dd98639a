package leases

import "time"

// bar keeps a partition that this worker failed to keep, or gave up of its own accord, from being taken again at once, so
// that another worker gets a chance.
type bar struct {
	lease    *Lease
	lost     time.Duration // when
	earliest time.Duration // when it may be taken again
	inUse    bool          // the lease was lost and its user has not let go of it yet
}

// stuckFor is how long a lost lease whose user does not let go of it keeps this worker from asking others for partitions.
const stuckFor = 10 * time.Minute

// bar bars a lease's partition. A worker that knows of no other takes it again after two looks' time, in which a worker
// that owns nothing, and so is invisible, would have taken it.
func (m *Manager) bar(l *Lease, inUse bool) {
	now := m.cfg.Clock.Elapsed()
	m.mu.Lock()
	defer m.mu.Unlock()
	b := &bar{lease: l, lost: now, earliest: now + 2*m.cfg.Acquire, inUse: inUse}
	if m.others {
		b.earliest = now + m.cfg.Duration/2
	}
	m.bars = append(m.bars, b)
}

// unbar notes that the user of a lost lease has let go of it.
func (m *Manager) unbar(l *Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.bars {
		if b.lease == l {
			b.inUse = false
		}
	}
}

// fitness is what this worker may do at the moment. A worker whose receive loops stand still must not go on collecting
// partitions that others would read.
type fitness struct {
	barred map[int]bool // partitions that it may not take
	idle   bool         // it may take none while other workers can
	quiet  bool         // it may not ask others for partitions
}

func (m *Manager) fitness() fitness {
	now := m.cfg.Clock.Elapsed()
	m.mu.Lock()
	defer m.mu.Unlock()
	f := fitness{barred: make(map[int]bool)}
	kept := m.bars[:0]
	for _, b := range m.bars {
		stuck := b.inUse && now < b.lost+stuckFor
		barred := now < b.earliest || b.inUse && now < b.lost+m.cfg.Duration
		f.barred[b.lease.partition] = f.barred[b.lease.partition] || barred
		f.idle = f.idle || stuck
		f.quiet = f.quiet || stuck || barred
		if stuck || barred {
			kept = append(kept, b)
		}
	}
	clear(m.bars[len(kept):])
	m.bars = kept
	return f
}
