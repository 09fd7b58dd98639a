package leases

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Any number of partitions on any number of workers that start together: within three lease periods they differ by at most
// one, and then nothing moves.
func TestSettles(t *testing.T) {
	t.Parallel()
	for _, mode := range kinds {
		for partitions := 1; partitions <= 16; partitions++ {
			for workers := 1; workers <= 8; workers++ {
				if os.Getenv("TASKHUB_FULL") == "" && (partitions*31+workers*7)%23 != 0 {
					continue // a sample
				}
				t.Run(fmt.Sprintf("%v/%d on %d", mode, partitions, workers), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { settles(t, mode, partitions, workers) })
				})
			}
		}
	}
}

func settles(t *testing.T, mode kind, partitions, workers int) {
	h, g := newFakeHub(), newLedger(t)
	var ws []*testWorker
	for i := range workers {
		w := newTestWorker(t, h, g, fmt.Sprintf("w%d", i), withMode(mode), withPartitions(partitions))
		w.net.set(func(n *net) { n.delays = 10 * time.Millisecond })
		ws = append(ws, w.start())
	}
	limit := 3 * mode.duration()
	time.Sleep(limit)
	if !balanced(ws, partitions) {
		t.Errorf("after three lease periods: %v", g.owned())
	}
	grants := g.granted()
	time.Sleep(4 * limit)
	if !balanced(ws, partitions) || g.granted() != grants {
		t.Errorf("no rest: %v, %d more grants", g.owned(), g.granted()-grants)
	}
	var stops sync.WaitGroup
	for _, w := range ws {
		stops.Go(w.shutdown)
	}
	stops.Wait()
}
