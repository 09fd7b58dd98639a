package leases

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

func pair(t *testing.T, mode kind) (h *fakeHub, g *ledger, a, b *testWorker) {
	t.Helper()
	h, g = newFakeHub(), newLedger(t)
	a = newTestWorker(t, h, g, "a", withMode(mode)).start()
	b = newTestWorker(t, h, g, "b", withMode(mode)).start()
	eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && b.owned() == 2 })
	return h, g, a, b
}

func TestKilledWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		_, _, a, b := pair(t, mode)
		begin := time.Now()
		a.kill()
		// The lease ends half its time to its whole time after the kill; a row's end is seen up to a look later.
		eventually(t, mode.duration()+4*time.Second, "b owns all", func() bool { return b.owned() == 4 })
		t.Logf("after %v", time.Since(begin))
		b.shutdown()
	})
}

func TestFrozenLoopsLoseTheirPartitions(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		_, _, a, b := pair(t, mode)
		l := a.lease(firstOwned(a))
		begin := time.Now()
		thaw := a.freeze()
		<-l.Lost()
		if after := time.Since(begin); after > mode.duration() {
			t.Errorf("lost after %v", after)
		}
		if time.Now().Before(l.Deadline()) {
			t.Errorf("deadline %v of a lost lease is to come", l.Deadline())
		}
		eventually(t, 20*time.Second, "b owns all", func() bool { return b.owned() == 4 }) // a's other lease ends later
		if err := l.Renew(context.Background()); !errors.Is(err, ErrLost) {
			t.Errorf("Renew of a lost lease: %v", err)
		}
		thaw()
		eventually(t, time.Minute, "balanced again", func() bool { return a.owned() == 2 && b.owned() == 2 })
		a.shutdown()
		b.shutdown()
	})
}

func firstOwned(w *testWorker) int {
	for _, p := range w.manager.Status().Partitions {
		if p.State == Held {
			return p.Partition
		}
	}
	w.t.Fatal("owns nothing")
	return -1
}

// A process that stood still, as with SIGSTOP, may not believe in its leases when it goes on, whatever its timers say.
func TestSleepEndsLeases(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		k := newSkewedClock(0)
		w := newTestWorker(t, h, g, "w1", withMode(mode), withClock(k)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		l := w.lease(0)
		k.step(35 * time.Second) // the wall clock went on while the monotonic one stood still
		if l.Deadline().After(k.Now()) {
			t.Errorf("the deadline %v is after %v", l.Deadline(), k.Now())
		}
		if err := l.Renew(context.Background()); !errors.Is(err, ErrLost) {
			t.Errorf("Renew: %v", err)
		}
		eventually(t, time.Minute, "owns 4 again", func() bool { return w.owned() == 4 && w.lease(0) != l })
		k.step(-time.Hour) // a wall clock set back lengthens nothing
		thaw := w.freeze()
		l, begin := w.lease(1), time.Now()
		<-l.Lost()
		if after := time.Since(begin); after > mode.duration() {
			t.Errorf("lost after %v", after)
		}
		thaw()
		w.shutdown()
	})
}

