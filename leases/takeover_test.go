package leases

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whenever a worker dies, also in the middle of moves, its partitions are read again soon after its leases have ended.
func TestTakeoverIsBounded(t *testing.T) {
	t.Parallel()
	const duration = 15 * time.Second
	for _, mode := range kinds {
		seeds := uint64(8)
		if os.Getenv("TASKHUB_FULL") != "" {
			seeds = 600
		}
		for seed := range seeds {
			t.Run(fmt.Sprintf("%v/%d", mode, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					// The leases, two looks, and the requests.
					limit := duration + 3*time.Second
					if mode == mixedKinds[Legacy] {
						limit += duration // balancing follows, and a partition that is taken from its owner rests until that must know
					}
					takeoverAfterKill(t, mode, duration, limit, newDice(seed))
				})
			})
		}
	}
}

func takeoverAfterKill(t *testing.T, mode kind, duration, limit time.Duration, rng *dice) {
	h, g := newFakeHub(), newLedger(t)
	partitions := 1 + rng.IntN(16)
	var ws []*testWorker
	for i := range 2 + rng.IntN(4) {
		w := newTestWorker(t, h, g, fmt.Sprintf("w%d", i), withMode(mode), withPartitions(partitions), func(c *Config) { c.Duration = duration })
		w.net.set(func(n *net) { n.delays = time.Duration(1+rng.IntN(100)) * time.Millisecond })
		ws = append(ws, w.start())
		time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
	}
	if rng.IntN(2) == 0 {
		time.Sleep(time.Duration(rng.IntN(40000)) * time.Millisecond)
	}
	dead := rng.IntN(len(ws))
	ws[dead].kill()
	survivors := slices.Delete(slices.Clone(ws), dead, dead+1)
	silence := newSilence(partitions)
	for range 600 {
		silence.observe(survivors)
		time.Sleep(100 * time.Millisecond)
	}
	if worst := silence.worst(); worst > limit {
		t.Errorf("%d partitions, %d workers: one was not read for %v after the death", partitions, len(ws), worst)
		for _, w := range ws {
			t.Logf("%s\n%s", w.name, w.log)
		}
	}
	if !balanced(survivors, partitions) {
		t.Errorf("a minute later: %v", g.owned())
	}
	var stops sync.WaitGroup
	for _, w := range survivors {
		stops.Go(w.shutdown)
	}
	stops.Wait()
}

// silence notes for how long partitions have no reader.
type silence struct {
	begin   time.Time
	since   map[int]time.Time // of partitions without a reader
	last    time.Duration     // when a silence that was not a short move ended, from the beginning
	longest time.Duration
}

func newSilence(partitions int) *silence {
	s := &silence{begin: time.Now(), since: map[int]time.Time{}}
	for i := range partitions {
		s.since[i] = s.begin
	}
	return s
}

func (s *silence) observe(ws []*testWorker) {
	const move = 2 * time.Second // that long a planned move may take
	read := map[int]bool{}
	for _, w := range ws {
		for _, p := range w.manager.Status().Partitions {
			if p.State == Held {
				read[p.Partition] = true
			}
		}
	}
	now := time.Now()
	for i := range ws[0].manager.cfg.Partitions {
		since, silent := s.since[i]
		switch {
		case !read[i] && !silent:
			s.since[i] = now
		case read[i] && silent:
			if now.Sub(since) > move {
				s.last = max(s.last, now.Sub(s.begin))
			}
			s.longest = max(s.longest, now.Sub(since))
			delete(s.since, i)
		}
	}
}

// worst is the time from the beginning until the last partition was read, or the longest silence if that is longer.
func (s *silence) worst() time.Duration {
	if len(s.since) > 0 {
		return time.Since(s.begin)
	}
	return max(s.last, s.longest)
}
