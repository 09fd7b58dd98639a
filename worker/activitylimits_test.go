package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// requests counts attempts of an activity.
type requests struct {
	mu    sync.Mutex
	times []time.Time
	of    map[string]int
	now   int
	most  int
}

func (r *requests) note(id string) (ended func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]int{}
	}
	r.times = append(r.times, time.Now())
	r.of[id]++
	r.now++
	r.most = max(r.most, r.now)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now--
	}
}

func (r *requests) count(id string) (all, of int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times), r.of[id]
}

// window checks that no more than most attempts began in any span.
func (r *requests) window(t *testing.T, most int, per time.Duration) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.times, time.Time.Compare)
	for i := range r.times {
		j := i
		for j < len(r.times) && r.times[j].Sub(r.times[i]) <= per {
			j++
		}
		if j-i > most {
			t.Fatalf("%d attempts began within %v; allowed are %d", j-i, per, most)
		}
	}
}

type limited struct {
	requests
	items []durable.Registrable
}

// newLimited has an orchestrator Many, which calls an activity as often as its input says, all at once.
func newLimited(takes time.Duration, opts ...durable.ActivityDefinitionOption) *limited {
	l := &limited{}
	ask := durable.NewActivity("Ask", func(ctx context.Context, n int) (int, error) {
		defer l.note(durable.ActivityInfo(ctx).InstanceID)()
		select {
		case <-time.After(takes):
			return n, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}, opts...)
	many := durable.NewOrchestrator("Many", func(ctx *durable.Context, n int) (int, error) {
		tasks := make([]*durable.Task[int], n)
		for i := range tasks {
			tasks[i] = ask.Call(ctx, i)
		}
		list, err := durable.WhenAll(tasks)
		return len(list), err
	})
	l.items = []durable.Registrable{ask, many}
	return l
}

func done(t *testing.T, hub *taskhub.Hub, id string) bool {
	t.Helper()
	in, err := hub.Client().GetInstance(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if in.Status == history.Failed {
		t.Fatalf("%s failed: %+v", id, in)
	}
	return in.Status == history.Completed
}

func inBoth(t *testing.T, test func(*testing.T, worker.Config)) {
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, worker.Config{Fleet: fleet, MaxPoll: 5 * time.Second}) })
		})
	}
}

// TestRateLimit: two workers, one of which is stopped and another started in the middle, stay within the limit together; a small
// orchestration ends long before a large one that was there first.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, cfg worker.Config) {
		hub := virtualHub(t)
		const count, per = 20, time.Second
		l := newLimited(5*time.Millisecond, durable.WithLimit(durable.RateLimit{Name: "api", Count: count, Per: per}))
		first := startWorker(t, hub, cfg, l.items...)
		startWorker(t, hub, cfg, l.items...)
		startID(t, hub, "Many", "1000", "large")
		time.Sleep(2 * time.Second)
		startID(t, hub, "Many", "10", "small")
		for began := time.Now(); !done(t, hub, "small"); time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > 25*time.Second {
				all, small := l.count("small")
				t.Fatalf("the small orchestration has not ended; %d of %d attempts were its own", small, all)
			}
		}
		if all, _ := l.count("small"); all > 700 {
			t.Errorf("%d attempts began before the small orchestration ended", all)
		}
		stopWorker(t, first)
		again := startWorker(t, hub, cfg, l.items...)
		for began := time.Now(); !done(t, hub, "large"); time.Sleep(time.Second) {
			if time.Since(began) > 5*time.Minute {
				all, _ := l.count("")
				t.Fatalf("the large orchestration has not ended; %d attempts, %+v", all, again.Health().Limits)
			}
		}
		l.window(t, count, per)
		if all, _ := l.count(""); all < 1010 || all > 1040 {
			t.Errorf("%d attempts", all)
		}
	})
}

