package durable_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// failing is an activity that fails as often as its input says.
func failing(err func(attempt int) error) *durable.Activity[int, string] {
	calls := map[string]int{}
	return durable.NewActivity("Flaky", func(ctx context.Context, times int) (string, error) {
		id := durable.ActivityInfo(ctx).InstanceID
		calls[id]++
		if calls[id] <= times {
			return "", err(calls[id])
		}
		return fmt.Sprintf("attempt %d", calls[id]), nil
	})
}

// The events are those that .NET's retries leave: after the last failure there is a
// timer that is due at once, after an error that ends the retries there is none.
func TestRetriesLeaveTheEventsOfDotNet(t *testing.T) {
	t.Parallel()
	boom := func(int) error { return errors.New("boom") }
	policy := durable.RetryPolicy{MaxAttempts: 4, FirstInterval: time.Second, BackoffCoefficient: 2}
	edit := func(f func(*durable.RetryPolicy)) durable.RetryPolicy {
		p := policy
		f(&p)
		return p
	}
	tests := []struct {
		name   string
		policy durable.RetryPolicy
		times  int
		err    func(int) error
		want   string
	}{
		{"no failure", policy, 0, boom, "0 call Flaky, 0 done, 1 Completed"},
		{"succeeds", policy, 3, boom, "0 call Flaky, 0 failed, 1 timer 1s, 1 fired, 2 call Flaky, 2 failed, 3 timer 3s, 3 fired, " +
			"4 call Flaky, 4 failed, 5 timer 7s, 5 fired, 6 call Flaky, 6 done, 7 Completed"},
		{"gives up", edit(func(p *durable.RetryPolicy) { p.MaxAttempts = 2 }), 9, boom,
			"0 call Flaky, 0 failed, 1 timer 1s, 1 fired, 2 call Flaky, 2 failed, 3 timer 1s, 3 fired, 4 Failed"},
		{"one attempt", edit(func(p *durable.RetryPolicy) { p.MaxAttempts = 1 }), 9, boom, "0 call Flaky, 0 failed, 1 timer 0s, 1 fired, 2 Failed"},
		{"maximum interval", edit(func(p *durable.RetryPolicy) { p.MaxInterval, p.MaxAttempts = 1500*time.Millisecond, 3 }), 2, boom,
			"0 call Flaky, 0 failed, 1 timer 1s, 1 fired, 2 call Flaky, 2 failed, 3 timer 2.5s, 3 fired, 4 call Flaky, 4 done, 5 Completed"},
		{"retry timeout", edit(func(p *durable.RetryPolicy) { p.RetryTimeout = time.Second }), 9, boom,
			"0 call Flaky, 0 failed, 1 timer 1s, 1 fired, 2 call Flaky, 2 failed, 3 Failed"},
		{"not handled", edit(func(p *durable.RetryPolicy) {
			p.Handle = func(err error) bool { return strings.Contains(err.Error(), "1") }
		}), 9, func(n int) error { return fmt.Errorf("failure %d", n) },
			"0 call Flaky, 0 failed, 1 timer 1s, 1 fired, 2 call Flaky, 2 failed, 3 Failed"},
		{"permanent", policy, 9, func(int) error { return fmt.Errorf("no: %w", durable.Permanent(errors.New("never"))) },
			"0 call Flaky, 0 failed, 1 Failed"},
		{"permanent later", policy, 9, func(n int) error {
			if n == 2 {
				return durable.Permanent(errors.New("never"))
			}
			return errors.New("boom")
		}, "0 call Flaky, 0 failed, 1 timer 1s, 1 fired, 2 call Flaky, 2 failed, 3 Failed"},
		{"long waits", edit(func(p *durable.RetryPolicy) { p.FirstInterval, p.MaxAttempts = 7*24*time.Hour, 2 }), 1, boom,
			"0 call Flaky, 0 failed, 1 timer 72h0m0s, 1 fired, 2 timer 144h0m0s, 2 fired, 3 timer 168h0m0s, 3 fired, 4 call Flaky, 4 done, 5 Completed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, with func(*memHub)) {
				a := failing(tt.err)
				o := durable.NewOrchestrator("Main", func(ctx *durable.Context, n int) (string, error) {
					return a.Call(ctx, n, durable.WithRetry(tt.policy)).Await()
				})
				h := hubWith(with, o, a)
				_, err := run(t, h, o, tt.times, durable.WithInstanceID("i"))
				if got := strings.Join(h.story("i"), ", "); got != tt.want {
					t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
				}
			})
		})
	}
}

func TestChildrenAreRetried(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		n := 0
		child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) {
			if !ctx.IsReplaying() {
				n++
			}
			if n < 3 {
				return "", errors.New("not yet")
			}
			return ctx.InstanceID(), nil
		})
		o := orchestrate(func(ctx *durable.Context) (string, error) {
			return child.Call(ctx, durable.Void{}, durable.WithRetry(durable.RetryPolicy{MaxAttempts: 5, FirstInterval: time.Second})).Await()
		})
		got, err := run(t, hubWith(with, o, child), o, durable.Void{}, durable.WithInstanceID("i"))
		if got != "i.1:4" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// Retries run by themselves: ten calls back off side by side, not one after another.
func TestRetriesAreEager(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		once := map[int32]bool{}
		a := durable.NewActivity("Once", func(ctx context.Context, n int32) (int32, error) {
			if !once[n] {
				once[n] = true
				return 0, errors.New("first time")
			}
			return n, nil
		})
		o := orchestrate(func(ctx *durable.Context) (time.Duration, error) {
			begin := ctx.Now()
			var tasks []*durable.Task[int32]
			for n := range int32(10) {
				tasks = append(tasks, a.Call(ctx, n, durable.WithRetry(durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Minute})))
			}
			for _, task := range tasks { // one after another
				if _, err := task.Await(); err != nil {
					return 0, err
				}
			}
			return ctx.Now().Sub(begin), nil
		})
		got, err := run(t, hubWith(with, o, a), o, durable.Void{})
		if err != nil || got != time.Minute {
			t.Errorf("took %v, %v", got, err)
		}
	})
}

