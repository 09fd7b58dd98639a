package leases

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

func TestStop(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		ctx := context.Background()
		h := newFakeHub()

		// Before Start.
		w := newTestWorker(t, h, nil, "w1", withMode(mode))
		w.shutdown()
		if err := w.manager.Start(ctx); !errors.Is(err, ErrStarted) {
			t.Errorf("Start after Stop: %v", err)
		}

		// Twice, at the same time, while the partitions take their time.
		w = newTestWorker(t, h, nil, "w2", withMode(mode))
		w.setDrain(3 * time.Second)
		w.start()
		if err := w.manager.Start(ctx); !errors.Is(err, ErrStarted) {
			t.Errorf("second Start: %v", err)
		}
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		begin := time.Now()
		var stops sync.WaitGroup
		stops.Go(w.shutdown)
		stops.Go(w.shutdown)
		stops.Wait()
		w.shutdown()
		if took := time.Since(begin); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("stopped after %v", took)
		}
		assertFree(t, h, mode)

		// Partitions that do not stop are fenced before their leases are released.
		got := make(chan *Lease, 4)
		w = newTestWorker(t, h, nil, "w3", withMode(mode), withHandler(func(l *Lease) { got <- l })).start()
		l := <-got
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		begin = time.Now()
		if err := w.manager.Stop(short); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2100*time.Millisecond {
			t.Errorf("stopped after %v", took)
		}
		<-l.HandOver()
		<-l.Lost()
		if l.Deadline().After(time.Now()) || !strings.Contains(l.Reason(), "had not drained") {
			t.Errorf("deadline %v, reason %s", l.Deadline(), l.Reason())
		}
		if err := l.Release(ctx); err != nil {
			t.Errorf("Release after the loss: %v", err)
		}
		assertFree(t, h, mode)

		// With storage out of reach.
		w = newTestWorker(t, h, nil, "w4", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		w.net.set(func(n *net) { n.hang = func(string, string) bool { return true } })
		begin = time.Now()
		w.shutdown()
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
}

// assertFree: another worker can take everything at once.
func assertFree(t *testing.T, h *fakeHub, mode kind) {
	t.Helper()
	names := testNames(t, "Fake")
	for i := range 4 {
		queue := names.ControlQueue(i)
		blobs := []string{layout.IntentBlob(queue), layout.OwnershipBlob(queue)}
		switch mode.Mode {
		case Safe:
			if mode.Fleet == GoFleet {
				blobs = blobs[1:]
			}
		case Legacy:
			blobs = []string{layout.LegacyLeaseBlob(queue)}
		case Table:
			blobs = nil
			if r := h.row(queue); r.currentOwner != "" || r.nextOwner != "" || r.isDraining || r.ownedSince.IsZero() || r.expiresAt.IsZero() {
				t.Errorf("row %+v", r)
			}
		}
		for _, name := range blobs {
			if h.lease.blobs[name].lease.live() {
				t.Errorf("%s is leased", name)
			}
			r, ok := decodeRecord([]byte(h.text(name)))
			if !ok || r.Owner != nil || r.Token != nil || r.Epoch == 0 {
				t.Errorf("%s: %s", name, h.text(name))
			}
		}
	}
}

func TestStopWhileWaitingForTheApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub()
		a := newTestWorker(t, h, nil, "a", withApp("one")).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		b := newTestWorker(t, h, nil, "b", withApp("two")).start()
		time.Sleep(time.Minute)
		begin := time.Now()
		b.shutdown()
		if time.Since(begin) > 0 {
			t.Errorf("took %v", time.Since(begin))
		}
		a.shutdown()
	})
}

// A handler that panics must not leave a partition that is owned and not read.
func TestHandlerPanics(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		bad := newTestWorker(t, h, g, "bad", withMode(mode), withHandler(func(*Lease) { panic("no") })).start()
		time.Sleep(2 * time.Second)
		good := newTestWorker(t, h, g, "good", withMode(mode)).start()
		eventually(t, 2*time.Minute, "the other owns some", func() bool { return good.owned() >= 2 })
		if !strings.Contains(bad.log.String(), "panicked") {
			t.Error("nothing in the log")
		}
		bad.shutdown()
		eventually(t, 40*time.Second, "the other owns all", func() bool { return good.owned() == 4 })
		good.shutdown()
	})
}

func TestHandOver(t *testing.T) {
	t.Parallel()
	for _, mode := range gentleKinds {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, g := newFakeHub(), newLedger(t)
				a := newTestWorker(t, h, g, "a", withMode(mode)).start()
				a.setDrain(mode.duration() * 2 / 3) // the loops drain without renewing, so this must fit into the lease
				eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
				b := newTestWorker(t, h, g, "b", withMode(mode)).start()
				eventually(t, 20*time.Second, "b waits", func() bool { return count(b, Waiting) == 2 })
				for _, p := range b.manager.Status().Partitions {
					if p.State == Waiting && (p.Owner != "a" || p.Reason == "") {
						t.Errorf("b: %+v", p)
					}
				}
				eventually(t, 20*time.Second, "a hands over", func() bool { return count(a, HandingOver) == 2 })
				for _, p := range a.manager.Status().Partitions {
					if p.State == HandingOver && (!strings.Contains(p.Reason, `"b"`) || !p.Deadline.After(time.Now())) {
						t.Errorf("a: %+v", p)
					}
				}
				eventually(t, 25*time.Second, "b owns 2", func() bool { return b.owned() == 2 })
				a.setDrain(0)
				a.shutdown()
				b.shutdown()
				if strings.Contains(a.log.String(), "was lost") {
					t.Errorf("a lost partitions:\n%s", a.log)
				}
			})
		})
	}
}

