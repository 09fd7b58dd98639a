package leases

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

func allTable(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestAppLease(t *testing.T) {
	t.Parallel()
	each(t, mixedKinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "a", withMode(mode), withApp("one")).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		info := string(h.app.blobs[testNames(t, "Fake").AppLeaseInfoBlob()].text)
		if want := `{"OwnerId":"` + layout.AppLeaseID("one") + `","DesiredSwapId":null}`; info != want {
			t.Errorf("info blob %s, want %s", info, want)
		}
		if s := a.manager.Status().App; s.State != AppHeld || s.Reason != "" {
			t.Errorf("status %+v", s)
		}

		// Another application waits, and says so; the same application shares.
		other := newTestWorker(t, h, g, "other", withMode(mode), withApp("two")).start()
		same := newTestWorker(t, h, g, "same", withMode(mode), withApp("one")).start()
		eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && same.owned() == 2 })
		time.Sleep(10 * time.Minute)
		s := other.manager.Status()
		if s.App.State != AppWaiting || !strings.Contains(s.App.Reason, layout.AppLeaseID("one")) || other.owned() != 0 {
			t.Errorf("the other application: %+v", s)
		}
		if n := strings.Count(other.log.String(), "waiting to take part"); n != 1 {
			t.Errorf("it says so %d times", n)
		}

		// When the first application is gone, the other begins as soon as the lease has ended.
		a.shutdown()
		same.shutdown()
		eventually(t, 75*time.Second, "the other owns all", func() bool { return other.owned() == 4 })
		other.shutdown()
	})
}

func TestAppLeaseForced(t *testing.T) {
	t.Parallel()
	each(t, mixedKinds, func(t *testing.T, mode kind) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "a", withMode(mode), withApp("one")).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		b := newTestWorker(t, h, g, "b", withMode(mode), withApp("two")).start()
		time.Sleep(5 * time.Second)
		if err := b.manager.ForceAppLease(context.Background()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 75*time.Second, "b owns all", func() bool { return b.owned() == 4 })
		if s := a.manager.Status().App; s.State != AppWaiting || s.Reason == "" {
			t.Errorf("a: %+v", s)
		}
		info := string(h.app.blobs[testNames(t, "Fake").AppLeaseInfoBlob()].text)
		if want := `{"OwnerId":"` + layout.AppLeaseID("two") + `","DesiredSwapId":null}`; info != want {
			t.Errorf("info blob %s, want %s", info, want)
		}
		// The first takes it back by the same means once it was asked to.
		if err := a.manager.ForceAppLease(context.Background()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 75*time.Second, "a owns all", func() bool { return a.owned() == 4 })
		a.shutdown()
		b.shutdown()
	})
}

func TestAppLeaseDisabled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, g := newFakeHub(), newLedger(t)
		no := false
		disabled := func(c *Config) { c.UseAppLease = &no }
		a := newTestWorker(t, h, g, "a", withApp("one"), disabled).start()
		b := newTestWorker(t, h, g, "b", withApp("two"), disabled).start()
		eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && b.owned() == 2 })
		if s := a.manager.Status().App; s.State != AppDisabled {
			t.Errorf("status %+v", s)
		}
		if err := a.manager.ForceAppLease(context.Background()); err == nil {
			t.Error("ForceAppLease without app lease succeeds")
		}
		if h.calls["app.acquire"] != 0 {
			t.Error("the app lease was acquired")
		}
		a.shutdown()
		b.shutdown()
	})
}

// An info blob that somebody has damaged does not keep the application from working.
func TestAppInfoDamaged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", "null", "[1]", "\xef\xbb\xbf{}", `{"OwnerId":"x","DesiredSwapId":"` + layout.AppLeaseID("test") + `"}`} {
		synctest.Test(t, func(t *testing.T) {
			h, g := newFakeHub(), newLedger(t)
			w := newTestWorker(t, h, g, "w1")
			if err := w.manager.CreateStore(context.Background()); err != nil {
				t.Fatal(err)
			}
			blob := testNames(t, "Fake").AppLeaseInfoBlob()
			h.app.blobs[blob].text = []byte(text)
			w.start()
			eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
			if want := `{"OwnerId":"` + layout.AppLeaseID("test") + `","DesiredSwapId":null}`; string(h.app.blobs[blob].text) != want {
				t.Errorf("%q became %s", text, h.app.blobs[blob].text)
			}
			w.shutdown()
		})
	}
}
