package worker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// host is a process as the host of one of its partitions.
type host struct {
	*process
	index int
}

// Orchestrator finds the code of an orchestrator. An instance without code here waits; that is noted for Health.
func (h host) Orchestrator(instanceID, name, version string) (*replay.Definition, bool) {
	def, reason := h.w.registry.find(name, version)
	if def == nil {
		h.refused(h.index, instanceID, orchestration{name, version}, reason)
	}
	return def, def != nil
}

// orchestration is what an instance asks for.
type orchestration struct{ name, version string }

// unhosted remembers the orchestrations that could not be run here.
type unhosted struct {
	mu        sync.Mutex
	seen      map[orchestration]*waiting
	reviewing bool // a review of the turns is due
}

// waiting is what is known of the instances of one orchestration that wait.
type waiting struct {
	reason      string
	first, last time.Time
	times       int
	turns       map[int]*turn // by partition
}

// forgetAfter is how long an orchestration that was not seen again is remembered: longer than its messages stay away.
const forgetAfter = 15 * time.Minute

// refused notes that an instance was not run. Its partition is given up if that may help.
func (p *process) refused(index int, instanceID string, o orchestration, reason string) {
	part := p.partition(index)
	now := time.Now()
	u := &p.unhosted
	u.mu.Lock()
	maps.DeleteFunc(u.seen, func(_ orchestration, w *waiting) bool { return now.Sub(w.last) > forgetAfter })
	known := u.seen[o]
	if known == nil {
		known = &waiting{first: now, turns: map[int]*turn{}}
		u.seen[o] = known
	}
	known.reason, known.last = reason, now
	known.times++
	if known.turns[index] == nil {
		known.turns[index] = &turn{}
	}
	known.turns[index].refuse(part, instanceID, now)
	isNew := known.times == 1
	u.mu.Unlock()
	if isNew {
		p.w.log.Error("an orchestration waits for a worker that hosts it", keyOrchestrator, o.name, keyVersion, o.version, keyReason, reason)
	}
	p.reviewSoon()
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
			Kind: "orchestrator", Name: o.name, Version: o.version, Reason: w.reason, Partitions: slices.Sorted(maps.Keys(w.turns)),
			Since: w.first.UTC(), Seen: w.last.UTC(),
		})
	}
	slices.SortFunc(list, func(a, b Parked) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version)) })
	return list
}
