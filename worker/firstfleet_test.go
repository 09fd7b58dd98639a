package worker_test

import (
	"testing"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// TestFirstFleet: a new hub becomes a Go fleet's unless its first worker says otherwise; one that was used before fleets were known
// stays open to .NET workers.
func TestFirstFleet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		prepare    func(*testing.T, *taskhub.Hub)
		configured worker.Fleet
		want       worker.Fleet
	}{
		{name: "new", want: worker.FleetGo},
		{name: "mixed wanted", configured: worker.FleetMixed, want: worker.FleetMixed},
		{name: "used before", prepare: useWithoutFleet, want: worker.FleetMixed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			if c.prepare != nil {
				c.prepare(t, hub)
			}
			w, err := worker.New(hub, worker.Config{Fleet: c.configured})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Start(within(t, patience)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { stopWorker(t, w) })
			if got, err := hub.Fleet(within(t, patience)); err != nil || got != c.want {
				t.Errorf("the hub is a %q fleet's, %v; want %q", got, err, c.want)
			}
		})
	}
}

// useWithoutFleet leaves a hub as a worker leaves it that knows of no fleets: with a history, and without the table of the active list.
func useWithoutFleet(t *testing.T, hub *taskhub.Hub) {
	t.Helper()
	w := startWorker(t, hub, worker.Config{Fleet: worker.FleetMixed}, twins()...)
	expect(t, wait(t, hub, start(t, hub, "Empty", `"x"`)), history.Completed, `"done x"`)
	stopWorker(t, w)
	if _, err := hub.TrackingAccount().Tables().DeleteTable(within(t, patience), hub.Names().ActiveTable(), nil); err != nil {
		t.Fatal(err)
	}
}
