package leases

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

var goKinds = kinds[3:]

func (h *fakeHub) appLease() fakeLease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.app.own.lease
}

func (h *fakeHub) appInfo(t *testing.T) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.app.blobs[testNames(t, "Fake").AppLeaseInfoBlob()].text)
}

// A Go fleet holds the app lease under its one name whatever its applications are called, and keeps it when it stops.
func TestGoFleetKeepsTheAppLease(t *testing.T) {
	t.Parallel()
	each(t, goKinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		no := false
		a := newTestWorker(t, h, g, "a", withMode(mode), withApp("one")).start()
		b := newTestWorker(t, h, g, "b", withMode(mode), withApp("two"), func(c *Config) { c.UseAppLease = &no }).start()
		eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && b.owned() == 2 })
		if want := `{"OwnerId":"` + fleetAppID() + `","DesiredSwapId":null}`; h.appInfo(t) != want {
			t.Errorf("info blob %s, want %s", h.appInfo(t), want)
		}
		before := h.snapshot()["app.renew"]
		time.Sleep(20 * time.Minute)
		if n := h.snapshot()["app.renew"] - before; n < 2*19 || n > 2*21 {
			t.Errorf("%d looks at the app lease in twenty minutes", n)
		}
		a.shutdown()
		b.shutdown()
		time.Sleep(24 * time.Hour)
		if l := h.appLease(); !l.live() || l.id != fleetAppID() {
			t.Errorf("after the stop: %+v", l)
		}
		other := newTestWorker(t, h, g, "other", withMode(kind{Mode: mode.Mode}), withApp("one")).start()
		time.Sleep(5 * time.Minute)
		if s := other.manager.Status(); other.owned() != 0 || s.App.State != AppWaiting || !strings.Contains(s.App.Reason, "Go workers only") {
			t.Errorf("a worker of a mixed fleet: %+v", s)
		}

		// Once it is released, the hub is for others.
		if err := releaseFleet(t.Context(), h.via(&net{}), testNames(t, "Fake")); err != nil {
			t.Error(err)
		}
		eventually(t, 15*time.Second, "the other owns 4", func() bool { return other.owned() == 4 })
		if err := releaseFleet(t.Context(), h.via(&net{}), testNames(t, "Fake")); err != nil {
			t.Errorf("release again: %v", err)
		}
		if !h.appLease().live() {
			t.Error("another application's lease was released")
		}
		other.shutdown()
	})
}

// When the app lease is lost, the fleet's workers stop, and come back only when they are admitted.
func TestGoFleetLosesTheAppLease(t *testing.T) {
	t.Parallel()
	each(t, goKinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		refusal := errors.New("the hub is a mixed one now")
		admit := make(chan error, 1)
		admit <- nil
		lost := make(chan error, 10)
		w := newTestWorker(t, h, g, "w", withMode(mode), func(c *Config) {
			c.Admit = func(context.Context) error {
				err := <-admit
				admit <- err
				return err
			}
			c.OnAppLost = func(err error) { lost <- err }
		}).start()
		w.setDrain(time.Second)
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		<-admit
		admit <- refusal
		if err := releaseFleet(t.Context(), h.via(&net{}), testNames(t, "Fake")); err != nil {
			t.Error(err)
		}
		begin := time.Now()
		<-lost
		if after := time.Since(begin); after > 61*time.Second {
			t.Errorf("noticed after %v", after)
		}
		eventually(t, 2*time.Second, "it owns nothing", func() bool { return w.owned() == 0 })
		time.Sleep(10 * time.Minute)
		s := w.manager.Status()
		if w.owned() != 0 || !strings.Contains(s.Conflict, refusal.Error()) || h.appLease().live() {
			t.Errorf("it does not stay outside: %+v", s)
		}
		if n := strings.Count(w.log.String(), refusal.Error()); n != 1 {
			t.Errorf("it says so %d times", n)
		}
		<-admit
		admit <- nil
		eventually(t, 15*time.Second, "owns 4 again", func() bool { return w.owned() == 4 })
		if s := w.manager.Status(); s.Conflict != "" || s.App.State != AppHeld {
			t.Errorf("%+v", s)
		}
		w.shutdown()
	})
}

// A Go fleet to which the hub is passed on from another application, as .NET passes it on, comes in once that has stopped.
func TestGoFleetForcesTheAppLease(t *testing.T) {
	t.Parallel()
	each(t, goKinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "a", withMode(kind{Mode: mode.Mode}), withApp("one")).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		b := newTestWorker(t, h, g, "b", withMode(mode)).start()
		time.Sleep(time.Minute)
		if b.owned() != 0 || a.owned() != 4 {
			t.Errorf("a owns %d, b %d", a.owned(), b.owned())
		}
		if err := b.manager.ForceAppLease(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 90*time.Second, "b owns all", func() bool { return b.owned() == 4 })
		if l := h.appLease(); l.id != fleetAppID() || l.until.Before(time.Now().Add(time.Hour)) {
			t.Errorf("%+v", l)
		}
		a.shutdown()
		b.shutdown()
	})
}

