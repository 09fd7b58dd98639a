package partition

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// When a process dies, the next owner cannot know which of the instances on the dead one's list was to blame. At first all of them
// are charged. From a few deaths in a row on they are suspects: they wait, with their count as it is, and are tried in groups, of
// which one at a time runs in a process. Only the group is charged, before it is tried. The groups become smaller with every
// charge, down to one instance, so that whoever is innocent gets through.

const (
	// suspectTakeovers is how many owners in a row may have ended with an instance on their list before it is a suspect.
	suspectTakeovers = 5
	// mostTried is how many suspects are tried together at first. With every further charge there are half as many.
	mostTried = 256
	// trialDelay is how long suspects wait after they were found, so that what kills the process at once does it without them.
	trialDelay = 3 * time.Second
	// trialLimit is how long suspects are watched that do not get any further. It is longer than anything stays in the memory of
	// a process alone: near timers, and activities until they become work items.
	trialLimit = nearTimer + 30*time.Second
)

// suspects are the instances of an ownership that are tried apart from others.
type suspects struct {
	p    *Partition
	kick chan struct{}

	mu      sync.Mutex
	waiting map[string]int32 // with the owners that they are charged with
	tried   map[string]bool  // false once it is known what became of the trial
	settled chan struct{}
}

func newSuspects(p *Partition) *suspects {
	return &suspects{p: p, kick: make(chan struct{}, 1), waiting: map[string]int32{}, tried: map[string]bool{}, settled: make(chan struct{}, 1)}
}

func (q *suspects) add(id string, attempts int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, tried := q.tried[id]; !tried {
		q.waiting[id] = attempts
	}
}

// waits says whether an instance must not be touched yet.
func (q *suspects) waits(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, waits := q.waiting[id]
	return waits
}

// onTrial says whether an instance is being tried.
func (q *suspects) onTrial(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tried[id]
}

// settle says that it is known what became of an instance that was tried, or that nothing will become of it for now.
func (q *suspects) settle(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, id)
	if q.tried[id] {
		q.tried[id] = false
		signal(q.settled)
	}
}

// run tries suspects, as long as ctx lasts.
func (q *suspects) run(ctx context.Context) {
	for {
		select {
		case <-q.kick:
		case <-ctx.Done():
			return
		}
		if !sleep(ctx, trialDelay) {
			return
		}
		for q.any() {
			if !q.tryNext(ctx) {
				return
			}
		}
	}
}

// sleep says whether the time has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (q *suspects) any() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// tryNext tries one group. False means that ctx has ended.
func (q *suspects) tryNext(ctx context.Context) bool {
	select {
	case q.p.cfg.Quarantine <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-q.p.cfg.Quarantine }()
	group := q.begin()
	if err := q.p.active.charge(ctx, group); err != nil {
		q.end(group, true)
		q.p.log.Warn("instances could not be charged on the active list; they are tried later", keyError, err, keyCount, len(group))
		return sleep(ctx, time.Second)
	}
	q.p.log.Warn("trying instances apart from others: several workers in a row have ended with them", keyCount, len(group), keyInstance, group[0])
	for _, id := range group {
		q.p.sessions.summon(id)
	}
	if !q.watch(ctx) {
		return false
	}
	q.end(group, false)
	return true
}

// begin takes the next group out of those that wait: some of those with the lowest charge, but never more than half of all.
func (q *suspects) begin() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []string
	for id := range q.waiting {
		all = append(all, id)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(q.waiting[a], q.waiting[b]), cmp.Compare(a, b)) })
	charge := q.waiting[all[0]]
	most := min(max(mostTried>>max(charge-suspectTakeovers, 0), 1), max(len(all)/2, 1))
	n := 1
	for n < most && q.waiting[all[n]] == charge {
		n++
	}
	for _, id := range all[:n] {
		delete(q.waiting, id)
		q.tried[id] = true
	}
	return all[:n]
}

// watch waits until it is known what became of the group, or for long enough. False means that ctx has ended.
func (q *suspects) watch(ctx context.Context) bool {
	limit := time.NewTimer(trialLimit)
	defer limit.Stop()
	for q.undecided() {
		select {
		case <-q.settled:
		case <-limit.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (q *suspects) undecided() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, undecided := range q.tried {
		if undecided {
			return true
		}
	}
	return false
}

// end takes back the charge of instances that the process has survived. With again they wait once more.
func (q *suspects) end(group []string, again bool) {
	for _, id := range group {
		attempts := q.p.active.discharge(id)
		q.mu.Lock()
		delete(q.tried, id)
		if again {
			q.waiting[id] = attempts
		}
		q.mu.Unlock()
	}
}
