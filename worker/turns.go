package worker

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/partition"
	"github.com/go-taskhub/taskhub/taskhub"
)

// A partition has one owner, and old and new code may both have instances in it. So they take turns: the owner gives the
// partition up when an instance waits that it cannot run, as long as there are other workers. Whether one of them can is
// told by what became of the instance for which it was given up the last time. If nothing did, giving up only disturbs
// the others, and the pauses grow.

const (
	// firstYield is how long a partition stays at least after an instance in it was refused.
	firstYield = time.Second
	// yieldEvery is how long it stays when no other worker is to be seen, and the pause between two times that a partition
	// is given up for an orchestration that nobody seems to host. The pause doubles each time.
	yieldEvery = 15 * time.Second
	mostYield  = 10 * time.Minute
	// yieldLimit bounds the draining, and what is asked of the storage before.
	yieldLimit = 30 * time.Second
)

// turn is what is known of one orchestration's instances in one partition.
type turn struct {
	part     *partition.Partition // the ownership under which one was refused last
	since    time.Time            // when that happened first
	instance string               // the last one refused

	yields int       // how often the partition was given up for them without success
	after  time.Time // not given up before
	sign   sign      // by which success is told
	asked  bool      // whether it was looked at under this ownership: only another owner can change it
}

// sign is the state of the instance for which a partition was given up.
type sign struct {
	instance string
	status   history.Status
	updated  time.Time
}

func (t *turn) refuse(part *partition.Partition, instanceID string, now time.Time) {
	if t.part != part {
		t.part, t.since, t.asked = part, now, false
	}
	t.instance = instanceID
}

// reviewSoon looks at the turns a little later, and again for as long as somebody waits here.
func (p *process) reviewSoon() {
	u := &p.unhosted
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reviewing {
		return
	}
	u.reviewing = true
	time.AfterFunc(firstYield, func() {
		u.mu.Lock()
		u.reviewing = false
		u.mu.Unlock()
		if p.review() {
			p.reviewSoon()
		}
	})
}

// candidate is a turn to be decided on.
type candidate struct {
	index int
	orchestration
	*turn
}

// review gives up the partitions whose instances others may run, and says whether any still wait here.
func (p *process) review() bool {
	waiting := p.candidates(time.Now())
	if len(waiting) == 0 {
		return false
	}
	for _, c := range waiting {
		if wait, help := p.mayHelp(c.orchestration); help {
			p.decide(c, wait)
		}
	}
	return true
}

// mayHelp says how long an instance waits here before its partition is given up, if another worker may run it. A worker
// that owns nothing cannot be seen; that there is one is likely where this one refuses a version, for that is how code is
// replaced, and an instance that is refused for good costs a partition without others two looks for leases each time.
func (p *process) mayHelp(o orchestration) (time.Duration, bool) {
	if p.hasCompany() {
		return firstYield, true
	}
	return yieldEvery, p.w.registry.versions.refuses(o.version) != ""
}

func (p *process) candidates(now time.Time) []candidate {
	u := &p.unhosted
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []candidate
	for o, w := range u.seen {
		if now.Sub(w.last) > forgetAfter {
			continue
		}
		for index, t := range w.turns {
			if t.part != nil && p.partition(index) == t.part {
				list = append(list, candidate{index, o, t})
			}
		}
	}
	return list
}

// decide gives the candidate's partition up when it is due. What it is told by storage happens outside the lock.
func (p *process) decide(c candidate, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), yieldLimit)
	defer cancel()
	now := time.Now()
	u := &p.unhosted
	u.mu.Lock()
	part, known, instance, early, asked := c.part, c.sign, c.instance, now.Before(c.after), c.asked
	if part == nil || now.Sub(c.since) < wait {
		u.mu.Unlock()
		return
	}
	c.asked = true
	u.mu.Unlock()
	if p.partition(c.index) != part {
		return
	}
	next, helped := sign{}, false
	if !asked && known.instance != "" {
		if seen, err := p.signOf(ctx, known.instance); err == nil {
			next, helped = seen, !seen.same(known)
		}
	}
	if early && !helped {
		return
	}
	if next.instance != instance {
		next, _ = p.signOf(ctx, instance)
	}
	u.mu.Lock()
	if helped {
		c.yields = 0
	}
	c.sign, c.after = next, now.Add(min(yieldEvery<<min(c.yields, 10), mostYield))
	c.yields++
	c.part = nil
	u.mu.Unlock()
	p.w.log.Warn("a partition is given up for another worker, because an orchestration in it is not hosted here",
		keyPartition, c.index, keyOrchestrator, c.name, keyVersion, c.version)
	_ = part.Stop(ctx) // what it cuts short is found by the next owner
}

// signOf reads an instance's state. One that is not there has none.
func (p *process) signOf(ctx context.Context, instanceID string) (sign, error) {
	s := sign{instance: instanceID}
	in, err := p.w.hub.Client().GetStatus(ctx, instanceID)
	switch {
	case errors.Is(err, taskhub.ErrInstanceNotFound):
		return s, nil
	case err != nil:
		return s, err
	}
	s.status, s.updated = in.Status, in.LastUpdatedAt
	return s, nil
}

// same says whether nobody has run, ended or removed the instance between the two.
func (s sign) same(before sign) bool {
	return s.status == before.status && s.updated.Equal(before.updated)
}

// hasCompany says whether other workers own partitions.
func (p *process) hasCompany() bool {
	for _, part := range p.leases.Status().Partitions {
		if part.State == leases.Elsewhere && part.Owner != "" {
			return true
		}
	}
	return false
}