// A tool's hold keeps everybody out, and is over when the tool is.
func TestAppHold(t *testing.T) {
	t.Parallel()
	each(t, kinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		ctx, names, s := t.Context(), testNames(t, "Fake"), h.via(&net{})
		w := newTestWorker(t, h, g, "w", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		cfg := HoldConfig{Names: names, Logger: slog.New(slog.DiscardHandler)}
		var held *AppHeldError
		if mode.Fleet == MixedFleet {
			if _, err := holdApp(ctx, cfg, s); !errors.As(err, &held) || held.OwnerID != layout.AppLeaseID("test") {
				t.Errorf("against an application: %v", err)
			}
			cfg.Seize = true
		}
		hold, err := holdApp(ctx, cfg, s)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var alive *FleetAliveError
		if err := hold.AwaitNoWorkers(short); !errors.As(err, &alive) || alive.Owner != "w" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the worker is there: %v", err)
		}
		begin := time.Now()
		if err := hold.AwaitNoWorkers(ctx); err != nil || w.owned() != 0 || time.Since(begin) > 64*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		time.Sleep(10 * time.Minute)
		if w.owned() != 0 || isClosed(hold.Lost()) {
			t.Errorf("the worker owns %d during the hold", w.owned())
		}
		for range 2 {
			if err := hold.Release(ctx); err != nil {
				t.Error(err)
			}
		}
		eventually(t, 15*time.Second, "owns 4 again", func() bool { return w.owned() == 4 })

		// A hold whose process dies does not last, also when it was taken from a lease without end.
		hold, err = holdApp(ctx, cfg, s)
		if err != nil {
			t.Fatal(err)
		}
		hold.cancel()
		hold.keeper.Wait()
		eventually(t, 2*time.Minute, "it stops", func() bool { return w.owned() == 0 })
		eventually(t, 2*time.Minute, "owns 4 once more", func() bool { return w.owned() == 4 })
		w.shutdown()
	})
}

func TestBreakFleet(t *testing.T) {
	t.Parallel()
	each(t, kinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		names, s := testNames(t, "Fake"), h.via(&net{})
		w := newTestWorker(t, h, g, "w", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		var alive *FleetAliveError
		begin := time.Now()
		if err := breakFleet(t.Context(), s, names, newSystemClock()); !errors.As(err, &alive) || alive.Owner != "w" || time.Since(begin) > 70*time.Second {
			t.Errorf("with a live worker: %v after %v", err, time.Since(begin))
		}
		if !h.appLease().live() || w.owned() != 4 {
			t.Error("it was broken all the same")
		}
		w.kill()
		begin = time.Now()
		if err := breakFleet(t.Context(), s, names, newSystemClock()); err != nil || time.Since(begin) < time.Minute {
			t.Errorf("with a dead fleet: %v after %v", err, time.Since(begin))
		}
		if h.appLease().live() {
			t.Error("the lease was not broken")
		}
		late, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		next := newTestWorker(t, h, g, "next", withMode(mode))
		time.AfterFunc(10*time.Second, func() { next.start() })
		if err := breakFleet(late, s, names, newSystemClock()); !errors.As(err, &alive) || alive.Owner != "next" {
			t.Errorf("with a worker that comes: %v", err)
		}
		next.shutdown()
	})
}

// Workers of different fleets never work side by side: the later one waits and says why.
func TestOtherFleetIsRefused(t *testing.T) {
	t.Parallel()
	no := false
	without := func(c *Config) { c.UseAppLease = &no }
	for _, first := range kinds {
		for _, second := range kinds {
			if first.Fleet == second.Fleet {
				continue
			}
			t.Run(first.String()+"/"+second.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h, g := newFakeHub(), newLedger(t)
					a := newTestWorker(t, h, g, "a", withMode(first), without).start()
					eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
					b := newTestWorker(t, h, g, "b", withMode(second), without).start()
					time.Sleep(2 * time.Minute)
					s := b.manager.Status()
					if b.owned() != 0 || !strings.Contains(s.Conflict, `worker "a"`) {
						t.Errorf("%+v", s)
					}
					if second.Fleet == GoFleet && h.appLease().live() {
						t.Error("the app lease was taken for nothing")
					}
					a.shutdown()
					eventually(t, 12*time.Second, "b owns 4", func() bool { return b.owned() == 4 })
					b.shutdown()
				})
			})
		}
	}
}