func TestRenewIsBounded(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h := newFakeHub()
		got := make(chan *Lease, 4)
		w := newTestWorker(t, h, nil, "w1", withMode(mode), withHandler(func(l *Lease) { got <- l })).start()
		l := <-got
		w.net.set(func(n *net) { n.hang = func(string, string) bool { return true } })
		time.Sleep(mode.config().Renew)
		begin := time.Now()
		err := l.Renew(context.Background())
		if err == nil || errors.Is(err, ErrLost) || time.Since(begin) > 10*time.Second {
			t.Errorf("a renewal that hangs: %v after %v", err, time.Since(begin))
		}
		err = l.Renew(context.Background())
		if err == nil || time.Since(begin) > 15*time.Second {
			t.Errorf("the next: %v after %v", err, time.Since(begin))
		}
		<-l.Lost()
		if after := time.Since(begin); after > 15*time.Second+time.Millisecond {
			t.Errorf("lost %v after the renewal that hung", after)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.manager.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A request that hangs once does not cost the lease: Renew tries again.
func TestRenewSurvivesOneHang(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		w := newTestWorker(t, h, g, "w1", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		hung := map[string]bool{}
		w.net.set(func(n *net) {
			n.hang = func(op, name string) bool {
				n.mu.Lock()
				defer n.mu.Unlock()
				first := !hung[op+name]
				hung[op+name] = true
				return first
			}
		})
		time.Sleep(10 * time.Minute)
		w.shutdown()
		if g.granted() != 4 || len(hung) == 0 {
			t.Errorf("%d grants, %d hung\n%s", g.granted(), len(hung), w.log)
		}
	})
}

// A worker cut off from the network loses its partitions, another takes them, and they share again when it is back.
func TestNetworkLossAndReturn(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		_, _, a, b := pair(t, mode)
		a.net.set(func(n *net) { n.fail = func(string, string) error { return errNet } })
		eventually(t, mode.duration()+4*time.Second, "b owns all", func() bool { return b.owned() == 4 })
		if a.owned() != 0 {
			t.Errorf("a still owns %d", a.owned())
		}
		time.Sleep(5 * time.Minute)
		if s := a.manager.Status(); !strings.Contains(s.Error+s.App.Reason, errNet.Error()) {
			t.Errorf("the status does not tell: %+v", s)
		}
		a.net.set(func(n *net) { n.fail = nil })
		eventually(t, 90*time.Second, "balanced again", func() bool { return a.owned() == 2 && b.owned() == 2 })
		a.shutdown()
		b.shutdown()
	})
}

// Requests whose answers are lost were carried out all the same.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		rng := newDice(1)
		w := newTestWorker(t, h, g, "w1", withMode(mode))
		if err := w.manager.CreateStore(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.net.set(func(n *net) {
			n.doubt = func(string, string) error {
				if rng.IntN(3) == 0 {
					return errNet
				}
				return nil
			}
		})
		if err := w.manager.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Minute, "owns 4", func() bool { return w.owned() == 4 })
		w.net.set(func(n *net) { n.doubt = nil })
		b := newTestWorker(t, h, g, "b", withMode(mode)).start()
		b.net.set(func(n *net) {
			n.doubt = func(op, _ string) error {
				if rng.IntN(3) == 0 && !strings.HasPrefix(op, "app.") {
					return errNet
				}
				return nil
			}
		})
		eventually(t, 3*time.Minute, "balanced", func() bool { return w.owned() == 2 && b.owned() == 2 })
		w.shutdown()
		b.net.set(func(n *net) { n.doubt = nil })
		eventually(t, time.Minute, "b owns all", func() bool { return b.owned() == 4 })
		b.shutdown()
	})
}

// A restarted worker of the same name gets its partitions back before the old leases have ended.
func TestRestartTakesBack(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, nil, "same", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		a.kill()
		begin := time.Now()
		b := newTestWorker(t, h, g, "same", withMode(mode)).start()
		eventually(t, 19*time.Second, "owns 4 again", func() bool { return b.owned() == 4 })
		t.Logf("after %v", time.Since(begin))
		b.shutdown()
	})
}

// Two workers of one name never own a partition both, and say what is wrong.
func TestTwins(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "same", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		b := newTestWorker(t, h, g, "same", withMode(mode)).start()
		eventually(t, time.Minute, "b owns some", func() bool { return b.owned() > 0 })
		time.Sleep(5 * time.Minute)
		if n := a.owned() + b.owned(); n != 4 {
			t.Errorf("they own %d", n)
		}
		if !strings.Contains(a.log.String()+b.log.String(), "another process uses this worker's id") {
			t.Errorf("nobody complains:\n%s", a.log)
		}
		a.shutdown()
		b.shutdown()
	})
}