// TestConcurrencyLimit: no more run at a time in all workers together than allowed.
func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, cfg worker.Config) {
		hub := virtualHub(t)
		l := newLimited(time.Second, durable.WithLimit(durable.ConcurrencyLimit{Name: "db", Max: 5}))
		startWorker(t, hub, cfg, l.items...)
		startWorker(t, hub, cfg, l.items...)
		for i := range 4 {
			startID(t, hub, "Many", "25", fmt.Sprint("i", i))
		}
		for began := time.Now(); !done(t, hub, "i0") || !done(t, hub, "i1") || !done(t, hub, "i2") || !done(t, hub, "i3"); time.Sleep(time.Second) {
			if time.Since(began) > 3*time.Minute {
				t.Fatal("they have not ended")
			}
		}
		if l.most > 5 {
			t.Errorf("%d ran at a time", l.most)
		}
	})
}

// TestLimitPerKey: each key has a limit of its own, and a key that cannot be used fails its attempt alone.
func TestLimitPerKey(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, cfg worker.Config) {
		hub := virtualHub(t)
		limit := durable.RateLimit{Name: "per-customer", Count: 1, Per: time.Minute}
		ask := durable.NewActivity("Ask", func(_ context.Context, customer string) (string, error) { return customer, nil },
			durable.WithLimitPer(limit, func(customer string) string { return customer }))
		all := durable.NewOrchestrator("All", func(ctx *durable.Context, _ durable.Void) (time.Duration, error) {
			began := ctx.Now()
			_, err := durable.WhenAll([]*durable.Task[string]{ask.Call(ctx, "a/?#%+ ü"), ask.Call(ctx, "b"), ask.Call(ctx, "")})
			if err != nil {
				return 0, err
			}
			took := ctx.Now().Sub(began)
			if _, err := ask.Call(ctx, strings.Repeat("x", 129)).Await(); !strings.Contains(fmt.Sprint(err), "Key has 129 bytes") {
				return 0, fmt.Errorf("a key that is too long: %w", err)
			}
			_, err = ask.Call(ctx, "b").Await() // a minute later
			return took, err
		})
		startWorker(t, hub, cfg, ask, all)
		id := start(t, hub, "All", "null")
		time.Sleep(40 * time.Second)
		if done(t, hub, id) {
			t.Error("the same key did not wait")
		}
		time.Sleep(time.Minute)
		if !done(t, hub, id) {
			t.Error("it has not ended")
		}
		l, err := hub.Client().GetLimit(t.Context(), "per-customer")
		if err != nil || len(l.Uses) != 2 { // the first ones count no more
			t.Logf("%+v %v", l, err)
		}
	})
}

