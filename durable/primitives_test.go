package durable_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

var double = durable.NewActivity("Double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

var errOdd = errors.New("odd")

var half = durable.NewActivity("Half", func(_ context.Context, n int) (int, error) {
	if n%2 != 0 {
		return 0, fmt.Errorf("%d is odd: %w", n, errOdd)
	}
	return n / 2, nil
})

// orchestrate defines an orchestrator of a function without input.
func orchestrate[O any](f func(ctx *durable.Context) (O, error)) *durable.Orchestrator[durable.Void, O] {
	return durable.NewOrchestrator("Main", func(ctx *durable.Context, _ durable.Void) (O, error) { return f(ctx) })
}

func TestWhenAll(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		o := orchestrate(func(ctx *durable.Context) ([]int, error) {
			empty, err := durable.WhenAll([]*durable.Task[int]{})
			if len(empty) != 0 || err != nil {
				return nil, fmt.Errorf("WhenAll of nothing: %v, %w", empty, err)
			}
			var tasks []*durable.Task[int]
			for n := range 6 {
				tasks = append(tasks, half.Call(ctx, n))
			}
			results, err := durable.WhenAll(tasks)
			var joined interface{ Unwrap() []error }
			if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 {
				return nil, fmt.Errorf("three failures, got %w", err)
			}
			for i, want := range []int{1, 3, 5} {
				var failed *durable.TaskFailedError
				if !errors.As(joined.Unwrap()[i], &failed) || failed.TaskID != int32(want) {
					return nil, fmt.Errorf("failure %d is %w", i, joined.Unwrap()[i])
				}
			}
			return results, nil
		})
		got, err := run(t, hubWith(with, o, half), o, durable.Void{})
		if err != nil || !slices.Equal(got, []int{0, 0, 1, 0, 2, 0}) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestWhenAnyAndInOrder(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		o := orchestrate(func(ctx *durable.Context) (string, error) {
			var order []string
			timers := []*durable.Task[durable.Void]{
				durable.Timer(ctx, 3*time.Second), durable.Timer(ctx, time.Second), durable.Timer(ctx, 2*time.Second),
			}
			if won := durable.WhenAny(timers[0], timers[1], timers[2]); won != timers[1] {
				return "", errors.New("the shortest timer did not win")
			}
			for i, timer := range durable.InOrder(timers) {
				if !timer.Done() {
					return "", errors.New("InOrder yielded an open task")
				}
				order = append(order, fmt.Sprint(i))
			}
			if durable.WhenAny(timers[2], timers[0]) != timers[2] || durable.WhenAny() != nil {
				return "", errors.New("of done tasks the first in the list wins")
			}
			for i := range durable.InOrder(timers) {
				order = append(order, fmt.Sprint("again", i))
				break
			}
			return strings.Join(order, " "), durable.AwaitAll(timers[0], double.Call(ctx, 1))
		})
		got, err := run(t, hubWith(with, o, double), o, durable.Void{})
		if err != nil || got != "1 2 0 again0" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestLongTimersAreSplit(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		const day = 24 * time.Hour
		for total, want := range map[time.Duration][]string{
			6 * day:             {"0 timer 144h0m0s", "0 fired", "1 Completed"},
			6*day + time.Second: {"0 timer 72h0m0s", "0 fired", "1 timer 144h0m0s", "1 fired", "2 timer 144h0m1s", "2 fired", "3 Completed"},
			8 * day:             {"0 timer 72h0m0s", "0 fired", "1 timer 144h0m0s", "1 fired", "2 timer 192h0m0s", "2 fired", "3 Completed"},
		} {
			o := orchestrate(func(ctx *durable.Context) (durable.Void, error) { return durable.Void{}, durable.Sleep(ctx, total) })
			h := hubWith(with, o)
			if _, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i")); err != nil {
				t.Fatal(err)
			}
			wantStory(t, h, "i", want...)
		}
	})
}

