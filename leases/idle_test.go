package leases

import (
	"testing"
	"testing/synctest"
	"time"
)

// What twenty idle minutes cost. Renewals are the receive loops', the rest is the manager's.
func TestIdleCalls(t *testing.T) {
	t.Parallel()
	allModes(t, func(t *testing.T, mode kind) {
		const period = 20 * time.Minute
		h, g := newFakeHub(), newLedger(t)
		a := newTestWorker(t, h, g, "a", withMode(mode)).start()
		eventually(t, time.Second, "owns 4", func() bool { return a.owned() == 4 })
		time.Sleep(5 * time.Minute)

		calls := measure(h, period)
		t.Logf("alone, twenty minutes: %v", calls)
		renewals := int(period / mode.config().Renew)
		blobs, batches := 4*renewals, 0
		switch {
		case mode.Mode == Table:
			blobs, batches = 0, renewals
		case mode == mixedKinds[Safe]:
			blobs *= 2
		}
		app := int(period / appLeaseRenewal)
		if mode.Fleet == GoFleet {
			app = int(period / fleetCheck)
		}
		expect(t, calls, map[string][2]int{
			"blob.renew": around(blobs), "table.replace": around(batches), "app.renew": around(app),
			"blob.list": {0, pick(mode, 12, 12, 0)}, "table.query": {0, pick(mode, 0, 0, 5)},
		})

		b := newTestWorker(t, h, g, "b", withMode(mode)).start()
		eventually(t, time.Minute, "balanced", func() bool { return a.owned() == 2 && b.owned() == 2 })
		time.Sleep(5 * time.Minute)
		calls = measure(h, period)
		t.Logf("two workers, twenty minutes: %v", calls)
		expect(t, calls, map[string][2]int{
			"blob.renew": around(blobs), "table.replace": around(2 * batches), "app.renew": around(2 * app),
			"blob.list": {0, pick(mode, 2*22, 2*22, 0)}, "blob.head": {0, pick(mode, 2*1070, 2*1070, 0)}, "table.query": {0, pick(mode, 0, 0, 2*1070)},
		})
		a.shutdown()
		b.shutdown()
	})
}

// around allows for the time that requests take, which makes renewals a little rarer.
func around(n int) [2]int { return [2]int{n - n/20 - 1, n + 2} }

// A day of one worker with four partitions, receives by its loops every thirty seconds included.
func TestIdleDay(t *testing.T) {
	t.Parallel()
	for mode, limit := range map[kind]int{{Safe, GoFleet}: 65_000, {Legacy, GoFleet}: 65_000, {Table, GoFleet}: 27_000, {Mode: Safe}: 65_000} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const receives = (4 + 1) * 24 * 60 * 2
				h, g := newFakeHub(), newLedger(t)
				w := newTestWorker(t, h, g, "w", withMode(mode)).start()
				eventually(t, time.Second, "owns 4", func() bool { return w.owned() == 4 })
				const part = 6 // of a day
				sum := receives
				calls := measure(h, 24*time.Hour/part)
				for op := range calls {
					calls[op] *= part
					sum += calls[op]
				}
				t.Logf("%d calls and %d receives: %v", sum-receives, receives, calls)
				if sum > limit {
					t.Errorf("%d calls a day, at most %d", sum, limit)
				}
				w.shutdown()
			})
		})
	}
}

func pick(mode kind, safe, legacy, table int) int { return [...]int{safe, legacy, table}[mode.Mode] }

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
		a := newTestWorker(t, h, g, "a", withMode(kind{Mode: Table}), withPartitions(8)).start()
		b := newTestWorker(t, h, g, "b", withMode(kind{Mode: Table}), withPartitions(8)).start()
		eventually(t, 90*time.Second, "balanced", func() bool { return a.owned() == 4 && b.owned() == 4 })
		b.kill() // its partitions come to a one by one
		eventually(t, time.Minute, "a owns all", func() bool { return a.owned() == 8 })
		time.Sleep(3 * time.Minute)
		calls := measure(h, time.Hour)
		expect(t, calls, map[string][2]int{"table.replace": {238, 245}, "table.query": {0, 14}, "app.renew": {140, 145}})
		a.shutdown()
	})
}
