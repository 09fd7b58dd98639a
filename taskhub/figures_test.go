package taskhub

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
)

// The tests here measure. They run when TASKHUB_FULL is set, as they need a machine with nothing else to do; what they
// rest on, how many requests each operation takes, is checked always, by calls_test.go.

func figures(t *testing.T) {
	t.Helper()
	if os.Getenv("TASKHUB_FULL") == "" {
		t.Skip("TASKHUB_FULL is not set: measuring takes some minutes")
	}
}

// latencies are what a request takes at least: nothing but what the emulator needs, and what a real account needs.
var latencies = []time.Duration{0, 5 * time.Millisecond}

// remote is a transport to a service that is some way off.
type remote struct {
	http  http.Transport
	delay time.Duration
}

func (r *remote) Do(req *http.Request) (*http.Response, error) {
	if r.delay > 0 {
		time.Sleep(r.delay)
	}
	return r.http.RoundTrip(req)
}

// remoteHub makes a hub whose requests take some time.
func remoteHub(t *testing.T, delay time.Duration) *Hub {
	t.Helper()
	transport := &remote{delay: delay, http: http.Transport{MaxIdleConnsPerHost: 256}}
	account := testkit.Open(t, storage.Config{Transport: transport})
	t.Cleanup(transport.http.CloseIdleConnections)
	h := openHub(t, Config{Name: testkit.Hub(t), Account: account})
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// perSecond measures how many of n things are done in a second.
func perSecond(n int, do func()) float64 {
	began := time.Now()
	do()
	return float64(n) / time.Since(began).Seconds()
}

func TestBatchStartFigures(t *testing.T) {
	figures(t)
	for _, delay := range latencies {
		for _, own := range []bool{true, false} {
			h := remoteHub(t, delay)
			requests := func(prefix string, n int) []durable.StartRequest {
				all := make([]durable.StartRequest, n)
				for i := range all {
					all[i].Name = "Checkout"
					if own {
						all[i].InstanceID = fmt.Sprintf("%s-%05d", prefix, i)
					}
				}
				return all
			}
			single := func(prefix string, n int) float64 {
				return perSecond(n, func() {
					for _, req := range requests(prefix, n) {
						if _, err := h.Client().Start(t.Context(), req); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
			batch := func(prefix string, n int) float64 {
				return perSecond(n, func() {
					for _, result := range h.Client().StartBatch(t.Context(), requests(prefix, n)) {
						if result.Err != nil {
							t.Fatal(result.Err)
						}
					}
				})
			}
			single("warm", 100)
			batch("hot", 100)
			one, many := single("one", 1000), batch("many", 1000)
			t.Logf("latency %v, ids given %v: one by one %.0f/s, in a batch %.0f/s: %.1f times", delay, own, one, many, many/one)
		}
	}
}

// finish writes finished instances as a worker leaves them: two episodes with an activity.
func finish(t *testing.T, h *Hub, prefix string, n int) {
	t.Helper()
	ids := make(chan string)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for id := range ids {
				ran(t, h, id, history.Completed, `"ok"`, []tables.Record{event(&history.TaskScheduled{Name: "Charge"}, 0)},
					[]tables.Record{event(&history.TaskCompleted{Result: history.String(`"ok"`)}, -1), event(&history.ExecutionCompleted{Status: history.Completed, Result: history.String(`"ok"`)}, 1)})
			}
		})
	}
	for i := range n {
		ids <- fmt.Sprintf("%s-%05d", prefix, i)
	}
	close(ids)
	writers.Wait()
}

func TestBulkPurgeFigures(t *testing.T) {
	figures(t)
	for _, delay := range latencies {
		h := remoteHub(t, delay)
		const some, many = 500, 10_000
		finish(t, h, "one", some)
		finish(t, h, "many", many)
		one := perSecond(some, func() {
			for i := range some {
				if result, err := h.Client().Purge(t.Context(), fmt.Sprintf("one-%05d", i)); err != nil || result.Instances != 1 {
					t.Fatal(result, err)
				}
			}
		})
		before := h.Account().Counts()
		bulk := perSecond(many, func() {
			if progress, err := h.Client().PurgeAll(t.Context(), PurgeFilter{}); err != nil || progress.Instances != many {
				t.Fatal(progress, err)
			}
		})
		t.Logf("latency %v: one by one %.0f/s, in bulk %.0f/s: %.1f times; %d requests", delay, one, bulk, bulk/one, h.Account().Counts().Sub(before).Total())
	}
}

// pending writes status rows as clients leave them.
func pending(t *testing.T, h *Hub, n int) {
	t.Helper()
	input := history.String(strings.Repeat("x", 500))
	rows := make(chan int)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for i := range rows {
				at := now()
				_, err := h.Tables().InsertInstance(t.Context(), &tables.InstanceRow{
					InstanceID: fmt.Sprintf("%08x-%06d", uint32(i)*2654435761, i), ExecutionID: newID(), Name: "Checkout", Version: history.String(""), Input: input,
					CreatedTime: at, LastUpdatedTime: at, Status: history.Pending, Hub: h.Name(), HasGeneration: true,
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		rows <- i
	}
	close(rows)
	writers.Wait()
}

// rawPaging reads all rows with the SDK, as a program without this module would.
func rawPaging(t *testing.T, h *Hub) int {
	t.Helper()
	filter := "RowKey eq ''"
	columns := "PartitionKey,RowKey,ExecutionId,Name,Version,CustomStatus,CreatedTime,LastUpdatedTime,CompletedTime,RuntimeStatus,TaskHubName,ScheduledStartTime,Generation,Tags"
	pager := h.Account().Tables().NewClient(h.Names().InstancesTable()).NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns})
	n := 0
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Entities)
	}
	return n
}