func TestTimersRoundUpAndCancel(t *testing.T) {
	t.Parallel()
	o := orchestrate(func(ctx *durable.Context) (string, error) {
		durable.Timer(ctx, time.Nanosecond).Cancel()
		slow := durable.Timer(ctx, time.Hour)
		slow.Cancel()
		slow.Cancel()
		_, err := slow.Await()
		if !errors.Is(err, durable.ErrCanceled) || !errors.Is(slow.Err(), durable.ErrCanceled) {
			return "", fmt.Errorf("a canceled timer: %w", err)
		}
		if err := durable.SleepUntil(ctx, ctx.Now().Add(-time.Hour)); err != nil {
			return "", err
		}
		return "ok", nil
	})
	h := newHub(o)
	if got, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i")); got != "ok" {
		t.Fatal(err)
	}
	wantStory(t, h, "i", "0 timer 100ns", "1 timer 1h0m0s", "2 timer -1h0m0s", "2 fired", "3 Completed")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		o := orchestrate(func(ctx *durable.Context) ([]string, error) {
			var got []string
			for n, err := range durable.Events[int](ctx, "number") {
				if err != nil {
					got = append(got, "bad")
					continue
				}
				got = append(got, fmt.Sprint(n))
				if n == 3 {
					break
				}
			}
			_, err := durable.WaitForEvent[int](ctx, "never", durable.WithTimeout(time.Minute)).Await()
			var timeout *durable.TimeoutError
			if !errors.Is(err, durable.ErrTimeout) || !errors.As(err, &timeout) || timeout.After != time.Minute {
				return nil, fmt.Errorf("no time-out: %w", err)
			}
			late, err := durable.WaitForEvent[string](ctx, "NUMBER", durable.WithTimeout(time.Minute)).Await()
			return append(got, late), err
		})
		h := hubWith(with, o)
		r, err := o.Start(context.Background(), h, durable.Void{}, durable.WithInstanceID("i"))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []any{1, "x", 2, 3, "four"} {
			if err := durable.RaiseEvent(context.Background(), h, "i", "Number", v); err != nil {
				t.Fatal(err)
			}
		}
		got, err := r.Wait(context.Background())
		if err != nil || strings.Join(got, " ") != "1 bad 2 3 four" {
			t.Errorf("%v, %v", got, err)
		}
		wantStory(t, h, "i", "event Number", "event Number", "event Number", "event Number", "0 timer 1m0s", "event Number",
			"0 fired", "1 timer 2m0s", "2 Completed")
	})
}