func TestTimeoutsAndCancelingOfCalls(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		a := failing(func(int) error { return errors.New("boom") })
		slow := durable.NewOrchestrator("Slow", func(ctx *durable.Context, d time.Duration) (string, error) {
			return "slept", durable.Sleep(ctx, d)
		})
		policy := durable.RetryPolicy{MaxAttempts: 100, FirstInterval: time.Minute}
		o := orchestrate(func(ctx *durable.Context) (string, error) {
			_, err := a.Call(ctx, 1000, durable.WithRetry(policy), durable.WithTimeout(150*time.Second)).Await()
			if !errors.Is(err, durable.ErrTimeout) {
				return "", fmt.Errorf("retries without end: %w", err)
			}
			_, err = slow.Call(ctx, time.Hour, durable.WithTimeout(time.Minute)).Await()
			if !errors.Is(err, durable.ErrTimeout) || !strings.Contains(err.Error(), `sub-orchestration "Slow": no result within 1m0s`) {
				return "", fmt.Errorf("a slow child: %w", err)
			}
			retrying := a.Call(ctx, 1000, durable.WithRetry(policy))
			if err := durable.Sleep(ctx, 90*time.Second); err != nil {
				return "", err
			}
			retrying.Cancel()
			if _, err := retrying.Await(); !errors.Is(err, durable.ErrCanceled) {
				return "", fmt.Errorf("canceled retries: %w", err)
			}
			return slow.Call(ctx, time.Second, durable.WithTimeout(time.Minute)).Await()
		})
		h := hubWith(with, o, a, slow)
		got, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i"))
		if got != "slept" {
			t.Errorf("%q, %v", got, err)
		}
		wantStory(t, h, "i",
			"0 call Flaky", "1 timer 2m30s", "0 failed", "2 timer 1m0s", "2 fired", "3 call Flaky", "3 failed", "4 timer 2m0s", "4 fired",
			"5 call Flaky", "5 failed", "6 timer 3m0s", "1 fired",
			"7 start Slow", "8 timer 3m30s", "6 fired", "8 fired",
			"9 call Flaky", "10 timer 5m0s", "9 failed", "11 timer 4m30s", "11 fired", "12 call Flaky", "12 failed", "13 timer 5m30s", "10 fired",
			"14 start Slow", "15 timer 6m0s", "14 done", "16 Completed")
	})
}

func TestJitterIsDeterministicAndDiffers(t *testing.T) {
	t.Parallel()

	eachWay(t, func(t *testing.T, with func(*memHub)) {
		a := durable.NewActivity("Fail", func(context.Context, int) (int, error) { return 0, errors.New("boom") })
		o := orchestrate(func(ctx *durable.Context) (int, error) {
			policy := durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Hour, Jitter: 0.5}
			tasks := []*durable.Task[int]{a.Call(ctx, 1, durable.WithRetry(policy)), a.Call(ctx, 2, durable.WithRetry(policy))}
			_, err := durable.WhenAll(tasks)
			return 0, err
		})
		h := hubWith(with, o, a)
		_, _ = run(t, h, o, durable.Void{}, durable.WithInstanceID("i"))
		var waits []string
		for _, line := range h.story("i") {
			if id, wait, ok := strings.Cut(line, " timer "); ok && (id == "2" || id == "3") {
				d, err := time.ParseDuration(wait)
				if err != nil || d < 30*time.Minute || d > time.Hour {
					t.Errorf("a wait of %s", wait)
				}
				waits = append(waits, wait)
			}
		}
		if len(waits) != 2 || waits[0] == waits[1] {
			t.Errorf("waits %v", waits)
		}
	})

}

func TestRetryPolicyValidation(t *testing.T) {
	t.Parallel()
	bad := map[string]durable.RetryPolicy{
		"MaxAttempts":        {FirstInterval: 1},
		"FirstInterval":      {MaxAttempts: 1},
		"BackoffCoefficient": {MaxAttempts: 1, FirstInterval: 1, BackoffCoefficient: 0.5},
		"coefficient NaN":    {MaxAttempts: 1, FirstInterval: 1, BackoffCoefficient: math.NaN()},
		"MaxInterval":        {MaxAttempts: 1, FirstInterval: 1, MaxInterval: -1},
		"RetryTimeout":       {MaxAttempts: 1, FirstInterval: 1, RetryTimeout: -1},
		"Jitter":             {MaxAttempts: 1, FirstInterval: 1, Jitter: 1.5},
		"Jitter NaN":         {MaxAttempts: 1, FirstInterval: 1, Jitter: math.NaN()},
	}
	for name, policy := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := orchestrate(func(ctx *durable.Context) (int, error) { return double.Call(ctx, 1, durable.WithRetry(policy)).Await() })
			h := newHub(o, double)
			_, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i"))
			field, _, _ := strings.Cut(strings.TrimPrefix(name, "coefficient"), " ")
			if err == nil || !strings.Contains(err.Error(), `activity "Double"`) || !strings.Contains(err.Error(), field) {
				t.Error(err)
			}
			wantStory(t, h, "i", "0 Failed")
		})
	}
	enormous := durable.RetryPolicy{MaxAttempts: 3, FirstInterval: math.MaxInt64, BackoffCoefficient: math.MaxFloat64}
	if err := enormous.Validate(); err != nil {
		t.Error(err)
	}
}
