package limits

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// source is a source of chance that goroutines share.
type source struct {
	mu sync.Mutex
	of rand.Source
}

func (s *source) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of.Uint64()
}

// TestNeverMore runs workers that start, pause, die and lose requests and answers as chance has it: whatever happens, never do more begin
// than allowed, and in the end all have.
func TestNeverMore(t *testing.T) {
	t.Parallel()
	seeds := uint64(12)
	if os.Getenv("TASKHUB_FULL") == "1" {
		seeds = 200
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testNeverMore(t, rand.New(&source{of: rand.NewPCG(seed, 7)})) })
		})
	}
}

func testNeverMore(t *testing.T, r *rand.Rand) {
	s := newSite(t)
	var list []durable.ActivityLimit
	per := []time.Duration{time.Second, 5 * time.Second, time.Minute}[r.IntN(3)]
	count := 1 + r.IntN(30)
	list = append(list, rate("r", count, per, r.IntN(count+1)))
	most := 1 + r.IntN(8)
	if r.IntN(2) == 0 {
		list = append(list, concurrency("c", most))
	} else {
		most = 1 << 30
	}
	trouble := func() error {
		time.Sleep(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
		switch n := r.IntN(100); {
		case n < 5:
			return errLost
		case n < 8:
			time.Sleep(time.Duration(r.Int64N(int64(5 * time.Second))))
		}
		return nil
	}
	newWorker := func(name string) *worker {
		w := s.worker(name, s.store(func(*http.Request) error { return trouble() }, func(*http.Request) error { return trouble() }), list...)
		w.pause = func() time.Duration {
			if r.IntN(20) == 0 {
				return time.Duration(r.Int64N(int64(20 * time.Second)))
			}
			return time.Duration(r.Int64N(int64(20 * time.Millisecond)))
		}
		w.run = func(ctx context.Context) {
			select {
			case <-time.After(time.Duration(r.Int64N(int64(3 * time.Second)))):
			case <-ctx.Done():
			}
		}
		for i := range 1 + r.IntN(3) {
			w.call(fmt.Sprintf("%s-%d", name, i), 1+r.IntN(4*count), nil)
		}
		return w
	}
	workers := []*worker{newWorker("a"), newWorker("b")}
	for i := range 6 {
		time.Sleep(time.Duration(r.Int64N(int64(2 * per))))
		switch r.IntN(3) {
		case 0:
			k := r.IntN(len(workers))
			workers[k].kill()
			workers[k] = newWorker(fmt.Sprint("w", i))
		case 1:
			k := r.IntN(len(workers))
			workers[k].l.Stop(t.Context())
			workers[k].kill()
			workers[k] = newWorker(fmt.Sprint("w", i))
		}
	}
	for began := time.Now(); time.Since(began) < 4*time.Hour; time.Sleep(time.Second) {
		waiting := 0
		for _, w := range workers {
			waiting += w.l.Waiting()
		}
		if waiting == 0 {
			break
		}
	}
	for _, w := range workers {
		if n := w.l.Waiting(); n > 0 {
			t.Errorf("%s: %d wait still: %+v", w.name, n, w.l.Stats())
		}
	}
	time.Sleep(time.Minute)
	s.window(count, per)
	if at := s.atOnce(); at > most {
		t.Errorf("%d ran at a time; allowed are %d", at, most)
	}
}
