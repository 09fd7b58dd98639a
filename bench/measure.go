package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// result is what one run prints.
type result struct {
	Workload string `json:"workload"`
	Fleet    string `json:"fleet"`
	Workers  int    `json:"workers"`

	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
	P50ms     float64 `json:"p50ms"`
	P95ms     float64 `json:"p95ms"`
	P99ms     float64 `json:"p99ms"`

	CallsPerOrchestration float64          `json:"callsPerOrchestration"`
	CallsByOperation      map[string]int64 `json:"callsByOperation"`
	Bytes                 int64            `json:"bytes"`
	AllocBytes            uint64           `json:"allocBytes"`
	Bad                   int              `json:"bad"`
}

func measure(ctx context.Context, o options) (*result, error) {
	hub, err := taskhub.Create(ctx, taskhub.Config{Name: o.hub, Connection: o.conn, Partitions: o.partitions})
	if err != nil {
		return nil, err
	}
	defer func() { _ = hub.Close() }()
	defer func() { _ = hub.Delete(context.WithoutCancel(ctx)) }()
	stop, counts, err := startWorkers(ctx, o, hub)
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := workloads[o.workload](ctx, hub.Client(), 1); err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	before, err := counts()
	if err != nil {
		return nil, err
	}
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	began := time.Now()
	latencies, bad := drive(ctx, o, hub)
	took := time.Since(began)
	runtime.ReadMemStats(&m1)
	after, err := counts()
	if err != nil {
		return nil, err
	}
	return report(o, took, latencies, bad, after.sub(before), m1.TotalAlloc-m0.TotalAlloc), nil
}

// drive keeps the wanted number of orchestrations in flight until all have run.
func drive(ctx context.Context, o options, hub *taskhub.Hub) ([]time.Duration, int) {
	var next, bad atomic.Int64
	latencies := make([]time.Duration, o.n)
	var wg sync.WaitGroup
	for range min(o.concurrency, o.n) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(o.n); i = next.Add(1) - 1 {
				began := time.Now()
				if err := workloads[o.workload](ctx, hub.Client(), o.input); err != nil {
					if bad.Add(1) <= 3 {
						fmt.Fprintln(os.Stderr, "bench:", err)
					}
				}
				latencies[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	return latencies, int(bad.Load())
}

func report(o options, took time.Duration, latencies []time.Duration, bad int, c counts, alloc uint64) *result {
	slices.Sort(latencies)
	at := func(q float64) float64 {
		return float64(latencies[min(int(q*float64(len(latencies))), len(latencies)-1)].Microseconds()) / 1000
	}
	return &result{
		Workload: o.workload, Fleet: o.fleet, Workers: o.workers,
		Seconds: took.Seconds(), PerSecond: float64(o.n) / took.Seconds(), P50ms: at(.5), P95ms: at(.95), P99ms: at(.99),
		CallsPerOrchestration: float64(c.total()) / float64(o.n), CallsByOperation: c.Calls, Bytes: c.Bytes, AllocBytes: alloc, Bad: bad,
	}
}

// startWorker runs a worker in this process.
func startWorker(ctx context.Context, hub *taskhub.Hub) (*worker.Worker, error) {
	w, err := worker.New(hub, worker.Config{})
	if err != nil {
		return nil, err
	}
	if err := w.Register(programs.Orchestrators()...); err != nil {
		return nil, err
	}
	if err := w.Register(programs.Activities()...); err != nil {
		return nil, err
	}
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	return w, w.WaitReady(ctx)
}
