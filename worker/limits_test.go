package worker_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// full says whether figures are measured.
func full() bool { return os.Getenv("TASKHUB_FULL") != "" }

// most counts how many are inside at a time.
type most struct{ now, peak atomic.Int64 }

func (m *most) enter() {
	n := m.now.Add(1)
	for {
		peak := m.peak.Load()
		if n <= peak || m.peak.CompareAndSwap(peak, n) {
			return
		}
	}
}

func (m *most) leave() { m.now.Add(-1) }

// TestLimits: no more orchestrations are advanced and no more activities run at a time than the worker was told.
func TestLimits(t *testing.T) {
	t.Parallel()
	var episodes, running most
	step := durable.NewActivity("Step", func(context.Context, int) (int, error) {
		running.enter()
		defer running.leave()
		time.Sleep(20 * time.Millisecond) // the activity's own work
		return 1, nil
	})
	wide := durable.NewOrchestrator("Wide", func(ctx *durable.Context, n int) (int, error) {
		episodes.enter()
		time.Sleep(20 * time.Millisecond) // an orchestrator that computes
		episodes.leave()
		tasks := make([]*durable.Task[int], n)
		for i := range tasks {
			tasks[i] = step.Call(ctx, i)
		}
		done, err := durable.WhenAll(tasks)
		return len(done), err
	})
	hub := newHub(t)
	w := startWorker(t, hub, worker.Config{MaxOrchestrations: 2, MaxActivities: 3}, wide, step)
	var wg sync.WaitGroup
	for range 8 {
		id := start(t, hub, "Wide", "4")
		wg.Go(func() { expect(t, wait(t, hub, id), history.Completed, "4") })
	}
	wg.Wait()
	if n := episodes.peak.Load(); n > 2 {
		t.Errorf("%d orchestrations were advanced at a time, 2 are allowed", n)
	}
	if n := running.peak.Load(); n > 3 {
		t.Errorf("%d activities ran at a time, 3 are allowed", n)
	}
	if h := w.Health(); h.Orchestrations.Limit != 2 || h.Activities.Limit != 3 {
		t.Errorf("health shows the limits %+v and %+v", h.Orchestrations, h.Activities)
	}
}

// TestTimedOutAttemptIsRetried: the next attempt of a retry policy finds what the heartbeat of the one before has said, in
// both styles of failures; the limit is the definition's, the call's, or the worker's.
func TestTimedOutAttemptIsRetried(t *testing.T) {
	t.Parallel()
	limits := map[string]struct {
		definition []durable.ActivityDefinitionOption
		call       []durable.ActivityOption
		worker     worker.Config
		style      durable.ErrorStyle
	}{
		"definition":  {definition: []durable.ActivityDefinitionOption{durable.WithStartToClose(500 * time.Millisecond)}},
		"call":        {call: []durable.ActivityOption{durable.WithStartToClose(500 * time.Millisecond)}},
		"worker":      {worker: worker.Config{ActivityTimeout: 500 * time.Millisecond}},
		"heartbeat":   {worker: worker.Config{ActivityHeartbeatTimeout: 500 * time.Millisecond}},
		"exceptions":  {worker: worker.Config{ActivityTimeout: 500 * time.Millisecond}, style: durable.SerializedExceptions},
		"call's beat": {call: []durable.ActivityOption{durable.WithHeartbeatTimeout(500 * time.Millisecond)}},
	}
	for name, c := range limits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count := durable.NewActivity("Count", func(ctx context.Context, _ durable.Void) (int, error) {
				from, found, err := durable.HeartbeatDetails[int](ctx)
				if err != nil || found {
					return from, err
				}
				if err := durable.Heartbeat(ctx, 41); err != nil {
					return 0, err
				}
				<-ctx.Done()
				var why *durable.ActivityTimeoutError
				if !errors.As(context.Cause(ctx), &why) || !errors.Is(durable.Heartbeat(ctx, 99), durable.ErrTimeout) {
					return 0, durable.Permanent(errors.New("the cause is not the time-out"))
				}
				return 0, ctx.Err()
			}, c.definition...)
			opts := append(slices.Clone(c.call), durable.WithRetry(durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Millisecond}))
			o := durable.NewOrchestrator("Resume", func(ctx *durable.Context, _ durable.Void) (int, error) {
				return count.Call(ctx, durable.Void{}, opts...).Await()
			})
			hub := newHub(t, func(h *taskhub.Config) { h.ErrorStyle = c.style })
			startWorker(t, hub, c.worker, o, count)
			expect(t, wait(t, hub, start(t, hub, "Resume", "")), history.Completed, "41")
		})
	}
}