func TestLeaseBlobsChangedByHand(t *testing.T) {
	t.Parallel()
	queue := testNames(t, "Fake").ControlQueue(1)
	for _, mode := range []kind{{Mode: Safe}, {Mode: Legacy}, {Safe, GoFleet}, {Legacy, GoFleet}} {
		own := layout.LegacyLeaseBlob(queue)
		blobs := []string{own}
		if mode.Mode == Safe {
			own = layout.OwnershipBlob(queue)
			blobs = []string{own, layout.IntentBlob(queue)}
		}
		if mode.Fleet == GoFleet {
			blobs = []string{own}
		}
		for _, name := range blobs {
			for what, change := range map[string]func(h *fakeHub){
				"deleted":            func(h *fakeHub) { h.deleteBlob(name) },
				"broken":             func(h *fakeHub) { h.breakLease(name) },
				"overwritten":        func(h *fakeHub) { h.overwrite(name, "what is this?") },
				"emptied":            func(h *fakeHub) { h.overwrite(name, "") },
				"broken and emptied": func(h *fakeHub) { h.breakLease(name); h.overwrite(name, "{}") },
				"given away": func(h *fakeHub) {
					h.overwrite(name, `{"PartitionId":"x","Owner":"nobody","Token":"0","Epoch":99}`)
				},
			} {
				t.Run(fmt.Sprintf("%v/%s/%s", mode, strings.Split(name, "/")[0], what), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						h, g := newFakeHub(), newLedger(t)
						w := newTestWorker(t, h, g, "w1", withMode(mode)).start()
						eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
						change(h)
						time.Sleep(3 * time.Minute)
						if w.owned() != 4 {
							t.Errorf("owns %d\n%s", w.owned(), w.log)
						}
						r, ok := decodeRecord([]byte(h.text(name)))
						if !ok || r.owner() != "w1" || r.PartitionID != queue {
							t.Errorf("the record was not repaired: %s", h.text(name))
						}
						if log := w.log.String(); !strings.Contains(log, "level=WARN") && !strings.Contains(log, "broken or ended") {
							t.Errorf("nothing in the log:\n%s", w.log)
						}
						w.shutdown()
						if strings.Contains(h.text(name), "w1") {
							t.Errorf("not released: %s", h.text(name))
						}
					})
				})
			}
		}
	}
}

func TestRowsChangedByHand(t *testing.T) {
	t.Parallel()
	queue := testNames(t, "Fake").ControlQueue(1)
	for what, change := range map[string]func(h *fakeHub){
		"deleted":    func(h *fakeHub) { h.deleteRow(queue) },
		"emptied":    func(h *fakeHub) { h.edit(queue, func(r *row) { *r = row{queue: queue} }) },
		"given away": func(h *fakeHub) { h.edit(queue, func(r *row) { r.currentOwner = "nobody" }) },
		"asked for":  func(h *fakeHub) { h.edit(queue, func(r *row) { r.nextOwner = "nobody" }) },
		"touched":    func(h *fakeHub) { h.edit(queue, func(r *row) { r.isDraining = true }) },
		"for ever": func(h *fakeHub) {
			h.edit(queue, func(r *row) { r.currentOwner, r.expiresAt = "nobody", time.Now().Add(1000*time.Hour) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, g := newFakeHub(), newLedger(t)
				w := newTestWorker(t, h, g, "w1", withMode(kind{Mode: Table})).start()
				eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
				change(h)
				time.Sleep(6 * time.Minute)
				if w.owned() != 4 {
					t.Errorf("owns %d\n%s", w.owned(), w.log)
				}
				if r := h.row(queue); r.currentOwner != "w1" || r.isDraining || r.nextOwner != "" {
					t.Errorf("the row: %+v", r)
				}
				w.shutdown()
			})
		})
	}
}

