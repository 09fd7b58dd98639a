package leases

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// kind is a partition manager in one of the fleets.
type kind struct {
	Mode
	Fleet
}

func (k kind) String() string {
	if k.Fleet == GoFleet {
		return k.Mode.String() + "-go"
	}
	return k.Mode.String()
}

// duration is the default length of leases.
func (k kind) duration() time.Duration { return k.config().Duration }
func (k kind) config() Config          { return Config{Mode: k.Mode, Fleet: k.Fleet}.withDefaultTimes() }

var (
	mixedKinds  = []kind{{Mode: Safe}, {Mode: Legacy}, {Mode: Table}}
	kinds       = append(mixedKinds[:3:3], kind{Safe, GoFleet}, kind{Legacy, GoFleet}, kind{Table, GoFleet})
	gentleKinds = []kind{{Mode: Safe}, {Mode: Table}, {Safe, GoFleet}, {Legacy, GoFleet}, {Table, GoFleet}} // they do not take without asking
)

func allModes(t *testing.T, f func(t *testing.T, mode kind)) { each(t, kinds, f) }

func each(t *testing.T, kinds []kind, f func(t *testing.T, mode kind)) {
	for _, mode := range kinds {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { f(t, mode) })
		})
	}
}

func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestOneWorkerOwnsAll(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		w := newTestWorker(t, h, g, "w1", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		time.Sleep(10 * time.Minute)
		if w.owned() != 4 || g.granted() != 4 {
			t.Errorf("owns %d after %d grants\n%s", w.owned(), g.granted(), w.log)
		}
		w.shutdown()
		w2 := newTestWorker(t, h, g, "w2", withMode(mode)).start()
		eventually(t, time.Second, "the next owns 4", func() bool { return w2.owned() == 4 })
		w2.shutdown()
	})
}

func TestBalance(t *testing.T) {
	t.Parallel()
	each(t, mixedKinds, func(t *testing.T, mode kind) {
		for _, c := range []struct{ partitions, workers int }{{4, 2}, {1, 3}, {16, 8}, {16, 3}, {5, 4}} {
			h, g := newFakeHub(), newLedger(t)
			var ws []*testWorker
			for i := range c.workers {
				ws = append(ws, newTestWorker(t, h, g, fmt.Sprintf("w%d", i), withMode(mode), withPartitions(c.partitions)).start())
				time.Sleep(700 * time.Millisecond)
			}
			begin := time.Now()
			eventually(t, 90*time.Second, fmt.Sprintf("%d on %d balanced", c.partitions, c.workers), func() bool { return balanced(ws, c.partitions) })
			settled := time.Since(begin)
			grants := g.granted()
			time.Sleep(4 * time.Minute)
			if !balanced(ws, c.partitions) || g.granted() != grants {
				t.Errorf("%d on %d: does not rest: %v, %d more grants", c.partitions, c.workers, g.owned(), g.granted()-grants)
			}
			t.Logf("%d on %d: settled in %v, %d grants, gap %v", c.partitions, c.workers, settled, grants, g.longestGap())
			for _, w := range ws {
				w.shutdown()
				time.Sleep(3 * time.Second)
				t.Logf("  after a stop: %v, gap %v", g.owned(), g.longestGap())
			}
		}
	})
}

func balanced(ws []*testWorker, partitions int) bool {
	low, high, sum := partitions, 0, 0
	for _, w := range ws {
		n := w.owned()
		low, high, sum = min(low, n), max(high, n), sum+n
	}
	return sum == partitions && high-low <= 1
}