func TestListingFigures(t *testing.T) {
	figures(t)
	const many = 100_000
	for _, delay := range latencies {
		h := remoteHub(t, delay)
		c := h.Client()
		pending(t, h, many)
		count := func(q Query) int {
			n := 0
			for _, err := range c.Query(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			return n
		}
		check := func(what string, n int) {
			if n != many {
				t.Errorf("%s gives %d", what, n)
			}
		}
		check("raw paging", rawPaging(t, h))
		raw := perSecond(many, func() { check("raw paging", rawPaging(t, h)) })
		var memory uint64
		one := perSecond(many, func() { memory = heapDuring(func() { check("a query", count(Query{})) }) })
		several := perSecond(many, func() { check("a parallel query", count(Query{Readers: 8})) })
		before := h.Account().Counts()
		counted := perSecond(many, func() {
			counts, err := c.Count(t.Context(), Query{})
			if err != nil {
				t.Fatal(err)
			}
			check("counting", counts[history.Pending])
		})
		t.Logf("latency %v: raw paging %.0f/s, a query %.0f/s (%.2f), with 8 readers %.0f/s (%.1f times), counting %.0f/s and %d bytes each; the heap grows by %d MiB",
			delay, raw, one, one/raw, several, several/one, counted, h.Account().Counts().Sub(before).BytesReceived/many, memory>>20)
	}
}

// heapDuring returns by how much the heap in use grows while something runs.
func heapDuring(do func()) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	do()
	close(stop)
	<-done
	return most - before
}

// TestManyWaitersFigures has 10,000 wait, once for neighbours and once for instances scattered among others.
func TestManyWaitersFigures(t *testing.T) {
	figures(t)
	h := remoteHub(t, 0)
	const many = 10_000
	pending(t, h, 5*many)
	var ids []string
	for i, err := range h.Client().Query(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, i.InstanceID)
	}
	for _, step := range []int{1, 5} {
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for i := range many {
			waiting.Go(func() { _, _ = h.Client().WaitForCompletion(ctx, ids[i*step], "") })
		}
		for i := range many {
			awaitWaiter(t, h, ids[i*step])
		}
		settle := time.Now().Add(10 * time.Second)
		for time.Now().Before(settle) {
			time.Sleep(time.Second)
		}
		before := h.Account().Counts()
		time.Sleep(20 * time.Second)
		made := h.Account().Counts().Sub(before).Total()
		t.Logf("%d wait, every %d. of the instances: %.1f requests a second", many, step, float64(made)/20)
		cancel()
		waiting.Wait()
	}
}