func TestAnyEvent(t *testing.T) {
	t.Parallel()
	o := orchestrate(func(ctx *durable.Context) (string, error) {
		named := durable.WaitForEvent[int](ctx, "Named")
		wild := durable.WaitForAnyEvent(ctx, durable.WithTimeout(time.Hour))
		event, err := wild.Await()
		if err != nil {
			return "", err
		}
		var n int
		if err := event.Decode(&n); err != nil {
			return "", err
		}
		var list []int
		if err := event.Decode(&list); err == nil {
			return "", errors.New("a number was read as a list")
		}
		own, err := named.Await()
		return fmt.Sprintf("%s %d %d", event.Name, n, own), err
	})
	h := newHub(o)
	r, _ := o.Start(context.Background(), h, durable.Void{})
	_ = r.RaiseEvent(context.Background(), "named", 1)
	_ = r.RaiseEvent(context.Background(), "Other", 2)
	if got, err := r.Wait(context.Background()); got != "Other 2 1" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSendEvent(t *testing.T) {
	t.Parallel()
	receiver := durable.NewOrchestrator("Receiver", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "hello").Await()
	})
	sender := durable.NewOrchestrator("Sender", func(ctx *durable.Context, to string) (durable.Void, error) {
		if durable.SendEvent(ctx, "", "x", 1) == nil || durable.SendEvent(ctx, to, " ", 1) == nil {
			return durable.Void{}, errors.New("bad arguments were taken")
		}
		if err := durable.SendEvent(ctx, to, "x", make(chan int)); err == nil || !strings.Contains(err.Error(), `event "x"`) {
			return durable.Void{}, fmt.Errorf("a channel as payload: %w", err)
		}
		return durable.Void{}, durable.SendEvent(ctx, to, "Hello", "hi")
	})
	h := newHub(receiver, sender)
	r, _ := receiver.Start(context.Background(), h, durable.Void{})
	if _, err := run(t, h, sender, r.InstanceID()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Wait(context.Background()); got != "hi" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCoroutinesAndScopes(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		o := orchestrate(func(ctx *durable.Context) (string, error) {
			var log []string
			scope, cancel := durable.WithCancel(ctx)
			inner, _ := durable.WithCancel(scope)
			worker := func(name string, every time.Duration, c *durable.Context) *durable.Task[durable.Void] {
				return durable.Go(c, func(ctx *durable.Context) error {
					for {
						if err := durable.Sleep(ctx, every); err != nil {
							return err
						}
						log = append(log, name)
					}
				})
			}
			a, b, c := worker("a", 2*time.Second, scope), worker("b", 3*time.Second, inner), worker("c", 5*time.Second, ctx)
			if err := durable.Sleep(ctx, 7*time.Second); err != nil {
				return "", err
			}
			cancel()
			cancel()
			for _, task := range []*durable.Task[durable.Void]{a, b} {
				if _, err := task.Await(); !errors.Is(err, durable.ErrCanceled) {
					return "", fmt.Errorf("a canceled coroutine returned %w", err)
				}
			}
			if !errors.Is(scope.Err(), durable.ErrCanceled) || !errors.Is(inner.Err(), durable.ErrCanceled) || ctx.Err() != nil {
				return "", errors.New("the wrong scopes are canceled")
			}
			if err := double.Call(inner, 1).Err(); !errors.Is(err, durable.ErrCanceled) {
				return "", fmt.Errorf("a call in a canceled scope: %w", err)
			}
			if err := durable.SendEvent(inner, "x", "y", 1); !errors.Is(err, durable.ErrCanceled) {
				return "", fmt.Errorf("an event in a canceled scope: %w", err)
			}
			if _, err := durable.Go(ctx, nil).Await(); err == nil {
				return "", errors.New("a coroutine without a function")
			}
			if err := durable.Sleep(ctx, 4*time.Second); err != nil {
				return "", err
			}
			c.Cancel()
			_, err := c.Await()
			if !errors.Is(err, durable.ErrCanceled) {
				return "", fmt.Errorf("a canceled coroutine returned %w", err)
			}
			return strings.Join(log, ""), nil
		})
		h := hubWith(with, o, double)
		got, err := run(t, h, o, durable.Void{})
		if err != nil || got != "abacbac" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestCanceledScopeForgetsItsTasks(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		o := orchestrate(func(ctx *durable.Context) (int, error) {
			scope, cancel := durable.WithCancel(ctx)
			tasks := []durable.Awaitable{
				double.Call(scope, 1), durable.Timer(scope, time.Hour), durable.WaitForEvent[int](scope, "e"),
				durable.CallSubOrchestration[int](scope, "Nowhere", 1), durable.WaitForAnyEvent(scope, durable.WithTimeout(time.Hour)),
			}
			cancel()
			for i, task := range tasks {
				if !task.Done() || !errors.Is(task.Err(), durable.ErrCanceled) {
					return 0, fmt.Errorf("task %d: %w", i, task.Err())
				}
			}
			return durable.WaitForEvent[int](ctx, "e").Await()
		})
		h := hubWith(with, o, double)
		r, _ := o.Start(context.Background(), h, durable.Void{})
		_ = h.raiseAt(h.now.Add(2*time.Hour), r.InstanceID(), "e", 7)
		if got, err := r.Wait(context.Background()); got != 7 {
			t.Errorf("%d, %v", got, err)
		}
	})
}

