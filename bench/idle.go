package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// watchIdle counts the calls of workers that have nothing to do, with n instances that wait.
func watchIdle(ctx context.Context, o options, hub *taskhub.Hub, read func() (counts, error)) (*result, error) {
	heap := heapInUse()
	if err := startWaiting(ctx, o, hub); err != nil {
		return nil, err
	}
	if err := pause(ctx, o.settle); err != nil {
		return nil, err
	}
	grown := heapInUse() - heap
	before, err := begin(ctx, o, read)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := pause(ctx, o.seconds); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := read()
	if err != nil {
		return nil, err
	}
	c := after.sub(before)
	r := o.result(took, c)
	r.CallsPerDay = float64(c.total()) / took.Seconds() * (24 * time.Hour).Seconds()
	r.USDPerMillion = 0
	if o.n > 0 && o.workers == 1 && !strings.HasPrefix(o.conn, defaultConn) {
		r.HeapPerInstance = float64(grown) / float64(o.n)
	}
	return r, nil
}

// heapInUse returns the bytes that are reachable, after collecting what is not.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// startWaiting starts the instances and returns when each has reached its wait.
func startWaiting(ctx context.Context, o options, hub *taskhub.Hub) error {
	what := waiter
	if o.workload == local {
		what = localWaiter
	}
	var next atomic.Int64
	errs := make([]error, o.concurrency)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil && next.Add(1) <= int64(o.n) {
				_, errs[i] = what.Start(ctx, hub.Client(), durable.Void{})
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("starting the instances that wait: %w", err)
	}
	for {
		byStatus, err := hub.Client().Count(ctx, taskhub.Query{Statuses: []history.Status{history.Running}})
		if err != nil {
			return err
		}
		if byStatus[history.Running] >= o.n {
			break
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return triggersGone(ctx, hub)
}

// triggersGone waits until no message is left by which the instances were started. Where something is local they are kept
// until a row on the active list has taken their place.
func triggersGone(ctx context.Context, hub *taskhub.Hub) error {
	for i := 0; i < hub.Partitions(); {
		left, err := hub.Queues().Control(i).ApproximateCount(ctx)
		if err != nil {
			return err
		}
		if left == 0 {
			i++
		} else if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
