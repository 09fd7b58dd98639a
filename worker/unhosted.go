package worker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/leases"
)

// host is a process as the host of one of its partitions.
type host struct {
	*process
	index int
}

// Orchestrator finds the code of an orchestrator. An instance without code here waits; that is noted for Health.
func (h host) Orchestrator(name, version string) (*replay.Definition, bool) {
	def, reason := h.w.registry.find(name, version)
	if def == nil {
		h.refused(h.index, orchestration{name, version}, reason)
	}
	return def, def != nil
}

// orchestration is what an instance asks for.
type orchestration struct{ name, version string }

// unhosted remembers the orchestrations that could not be run here.
type unhosted struct {
	mu   sync.Mutex
	seen map[orchestration]*waiting
}

// waiting is what is known of the instances of one orchestration that wait.
type waiting struct {
	reason      string
	first, last time.Time
	times       int
	partitions  map[int]struct{}
	yields      int       // how often a partition was given up for them
	yieldAfter  time.Time // not before
}

// forgetAfter is how long an orchestration that was not seen again is remembered: longer than its messages stay away.
const forgetAfter = 15 * time.Minute

// refused notes that an instance was not run, and gives its partition up if that may help.
func (p *process) refused(index int, o orchestration, reason string) {
	now := time.Now()
	p.unhosted.mu.Lock()
	maps.DeleteFunc(p.unhosted.seen, func(_ orchestration, w *waiting) bool { return now.Sub(w.last) > forgetAfter })
	known := p.unhosted.seen[o]
	if known == nil {
		known = &waiting{first: now, partitions: map[int]struct{}{}}
		p.unhosted.seen[o] = known
	}
	known.reason, known.last = reason, now
	known.times++
	known.partitions[index] = struct{}{}
	isNew := known.times == 1
	p.unhosted.mu.Unlock()
	if isNew {
		p.w.log.Error("an orchestration waits for a worker that hosts it", keyOrchestrator, o.name, keyVersion, o.version, keyReason, reason)
	}
	p.yield(index, o)
}

const (
	// firstYield is how long a partition stays at least after an instance in it was refused.
	firstYield = time.Second
	// yieldEvery is the pause between two partitions that are given up for the same orchestration. It doubles each time:
	// if nobody hosts it, giving up partitions only disturbs the others.
	yieldEvery = 15 * time.Second
	mostYield  = 10 * time.Minute
	// yieldLimit bounds the draining.
	yieldLimit = 30 * time.Second
)

// yield gives up a partition with an instance that cannot run here, when there are other workers: one of them may host it.
// So old and new code can work side by side, although a partition has one owner.
func (p *process) yield(index int, o orchestration) {
	if !p.hasCompany() {
		return
	}
	now := time.Now()
	p.unhosted.mu.Lock()
	known := p.unhosted.seen[o]
	due := known != nil && !now.Before(known.yieldAfter)
	if due {
		known.yieldAfter = now.Add(min(yieldEvery<<min(known.yields, 10), mostYield))
		known.yields++
	}
	p.unhosted.mu.Unlock()
	part := p.partition(index)
	if !due || part == nil {
		return
	}
	time.AfterFunc(firstYield, func() {
		if p.partition(index) != part || !p.hasCompany() {
			return
		}
		p.w.log.Warn("a partition is given up for another worker, because an orchestration in it is not hosted here",
			keyPartition, index, keyOrchestrator, o.name, keyVersion, o.version)
		ctx, cancel := context.WithTimeout(context.Background(), yieldLimit)
		defer cancel()
		_ = part.Stop(ctx) // what it cuts short is found by the next owner
	})
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

// list shows what waits.
func (u *unhosted) list(now time.Time) []Parked {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []Parked
	for o, w := range u.seen {
		if now.Sub(w.last) > forgetAfter {
			continue
		}
		list = append(list, Parked{
			Kind: "orchestrator", Name: o.name, Version: o.version, Reason: w.reason, Partitions: slices.Sorted(maps.Keys(w.partitions)),
			Since: w.first.UTC(), Seen: w.last.UTC(),
		})
	}
	slices.SortFunc(list, func(a, b Parked) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version)) })
	return list
}