func TestSubOrchestrations(t *testing.T) {
	t.Parallel()
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, n int) (string, error) {
		p, ok := ctx.ParentInstance()
		return fmt.Sprint(n, " ", ctx.InstanceID(), " ", ok, " ", p.Name, " ", p.InstanceID, " ", ctx.Version(), " ", ctx.Tags()), nil
	}, durable.WithVersion("2"))
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		o := orchestrate(func(ctx *durable.Context) ([]string, error) {
			_, hasParent := ctx.ParentInstance()
			if hasParent {
				return nil, errors.New("a parent of the first instance")
			}
			a, err := child.Call(ctx, 1, durable.WithTags(map[string]string{"x": "1"})).Await()
			if err != nil {
				return nil, err
			}
			b, err := durable.CallSubOrchestration[string](ctx, "Child", 2, durable.WithInstanceID("mine"), durable.WithVersion("2")).Await()
			if err != nil {
				return nil, err
			}
			spawned, err := child.Spawn(ctx, 3)
			if err != nil {
				return nil, err
			}
			if _, err := child.Spawn(ctx, 3, durable.WithTimeout(time.Second)); err == nil {
				return nil, errors.New("a time-out for a child nobody waits for")
			}
			return []string{a, b, spawned}, nil
		})
		h := hubWith(with, o, child)
		got, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("p"), durable.WithTags(map[string]string{"team": "blue"}))
		want := []string{
			"1 p.1:0 true Main p 2 map[team:blue x:1]", "2 mine true Main p 2 map[team:blue]", "p.1:2",
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
		if out, err := durable.GetRun[string](h, "p.1:2").Wait(context.Background()); err != nil || !strings.HasPrefix(out, "3 p.1:2 false") {
			t.Errorf("the spawned child: %q, %v", out, err)
		}
	})
}

func TestVersionAndTagsOfActivities(t *testing.T) {
	t.Parallel()
	o := orchestrate(func(ctx *durable.Context) (int, error) {
		return double.Call(ctx, 1, durable.WithVersion("3"), durable.WithTags(map[string]string{"a": "1"}), durable.WithTags(map[string]string{"b": "2"})).Await()
	})
	h := newHub(o, double)
	if got, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i")); got != 2 {
		t.Fatal(err)
	}
	for _, e := range h.instances["i"].rows {
		if call, ok := e.(*history.TaskScheduled); ok && (*call.Version != "3" || fmt.Sprint(call.Tags.Map()) != "map[a:1 b:2]" || call.Input != nil) {
			t.Errorf("%+v", call)
		}
	}
}