// A deployment that replaces three workers one after another leaves no partition unread for long.
func TestRollingDeployment(t *testing.T) {
	t.Parallel()
	for _, mode := range gentleKinds {
		for _, startFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v/%v", mode, startFirst), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { rollingDeployment(t, mode, startFirst) })
			})
		}
	}
}

func rollingDeployment(t *testing.T, mode kind, startFirst bool) {
	const limit = 2 * time.Second
	h, g := newFakeHub(), newLedger(t)
	start := func(name string) *testWorker {
		w := newTestWorker(t, h, g, name, withMode(mode), withPartitions(8))
		w.net.set(func(n *net) { n.delays = 10 * time.Millisecond })
		return w.start()
	}
	ws := []*testWorker{start("a1"), start("b1"), start("c1")}
	eventually(t, time.Minute, "balanced", func() bool { return balanced(ws, 8) })
	if gap := g.longestGap(); gap > limit {
		t.Errorf("while they joined a partition was unread for %v", gap)
	}
	for i, name := range []string{"c2", "a2", "b2"} {
		old := ws[i]
		if startFirst {
			ws[i] = start(name)
			time.Sleep(10 * time.Second)
			old.shutdown()
		} else {
			old.shutdown()
			time.Sleep(10 * time.Second)
			ws[i] = start(name)
		}
		eventually(t, time.Minute, "balanced", func() bool { return balanced(ws, 8) })
		if gap := g.longestGap(); gap > limit {
			t.Errorf("%s for %s: a partition was unread for %v", name, old.name, gap)
		}
	}
	for _, w := range ws {
		w.shutdown()
	}
}

func count(w *testWorker, state PartitionState) int {
	n := 0
	for _, p := range w.manager.Status().Partitions {
		if p.State == state {
			n++
		}
	}
	return n
}

// A partition given up by its user does not stay without an owner: another worker takes it when it comes to look at it,
// which it does for one partition of each worker at a time, and otherwise its last owner takes it back after 15 s.
func TestReleaseByTheUser(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		_, _, a, b := pair(t, mode)
		p := firstOwned(a)
		l := a.lease(p)
		a.end(l)
		if err := l.Release(context.Background()); err != nil {
			t.Errorf("second Release: %v", err)
		}
		if err := l.Renew(context.Background()); !errors.Is(err, ErrLost) {
			t.Errorf("Renew: %v", err)
		}
		eventually(t, 20*time.Second, "somebody has it", func() bool { return b.lease(p) != nil || a.lease(p) != nil })
		a.shutdown()
		b.shutdown()
	})
}

// A release that meets a lease which the service has just ended leaves nothing behind.
func TestReleaseOfABrokenLease(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		w := newTestWorker(t, h, g, "w1", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		queue := testNames(t, "Fake").ControlQueue(2)
		switch mode.Mode {
		case Safe:
			h.breakLease(layout.OwnershipBlob(queue))
		case Legacy:
			h.breakLease(layout.LegacyLeaseBlob(queue))
		case Table:
			h.edit(queue, func(r *row) { *r = row{queue: queue} })
		}
		w.end(w.lease(2))
		time.Sleep(time.Minute)
		if w.owned() != 4 {
			t.Errorf("owns %d\n%s", w.owned(), w.log)
		}
		w.shutdown()
	})
}

func TestMissingStoreIsReported(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h := newFakeHub()
		w := newTestWorker(t, h, nil, "w1", withMode(mode))
		if err := w.manager.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := w.manager.Status(); s.Error == "" {
			t.Errorf("%+v", s)
		}
		if calls := h.snapshot(); calls["app.read"] > 20 {
			t.Errorf("a tight loop: %v", calls)
		}
		if err := w.manager.CreateStore(context.Background()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 15*time.Second, "owns 4", func() bool { return w.owned() == 4 })
		w.shutdown()
	})
}

func TestOtherManagerIsRefused(t *testing.T) {
	t.Parallel()
	for _, live := range kinds {
		for _, mine := range kinds {
			if live == mine || live.Fleet != mine.Fleet {
				continue
			}
			t.Run(live.String()+"/"+mine.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newFakeHub()
					a := newTestWorker(t, h, nil, "a", withMode(live)).start()
					eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
					b := newTestWorker(t, h, nil, "b", withMode(mine)).start()
					time.Sleep(2 * time.Minute)
					s := b.manager.Status()
					if b.owned() != 0 || !strings.Contains(s.Conflict, live.Mode.String()) || !strings.Contains(s.Conflict, `"a"`) {
						t.Errorf("%+v", s)
					}
					a.shutdown()
					eventually(t, 12*time.Second, "b owns 4", func() bool { return b.owned() == 4 })
					if s := b.manager.Status(); s.Conflict != "" {
						t.Errorf("%+v", s)
					}
					b.shutdown()
				})
			})
		}
	}
}
