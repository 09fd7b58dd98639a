package taskhub

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
)

// calls counts the requests that something makes, by operation.
func calls(t *testing.T, h *Hub, do func()) map[string]int64 {
	t.Helper()
	before := h.Account().Counts()
	do()
	return operations(h.Account().Counts().Sub(before))
}

func operations(counts storage.Counts) map[string]int64 {
	made := make(map[string]int64)
	for name, n := range counts.Calls {
		if n != 0 {
			made[name] = n
		}
	}
	return made
}

func sameCalls(t *testing.T, what string, got, want map[string]int64) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s takes %v, want %v", what, got, want)
	}
}

// batch makes requests for n starts whose ids begin alike.
func batch(prefix string, n int) []durable.StartRequest {
	requests := make([]durable.StartRequest, n)
	for i := range requests {
		requests[i] = durable.StartRequest{Name: "Checkout", InstanceID: fmt.Sprintf("%s-%05d", prefix, i)}
	}
	return requests
}

func mustStartAll(t *testing.T, h *Hub, requests []durable.StartRequest) {
	t.Helper()
	for i, result := range h.Client().StartBatch(t.Context(), requests) {
		if result.Err != nil {
			t.Fatalf("start %d: %v", i, result.Err)
		}
	}
}

// TestCalls is the price list of the client.
func TestCalls(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	sameCalls(t, "a start", calls(t, h, func() { mustStart(t, h, durable.StartRequest{}) }),
		map[string]int64{"queue.put": 1, "table.insert": 1})
	sameCalls(t, "a start with an id", calls(t, h, func() { mustStart(t, h, durable.StartRequest{InstanceID: "own"}) }),
		map[string]int64{"table.get": 1, "queue.put": 1, "table.insert": 1})
	sameCalls(t, "a start with a first event", calls(t, h, func() { mustStart(t, h, durable.StartRequest{}, WithFirstEvent("e", 1)) }),
		map[string]int64{"queue.put": 2, "table.insert": 1})
	setStatus(t, h, "own", history.Completed, "1")
	sameCalls(t, "a start over a finished instance", calls(t, h, func() { mustStart(t, h, durable.StartRequest{InstanceID: "own"}) }),
		map[string]int64{"table.get": 1, "queue.put": 1, "table.replace": 1})
	sameCalls(t, "a batch of starts", calls(t, h, func() { mustStartAll(t, h, batch("b", 100)) }),
		map[string]int64{"table.query": 1, "queue.put": 100, "table.insert": 100})
	sameCalls(t, "raising an event", calls(t, h, func() {
		if err := c.RaiseEvent(t.Context(), "own", "e", 1); err != nil {
			t.Error(err)
		}
	}), map[string]int64{"table.get": 1, "queue.put": 1})
	setStatus(t, h, "own", history.Completed, "1")
	h.Notify("own")
	sameCalls(t, "waiting for what has ended", calls(t, h, func() {
		if _, err := c.WaitForCompletion(t.Context(), "own", ""); err != nil {
			t.Error(err)
		}
	}), map[string]int64{"table.get": 1})
	for i := range 60 {
		ran(t, h, fmt.Sprintf("b-%05d", i), history.Completed, "1", nil)
	}
	sameCalls(t, "purging one", calls(t, h, func() {
		if _, err := c.Purge(t.Context(), "b-00000"); err != nil {
			t.Error(err)
		}
	}), map[string]int64{"table.get": 1, "table.query": 1, "table.batch": 1, "blob.list": 1, "table.delete": 1})
	sameCalls(t, "purging many", calls(t, h, func() {
		if progress, err := c.PurgeAll(t.Context(), PurgeFilter{IDPrefix: "b-"}); err != nil || progress.Instances != 59 {
			t.Error(progress, err)
		}
	}), map[string]int64{"table.query": 2, "table.batch": 59, "blob.list": 1, "table.delete": 59})
}

// TestManyWaiters has many wait at a time, and few requests made for them.
func TestManyWaiters(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	const many = 1500
	requests := batch("w", many)
	requests[0].Input = history.String(strings.Repeat("x", 50_000)) // its output, too, goes to a blob
	mustStartAll(t, h, requests)
	outcomes := make(chan string, many)
	for _, req := range requests {
		go func() {
			in, err := h.Client().WaitForCompletion(t.Context(), req.InstanceID, "")
			if err != nil {
				outcomes <- err.Error()
				return
			}
			outcomes <- in.Status.String() + *in.Output
		}()
	}
	for _, req := range requests {
		awaitWaiter(t, h, req.InstanceID)
	}
	began := time.Now()
	made := operations(h.Account().Counts())
	time.Sleep(1500 * time.Millisecond)
	spent := operations(h.Account().Counts())["table.query"] - made["table.query"]
	// It begins with looks every 20 ms, of two pages each; many of them would be a page or a look for each of those who wait.
	if perSecond := float64(spent) / time.Since(began).Seconds(); perSecond > 120 {
		t.Errorf("%d wait, and %.0f requests a second are made", many, perSecond)
	}
	var writers sync.WaitGroup
	ids := make(chan string)
	for range 8 {
		writers.Go(func() {
			for id := range ids {
				setStatus(t, h, id, history.Completed, strings.Repeat("y", 40_000*(1-min(1, len(strings.TrimLeft(id, "w-0"))))))
			}
		})
	}
	for _, req := range requests {
		ids <- req.InstanceID
	}
	close(ids)
	writers.Wait()
	for range many {
		if outcome := <-outcomes; strings.TrimRight(outcome, "y") != "Completed" {
			t.Fatal(outcome)
		}
	}
}
