package leases

import (
	"testing"
	"time"
)

// What an idle hour costs. Renewals are the receive loops', the rest is the manager's.
func TestIdleCalls(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode Mode) {
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "a", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		time.Sleep(5 * time.Minute)

		calls := measure(h, time.Hour)
		t.Logf("alone, an hour: %v", calls)
		// 4 partitions, every 15 s, two blobs each; in legacy mode every 10 s, one blob each.
		expect(t, calls, map[string][2]int{
			"blob.renew":    {pick(mode, 4*2*230, 4*350, 0), pick(mode, 4*2*242, 4*362, 0)},
			"blob.list":     {0, pick(mode, 67, 67, 0)},
			"table.replace": {0, pick(mode, 0, 0, 245)},
			"table.query":   {0, pick(mode, 0, 0, 14)},
			"app.renew":     {140, 145},
		})

		b := newTestWorker(t, h, g, "b", withMode(mode)).start()
		eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && b.owned() == 2 })
		time.Sleep(5 * time.Minute)
		calls = measure(h, time.Hour)
		t.Logf("two workers, an hour: %v", calls)
		expect(t, calls, map[string][2]int{
			"blob.renew":    {pick(mode, 4*2*230, 4*350, 0), pick(mode, 4*2*242, 4*362, 0)},
			"blob.list":     {0, pick(mode, 2*62, 2*62, 0)},
			"blob.head":     {0, pick(mode, 2*3200, 2*3200, 0)},
			"table.replace": {0, pick(mode, 0, 0, 2*245)},
			"table.query":   {0, pick(mode, 0, 0, 2*3200)},
			"app.renew":     {2 * 140, 2 * 145},
		})
		a.shutdown()
		b.shutdown()
	})
}

func pick(mode Mode, safe, legacy, table int) int { return [...]int{safe, legacy, table}[mode] }

func measure(h *fakeHub, d time.Duration) map[string]int {
	before := h.snapshot()
	time.Sleep(d)
	diff := map[string]int{}
	for op, n := range h.snapshot() {
		if n -= before[op]; n > 0 {
			diff[op] = n
		}
	}
	return diff
}

func expect(t *testing.T, calls map[string]int, bounds map[string][2]int) {
	t.Helper()
	for op, n := range calls {
		b, ok := bounds[op]
		if !ok || n < b[0] || n > b[1] {
			t.Errorf("%d calls of %s, expected %v", n, op, b)
		}
	}
}

// Loops that renew at different times are brought together, so that one transaction renews all.
func TestTableRenewalsAlign(t *testing.T) {
	t.Parallel()
	h, g := newFakeHub(), newLedger(t)
	allTable(t, func(t *testing.T) {
		a := newTestWorker(t, h, g, "a", withMode(Table), withPartitions(8)).start()
		b := newTestWorker(t, h, g, "b", withMode(Table), withPartitions(8)).start()
		eventually(t, 90*time.Second, "balanced", func() bool { return a.owned() == 4 && b.owned() == 4 })
		b.kill() // its partitions come to a one by one
		eventually(t, time.Minute, "a owns all", func() bool { return a.owned() == 8 })
		time.Sleep(3 * time.Minute)
		calls := measure(h, time.Hour)
		expect(t, calls, map[string][2]int{"table.replace": {238, 245}, "table.query": {0, 14}, "app.renew": {140, 145}})
		a.shutdown()
	})
}
