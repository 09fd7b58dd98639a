package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/taskhub"
)

// result is what one run prints. Fields that a workload has no use for are 0.
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
	Bytes                 int64            `json:"bytes"`      // bodies, sent and received
	AllocBytes            uint64           `json:"allocBytes"` // memory that the processes of the run allocated
	Bad                   int              `json:"bad"`

	// USDPerMillion is the list price of the calls of a million such orchestrations, see price.go.
	USDPerMillion float64 `json:"usdPerMillion,omitempty"`
	// CallsPerDay and HeapPerInstance are of idle: the calls of a day, and what an instance that waits takes of the
	// worker's heap. The latter only where the storage is another process and the worker is not.
	CallsPerDay     float64 `json:"callsPerDay,omitempty"`
	HeapPerInstance float64 `json:"heapBytesPerInstance,omitempty"`
}

// measure runs the workload on its hub, prints the result, and tidies up.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	stopStorage, err := o.shareStorage(ctx)
	if err != nil {
		return err
	}
	defer stopStorage()
	hub, err := taskhub.Create(ctx, taskhub.Config{Name: o.hub, Connection: o.conn, Partitions: o.partitions, LeaseMode: o.mode})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	if o.fresh {
		defer func() { err = errors.Join(err, deleteHub(ctx, hub)) }()
	}
	stop, read, err := startWorkers(ctx, o, hub)
	if err != nil {
		return err
	}
	defer stop()
	watch := watchWork
	if watched(o.workload) {
		watch = watchIdle
	}
	r, err := watch(ctx, o, hub, read)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return err
	}
	if r.Bad > 0 {
		return fmt.Errorf("%d of %d orchestrations did not end as they should", r.Bad, o.n)
	}
	return nil
}

func deleteHub(ctx context.Context, hub *taskhub.Hub) error {
	const limit = time.Minute
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return hub.Delete(ctx)
}

func watchWork(ctx context.Context, o options, hub *taskhub.Hub, read func() (counts, error)) (*result, error) {
	if err := workloads[o.workload](ctx, hub.Client(), min(o.input, 1)); err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	before, err := begin(ctx, o, read)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	latencies, bad := drive(ctx, o, hub)
	took := time.Since(began)
	after, err := read()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := o.result(took, after.sub(before))
	r.latencies(latencies)
	r.PerSecond, r.Bad = float64(o.n)/took.Seconds(), bad
	return r, nil
}

// begin reads the counters for the first time, and tells whoever counts elsewhere.
func begin(ctx context.Context, o options, read func() (counts, error)) (counts, error) {
	if o.mark != "" {
		if err := post(ctx, o.mark); err != nil {
			return counts{}, fmt.Errorf("--mark: %w", err)
		}
	}
	return read()
}

func post(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		err = errors.New(res.Status)
	}
	return errors.Join(err, res.Body.Close())
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
					const shown = 3
					if bad.Add(1) <= shown {
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

func (o *options) result(took time.Duration, c counts) *result {
	r := &result{Workload: o.workload, Fleet: o.fleet, Workers: o.workers, Seconds: took.Seconds(),
		CallsByOperation: c.Calls, Bytes: c.Bytes, AllocBytes: c.Alloc}
	if o.n > 0 {
		r.CallsPerOrchestration = float64(c.total()) / float64(o.n)
		r.USDPerMillion = usd(c.Calls) / float64(o.n) * 1e6
	}
	return r
}

func (r *result) latencies(all []time.Duration) {
	slices.Sort(all)
	at := func(q float64) float64 {
		return float64(all[min(int(q*float64(len(all))), len(all)-1)].Microseconds()) / 1000
	}
	r.P50ms, r.P95ms, r.P99ms = at(.5), at(.95), at(.99)
}
