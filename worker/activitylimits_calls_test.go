package worker_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// counted is a hub in memory whose requests are counted.
type counted struct {
	server *emulator.Server
	// updates are those that change when a work item becomes visible, and limits those to the table of limits.
	updates, limits atomic.Int64
}

func (c *counted) Do(req *http.Request) (*http.Response, error) {
	switch path := req.URL.Path; {
	case strings.Contains(path, "-workitems/messages/") && req.Method == http.MethodPut:
		c.updates.Add(1)
	case strings.Contains(path, "Limits"):
		c.limits.Add(1)
	}
	return c.server.Transport().Do(req)
}

func countedHub(t *testing.T) (*taskhub.Hub, *counted) {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{server: server}
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Virtual", Account: account, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	return hub, c
}

// TestWaitingIsCheap: what waits for a limit for long costs no call of its own: in a Go fleet it is in memory, in a mixed fleet its work
// item is hidden, and renewed by nobody.
func TestWaitingIsCheap(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, cfg worker.Config) {
		cfg.MaxPoll = 30 * time.Second
		hub, c := countedHub(t)
		const waiting = 200
		l := newLimited(time.Millisecond, durable.WithLimit(durable.RateLimit{Name: "api", Count: 1, Per: 24 * time.Hour}))
		w := startWorker(t, hub, cfg, l.items...)
		id := start(t, hub, "Many", "201")
		time.Sleep(2 * time.Minute)
		before, limits := c.updates.Load(), c.limits.Load()
		const watched = 35 * time.Minute
		time.Sleep(watched)
		// Mixed: each comes back every 15 minutes at the soonest, so three times at most.
		updates, most := c.updates.Load()-before, int64(0)
		if cfg.Fleet == worker.FleetMixed {
			most = waiting * 4
		}
		t.Logf("%d visibility updates and %d calls to the table in %v", updates, c.limits.Load()-limits, watched)
		if updates > most {
			t.Errorf("%d visibility updates in %v", updates, watched)
		}
		if n := c.limits.Load() - limits; n > 6*int64(watched/time.Minute) {
			t.Errorf("%d calls to the table of limits in %v", n, watched)
		}
		if all, _ := l.count(""); all != 1 || w.Health().Activities.Running != 0 || w.Health().Activities.Waiting != 0 {
			t.Errorf("%d attempts, %+v", all, w.Health().Activities)
		}
		// What is terminated waits no longer.
		if err := hub.Client().Terminate(t.Context(), id, "enough"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if h := w.Health().Limits[0]; h.Waiting != 0 {
			t.Errorf("%d wait still", h.Waiting)
		}
	})
}

// TestTableOfLimits: it is made with the first limit and goes with the hub.
func TestTableOfLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub, c := countedHub(t)
		stopWorker(t, startWorker(t, hub, worker.Config{}, newLimited(0).items...))
		if n := c.limits.Load(); n != 0 {
			t.Errorf("a worker without limits has made %d calls to their table", n)
		}
		limit := durable.WithLimit(durable.RateLimit{Name: "api", Count: 3, Per: time.Hour})
		stopWorker(t, startWorker(t, hub, worker.Config{}, newLimited(0, limit).items...))
		if list, err := hub.Client().Limits(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("%v %v", list, err)
		}
		if err := hub.Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Account().Tables().NewClient(hub.Names().LimitsTable()).Delete(t.Context(), nil); !storage.IsNotFound(err) {
			t.Errorf("the table is still there: %v", err)
		}
		if list, err := hub.Client().Limits(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%v %v", list, err)
		}
	})
}

// TestFewCalls: tokens are taken by batches, and an activity that is idempotent does not run ahead of its decision when it has a limit.
func TestFewCalls(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, cfg worker.Config) {
		hub, c := countedHub(t)
		l := newLimited(time.Millisecond, durable.Idempotent(), durable.WithLimit(durable.RateLimit{Name: "api", Count: 5000, Per: time.Hour}))
		startWorker(t, hub, cfg, l.items...)
		id := start(t, hub, "Many", "1000")
		for began := time.Now(); !done(t, hub, id); time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatal("it has not ended")
			}
		}
		if n := c.limits.Load(); n > 60 {
			t.Errorf("%d calls to the table of limits for 1,000 attempts", n)
		}
		used, err := hub.Client().GetLimit(t.Context(), "api")
		if err != nil || used.Uses[0].Used < 1000 || used.Uses[0].Used > 1300 {
			t.Errorf("%+v, %v", used, err)
		}
		t.Logf("%d calls, %d used", c.limits.Load(), used.Uses[0].Used)
	})
}
