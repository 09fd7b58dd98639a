package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
)

var echoEvent = durable.NewOrchestrator("EchoEvent", func(ctx *durable.Context, _ durable.Void) (int, error) {
	return durable.WaitForEvent[int](ctx, "E").Await()
})

func TestClient(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	env := durabletest.New(t)
	env.Register(echoEvent)
	c := env.Client()
	run, err := echoEvent.Start(ctx, c, durable.Void{}, durable.WithInstanceID("a"), durable.WithTags(map[string]string{"k": "v"}))
	if err != nil {
		t.Fatal(err)
	}
	in, err := run.Status(ctx)
	if err != nil || in.Status != history.Pending || in.Tags["k"] != "v" || in.Name != "EchoEvent" || !in.CreatedAt.Equal(env.Now()) {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, durabletest.ErrStalled) {
		t.Errorf("waiting for nothing: %v", err)
	}
	if _, err := echoEvent.Start(ctx, c, durable.Void{}, durable.WithInstanceID("a")); !errors.Is(err, durabletest.ErrInstanceExists) {
		t.Errorf("started twice: %v", err)
	}
	if err := run.RaiseEvent(ctx, "e", 4); err != nil {
		t.Fatal(err)
	}
	if n, err := run.Wait(ctx); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := run.RaiseEvent(ctx, "e", 4); !errors.Is(err, durabletest.ErrInstanceFinished) {
		t.Errorf("raised to one that ended: %v", err)
	}
	if _, err := echoEvent.Start(ctx, c, durable.Void{}, durable.WithInstanceID("a"), durable.WithReuse()); !errors.Is(err, durabletest.ErrInstanceExists) {
		t.Errorf("started again though it may not be: %v", err)
	}
	again, err := echoEvent.Start(ctx, c, durable.Void{}, durable.WithInstanceID("a"))
	if err != nil || again.ExecutionID() == run.ExecutionID() {
		t.Fatalf("started again: %v", err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, durabletest.ErrInstanceNotFound) {
		t.Errorf("waiting for an execution that was replaced: %v", err)
	}
	if err := again.Terminate(ctx, "enough"); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Wait(ctx); !errors.Is(err, durable.ErrTerminated) {
		t.Errorf("terminated: %v", err)
	}
	if in, err := again.Status(ctx); err != nil || in.Generation != 1 || in.CompletedAt.IsZero() {
		t.Errorf("%+v, %v", in, err)
	}
}

func TestClientMistakes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	env := durabletest.New(t)
	env.Register(echoEvent)
	c := env.Client()
	if _, err := c.GetInstance(ctx, "x"); !errors.Is(err, durabletest.ErrInstanceNotFound) {
		t.Error(err)
	}
	if _, err := c.WaitForCompletion(ctx, "x", ""); !errors.Is(err, durabletest.ErrInstanceNotFound) {
		t.Error(err)
	}
	if err := c.RaiseEvent(ctx, "x", "E", 1); !errors.Is(err, durabletest.ErrInstanceNotFound) {
		t.Error(err)
	}
	if err := c.RaiseEvent(ctx, "x", "", 1); err == nil || !strings.Contains(err.Error(), "name") {
		t.Error(err)
	}
	if err := c.RaiseEvent(ctx, "x", "E", func() {}); err == nil || !strings.Contains(err.Error(), "value") {
		t.Error(err)
	}
	if _, err := c.StartOrchestration(ctx, durable.StartRequest{}); err == nil || !strings.Contains(err.Error(), "name") {
		t.Error(err)
	}
	if _, err := durable.Start[int](ctx, c, "Unknown", 1); !errors.Is(err, durabletest.ErrNotRegistered) {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := echoEvent.Start(canceled, c, durable.Void{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.GetInstance(canceled, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestClientInside checks the client in activities, where it may be used, and in orchestrators, where it may not.
func TestClientInside(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		env.Register(echoEvent)
		c := env.Client()
		durabletest.MockNamed(env, "Ask", func(ctx context.Context, n int) (int, error) {
			run, err := echoEvent.Start(ctx, c, durable.Void{})
			if err != nil {
				return 0, err
			}
			env.RaiseAt(time.Hour, "E", n, durabletest.To(run.InstanceID()))
			env.RaiseAt(time.Minute, "Mine", n)
			return run.Wait(ctx)
		})
		var inside []error
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) ([]int, error) {
			if !ctx.IsReplaying() && len(inside) == 0 {
				_, err := echoEvent.Start(context.Background(), c, durable.Void{})
				inside = append(inside, err, c.Terminate(context.Background(), "x", ""))
			}
			n, err := durable.CallActivity[int](ctx, "Ask", 5).Await()
			if err != nil {
				return nil, err
			}
			m, err := durable.WaitForEvent[int](ctx, "Mine").Await()
			return []int{n, m}, err
		}), durable.Void{})
		if run.Err != nil || !slices.Equal(run.Output, []int{5, 5}) || run.Elapsed != time.Hour {
			t.Errorf("%v after %v, %v", run.Output, run.Elapsed, run.Err)
		}
		for _, err := range inside {
			if err == nil || !strings.Contains(err.Error(), "inside an orchestrator") {
				t.Errorf("inside an orchestrator: %v", err)
			}
		}
	})
	t.Run("settle", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		env := durabletest.New(r)
		durabletest.Run(env, orchestrate(func(*durable.Context) (int, error) {
			env.Settle()
			return 1, nil
		}), durable.Void{})
		r.end()
		want(t, "fatal errors", r.fatals, "inside an orchestrator", "inside an orchestrator")
	})
}

