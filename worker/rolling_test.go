package worker_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// pulse records when each instance last made progress, and its longest pause.
type pulse struct {
	mu      sync.Mutex
	last    map[string]time.Time
	longest map[string]time.Duration
}

func (p *pulse) beat(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if last, ok := p.last[id]; ok {
		p.longest[id] = max(p.longest[id], now.Sub(last))
	}
	p.last[id] = now
}

func (p *pulse) worst() (worst time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.longest {
		worst = max(worst, d)
	}
	return worst
}

// ticking is an orchestration that makes progress every 100 milliseconds.
func ticking(p *pulse) []durable.Registrable {
	tick := durable.NewActivity("Tick", func(ctx context.Context, _ int) (int, error) {
		p.beat(durable.ActivityInfo(ctx).InstanceID)
		return 1, nil
	})
	ticks := durable.NewOrchestrator("Ticks", func(ctx *durable.Context, n int) (int, error) {
		sum := 0
		for i := range n {
			one, err := tick.Call(ctx, i).Await()
			if err != nil {
				return sum, err
			}
			sum += one
			if err := durable.Sleep(ctx, 100*time.Millisecond); err != nil {
				return sum, err
			}
		}
		return sum, nil
	})
	return []durable.Registrable{tick, ticks}
}

// TestRollingReplacement: three workers are replaced one after another; no instance stands still for long. The bound is
// that of a busy machine unless figures are measured.
func TestRollingReplacement(t *testing.T) {
	t.Parallel()
	p := &pulse{last: map[string]time.Time{}, longest: map[string]time.Duration{}}
	hub := newHub(t)
	begin := func(name string) *worker.Worker {
		own := hubOver(t, testkit.Account(t), func(c *taskhub.Config) { c.Name = hub.Name() })
		w := startWorker(t, own, worker.Config{ID: name, MaxPoll: time.Second}, ticking(p)...)
		if err := w.WaitReady(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		return w
	}
	var workers []*worker.Worker
	for i := range 3 {
		workers = append(workers, begin(fmt.Sprint("old-", i)))
	}
	eventually(t, "each owns a partition", func() bool {
		for _, w := range workers {
			if owned(w) == 0 {
				return false
			}
		}
		return true
	})
	const count, length = 12, 120
	var ids []string
	for range count {
		ids = append(ids, start(t, hub, "Ticks", strconv.Itoa(length)))
	}
	for _, id := range ids {
		eventually(t, "it runs", statusIs(t, hub, id, history.Running))
	}
	for i, w := range workers {
		stopWorker(t, w)
		fresh := begin(fmt.Sprint("new-", i))
		eventually(t, "the new one owns a partition", func() bool { return owned(fresh) > 0 })
	}
	for _, id := range ids {
		expect(t, wait(t, hub, id), history.Completed, strconv.Itoa(length))
	}
	bound := 20 * time.Second
	if full() {
		bound = 4 * time.Second
	}
	t.Logf("the longest pause of an instance was %v", p.worst())
	if p.worst() > bound {
		t.Errorf("an instance stood still for %v while workers were replaced", p.worst())
	}
}

func owned(w *worker.Worker) (n int) {
	for _, p := range w.Health().Partitions {
		if p.State == "held" && p.Owner == w.ID() {
			n++
		}
	}
	return n
}