// Clocks that are wrong by a minute lead neither to double ownership nor to dead partitions.
func TestSkewedClocks(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "a", withMode(mode), withClock(newSkewedClock(-time.Minute))).start()
		b := newTestWorker(t, h, g, "b", withMode(mode), withClock(newSkewedClock(time.Minute))).start()
		eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && b.owned() == 2 })
		time.Sleep(10 * time.Minute)
		if a.owned() != 2 || b.owned() != 2 {
			t.Errorf("%v", g.owned())
		}
		if mode.Mode == Table {
			for i := range 4 {
				// What a .NET worker with the right time would see.
				if r := h.row(testNames(t, "Fake").ControlQueue(i)); !r.expiresAt.After(time.Now()) || r.expiresAt.After(time.Now().Add(32*time.Second)) {
					t.Errorf("row expires at %v, now %v", r.expiresAt, time.Now())
				}
			}
		}
		begin := time.Now()
		a.kill()
		eventually(t, mode.duration()+4*time.Second, "b owns all", func() bool { return b.owned() == 4 })
		t.Logf("after %v", time.Since(begin))
		b.shutdown()
	})
}

// Many workers under every kind of trouble: never two owners, and peace afterwards.
func TestChaos(t *testing.T) {
	t.Parallel()
	const seeds = 2
	for seed := range uint64(seeds) {
		allModes(t, func(t *testing.T, mode kind) { chaos(t, mode, seed) })
	}
}

func chaos(t *testing.T, mode kind, seed uint64) {
	rng := newDice(seed)
	h, g := newFakeHub(), newLedger(t)
	ws := map[string]*testWorker{}
	var every []*testWorker
	n := 0
	start := func() {
		name := fmt.Sprintf("w%d", n)
		n++
		ws[name] = newTestWorker(t, h, g, name, withMode(mode), withPartitions(8), withClock(newSkewedClock(time.Duration(rng.IntN(120)-60)*time.Second))).start()
		every = append(every, ws[name])
		ws[name].setDrain(time.Duration(rng.IntN(4)) * time.Second)
	}
	pick := func() (string, *testWorker) {
		i := rng.IntN(len(ws))
		for j := range n {
			if w := ws[fmt.Sprintf("w%d", j)]; w != nil {
				if i == 0 {
					return w.name, w
				}
				i--
			}
		}
		panic("no worker")
	}
	start()
	for range 60 {
		name, w := pick()
		switch rng.IntN(7) {
		case 0, 1:
			if len(ws) < 5 {
				start()
			}
		case 2:
			if len(ws) > 1 {
				w.kill()
				delete(ws, name)
			}
		case 3:
			if len(ws) > 1 {
				w.shutdown()
				delete(ws, name)
			}
		case 4:
			thaw := w.freeze()
			time.AfterFunc(time.Duration(rng.IntN(60))*time.Second, thaw)
			time.Sleep(time.Minute)
		case 5:
			p := rng.Float64()
			w.net.set(func(n *net) {
				n.fail = func(string, string) error { return maybe(rng.Float64, p) }
				n.doubt = func(string, string) error { return maybe(rng.Float64, p/2) }
			})
			time.Sleep(time.Duration(rng.IntN(50)) * time.Second)
			w.net.set(func(n *net) { n.fail, n.doubt = nil, nil })
		case 6:
			w.net.set(func(n *net) { n.delays = time.Duration(rng.IntN(3000)) * time.Millisecond })
		}
		time.Sleep(time.Duration(rng.IntN(20000)) * time.Millisecond)
	}
	var all []*testWorker
	for _, w := range ws {
		w.net.set(func(n *net) { n.delays = 0 })
		all = append(all, w)
	}
	eventually(t, 3*time.Minute, "balanced", func() bool { return balanced(all, 8) })
	time.Sleep(time.Minute) // a last move may be on its way
	grants := g.granted()
	time.Sleep(5 * time.Minute)
	if g.granted() != grants || !balanced(all, 8) {
		t.Errorf("no rest: %v", g.owned())
	}
	for _, w := range all {
		w.shutdown()
	}
	if t.Failed() {
		for _, w := range every {
			t.Logf("%s\n%s", w.name, w.log)
		}
	}
}

// dice is a random source for concurrent use.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{rng: rand.New(rand.NewPCG(seed, 7))} }

func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

func (d *dice) Float64() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64()
}

func maybe(random func() float64, p float64) error {
	if random() < p {
		return errNet
	}
	return nil
}