func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	o := durable.NewOrchestrator("Loop", func(ctx *durable.Context, n int) (string, error) {
		got, err := durable.WaitForEvent[string](ctx, "next").Await()
		if err != nil {
			return "", err
		}
		if n < 3 {
			return "", durable.ContinueAsNew(ctx, n+1)
		}
		return got + " " + ctx.ExecutionID(), nil
	})
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		h := hubWith(with, o)
		r, _ := o.Start(context.Background(), h, 1, durable.WithInstanceID("i"))
		for _, s := range []string{"a", "b", "c"} {
			_ = r.RaiseEvent(context.Background(), "Next", s)
		}
		if got, err := r.Wait(context.Background()); got != "c i.3" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("wrong input", func(t *testing.T) {
		t.Parallel()
		o := durable.NewOrchestrator("Wrong", func(ctx *durable.Context, n int) (string, error) {
			return "", durable.ContinueAsNew(ctx, "not a number")
		})
		_, err := run(t, newHub(o), o, 1)
		if err == nil || !strings.Contains(err.Error(), `orchestrator "Wrong": the input of the next generation`) {
			t.Error(err)
		}
	})
	t.Run("version and events", func(t *testing.T) {
		t.Parallel()
		next := durable.NewOrchestrator("V", func(ctx *durable.Context, _ int) (string, error) {
			_, err := durable.WaitForEvent[int](ctx, "e", durable.WithTimeout(time.Second)).Await()
			return fmt.Sprintf("%s %v", ctx.Version(), errors.Is(err, durable.ErrTimeout)), nil
		}, durable.WithVersion("2"))
		first := durable.NewOrchestrator("V", func(ctx *durable.Context, n int) (string, error) {
			if err := durable.Sleep(ctx, time.Minute); err != nil {
				return "", err
			}
			return "", durable.ContinueAsNew(ctx, n, durable.WithVersion("2"), durable.DropEvents())
		}, durable.WithVersion("1"))
		h := newHub(first, next)
		r, _ := first.Start(context.Background(), h, 1)
		_ = r.RaiseEvent(context.Background(), "e", 1)
		if got, err := r.Wait(context.Background()); got != "2 true" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestContext(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, with func(*memHub)) {
		var log bytes.Buffer
		o := orchestrate(func(ctx *durable.Context) ([]string, error) {
			ctx.Logger().Info("begin")
			before := []any{ctx.Now().Unix(), ctx.NewUUID(), ctx.Rand().IntN(1000), ctx.HistorySize()}
			if _, err := double.Call(ctx, 1).Await(); err != nil {
				return nil, err
			}
			ctx.Logger().With("n", 1).WithGroup("g").Info("end")
			after := []any{ctx.NewUUID(), ctx.Rand().IntN(1000), ctx.HistorySize(), ctx.Name(), ctx.Version(), ctx.Tags()}
			return []string{fmt.Sprint(before...), fmt.Sprint(after...)}, nil
		})
		h := hubWith(func(h *memHub) {
			with(h)
			h.log = lines{&log}.logger()
		}, o, double)
		got, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i"))
		if err != nil {
			t.Fatal(err)
		}
		// The identifiers were computed with another implementation of version 5.
		want := []string{
			"1780315200 cbc3af8c-7abc-5ce3-adde-1d48f978249d 911 1", "7248938c-a7fd-5570-8a64-7eb3477c4ec3 627 3Mainmap[]",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		wantLog := "msg=begin orchestrator=Main instance_id=i execution_id=i.1\nmsg=end orchestrator=Main instance_id=i execution_id=i.1 n=1\n"
		if log.String() != wantLog {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

func TestCustomStatus(t *testing.T) {
	t.Parallel()
	type progress struct{ Done, Of int }
	o := orchestrate(func(ctx *durable.Context) (string, error) {
		if err := durable.SetCustomStatus(ctx, progress{1, 2}); err != nil {
			return "", err
		}
		if err := durable.SetCustomStatus(ctx, strings.Repeat("é", durable.MaxCustomStatus)); !errors.Is(err, durable.ErrStatusTooLarge) {
			return "", fmt.Errorf("a large status: %w", err)
		}
		if err := durable.SetCustomStatus(ctx, make(chan int)); err == nil {
			return "", errors.New("a channel as status")
		}
		return durable.WaitForEvent[string](ctx, "go").Await()
	})
	h := newHub(o)
	r, _ := o.Start(context.Background(), h, durable.Void{})
	h.settle(h.now.Add(time.Second))
	in, err := r.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	status, err := durable.CustomStatus[progress](in)
	if err != nil || status != (progress{1, 2}) || in.Status != history.Running {
		t.Errorf("%+v, %v, %v", status, in.Status, err)
	}
	if _, err := durable.Output[string](in); !errors.Is(err, durable.ErrNotCompleted) {
		t.Error(err)
	}
	h.Close()
}

func TestPatched(t *testing.T) {
	t.Parallel()
	var patched bool
	o := orchestrate(func(ctx *durable.Context) (int, error) {
		if !patched {
			return half.Call(ctx, 2).Await()
		}
		if ctx.Patched("double") {
			if !durable.Patched(ctx, "double") {
				return 0, errors.New("another answer")
			}
			return double.Call(ctx, 2).Await()
		}
		n, err := half.Call(ctx, 2).Await()
		return n + 100, err
	})
	h := hubWith(func(h *memHub) { h.reload = true }, o, half, double)
	defer h.Close()
	before, _ := o.Start(context.Background(), h, durable.Void{})
	h.step()
	patched = true
	after, _ := o.Start(context.Background(), h, durable.Void{})
	if got, err := before.Wait(context.Background()); got != 101 {
		t.Errorf("an old execution: %d, %v", got, err)
	}
	if got, err := after.Wait(context.Background()); got != 4 {
		t.Errorf("a new execution: %d, %v", got, err)
	}
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	o := orchestrate(func(ctx *durable.Context) (string, error) { return durable.WaitForEvent[string](ctx, "never").Await() })
	h := newHub(o)
	r, _ := o.Start(context.Background(), h, durable.Void{})
	_ = r.Terminate(context.Background(), "enough")
	_, err := r.Wait(context.Background())
	var failed *durable.InstanceError
	if !errors.Is(err, durable.ErrTerminated) || !errors.As(err, &failed) || failed.Message != "enough" || errors.Is(err, durable.ErrCanceled) {
		t.Error(err)
	}
}

func TestActivityInfoAndHeartbeat(t *testing.T) {
	t.Parallel()
	a := durable.NewActivity("Info", func(ctx context.Context, _ durable.Void) (string, error) {
		i := durable.ActivityInfo(ctx)
		return fmt.Sprint(i.Name, " ", i.InstanceID, " ", i.ExecutionID, " ", i.TaskID, " ", i.Attempt, " ", i.IdempotencyKey()), durable.Heartbeat(ctx, 1)
	})
	o := orchestrate(func(ctx *durable.Context) (string, error) { return a.Call(ctx, durable.Void{}).Await() })
	got, err := run(t, newHub(o, a), o, durable.Void{}, durable.WithInstanceID("i"))
	if got != "Info i i.1 0 1 i/i.1/0" {
		t.Errorf("%q, %v", got, err)
	}
	if err := durable.Heartbeat(context.Background(), 1); !errors.Is(err, durable.ErrNotActivity) {
		t.Error(err)
	}
	var beats []string
	ctx, cancel := context.WithCancelCause(durable.WithActivityInfo(context.Background(), durable.ActivityInfoValue{
		Heartbeat: func(_ context.Context, details *string) error { beats = append(beats, *details); return nil },
	}))
	if err := durable.Heartbeat(ctx, map[string]int{"done": 3}); err != nil || !slices.Equal(beats, []string{`{"done":3}`}) {
		t.Errorf("%v, %v", beats, err)
	}
	if err := durable.Heartbeat(ctx, make(chan int)); err == nil {
		t.Error("a channel as details")
	}
	cancel(durable.ErrTerminated)
	if err := durable.Heartbeat(ctx, 1); !errors.Is(err, durable.ErrTerminated) {
		t.Error(err)
	}
}

// The input of an activity is an array of one, that of an orchestrator is not; both
// are read either way.
func TestInputForms(t *testing.T) {
	t.Parallel()
	list := durable.NewActivity("List", func(_ context.Context, v []int) (int, error) { return len(v), nil })
	nested := durable.NewActivity("Nested", func(_ context.Context, v [][]int) (int, error) { return len(v), nil })
	object := durable.NewActivity("Object", func(_ context.Context, v struct{ N int }) (int, error) { return v.N, nil })
	tests := []struct {
		a    durable.Registrable
		raw  string
		want string
	}{
		{list, `[[1,2]]`, "2"}, {list, `[1,2]`, "2"}, {list, `[5]`, "1"}, {list, `[]`, "0"}, {list, `[null]`, "0"},
		{nested, `[[[1,2]]]`, "1"}, {nested, `[[1,2],[3]]`, "2"}, {nested, `[[1]]`, "1"},
		{object, `[{"N":7}]`, "7"}, {object, `{"N":7}`, "7"}, {object, `[{"$type":"X, y","n":7}]`, "7"},
	}
	for _, tt := range tests {
		got, err := tt.a.Handler()(context.Background(), &tt.raw)
		if err != nil || *got != tt.want {
			t.Errorf("%s of %s: %v, %v", tt.a.Name(), tt.raw, got, err)
		}
	}
	for _, raw := range []string{`["x"]`, `[1,2]`, `{`, `"x`} {
		if _, err := object.Handler()(context.Background(), &raw); err == nil || !strings.Contains(err.Error(), `activity "Object": the input`) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	o := durable.NewOrchestrator("O", func(_ *durable.Context, n int) (int, error) { return n, nil })
	h := newHub(o)
	for _, raw := range []any{json.RawMessage(`5`), json.RawMessage(`[5]`)} {
		if r, _ := durable.Start[int](context.Background(), h, "O", raw); r != nil {
			if got, err := r.Wait(context.Background()); got != 5 {
				t.Errorf("%v: %v", raw, err)
			}
		}
	}
}
