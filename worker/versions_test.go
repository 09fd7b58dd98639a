package worker_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	ascending := []string{"", "0.9", "1", "1.2", "1.2.0", "1.9", "1.10", "2", "2.0.0.1", "2.0.0.1.5", "10"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := sign(worker.CompareVersions(a, b)); got != sign(i-j) {
				t.Errorf("%q against %q: %d", a, b, got)
			}
		}
	}
	for _, same := range [][2]string{{"v1.2", "1.2"}, {"Beta", "beta"}, {"01.2", "1.2"}} {
		if worker.CompareVersions(same[0], same[1]) != 0 {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	if worker.CompareVersions("alpha", "Beta") >= 0 || worker.CompareVersions("beta", "alpha") <= 0 {
		t.Error("texts are not compared without regard to case")
	}
}

func sign(n int) int { return max(min(n, 1), -1) }

// versioned is a program whose result tells the version of the code that ran it. Its child and a pause make it change
// hands.
func versioned(version string) []durable.Registrable {
	child := durable.NewOrchestrator("Child", func(*durable.Context, durable.Void) (string, error) { return version, nil })
	step := durable.NewActivity("Step", func(context.Context, durable.Void) (int, error) { return 1, nil })
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
		if _, err := step.Call(ctx, durable.Void{}).Await(); err != nil {
			return "", err
		}
		of, err := child.Call(ctx, durable.Void{}).Await()
		return version + " with " + of, err
	})
	return []durable.Registrable{parent, child, step}
}

func startVersion(t *testing.T, hub *taskhub.Hub, version string) string {
	t.Helper()
	started, err := hub.Client().StartOrchestration(within(t, patience), durable.StartRequest{Name: "Parent", Version: version})
	if err != nil {
		t.Fatal(err)
	}
	return started.InstanceID
}

// TestVersionsSideBySide: old and new code on one hub, each running its own instances, children included, although each
// partition has one owner at a time.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel()
	hub := newHub(t, func(c *taskhub.Config) { c.Partitions = 2 })
	other := hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name, c.Partitions = hub.Name(), 2 })
	startWorker(t, hub, worker.Config{ID: "old", Version: "1.9", VersionMatch: worker.VersionOwn}, versioned("1.9")...)
	startWorker(t, other, worker.Config{ID: "new", Version: "1.10", VersionMatch: worker.VersionOwn}, versioned("1.10")...)
	var wg sync.WaitGroup
	for range 3 {
		for _, version := range []string{"1.9", "1.10"} {
			id := startVersion(t, hub, version)
			wg.Go(func() { expect(t, wait(t, hub, id), history.Completed, `"`+version+" with "+version+`"`) })
		}
	}
	wg.Wait()
}

// TestDeployment: instances of a version that nobody runs yet wait with a reason, and go on soon after a worker of that
// version has come; those begun by older code are finished by it.
func TestDeployment(t *testing.T) {
	t.Parallel()
	hub := newHub(t, func(c *taskhub.Config) { c.Partitions = 1 })
	old := startWorker(t, hub, worker.Config{ID: "old", Version: "1"}, versioned("1")...)
	expect(t, wait(t, hub, startVersion(t, hub, "7")), history.Completed, `"1 with 1"`) // it takes any version
	stopWorker(t, old)
	old = startWorker(t, hub, worker.Config{ID: "old", Version: "1", VersionMatch: worker.VersionOwnOrOlder}, versioned("1")...)
	waits := startVersion(t, hub, "2")
	expect(t, wait(t, hub, startVersion(t, hub, "")), history.Completed, `"1 with 1"`)
	eventually(t, "the new version is shown as waiting", func() bool {
		return slices.ContainsFunc(old.Health().Parked, func(p worker.Parked) bool {
			return p.Kind == "orchestrator" && p.Name == "Parent" && p.Version == "2" && strings.Contains(p.Reason, `newer than this worker's, "1"`)
		})
	})
	if h := old.Health(); !h.Healthy {
		t.Errorf("a worker with parked instances is unhealthy: %v", h.Reasons)
	}
	startWorker(t, hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() }),
		worker.Config{ID: "new", Version: "2", VersionMatch: worker.VersionOwnOrOlder}, versioned("2")...)
	stopWorker(t, old)
	expect(t, wait(t, hub, waits), history.Completed, `"2 with 2"`)
}

func TestVersionMatchIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := worker.New(newHub(t), worker.Config{VersionMatch: 9}); err == nil || !strings.Contains(err.Error(), "VersionMatch(9)") {
		t.Errorf("an unknown VersionMatch gives %v", err)
	}
}

// healthz asks as a probe does.
func healthz(t *testing.T, w *worker.Worker) (int, worker.Health) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.HealthHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	var h worker.Health
	if err := json.Unmarshal(rec.Body.Bytes(), &h); err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	return rec.Code, h
}

// TestHealth follows a worker's life through /healthz.
func TestHealth(t *testing.T) {
	t.Parallel()
	hub := newHub(t, func(c *taskhub.Config) { c.Partitions = 2 })
	w, err := worker.New(hub, worker.Config{MaxPoll: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Register(twins()...); err != nil {
		t.Fatal(err)
	}
	if code, h := healthz(t, w); code != http.StatusServiceUnavailable || !strings.Contains(h.Reasons[0], "not started") {
		t.Errorf("before the start: %d %+v", code, h)
	}
	if err := w.Start(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopWorker(t, w) })
	id := start(t, hub, "WaitForever", `"x"`)
	start(t, hub, "NobodyHostsThis", "")
	eventually(t, "it runs", statusIs(t, hub, id, history.Running))
	eventually(t, "all is seen", func() bool {
		code, h := healthz(t, w)
		sessions, received := 0, 0
		for _, p := range h.Partitions {
			sessions += p.Sessions
			if p.State == "held" && p.Owner == w.ID() && !p.LastReceive.IsZero() && !p.LeaseUntil.IsZero() {
				received++
			}
		}
		return code == http.StatusOK && h.Healthy && h.Running && received == 2 && sessions > 0 && len(h.Parked) == 1 &&
			!h.Activities.LastReceive.IsZero() && h.Activities.Limit == 100
	})
	before := hub.Account().Counts()
	for range 100 {
		w.Health()
	}
	if spent := hub.Account().Counts().Sub(before); spent.Total() > 50 {
		t.Errorf("a hundred snapshots cost %d calls", spent.Total())
	}
	rec := httptest.NewRecorder()
	w.HealthHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/healthz", nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST gives %d", rec.Code)
	}
	stopWorker(t, w)
	if code, h := healthz(t, w); code != http.StatusServiceUnavailable || !strings.Contains(h.Reasons[0], "stopped") {
		t.Errorf("after the stop: %d %+v", code, h)
	}
}

// TestOnePartitionTwoVersions: the worker with the newer code owns nothing, so the older one cannot see it; they take turns
// all the same.
func TestOnePartitionTwoVersions(t *testing.T) {
	t.Parallel()
	hub := newHub(t, func(c *taskhub.Config) { c.Partitions = 1 })
	other := hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() })
	startWorker(t, hub, worker.Config{ID: "old", Version: "1", VersionMatch: worker.VersionOwn}, versioned("1")...)
	expect(t, wait(t, hub, startVersion(t, hub, "1")), history.Completed, `"1 with 1"`)
	newer := startVersion(t, hub, "2")
	startWorker(t, other, worker.Config{ID: "new", Version: "2", VersionMatch: worker.VersionOwn}, versioned("2")...)
	expect(t, wait(t, hub, newer), history.Completed, `"2 with 2"`)
	expect(t, wait(t, hub, startVersion(t, hub, "1")), history.Completed, `"1 with 1"`)
}