// TestWaitInside lets an activity wait for an instance that never ends: the activity fails, the rest goes on.
func TestWaitInside(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		env.Register(echoEvent)
		c := env.Client()
		durabletest.MockNamed(env, "Wait", func(ctx context.Context, _ any) (int, error) {
			run, err := echoEvent.Start(ctx, c, durable.Void{})
			if err != nil {
				return 0, err
			}
			return run.Wait(ctx)
		})
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (string, error) {
			_, err := durable.CallActivity[int](ctx, "Wait", nil).Await()
			return err.Error(), durable.Sleep(ctx, time.Hour)
		}), durable.Void{})
		if run.Err != nil || !strings.Contains(run.Output, `waits for event "E"`) || run.Elapsed != time.Hour {
			t.Errorf("%q after %v, %v", run.Output, run.Elapsed, run.Err)
		}
	})
}

// TestReplace starts a child under the id of one that still runs: as on a hub, it takes its place.
func TestReplace(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		env.Register(echoEvent)
		env.RaiseAt(time.Hour, "E", 1, durabletest.To("c"))
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
			first := echoEvent.Call(ctx, durable.Void{}, durable.WithInstanceID("c"))
			if err := durable.Sleep(ctx, time.Minute); err != nil {
				return 0, err
			}
			second := echoEvent.Call(ctx, durable.Void{}, durable.WithInstanceID("c"))
			n, err := second.Await()
			if first.Done() {
				return 0, errors.New("the first one is done")
			}
			return n, err
		}), durable.Void{})
		if run.Output != 1 || run.Err != nil {
			t.Errorf("%d, %v", run.Output, run.Err)
		}
	})
}

// counting counts what passes through it.
type counting struct {
	durable.PassThrough
	calls *[]string
}

func (c counting) Activity(next durable.ActivityHandler) durable.ActivityHandler {
	return func(ctx context.Context, input *string) (*string, error) {
		*c.calls = append(*c.calls, "activity "+durable.ActivityInfo(ctx).Name)
		return next(ctx, input)
	}
}

func (c counting) Orchestration(next durable.OrchestrationHandler) durable.OrchestrationHandler {
	return func(ctx *durable.Context, input *string) (*string, error) {
		if !ctx.IsReplaying() {
			*c.calls = append(*c.calls, "orchestration "+ctx.Name())
		}
		return next(ctx, input)
	}
}

func (c counting) Client(next durable.ClientHandler) durable.ClientHandler {
	return func(ctx context.Context, call *durable.ClientCall) error {
		*c.calls = append(*c.calls, string(call.Operation))
		return next(ctx, call)
	}
}

func TestInterceptors(t *testing.T) {
	t.Parallel()
	var calls []string
	env := durabletest.NewWith(t, durabletest.Config{Environment: durable.Environment{Interceptors: []durable.Interceptor{counting{calls: &calls}}}})
	env.Register(double)
	durabletest.Mock(env, notify, func(context.Context, string) (durable.Void, error) { return durable.Void{}, nil })
	durabletest.MockOrchestratorNamed(env, "C", func(context.Context, int) (int, error) { return 0, nil })
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
		if _, err := notify.Call(ctx, "").Await(); err != nil {
			return 0, err
		}
		if _, err := durable.CallSubOrchestration[int](ctx, "C", 1).Await(); err != nil {
			return 0, err
		}
		return double.Call(ctx, 1).Await()
	}), durable.Void{})
	if want := []string{"start", "orchestration Main", "activity Notify", "activity Double"}; run.Err != nil || !slices.Equal(calls, want) {
		t.Errorf("%v, %v", calls, run.Err)
	}
}

// TestLogger checks that orchestrators log once, and with the virtual clock.
func TestLogger(t *testing.T) {
	t.Parallel()
	out := &output{}
	env := durabletest.New(out)
	durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
		ctx.Logger().Info("before")
		err := durable.Sleep(ctx, time.Hour)
		ctx.Logger().Debug("after")
		return 0, err
	}), durable.Void{})
	out.end()
	for _, text := range []string{"time=2026-01-01T12:00:00.000Z level=INFO msg=before orchestrator=Main instance_id=instance-1", "time=2026-01-01T13:00:00.000Z level=DEBUG msg=after"} {
		if strings.Count(out.text.String(), text) != 1 {
			t.Errorf("%q is not once in\n%s", text, out.text.String())
		}
	}
	if n := strings.Count(out.text.String(), "msg="); n != 2 {
		t.Errorf("%d lines", n)
	}
}

func TestElapsedOfNested(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (string, error) {
		return fmt.Sprint(ctx.Now().Sub(durabletest.DefaultStart), ctx.InstanceID()), durable.Sleep(ctx, time.Second)
	}), durable.Void{}, durable.WithStartAt(env.Now().Add(time.Hour)))
	if run.Output != "1h0m0sinstance-1" || run.Elapsed != time.Hour+time.Second {
		t.Errorf("%q after %v", run.Output, run.Elapsed)
	}
}