// A .NET worker without the app lease that comes into a Go fleet gets nothing that is owned, and is noticed. It acts here as
// its lease managers do.
func TestDotNetIntruder(t *testing.T) {
	t.Parallel()
	each(t, goKinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		w := newTestWorker(t, h, g, "w", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		w.end(w.lease(1)) // one is free for a while
		queue := testNames(t, "Fake").ControlQueue(1)
		name := layout.LegacyLeaseBlob(queue)
		switch mode.Mode {
		case Safe:
			name = layout.OwnershipBlob(queue)
			fallthrough
		case Legacy:
			net1, id := "net1", newGUID()
			blobs := h.via(&net{}).leases
			if err := blobs.acquire(t.Context(), name, id, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			if _, err := blobs.write(t.Context(), name, encodeJSON(record{PartitionID: queue, Owner: &net1, Token: &id, Epoch: 9}), id); err != nil {
				t.Fatal(err)
			}
		case Table:
			h.edit(queue, func(r *row) {
				now := time.Now()
				*r = row{queue: queue, currentOwner: "net1", ownedSince: now, lastRenewal: now, expiresAt: now.Add(30 * time.Second)}
			})
		}
		eventually(t, 10*time.Second, "it is noticed", func() bool { return strings.Contains(w.manager.Status().Conflict, `worker "net1"`) })
		if n := strings.Count(w.log.String(), "another kind of fleet"); n != 1 || w.owned() != 3 {
			t.Errorf("told %d times, owns %d", n, w.owned())
		}
		foreign, err := inspect(t.Context(), h.via(&net{}), "Fake")
		if err != nil || len(foreign.Live) != 2 {
			t.Errorf("%+v, %v", foreign, err)
		}
		eventually(t, 45*time.Second, "its lease has ended", func() bool { return w.owned() == 4 && w.manager.Status().Conflict == "" })
		w.shutdown()
	})
}

// A .NET worker that asks for a row of a Go fleet, which it does by replacing the row without the fleet's mark, is refused.
func TestDotNetAsksGoFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, g := newFakeHub(), newLedger(t)
		w := newTestWorker(t, h, g, "w", withMode(kind{Table, GoFleet})).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		queue := testNames(t, "Fake").ControlQueue(1)
		for range 20 {
			h.edit(queue, func(r *row) {
				if r.currentOwner == "w" && r.nextOwner == "" {
					r.nextOwner, r.fleet = "net1", ""
				}
			})
			time.Sleep(10 * time.Second)
		}
		if w.owned() != 4 || g.granted() != 4 {
			t.Errorf("owns %d after %d grants\n%s", w.owned(), g.granted(), w.log)
		}
		if !strings.Contains(w.log.String(), "another kind of fleet") {
			t.Error("it does not say so")
		}
		w.shutdown()
		if r := h.row(queue); r.currentOwner != "" {
			t.Errorf("%+v", r)
		}
	})
}

// What a Go fleet writes: its owners are marked, and nothing is left of that, or of a request, in a hub that was given up.
func TestGoFleetRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, g := newFakeHub(), newLedger(t)
		queue := testNames(t, "Fake").ControlQueue(0)
		name := layout.OwnershipBlob(queue)
		a := newTestWorker(t, h, g, "a", withMode(kind{Safe, GoFleet}), withPartitions(1)).start()
		eventually(t, time.Second, "a owns it", func() bool { return a.owned() == 1 })
		r, _ := decodeRecord([]byte(h.text(name)))
		if want := `{"PartitionId":"fake-control-00","Owner":"a","Token":"` + r.token() + `","Epoch":1,"Fleet":"go"}`; h.text(name) != want {
			t.Errorf("held: %s, want %s", h.text(name), want)
		}
		if intent := h.text(layout.IntentBlob(queue)); intent != `{"PartitionId":"fake-control-00","Owner":null,"Token":null,"Epoch":0}` {
			t.Errorf("intent: %s", intent)
		}
		a.shutdown()
		if want := `{"PartitionId":"fake-control-00","Owner":null,"Token":null,"Epoch":1}`; h.text(name) != want {
			t.Errorf("released: %s, want %s", h.text(name), want)
		}
		if err := a.manager.DeleteStore(t.Context()); err != nil || h.app.exists {
			t.Errorf("the store stays: %v", err)
		}
	})
}

// A worker that asked for a partition and died does not keep it from the others.
func TestDeadNextOwner(t *testing.T) {
	t.Parallel()
	for _, mode := range []kind{{Mode: Table}, {Table, GoFleet}, {Safe, GoFleet}, {Legacy, GoFleet}} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, g := newFakeHub(), newLedger(t)
				a := newTestWorker(t, h, g, "a", withMode(mode), withPartitions(2)).start()
				eventually(t, time.Second, "a owns 2", func() bool { return a.owned() == 2 })
				b := newTestWorker(t, h, g, "b", withMode(mode), withPartitions(2)).start()
				eventually(t, 5*time.Second, "b asks", func() bool { return count(b, Waiting) == 1 })
				b.kill()
				begin := time.Now()
				eventually(t, mode.duration(), "a hands over", func() bool { return a.owned() == 1 })
				released := time.Now()
				eventually(t, 8*time.Second, "a has it again", func() bool { return a.owned() == 2 })
				t.Logf("handed over after %v, back after %v", released.Sub(begin), time.Since(released))
				a.shutdown()
			})
		})
	}
}
