package leases

import (
	"maps"
	"slices"
)

// watch chooses which blobs a standby looks at. A stop or crash ends all leases of a worker at about the same time, so
// one blob a worker is enough. Every worker watches the one that follows it in the order of names, so that each is
// watched at every tick by somebody whatever the number of workers; and the others in turn, because .NET workers watch
// nobody in this way.
type watch struct {
	worker string
	turn   map[string]int // of each owner's blobs
	round  int            // of the other owners
}

func newWatch(worker string) *watch {
	return &watch{worker: worker, turn: make(map[string]int)}
}

func (w *watch) choose(owners map[string][]*leaseBlob) []*leaseBlob {
	if len(owners) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(owners))
	next, _ := slices.BinarySearch(names, w.worker)
	next %= len(names)
	chosen := []*leaseBlob{w.pick(names[next], owners)}
	if len(names) > 1 {
		others := slices.Delete(slices.Clone(names), next, next+1)
		chosen = append(chosen, w.pick(others[w.round%len(others)], owners))
		w.round++
	}
	return chosen
}

func (w *watch) pick(owner string, owners map[string][]*leaseBlob) *leaseBlob {
	blobs := owners[owner]
	b := blobs[w.turn[owner]%len(blobs)]
	w.turn[owner]++
	return b
}
