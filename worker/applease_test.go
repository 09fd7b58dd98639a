package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// TestBrokenAppLease: somebody breaks the app lease by hand, and another application takes it, while instances have work of
// every kind under way. The worker leaves nothing that only it knows, and stays outside; when the other one has gone, it comes
// back and all ends well.
func TestBrokenAppLease(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testBrokenAppLease(t, fleet) })
		})
	}
}

func testBrokenAppLease(t *testing.T, fleet worker.Fleet) {
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Broken", Account: account, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	gate := make(chan struct{})
	w := startWorker(t, hub, worker.Config{Fleet: fleet, ActivityGrace: 50 * time.Millisecond}, busyWork(gate)...)
	var ids []string
	for range 4 {
		ids = append(ids, start(t, hub, "BusyParent", ""))
	}
	for _, id := range ids {
		eventually(t, "it runs", statusIs(t, hub, id, history.Running))
	}

	release := breakAppLease(t, hub)
	eventually(t, "the worker gives its partitions up", func() bool { return owned(w) == 0 })
	if left, err := hub.Tables().LocalWork(t.Context(), 10); err != nil || len(left) > 0 {
		t.Errorf("only the worker knows of %v, %v", left, err)
	}
	for range 20 {
		time.Sleep(15 * time.Second)
		if n := owned(w); n > 0 {
			t.Fatalf("the worker owns %d partitions beside another application", n)
		}
	}
	release()
	eventually(t, "the worker comes back", func() bool { return owned(w) == hub.Partitions() })
	close(gate)
	for _, id := range ids {
		if err := hub.Client().RaiseEvent(t.Context(), id, "Go", 1); err != nil {
			t.Fatal(err)
		}
		expect(t, wait(t, hub, id), history.Completed, "3")
	}
}

// breakAppLease breaks the lease whoever holds it, and keeps it as an application of .NET would, until release is called.
func breakAppLease(t *testing.T, hub *taskhub.Hub) (release func()) {
	t.Helper()
	const seconds = 60
	id, now := "12345678-0000-0000-0000-000000000000", int32(0)
	container := hub.Account().BlobService().NewContainerClient(hub.Names().AppLeaseContainer())
	intruder, err := lease.NewContainerClient(container, &lease.ContainerClientOptions{LeaseID: &id})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := intruder.BreakLease(t.Context(), &lease.ContainerBreakOptions{BreakPeriod: &now}); err != nil {
		t.Fatal(err)
	}
	if _, err := intruder.AcquireLease(t.Context(), seconds, nil); err != nil {
		t.Fatal(err)
	}
	gone, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(seconds / 3 * time.Second); ; {
			select {
			case <-tick.C:
				if _, err := intruder.RenewLease(t.Context(), nil); err != nil {
					t.Errorf("the other application was put out: %v", err)
				}
			case <-gone:
				return
			}
		}
	}()
	return func() {
		close(gone)
		<-done
		if _, err := intruder.ReleaseLease(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
}
