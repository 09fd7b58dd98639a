package leases

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

func TestCreateStore(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h := newFakeHub()
		var all sync.WaitGroup
		for range 8 { // concurrently
			all.Go(func() {
				w := newTestWorker(t, h, nil, "w1", withMode(mode))
				w.net.set(func(n *net) { n.delays = time.Millisecond })
				if err := w.manager.CreateStore(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		names := slices.Sorted(maps.Keys(h.lease.blobs))
		rows := slices.Sorted(maps.Keys(h.table.rows))
		queues := []string{"fake-control-00", "fake-control-01", "fake-control-02", "fake-control-03"}
		switch mode.Mode {
		case Safe:
			want := prefixed(queues, "intent/", "ownership/")
			if !slices.Equal(names, append(want, "taskhub.json")) || h.table.exists {
				t.Errorf("blobs %v", names)
			}
		case Legacy:
			if !slices.Equal(names, append(prefixed(queues, "default/"), "taskhub.json")) || h.table.exists {
				t.Errorf("blobs %v", names)
			}
		case Table:
			if !slices.Equal(rows, queues) || h.lease.exists {
				t.Errorf("rows %v, container %v", rows, h.lease.exists)
			}
		}
		if info := string(h.app.blobs["fake-appleaseinfo"].text); info != "{}" {
			t.Errorf("info blob %s", info)
		}
		for name, b := range h.lease.blobs {
			want := `{"PartitionId":"` + name[strings.Index(name, "/")+1:] + `","Owner":null,"Token":null,"Epoch":0}`
			if name == layout.TaskHubInfoBlob {
				want = `{"TaskHubName":"Fake","CreatedAt":"2000-01-01T00:00:00.001Z","PartitionCount":4}`
			}
			if got := string(b.text); got != want && name != layout.TaskHubInfoBlob || len(got) == 0 {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		w := newTestWorker(t, h, nil, "w1", withMode(mode))
		if err := w.manager.DeleteStore(context.Background()); err != nil {
			t.Error(err)
		}
		if h.app.exists || h.lease.exists || h.table.exists {
			t.Error("something is left")
		}
	})
}

func prefixed(names []string, prefixes ...string) []string {
	var all []string
	for _, p := range prefixes {
		for _, n := range names {
			all = append(all, p+n)
		}
	}
	return all
}

func TestPartitionCountMismatch(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		h := newFakeHub()
		w := newTestWorker(t, h, nil, "w1", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		w.shutdown()
		for _, n := range []int{2, 8} {
			before := h.snapshot()
			err := newTestWorker(t, h, nil, "w2", withMode(mode), withPartitions(n)).manager.CreateStore(context.Background())
			var mismatch *PartitionCountError
			if !errors.As(err, &mismatch) || mismatch.Stored != 4 || mismatch.Configured != n {
				t.Errorf("%d partitions: %v", n, err)
			}
			for op, calls := range h.snapshot() {
				if calls != before[op] && op != "blob.read" && op != "table.query" {
					t.Errorf("%s was called", op)
				}
			}
		}
	})
}

// Two processes that create a hub with different numbers: one wins, the other is told.
func TestCreateRace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub()
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, n := range []int{4, 5} {
			all.Go(func() {
				w := newTestWorker(t, h, nil, "w1", withPartitions(n))
				w.net.set(func(n *net) { n.delays = time.Second })
				errs[i] = w.manager.CreateStore(context.Background())
			})
		}
		all.Wait()
		var mismatch *PartitionCountError
		if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs...), &mismatch) {
			t.Errorf("%v", errs)
		}
	})
}

func TestHubInfo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		info   HubInfo
		reason string
	}{
		`{"TaskHubName":"goldensafe","CreatedAt":"2026-11-21T06:38:00.1063952Z","PartitionCount":4}`: {
			info: HubInfo{TaskHubName: "goldensafe", CreatedAt: time.Date(2026, 11, 21, 6, 38, 0, 106395200, time.UTC), PartitionCount: 4},
		},
		"\xef\xbb\xbf" + `{"taskHubName":"GoldenSafe","createdAt":"long ago","partitionCount":16,"more":1}`: {
			info: HubInfo{TaskHubName: "GoldenSafe", PartitionCount: 16},
		},
		``:   {reason: "JSON"},
		`[]`: {reason: "JSON"},
		`{"TaskHubName":"goldensafe","PartitionCount":"4"}`:  {reason: "JSON"},
		`{"TaskHubName":"goldensafe"}`:                       {reason: "0 partitions"},
		`{"TaskHubName":"goldensafe","PartitionCount":1000}`: {reason: "1000 partitions"},
		`{"TaskHubName":"other","PartitionCount":4}`:         {reason: `"other"`},
	} {
		h := newFakeHub()
		h.lease.exists, h.lease.blobs = true, map[string]*fakeBlob{layout.TaskHubInfoBlob: {text: []byte(text)}}
		got, err := readHubInfo(context.Background(), h.via(&net{}).leases, "goldensafe")
		var bad *HubInfoError
		switch {
		case want.reason == "" && (err != nil || *got != want.info):
			t.Errorf("%s: %+v, %v", text, got, err)
		case want.reason != "" && (!errors.As(err, &bad) || !strings.Contains(bad.Error(), want.reason)):
			t.Errorf("%s: %v", text, err)
		}
	}
	h := newFakeHub()
	if got, err := readHubInfo(context.Background(), h.via(&net{}).leases, "x"); got != nil || err != nil {
		t.Errorf("without a container: %v, %v", got, err)
	}
}

func TestHubInfoChangedWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, g := newFakeHub(), newLedger(t)
		w := newTestWorker(t, h, g, "w1").start()
		eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
		text := `{"TaskHubName":"Fake","CreatedAt":"2026-11-21T06:38:00Z","PartitionCount":8}`
		h.overwrite(layout.TaskHubInfoBlob, text)
		time.Sleep(5 * time.Minute)
		if n := strings.Count(w.log.String(), "taskhub.json names another number"); n != 1 {
			t.Errorf("told %d times", n)
		}
		if h.text(layout.TaskHubInfoBlob) != text || w.owned() != 4 {
			t.Error("it was changed, or partitions were lost")
		}
		w.shutdown()
	})
}