// TestTerminateCancelsActivities: an activity learns soon that nobody wants its result any more, in the worker that owns
// the instance and in another one.
func TestTerminateCancelsActivities(t *testing.T) {
	t.Parallel()
	for name, elsewhere := range map[string]bool{"same worker": false, "another worker": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started, causes := make(chan struct{}, 1), make(chan error, 1)
			hang := durable.NewActivity("Hang", func(ctx context.Context, _ durable.Void) (int, error) {
				started <- struct{}{}
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return 0, ctx.Err()
			})
			o := durable.NewOrchestrator("Hangs", func(ctx *durable.Context, _ durable.Void) (int, error) {
				return hang.Call(ctx, durable.Void{}).Await()
			})
			hub := newHub(t, func(c *taskhub.Config) { c.Partitions = 1 })
			if elsewhere {
				owner := startWorker(t, hub, worker.Config{ID: "owner"}, o)
				eventually(t, "it owns the partition", func() bool { return owner.Health().Partitions[0].State == "held" })
				second := hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() })
				startWorker(t, second, worker.Config{ID: "runner", ActivityGrace: time.Millisecond}, hang)
			} else {
				startWorker(t, hub, worker.Config{ActivityGrace: time.Millisecond}, o, hang)
			}
			id := start(t, hub, "Hangs", "")
			<-started
			if err := hub.Client().Terminate(within(t, patience), id, "enough"); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-causes:
				if !errors.Is(err, durable.ErrTerminated) {
					t.Errorf("the cause is %v", err)
				}
			case <-time.After(patience):
				t.Fatal("the activity was not cancelled")
			}
			expect(t, wait(t, hub, id), history.Terminated, "enough")
			eventually(t, "the work item is gone", func() bool {
				n, err := hub.Queues().WorkItems().ApproximateCount(within(t, patience))
				return err == nil && n == 0
			})
		})
	}
}

// TestIdleStopIsQuick: a worker without work stops at once, and the next one has its partitions within seconds.
func TestIdleStopIsQuick(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	w := startWorker(t, hub, worker.Config{ID: "first", MaxPoll: 5 * time.Second}, twins()...)
	expect(t, wait(t, hub, start(t, hub, "Empty", `"x"`)), history.Completed, `"done x"`)
	began := time.Now()
	stopWorker(t, w)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an idle worker took %v to stop", took)
	}
	startWorker(t, hub, worker.Config{ID: "second"}, twins()...)
	began = time.Now()
	expect(t, wait(t, hub, start(t, hub, "Empty", `"x"`)), history.Completed, `"done x"`)
	t.Log("the next worker's first instance took", time.Since(began))
}

// TestTwoWorkersShareAFanOut measures how much faster two workers run a large fan-out than one, from its first activity
// on. The time until the start is seen depends on how long the owner of its partition had nothing to do.
func TestTwoWorkersShareAFanOut(t *testing.T) {
	if !full() {
		t.Skip("a figure; set TASKHUB_FULL=1")
	}
	const slots, wide, work = 16, 1000, 100 * time.Millisecond
	var began atomic.Pointer[time.Time]
	step := durable.NewActivity("Step", func(context.Context, int) (int, error) {
		now := time.Now()
		began.CompareAndSwap(nil, &now)
		time.Sleep(work)
		return 1, nil
	})
	o := durable.NewOrchestrator("Wide", func(ctx *durable.Context, n int) (int, error) {
		tasks := make([]*durable.Task[int], n)
		for i := range tasks {
			tasks[i] = step.Call(ctx, i)
		}
		done, err := durable.WhenAll(tasks)
		return len(done), err
	})
	hub := newHub(t)
	cfg := worker.Config{MaxActivities: slots, MaxPoll: 5 * time.Second}
	measure := func() time.Duration {
		expect(t, wait(t, hub, start(t, hub, "Wide", strconv.Itoa(slots))), history.Completed, strconv.Itoa(slots))
		time.Sleep(3 * time.Second) // both are at rest: the slower one to notice that there is work counts
		began.Store(nil)
		expect(t, wait(t, hub, start(t, hub, "Wide", strconv.Itoa(wide))), history.Completed, strconv.Itoa(wide))
		return time.Since(*began.Load())
	}
	startWorker(t, hub, cfg, o, step)
	one := measure()
	second := startWorker(t, hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() }), cfg, o, step)
	eventually(t, "they share the partitions", func() bool {
		held := 0
		for _, p := range second.Health().Partitions {
			if p.State == "held" {
				held++
			}
		}
		return held == 2
	})
	two := measure()
	ratio := one.Seconds() / two.Seconds()
	t.Logf("one worker %v, two workers %v: %.2f times as fast", one, two, ratio)
	if ratio < 1.7 {
		t.Errorf("two workers are %.2f times as fast as one, not 1.7", ratio)
	}
}
