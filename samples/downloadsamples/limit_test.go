package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/github"
	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// The GitHub of these tests allows 20 requests in five seconds.
const (
	allowed = 20
	span    = 5 * time.Second
)

// downloads runs two downloads on two workers, and returns how many requests were refused.
func downloads(t *testing.T, limited bool) (refused int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	address, server := serve(t, githubfake.Config{Repositories: 25, Limit: allowed, Window: span})
	client, stop, err := github.Open(ctx, address, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	db := open(t, ":memory:")
	name, conn := testkit.Hub(t), testkit.Conn(t)
	var hubs []*taskhub.Hub
	for range 2 {
		hub, err := taskhub.Open(ctx, taskhub.Config{Name: name, Connection: conn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hub.Close() })
		w, err := worker.New(hub, worker.Config{MaxPoll: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Register(bind(client, db)...); err != nil {
			t.Fatal(err)
		}
		if err := w.Start(ctx); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stopWorker(w) })
		hubs = append(hubs, hub)
	}
	limit := durable.RateLimit{Name: "github", Count: allowed, Per: span}
	if !limited {
		limit.Count = 1_000_000
	}
	if _, err := hubs[0].Client().SetLimit(ctx, limit); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			instance, err := MainDownload.Start(ctx, hubs[i].Client(), fmt.Sprint("acme", i), durable.WithInstanceID(fmt.Sprint("download", i)))
			if err == nil {
				_, err = instance.Wait(ctx)
			}
			if err != nil && limited {
				t.Errorf("download %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	_, refused = server.Requests()
	return refused
}

// TestLimit: two downloads on two workers never ask GitHub for more than it allows.
func TestLimit(t *testing.T) {
	t.Parallel()
	if refused := downloads(t, true); refused != 0 {
		t.Errorf("GitHub has refused %d requests", refused)
	}
}

// TestWithoutLimit: without the limit they do.
func TestWithoutLimit(t *testing.T) {
	t.Parallel()
	if refused := downloads(t, false); refused == 0 {
		t.Error("GitHub has refused nothing: what the other test shows means nothing")
	}
}

// TestDaily: the schedule ticks at seven every morning.
func TestDaily(t *testing.T) {
	t.Parallel()
	spec, err := daily("acme").Spec(nil)
	if err != nil {
		t.Fatal(err)
	}
	ticks, err := taskhub.PreviewSchedule(spec, time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC), 2)
	want := []time.Time{time.Date(2026, 6, 2, 7, 0, 0, 0, time.UTC), time.Date(2026, 6, 3, 7, 0, 0, 0, time.UTC)}
	if err != nil || !slices.EqualFunc(ticks, want, time.Time.Equal) {
		t.Errorf("ticks %v, %v", ticks, err)
	}
}
