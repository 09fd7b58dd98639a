package durable_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// script is a random orchestrator: what it does next depends on a random sequence
// and on what happened, as real code does.
type script struct {
	rng   *rand.Rand
	trace []string
	depth int
}

var randomActivity = durable.NewActivity("Random", func(ctx context.Context, n int) (int, error) {
	info := durable.ActivityInfo(ctx)
	if (n+int(info.TaskID))%3 == 0 {
		return 0, fmt.Errorf("%d does not work", n)
	}
	return n + 1, nil
})

var randomOrchestrator = durable.DeclareOrchestrator[int, []string]("Script")

func runScript(ctx *durable.Context, seed int) ([]string, error) {
	s := &script{rng: rand.New(rand.NewPCG(uint64(seed), 7))}
	s.steps(ctx, 12)
	return s.trace, nil
}

func (s *script) note(what string, v any, err error) {
	s.trace = append(s.trace, fmt.Sprint(what, " ", v, " ", err))
}

func (s *script) task(ctx *durable.Context) durable.Awaitable {
	n := s.rng.IntN(100)
	policy := durable.RetryPolicy{MaxAttempts: 1 + s.rng.IntN(3), FirstInterval: time.Duration(1+s.rng.IntN(5)) * time.Second, BackoffCoefficient: 2, Jitter: 0.3}
	switch s.rng.IntN(9) {
	case 0:
		return durable.Timer(ctx, time.Duration(n)*time.Second)
	case 1:
		return durable.Timer(ctx, time.Duration(n)*24*time.Hour)
	case 2:
		return durable.WaitForEvent[int](ctx, "e", durable.WithTimeout(time.Duration(n)*time.Second))
	case 3:
		return durable.WaitForAnyEvent(ctx, durable.WithTimeout(time.Duration(n)*time.Second))
	case 4:
		return randomActivity.Call(ctx, n, durable.WithRetry(policy))
	case 5:
		return randomActivity.Call(ctx, n, durable.WithRetry(policy), durable.WithTimeout(3*time.Second))
	case 6:
		return durable.CallSubOrchestration[int](ctx, "Leaf", n, durable.WithRetry(policy))
	case 7:
		return durable.Go(ctx, func(ctx *durable.Context) error {
			if s.depth++; s.depth < 4 {
				s.steps(ctx, 3)
			}
			return ctx.Err()
		})
	default:
		return randomActivity.Call(ctx, n)
	}
}

func (s *script) steps(ctx *durable.Context, count int) {
	for range count {
		tasks := []durable.Awaitable{s.task(ctx)}
		for s.rng.IntN(3) > 0 {
			tasks = append(tasks, s.task(ctx))
		}
		switch s.rng.IntN(5) {
		case 0:
			won := durable.WhenAny(tasks...)
			s.note("any", slices.Index(tasks, won), won.Err())
		case 1:
			s.note("all", len(tasks), durable.AwaitAll(tasks...))
		case 2:
			tasks[0].Cancel()
			s.note("canceled", tasks[0].Done(), nil)
		case 3:
			scope, cancel := durable.WithCancel(ctx)
			inner := s.task(scope)
			_ = durable.Sleep(ctx, time.Duration(s.rng.IntN(4))*time.Second)
			cancel()
			s.note("scope", inner.Done(), inner.Err())
		default:
			_ = durable.SendEvent(ctx, ctx.InstanceID(), []string{"E", "other"}[s.rng.IntN(2)], len(s.trace))
			s.note("sent", ctx.HistorySize(), nil)
		}
		s.note(ctx.Now().Format(time.RFC3339Nano), ctx.NewUUID(), nil)
	}
}

// Whatever an orchestrator does, replaying every single episode from its rows ends
// with the same output and the same history as a session that stays in memory.
func TestRandomOrchestratorsReplay(t *testing.T) {
	t.Parallel()
	leaf := durable.NewOrchestrator("Leaf", func(ctx *durable.Context, n int) (int, error) {
		if n%3 == 0 {
			return 0, errors.New("a bad leaf")
		}
		return n, durable.Sleep(ctx, time.Duration(n)*time.Second)
	})
	for seed := range 60 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var stories, outputs [2][]string
			for way, reload := range []bool{false, true} {
				o := randomOrchestrator.With(runScript)
				h := hubWith(func(h *memHub) { h.reload = reload }, o, leaf, randomActivity)
				r, err := o.Start(context.Background(), h, seed, durable.WithInstanceID("r"))
				if err != nil {
					t.Fatal(err)
				}
				for i := range 10 {
					_ = h.raiseAt(h.now.Add(time.Duration(i*13)*time.Second), "r", "e", i)
				}
				if outputs[way], err = r.Wait(context.Background()); err != nil {
					t.Fatalf("reload %v: %v", reload, err)
				}
				stories[way] = h.story("r")
				h.Close()
			}
			if !slices.Equal(outputs[0], outputs[1]) || !slices.Equal(stories[0], stories[1]) {
				t.Errorf("live and replayed differ:\n%q\n%q\n%q\n%q", outputs[0], outputs[1], stories[0], stories[1])
			}
		})
	}
}