// TestLimitOperator: what an operator sets holds while the workers run, and until it is removed.
func TestLimitOperator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := virtualHub(t)
		l := newLimited(time.Millisecond, durable.WithLimit(durable.RateLimit{Name: "api", Count: 1, Per: time.Hour}))
		cfg := worker.Config{Fleet: worker.FleetGo}
		startWorker(t, hub, cfg, l.items...)
		id := start(t, hub, "Many", "100")
		time.Sleep(time.Minute)
		if all, _ := l.count(""); all != 1 {
			t.Errorf("%d attempts", all)
		}
		c, ctx := hub.Client(), t.Context()
		list, err := c.Limits(ctx)
		if err != nil || len(list) != 1 || list[0].Waiting() != 99 || list[0].Uses[0].Used != 1 || list[0].Uses[0].Left != 0 || list[0].Uses[0].Next.IsZero() {
			t.Fatalf("%+v, %v", list[0], err)
		}
		if _, err := c.SetLimit(ctx, durable.RateLimit{Name: "api", Count: 60, Per: time.Minute}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(35 * time.Second)
		if all, _ := l.count(""); all != 60 && all != 61 {
			t.Errorf("%d attempts half a minute after the change", all)
		}
		l2, err := c.ResetLimit(ctx, "api")
		if err != nil || l2.Set != nil || l2.Spec().Count != 1 {
			t.Errorf("%+v, %v", l2, err)
		}
		time.Sleep(10 * time.Minute)
		if done(t, hub, id) {
			t.Error("the code's limit does not hold again")
		}
		if _, err := c.ResetLimit(ctx, "api"); !errors.Is(err, taskhub.ErrLimitNotSet) {
			t.Error(err)
		}
		for _, err := range []error{c.DeleteLimit(ctx, "nope"), second(c.GetLimit(ctx, "no/pe")), second(c.ResetLimit(ctx, "")), second(c.SetLimit(ctx, durable.RateLimit{Name: "nope", Count: 1, Per: time.Hour}))} {
			if !errors.Is(err, taskhub.ErrLimitNotFound) {
				t.Error(err)
			}
		}
		for field, limit := range map[string]durable.Limit{
			"Count": durable.RateLimit{Name: "api", Per: time.Hour}, "Per": durable.RateLimit{Name: "api", Count: 1, Per: -1}, "Kind": durable.ConcurrencyLimit{Name: "api", Max: 1},
			"Burst": durable.RateLimit{Name: "api", Count: 1, Per: time.Hour, Burst: 2}, "Name": durable.RateLimit{Name: "a/b", Count: 1, Per: time.Hour},
		} {
			var invalid *durable.LimitError
			if _, err := c.SetLimit(ctx, limit); !errors.As(err, &invalid) || invalid.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		if got, err := c.GetLimit(ctx, "api"); err != nil || got.Set != nil || got.Spec().Count != 1 {
			t.Errorf("a refused change left %+v, %v", got, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestBadActivityLimits: what cannot be used is refused when it is registered, with the field named.
func TestBadActivityLimits(t *testing.T) {
	t.Parallel()
	do := func(context.Context, int) (int, error) { return 0, nil }
	good := durable.RateLimit{Name: "r", Count: 10, Per: time.Second}
	byText := func(string) string { return "" }
	for field, tests := range map[string][][]durable.ActivityDefinitionOption{
		"Count": {{durable.WithLimit(durable.RateLimit{Name: "r", Per: time.Hour})}, {durable.WithLimit(durable.RateLimit{Name: "r", Count: -1, Per: time.Hour})}},
		"Per":   {{durable.WithLimit(durable.RateLimit{Name: "r", Count: 1})}, {durable.WithLimit(durable.RateLimit{Name: "r", Count: 1, Per: time.Millisecond})}},
		"Burst": {{durable.WithLimit(durable.RateLimit{Name: "r", Count: 1, Per: time.Hour, Burst: 2})}, {durable.WithLimit(durable.RateLimit{Name: "r", Count: 1, Per: time.Hour, Burst: -2})}},
		"Max":   {{durable.WithLimit(durable.ConcurrencyLimit{Name: "c"})}, {durable.WithLimit(durable.ConcurrencyLimit{Name: "c", Max: -1})}},
		"Name":  {{durable.WithLimit(durable.ConcurrencyLimit{Max: 1})}, {durable.WithLimit(durable.ConcurrencyLimit{Name: "a b", Max: 1})}, {durable.WithLimit(durable.ConcurrencyLimit{Name: strings.Repeat("x", 65), Max: 1})}},
		"Key":   {{durable.WithLimitPer(good, byText)}, {durable.WithLimitPer[int](good, nil)}},
		"nil":   {{durable.WithLimit(nil)}},
	} {
		for i, opts := range tests {
			w, err := worker.New(virtualHub(t), worker.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Register(durable.NewActivity("A", do, opts...)); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("%s %d: %v", field, i, err)
			}
		}
	}
	for field, other := range map[string]durable.ActivityDefinitionOption{
		"Count": durable.WithLimit(durable.RateLimit{Name: "r", Count: 11, Per: time.Second}), "Kind": durable.WithLimit(durable.ConcurrencyLimit{Name: "r", Max: 1}),
		"Key": durable.WithLimitPer(good, func(int) string { return "" }), "Burst": durable.WithLimit(durable.RateLimit{Name: "r", Count: 10, Per: time.Second, Burst: 5}),
	} {
		w, err := worker.New(virtualHub(t), worker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Register(durable.NewActivity("A", do, durable.WithLimit(good)), durable.NewActivity("B", do, other))
		var invalid *durable.LimitError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("conflicting %s: %v", field, err)
		}
		if err := w.Start(t.Context()); err == nil {
			t.Error("the worker starts all the same")
		}
	}
}
