package storage_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/storage"
)

// TestObserve: each request is reported once, until the observer is cancelled, with what came of it.
func TestObserve(t *testing.T) {
	t.Parallel()
	account, err := storage.Open(storage.Config{ConnectionString: "embedded:"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = account.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	calls := make(chan storage.Call, 8)
	stop := account.Observe(func(c storage.Call) { calls <- c })
	also := account.Observe(func(storage.Call) {})
	if _, err := account.Queues().NewQueueClient("orders").Create(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := account.Queues().NewQueueClient("missing").DequeueMessage(ctx, nil); err == nil {
		t.Fatal("there is a queue")
	}
	also()
	stop()
	if _, err := account.Queues().NewQueueClient("orders").Delete(ctx, nil); err != nil {
		t.Fatal(err)
	}
	close(calls)
	var got []storage.Call
	for c := range calls {
		if c.Took < 0 || c.Took > time.Minute {
			t.Errorf("%s took %v", c.Operation, c.Took)
		}
		c.Took = 0
		got = append(got, c)
	}
	want := []storage.Call{
		{Service: "queue", Operation: "queue.create-queue", Status: http.StatusCreated},
		{Service: "queue", Operation: "queue.get", Status: http.StatusNotFound},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestPaces: while no service throttles there is no limit, and all three are named.
func TestPaces(t *testing.T) {
	t.Parallel()
	account, err := storage.Open(storage.Config{ConnectionString: "embedded:"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = account.Close() }()
	names := map[string]bool{}
	for _, p := range account.Paces() {
		names[p.Service] = p == storage.Pace{Service: p.Service}
	}
	if len(names) != 3 || !names["blob"] || !names["queue"] || !names["table"] {
		t.Errorf("got %v", names)
	}
}
