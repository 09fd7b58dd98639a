package leases

import (
	"context"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

// Who has what is told of every partition manager's records, while the owner lives and after it has gone.
func TestHolders(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Safe, Legacy, Table} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			account, names := testkit.Account(t), testNames(t, testkit.Hub(t))
			read := func() []Holder {
				t.Helper()
				found, err := Holders(ctx, account, names)
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			if found := read(); len(found) != 0 {
				t.Errorf("without a hub: %+v", found)
			}
			w := newAzureWorker(t, account, names.Hub(), newLedger(t), "holder", func(c *Config) { c.Mode, c.Partitions = mode, 2 })
			if err := w.manager.CreateStore(ctx); err != nil {
				t.Fatal(err)
			}
			for i, h := range read() {
				if h.Partition != i || h.Queue != names.ControlQueue(i) || h.Mode != mode || h.Live || h.Owner != "" {
					t.Errorf("before a worker: %+v", h)
				}
			}
			w.start()
			for end := time.Now().Add(time.Minute); w.owned() < 2; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the worker owns nothing")
				}
			}
			found := read()
			if len(found) != 2 {
				t.Fatalf("%+v", found)
			}
			for _, h := range found {
				if !h.Live || h.Owner != "holder" || h.Fleet != MixedFleet || h.Since.IsZero() || h.Renewed.IsZero() == (mode == Table) {
					t.Errorf("while it works: %+v", h)
				}
			}
			w.shutdown()
			for _, h := range read() {
				if h.Live {
					t.Errorf("after its end: %+v", h)
				}
			}
		})
	}
}
