package limits

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// TestRate: what one worker begins stays within the limit and makes good use of it, with few calls.
func TestRate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		count, burst, calls int
		per                 time.Duration
		least, most         time.Duration // for all
		storage             int64
	}{
		"all at once":       {count: 5000, calls: 1000, per: time.Hour, most: time.Second, storage: 10},
		"20 per second":     {count: 20, calls: 1000, per: time.Second, least: 48 * time.Second, most: 60 * time.Second, storage: 75},
		"100 per minute":    {count: 100, calls: 1000, per: time.Minute, least: 9 * time.Minute, most: 11 * time.Minute, storage: 70},
		"spread out":        {count: 5000, burst: 100, calls: 1000, per: time.Hour, least: 9 * 71 * time.Second, most: 9 * 76 * time.Second, storage: 80},
		"one after another": {count: 3600, burst: 1, calls: 60, per: time.Hour, least: 58 * time.Second, most: 70 * time.Second, storage: 80},
		"one an hour":       {count: 1, calls: 3, per: time.Hour, least: 2 * time.Hour, most: 2*time.Hour + 5*time.Minute, storage: 600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				w := s.worker("w", s.store(nil, nil), rate("r", tt.count, tt.per, tt.burst))
				w.call("i", tt.calls, nil)
				took := s.until(tt.calls, 2*tt.most)
				if took < tt.least || took > tt.most {
					t.Errorf("all have begun after %v; want %v to %v", took, tt.least, tt.most)
				}
				s.window(tt.count, tt.per)
				if spec := w.l.Stats()[0].Limit; burst(spec) < spec.Count {
					s.window(burst(spec), burstSpan(spec))
				}
				time.Sleep(time.Minute)
				if n := s.calls.Load(); n > tt.storage {
					t.Errorf("%d calls to the table", n)
				} else {
					t.Logf("%d calls in %v", n, took)
				}
				idle := s.calls.Load()
				time.Sleep(24 * time.Hour)
				if n := s.calls.Load(); n != idle {
					t.Errorf("an idle day took %d calls", n-idle)
				}
			})
		})
	}
}

// TestConcurrency: two workers share permits; one that dies keeps its own for no longer than they last.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var list []*worker
		for _, name := range []string{"a", "b"} {
			w := s.worker(name, s.store(nil, nil), concurrency("c", 10))
			w.run = func(context.Context) { time.Sleep(2 * time.Second) }
			w.call("of "+name, 400, nil)
			list = append(list, w)
		}
		s.until(60, time.Minute)
		byWorker := s.byWorker()
		if byWorker["a"] < 15 || byWorker["b"] < 15 {
			t.Errorf("the first 60 begun: %v", byWorker)
		}
		list[0].kill()
		died := s.count()
		s.until(died+60, 2*time.Minute)
		if most := s.atOnce(); most > 10 {
			t.Errorf("%d ran at a time", most)
		}
		before := s.count()
		began := time.Now()
		s.until(before+20, time.Minute)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the one that is left takes %v for 20", took)
		}
	})
}

// TestPermitsLost: a worker that cannot reach the storage cancels what runs before others get its permits.
func TestPermitsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var cut atomic.Bool
		first := s.worker("first", s.store(func(*http.Request) error {
			if cut.Load() {
				return errLost
			}
			return nil
		}, nil), concurrency("c", 3))
		var lost atomic.Int32
		first.run = func(ctx context.Context) {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), durable.ErrActivityLost) {
				lost.Add(1)
			}
		}
		first.call("i", 3, nil)
		s.until(3, time.Minute)
		second := s.worker("second", s.store(nil, nil), concurrency("c", 3))
		second.call("j", 3, nil)
		time.Sleep(5 * time.Minute)
		if s.count() != 3 {
			t.Errorf("%d have begun while the permits are renewed", s.count())
		}
		cut.Store(true)
		if took := s.until(6, time.Minute); took > permitLife+5*time.Second {
			t.Errorf("the second worker had to wait for %v", took)
		}
		if most := s.atOnce(); most > 3 || lost.Load() != 3 {
			t.Errorf("%d ran at a time, %d were cancelled", most, lost.Load())
		}
	})
}

// TestTwoLimits: an attempt under several limits begins when all let it, and holds no permit while a rate keeps it waiting.
func TestTwoLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		both := s.worker("both", s.store(nil, nil), rate("r", 4, time.Hour, 0), concurrency("c", 2))
		both.run = func(context.Context) { time.Sleep(time.Second) }
		both.call("i", 10, nil)
		s.until(4, time.Minute)
		time.Sleep(10 * time.Second)
		one := s.worker("one", s.store(nil, nil), concurrency("c", 2))
		one.run = both.run
		one.call("j", 20, nil)
		if took := s.until(24, time.Minute); took > 30*time.Second {
			t.Errorf("those under one limit took %v", took)
		}
		s.until(30, 4*time.Hour)
		if most := s.atOnce(); most > 2 {
			t.Errorf("%d ran at a time", most)
		}
	})
}

// TestStopWithdraws: what a worker that has stopped said of those who wait is no longer in the row.
func TestStopWithdraws(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		w, store := s.worker("w", s.store(nil, nil), rate("r", 1, time.Hour, 0)), s.store(nil, nil)
		w.call("i", 3, nil)
		time.Sleep(time.Minute)
		waiting := func() int {
			row, _, err := store.readState(t.Context(), "r", "")
			if err != nil {
				t.Fatal(err)
			}
			return len(row.waiting)
		}
		if n := waiting(); n != 1 {
			t.Fatalf("%d workers say that attempts wait", n)
		}
		w.l.Stop(t.Context())
		if n := waiting(); n != 0 {
			t.Errorf("%d workers still say that attempts wait", n)
		}
	})
}
