package storage

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// busyService bears so many requests a second, answers them after a while, and refuses the others at once.
type busyService struct {
	mu       sync.Mutex
	rate     float64 // a second
	latency  time.Duration
	tokens   float64
	last     time.Time
	answered int
	refused  int
}

func (s *busyService) Do(req *http.Request) (*http.Response, error) {
	if !s.take() {
		return answer(http.StatusServiceUnavailable, "<Error><Code>ServerBusy</Code></Error>", "x-ms-error-code", "ServerBusy")(req)
	}
	time.Sleep(s.latency)
	return answer(http.StatusCreated, putAnswer)(req)
}

func (s *busyService) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.tokens, s.last = min(s.tokens+now.Sub(s.last).Seconds()*s.rate, s.rate/5), now
	if s.tokens < 1 {
		s.refused++
		return false
	}
	s.tokens--
	s.answered++
	return true
}

func (s *busyService) set(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.answered, s.refused = rate, 0, 0
}

func (s *busyService) counts() (answered, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered, s.refused
}

// TestThrottledServiceSlowsDown: many callers meet a service that bears much less than they ask for. None of their calls fails;
// the service is used as far as it goes, and refuses little; when it bears more again, the callers use that.
func TestThrottledServiceSlowsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := &busyService{rate: 100_000, latency: 100 * time.Millisecond, tokens: 1000, last: time.Now()}
		a, err := Open(Config{ConnectionString: testConnection + secretKey, Transport: service})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		var failed atomic.Int32
		for range 100 {
			callers.Go(func() {
				for ctx.Err() == nil {
					if err := putMessage(ctx, a); err != nil && !errors.Is(err, context.Canceled) {
						failed.Add(1)
						t.Error(err)
						return
					}
				}
			})
		}
		measure := func(rate float64, settle, d time.Duration) (perSecond, refused float64) {
			service.set(rate)
			time.Sleep(settle)
			service.set(rate)
			time.Sleep(d)
			done, no := service.counts()
			return float64(done) / d.Seconds(), float64(no) / d.Seconds()
		}
		full, _ := measure(100_000, time.Second, time.Second)
		slow, refused := measure(100, 10*time.Second, 30*time.Second)
		again, _ := measure(100_000, 15*time.Second, time.Second)
		cancel()
		callers.Wait()
		t.Logf("%.0f/s, throttled to 100/s %.0f/s with %.0f refusals/s, then %.0f/s", full, slow, refused, again)
		if slow < 60 || slow > 101 || refused > slow {
			t.Errorf("a service that bears 100 requests a second answered %.0f and refused %.0f", slow, refused)
		}
		if again < full*9/10 {
			t.Errorf("before there were %.0f requests a second, afterwards %.0f", full, again)
		}
	})
}

// TestUrgentRequestsDoNotQueue: what is worthless when late goes at once, however many wait.
func TestUrgentRequestsDoNotQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		a, _ := openScript(t, Config{Jitter: fullDelay, MaxRetries: 20}, func(req *http.Request) (*http.Response, error) {
			if calls.Add(1) <= 100 {
				return answer(http.StatusTooManyRequests, "")(req)
			}
			time.Sleep(time.Second)
			return answer(http.StatusCreated, putAnswer)(req)
		})
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() { _ = putMessage(t.Context(), a) })
		}
		time.Sleep(time.Minute)
		began := time.Now()
		_ = putMessage(WithoutRetry(t.Context()), a)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := putMessage(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one whose time is up while it waits: %v", err)
		}
		callers.Wait()
	})
}
