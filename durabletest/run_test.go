package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
)

func receipt(_ context.Context, o order) (string, error) { return "receipt for " + o.ID, nil }

// every runs a test in each of the ways an environment can work.
func every(t *testing.T, test func(t *testing.T, env *durabletest.Env)) {
	t.Helper()
	for name, cfg := range map[string]durabletest.Config{
		"replayed": {}, "batched": {Batched: true}, "live": {SkipReplay: true}, "exceptions": {Errors: durable.SerializedExceptions},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, durabletest.NewWith(t, cfg))
		})
	}
}

func TestApproved(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		durabletest.Mock(env, charge, receipt).Takes(time.Second).FailTimes(2, errBusy)
		env.RaiseAt(2*time.Hour, "approve", true)
		run := durabletest.Run(env, approval, order{"o-1", 5}, durable.WithInstanceID("a"), durable.WithTags(map[string]string{"k": "v"}))
		if run.Err != nil || run.Output != "receipt for o-1" || run.Status != history.Completed {
			t.Errorf("%q, %v, %v", run.Output, run.Status, run.Err)
		}
		if want := 2*time.Hour + 3*time.Second + 3*time.Minute; run.Elapsed != want {
			t.Errorf("it took %v, want %v", run.Elapsed, want)
		}
		if !run.StartedAt.Equal(durabletest.DefaultStart) || !run.EndedAt.Equal(env.Now()) || run.InstanceID != "a" || run.Generations != 1 {
			t.Errorf("%+v", run)
		}
		if got := durabletest.CustomStatuses[string](run); !slices.Equal(got, []string{"waiting", "charging"}) {
			t.Errorf("custom statuses %q", got)
		}
		if run.CustomStatus != `"charging"` || run.CustomStatuses[1].At.Sub(run.StartedAt) != 2*time.Hour {
			t.Errorf("custom status %s, %+v", run.CustomStatus, run.CustomStatuses)
		}
		if got := durabletest.Inputs(env, charge); !reflect.DeepEqual(got, []order{{"o-1", 5}, {"o-1", 5}, {"o-1", 5}}) {
			t.Errorf("charged %v", got)
		}
		env.AssertCalledTimes(charge, 3)
		env.AssertNotCalled(refund)
		durabletest.AssertCalledWith(env, charge, order{"o-1", 5})
		calls := env.Calls(charge)
		if !errors.Is(calls[0].Err, errBusy) || calls[2].Err != nil || *calls[2].Output != `"receipt for o-1"` || !calls[2].Ran ||
			calls[1].At.Sub(calls[0].EndedAt) != time.Minute || calls[2].At.Sub(calls[1].EndedAt) != 2*time.Minute {
			t.Errorf("%+v", calls)
		}
		var waits []time.Duration
		for _, timer := range env.Timers() {
			waits = append(waits, timer.Duration())
			if timer.FiredAt.IsZero() != (timer.Duration() == 48*time.Hour) {
				t.Errorf("%+v", timer)
			}
		}
		if !slices.Equal(waits, []time.Duration{48 * time.Hour, time.Minute, 2 * time.Minute}) {
			t.Errorf("timers %v", waits)
		}
		durabletest.ReplayHistory(t, run.History, approval)
	})
}

func TestExpired(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		durabletest.Mock(env, charge, receipt)
		env.RaiseAt(49*time.Hour, "Approve", true)
		run := durabletest.Run(env, approval, order{})
		if run.Output != "expired" || run.Elapsed != 48*time.Hour || run.Err != nil {
			t.Errorf("%q after %v, %v", run.Output, run.Elapsed, run.Err)
		}
		env.AssertNotCalled(charge)
	})
}

// TestEngineRows checks that histories are written row for row as by a worker.
func TestEngineRows(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.Register(double)
	o := orchestrate(func(ctx *durable.Context) (int, error) {
		if ctx.Patched("p") {
			n, err := double.Call(ctx, 1).Await()
			if err != nil {
				return 0, err
			}
			return n, durable.SendEvent(ctx, "other", "e", n)
		}
		return 0, nil
	})
	run := durabletest.Run(env, o, durable.Void{})
	events, err := history.UnmarshalExport(run.History)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.Kind(), " ", e.Common().EventID, " ", e.Common().IsPlayed))
		if !e.Common().Timestamp.Equal(durabletest.DefaultStart) {
			t.Errorf("%v is of %v", e.Kind(), e.Common().Timestamp)
		}
	}
	want := []string{
		"OrchestratorStarted -1 false", "ExecutionStarted -1 true", "GenericEvent -1 false", "TaskScheduled 0 false", "OrchestratorCompleted -1 false",
		"OrchestratorStarted -1 false", "TaskCompleted -1 true", "EventSent 1 false", "ExecutionCompleted 2 false", "OrchestratorCompleted -1 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows:\n%s", strings.Join(got, "\n"))
	}
	if sent := env.SentEvents(); len(sent) != 1 || sent[0].Delivered || sent[0].To != "other" || *sent[0].Payload != "2" {
		t.Errorf("%+v", sent)
	}
}

func TestActivities(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		var seen durable.ActivityInfoValue
		durabletest.MockNamed(env, "Info", func(ctx context.Context, n int) (int, error) {
			seen = durable.ActivityInfo(ctx)
			if err := durable.Heartbeat(ctx, n); err != nil {
				return 0, err
			}
			return n, ctx.Err()
		})
		durabletest.MockNamed(env, "Panics", func(context.Context, durable.Void) (int, error) { panic("oh") })
		env.Register(double)
		env.On(double).Takes(time.Hour)
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
			info := durable.CallActivity[int](ctx, "Info", 7)
			slow := double.Call(ctx, 1, durable.WithTimeout(time.Minute))
			_, err := slow.Await()
			if !errors.Is(err, durable.ErrTimeout) {
				return 0, fmt.Errorf("the slow one: %w", err)
			}
			_, err = durable.CallActivity[int](ctx, "Panics", nil).Await()
			var failed *durable.TaskFailedError
			if !errors.As(err, &failed) || !strings.Contains(failed.Message, "oh") {
				return 0, fmt.Errorf("the panic: %w", err)
			}
			return info.Await()
		}), durable.Void{}, durable.WithTags(map[string]string{"tenant": "x"}))
		if run.Err != nil || run.Output != 7 || run.Elapsed != time.Minute {
			t.Errorf("%d after %v, %v", run.Output, run.Elapsed, run.Err)
		}
		if seen.Name != "Info" || seen.InstanceID != run.InstanceID || seen.TaskID != 0 || seen.Attempt != 1 || seen.Tags["tenant"] != "x" ||
			seen.ExecutionID != run.ExecutionID || !seen.ScheduledAt.Equal(run.StartedAt) {
			t.Errorf("%+v", seen)
		}
		if all := env.AllCalls(); len(all) != 3 || !slices.Equal(all[0].Heartbeats, []string{"7"}) || !all[1].EndedAt.Equal(run.StartedAt.Add(time.Hour)) {
			t.Errorf("%+v", all)
		}
		env.Settle()
		if got := env.Now().Sub(run.EndedAt); got != 0 {
			t.Errorf("a result that nobody waits for moved the clock by %v", got)
		}
	})
}

// TestUnawaited checks that what the last episode asks for happens.
func TestUnawaited(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		told := false
		durabletest.Mock(env, notify, func(context.Context, string) (durable.Void, error) {
			told = true
			return durable.Void{}, nil
		})
		child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (int, error) { return 1, durable.Sleep(ctx, time.Hour) })
		env.Register(child)
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
			notify.Call(ctx, "x")
			_, err := child.Spawn(ctx, durable.Void{}, durable.WithInstanceID("spawned"))
			return 0, err
		}), durable.Void{})
		if run.Err != nil || !told || run.Elapsed != 0 {
			t.Errorf("told: %v, %v after %v", told, run.Err, run.Elapsed)
		}
		if in := durabletest.Inspect[int](env, "spawned"); in.Status != history.Running {
			t.Errorf("the spawned child is %v", in.Status)
		}
		env.Advance(59 * time.Minute)
		if in := durabletest.Inspect[int](env, "spawned"); in.Status != history.Running || in.Elapsed != 59*time.Minute {
			t.Errorf("the spawned child is %v after %v", in.Status, in.Elapsed)
		}
		env.Advance(time.Minute)
		if in := durabletest.Inspect[int](env, "spawned"); in.Status != history.Completed || in.Output != 1 || in.Elapsed != time.Hour {
			t.Errorf("the spawned child: %+v", in)
		}
		if durabletest.Inspect[int](env, "nobody") != nil {
			t.Error("there is nobody")
		}
	})
}

func TestChildren(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		child := durable.NewOrchestrator("Child", func(ctx *durable.Context, n int) (int, error) {
			n, err := double.Call(ctx, n).Await()
			if err == nil && n > 4 {
				err = durable.SendEvent(ctx, "main", "Told", n)
			}
			return n, err
		})
		mocked := durable.DeclareOrchestrator[[]int, int]("Mocked")
		failing := durable.DeclareOrchestrator[int, int]("Failing")
		env.Register(child, double)
		env.On(child).FailTimes(1, errBusy)
		durabletest.MockOrchestrator(env, mocked, func(_ context.Context, list []int) (int, error) { return len(list), nil }).Takes(time.Hour)
		durabletest.MockOrchestratorNamed(env, "Failing", func(context.Context, int) (int, error) { return 0, fmt.Errorf("no: %w", errBusy) })
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) ([]int, error) {
			told := durable.WaitForEvent[int](ctx, "Told")
			a, err := child.Call(ctx, 3, durable.WithRetry(durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Minute})).Await()
			if err != nil {
				return nil, err
			}
			b, err := mocked.Call(ctx, []int{9}, durable.WithInstanceID("mock")).Await()
			if err != nil {
				return nil, err
			}
			_, err = failing.Call(ctx, 1).Await()
			var failed *durable.SubOrchestrationFailedError
			if !errors.As(err, &failed) || failed.Message != "no: busy" {
				return nil, fmt.Errorf("the failing child: %w", err)
			}
			c, err := told.Await()
			return []int{a, b, c}, err
		}), durable.Void{}, durable.WithInstanceID("main"))
		if run.Err != nil || !slices.Equal(run.Output, []int{6, 1, 6}) || run.Elapsed != time.Hour+time.Minute {
			t.Errorf("%v after %v, %v", run.Output, run.Elapsed, run.Err)
		}
		if got := durabletest.ChildInputs(env, child); !slices.Equal(got, []int{3, 3}) {
			t.Errorf("children started with %v", got)
		}
		children := env.Children()
		if len(children) != 4 || children[2].Child != "mock" || !children[2].Ran || *children[2].Output != "1" || children[3].Err == nil ||
			children[0].Child != run.ExecutionID+":0" {
			t.Errorf("%+v", children)
		}
		env.AssertCalledTimes(child, 2)
		env.AssertSent("main", "told")
		if sent := env.SentEvents(); len(sent) != 1 || !sent[0].Delivered {
			t.Errorf("%+v", sent)
		}
		in := durabletest.Inspect[int](env, "mock")
		if in.Output != 1 || in.Elapsed != time.Hour || len(in.History) < 100 {
			t.Errorf("the mocked child: %+v", in)
		}
		durabletest.ReplayHistory(t, run.History, orchestrateName("Other"), run2main(t, run))
	})
}

// orchestrateName makes an orchestrator that does nothing.
func orchestrateName(name string) durable.Registrable {
	return durable.NewOrchestrator(name, func(*durable.Context, durable.Void) (int, error) { return 0, nil })
}

// run2main makes an orchestrator that decides what the one of TestChildren decides.
func run2main(t *testing.T, run *durabletest.Result[[]int]) durable.Registrable {
	t.Helper()
	return durable.NewOrchestrator("Main", func(ctx *durable.Context, _ durable.Void) ([]int, error) {
		policy := durable.WithRetry(durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Minute})
		_, _ = durable.CallSubOrchestration[int](ctx, "Child", 3, policy).Await()
		_, _ = durable.CallSubOrchestration[int](ctx, "Mocked", nil).Await()
		_, _ = durable.CallSubOrchestration[int](ctx, "Failing", 1).Await()
		return run.Output, nil
	})
}

func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		env.Register(double)
		counter := durable.NewOrchestrator("Counter", func(ctx *durable.Context, n int) (int, error) {
			if err := durable.SetCustomStatus(ctx, n); err != nil {
				return 0, err
			}
			if _, err := double.Call(ctx, n).Await(); err != nil {
				return 0, err
			}
			if n < 3 {
				return 0, durable.ContinueAsNew(ctx, n+1)
			}
			return durable.WaitForEvent[int](ctx, "kept").Await()
		})
		env.RaiseAt(0, "kept", 42)
		run := durabletest.Run(env, counter, 0)
		if run.Err != nil || run.Output != 42 || run.Generations != 4 {
			t.Errorf("%d, %d generations, %v", run.Output, run.Generations, run.Err)
		}
		if got := durabletest.CustomStatuses[int](run); !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("custom statuses %v", got)
		}
		if got := durabletest.Inputs(env, double); !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("inputs %v", got)
		}
		durabletest.ReplayHistory(t, run.History, counter)
	})
}

func TestEndless(t *testing.T) {
	t.Parallel()
	loops := map[string]struct {
		o    *durable.Orchestrator[int, int]
		want string
	}{
		"generations": {durable.NewOrchestrator("Loop", func(ctx *durable.Context, n int) (int, error) { return 0, durable.ContinueAsNew(ctx, n+1) }), "continued as new 20 times"},
		"monitor": {durable.NewOrchestrator("Loop", func(ctx *durable.Context, n int) (int, error) {
			if err := durable.Sleep(ctx, time.Hour); err != nil {
				return 0, err
			}
			return 0, durable.ContinueAsNew(ctx, n+1)
		}), "continued as new 20 times"},
		"timers": {durable.NewOrchestrator("Loop", func(ctx *durable.Context, _ int) (int, error) {
			for {
				if err := durable.Sleep(ctx, time.Hour); err != nil {
					return 0, err
				}
			}
		}), "it waits for a timer that is due at"},
	}
	for name, tt := range loops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			env := durabletest.NewWith(r, durabletest.Config{MaxGenerations: 20, MaxEpisodes: 100})
			run := durabletest.Run(env, tt.o, 1)
			if !errors.Is(run.Err, durabletest.ErrLimit) || !strings.Contains(run.Err.Error(), tt.want) || run.Status != history.Running {
				t.Errorf("%v, %v", run.Status, run.Err)
			}
			want(t, "errors", r.errors)
			env.Settle()
			r.end()
			want(t, "fatal errors", r.fatals)
			if name == "timers" {
				want(t, "errors", r.errors, "100 episodes")
			} else {
				want(t, "errors", r.errors) // it is given up
			}
		})
	}
	t.Run("settle", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		env := durabletest.NewWith(r, durabletest.Config{MaxGenerations: 20})
		env.Register(loops["monitor"].o)
		if _, err := loops["monitor"].o.Start(t.Context(), env.Client(), 1); err != nil {
			t.Fatal(err)
		}
		env.Advance(10 * time.Hour)
		want(t, "errors", r.errors)
		if in := durabletest.Inspect[int](env, "instance-1"); in.Generations != 11 {
			t.Errorf("%d generations in ten hours", in.Generations)
		}
		env.Settle()
		want(t, "errors", r.errors, "continued as new 20 times")
		r.end()
	})
}

func TestStalled(t *testing.T) {
	t.Parallel()
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (durable.ReceivedEvent, error) {
		return durable.WaitForAnyEvent(ctx).Await()
	})
	tests := map[string]struct {
		run   func(ctx *durable.Context) (int, error)
		setup func(env *durabletest.Env)
		want  []string
	}{
		"event": {
			run:   func(ctx *durable.Context) (int, error) { return durable.WaitForEvent[int](ctx, "Approve").Await() },
			setup: func(env *durabletest.Env) { env.RaiseAt(time.Hour, "Aprove", 1) },
			want:  []string{`waits for event "Approve", and nothing`, `nobody waits for: "Aprove"`, "2026-01-01T13:00:00Z, 1h0m0s after its start", "RaiseAt", `"Main" (instance "instance-1")`},
		},
		"several": {
			run: func(ctx *durable.Context) (int, error) {
				a, b := durable.WaitForEvent[int](ctx, "A"), durable.WaitForEvent[int](ctx, "B")
				return 0, durable.AwaitAll(a, b)
			},
			want: []string{`waits for event "A" and event "B", and`},
		},
		"child": {
			run: func(ctx *durable.Context) (int, error) {
				_, err := child.Call(ctx, durable.Void{}, durable.WithInstanceID("c")).Await()
				return 0, err
			},
			setup: func(env *durabletest.Env) { env.Register(child) },
			want:  []string{`waits for sub-orchestration "Child" (instance "c"), which waits for an event of any name, and`},
		},
		"suspended child": {
			run: func(ctx *durable.Context) (int, error) {
				_, err := child.Call(ctx, durable.Void{}, durable.WithInstanceID("c")).Await()
				return 0, err
			},
			setup: func(env *durabletest.Env) {
				env.Register(child)
				env.SuspendAt(time.Second, "", durabletest.To("c"))
				env.RaiseAt(time.Minute, "x", 1, durabletest.To("c"))
			},
			want: []string{`waits for sub-orchestration "Child" (instance "c"), which is suspended, and`},
		},
		"suspended": {
			run:   func(ctx *durable.Context) (int, error) { return 0, durable.Sleep(ctx, time.Hour) },
			setup: func(env *durabletest.Env) { env.SuspendAt(time.Minute, "wait") },
			want:  []string{"it is suspended and nobody resumes it (use ResumeAt)"},
		},
		"each other": {
			run: func(ctx *durable.Context) (int, error) {
				var a, b *durable.Task[durable.Void]
				a = durable.Go(ctx, func(*durable.Context) error { _, err := b.Await(); return err })
				b = durable.Go(ctx, func(*durable.Context) error { _, err := a.Await(); return err })
				return 0, durable.AwaitAll(a, b)
			},
			want: []string{"coroutines wait for each other"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := durabletest.New(t)
			if tt.setup != nil {
				tt.setup(env)
			}
			run := durabletest.Run(env, orchestrate(tt.run), durable.Void{})
			if !errors.Is(run.Err, durabletest.ErrStalled) || run.Status.IsTerminal() {
				t.Fatalf("%v, %v", run.Status, run.Err)
			}
			for _, text := range tt.want {
				if !strings.Contains(run.Err.Error(), text) {
					t.Errorf("%v\nwant %q in it", run.Err, text)
				}
			}
		})
	}
}

// TestGoOn lets an instance go on that a run left waiting.
func TestGoOn(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		o := orchestrate(func(ctx *durable.Context) (int, error) { return durable.WaitForEvent[int](ctx, "E").Await() })
		run := durabletest.Run(env, o, durable.Void{})
		if !errors.Is(run.Err, durabletest.ErrStalled) {
			t.Fatal(run.Err)
		}
		env.RaiseAt(time.Hour, "E", 3, durabletest.To(run.InstanceID))
		env.Settle()
		if in := durabletest.Inspect[int](env, run.InstanceID); in.Output != 3 || in.Err != nil || in.Elapsed != time.Hour {
			t.Errorf("%+v", in)
		}
	})
}

func TestControl(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		o := orchestrate(func(ctx *durable.Context) (int, error) { return 1, durable.Sleep(ctx, time.Hour) })
		env.SuspendAt(time.Minute, "hold on")
		env.ResumeAt(3*time.Hour, "")
		run := durabletest.Run(env, o, durable.Void{})
		if run.Output != 1 || run.Elapsed != 3*time.Hour {
			t.Errorf("%d after %v, %v", run.Output, run.Elapsed, run.Err)
		}
		env.TerminateAt(time.Minute, "enough")
		run = durabletest.Run(env, o, durable.Void{})
		var ended *durable.InstanceError
		if !errors.Is(run.Err, durable.ErrTerminated) || !errors.As(run.Err, &ended) || ended.Message != "enough" ||
			run.Status != history.Terminated || run.Elapsed != time.Minute {
			t.Errorf("%v after %v, %v", run.Status, run.Elapsed, run.Err)
		}
		// Before it starts.
		env.TerminateAt(time.Minute, "never mind")
		run = durabletest.Run(env, o, durable.Void{}, durable.WithStartAt(env.Now().Add(time.Hour)))
		if run.Status != history.Terminated || run.Elapsed != time.Minute {
			t.Errorf("%v after %v, %v", run.Status, run.Elapsed, run.Err)
		}
		// An event before the start waits for it.
		env.RaiseAt(time.Minute, "E", 5)
		waits := durable.NewOrchestrator("Waits", func(ctx *durable.Context, _ durable.Void) (int, error) {
			return durable.WaitForEvent[int](ctx, "E").Await()
		})
		run = durabletest.Run(env, waits, durable.Void{}, durable.WithStartAt(env.Now().Add(time.Hour)))
		if run.Output != 5 || run.Elapsed != time.Hour {
			t.Errorf("%d after %v, %v", run.Output, run.Elapsed, run.Err)
		}
		// A mocked child.
		child := durable.DeclareOrchestrator[int, int]("Child")
		durabletest.MockOrchestrator(env, child, func(context.Context, int) (int, error) { return 1, nil }).Takes(time.Hour)
		env.RaiseAt(time.Second, "lost", 1, durabletest.To("c"))
		env.TerminateAt(time.Minute, "stop", durabletest.To("c"))
		parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
			_, err := child.Call(ctx, 1, durable.WithInstanceID("c")).Await()
			return fmt.Sprint(err), nil
		})
		told := durabletest.Run(env, parent, durable.Void{})
		if !strings.Contains(told.Output, "stop") || told.Elapsed != time.Minute {
			t.Errorf("%q after %v, %v", told.Output, told.Elapsed, told.Err)
		}
	})
}

// TestFailure checks that errors arrive as clients see them.
func TestFailure(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	durabletest.Mock(env, charge, func(context.Context, order) (string, error) { return "", fmt.Errorf("card: %w", errBusy) })
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (string, error) { return charge.Call(ctx, order{}).Await() }), durable.Void{})
	var ended *durable.InstanceError
	if !errors.Is(run.Err, errBusy) || !errors.As(run.Err, &ended) || run.Status != history.Failed || run.Output != "" {
		t.Errorf("%v, %v", run.Status, run.Err)
	}
	durabletest.Mock(env, charge, receipt) // replaces
	again := durabletest.Run(env, orchestrateAgain(), durable.Void{})
	if again.Output != "receipt for " || again.InstanceID != "instance-2" {
		t.Errorf("%+v", again)
	}
}

func orchestrateAgain() *durable.Orchestrator[durable.Void, string] {
	return durable.NewOrchestrator("Again", func(ctx *durable.Context, _ durable.Void) (string, error) { return charge.Call(ctx, order{}).Await() })
}

// TestLongFan checks that the cost of replays stays bounded, and that a fan-in works.
func TestLongFan(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.Register(double)
	const n = 2000
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
		tasks := make([]*durable.Task[int], n)
		for i := range tasks {
			tasks[i] = double.Call(ctx, i)
		}
		sum := 0
		results, err := durable.WhenAll(tasks)
		for _, r := range results {
			sum += r
		}
		return sum, err
	}), durable.Void{})
	if run.Err != nil || run.Output != n*(n-1) {
		t.Errorf("%d, %v", run.Output, run.Err)
	}
}

// TestLongTimer checks that a timer of weeks is cut as in Durable Functions.
func TestLongTimer(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 2, 3, 4, 5, 6, 789, time.FixedZone("x", 3600))
	env := durabletest.NewWith(t, durabletest.Config{Start: start})
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (time.Time, error) {
		err := durable.Sleep(ctx, 30*24*time.Hour)
		return ctx.Now(), err
	}), durable.Void{})
	if want := start.UTC().Truncate(100 * time.Nanosecond).Add(30 * 24 * time.Hour); !run.Output.Equal(want) {
		t.Errorf("woke up at %v, want %v", run.Output, want)
	}
	if len(env.Timers()) != 10 {
		t.Errorf("%d timers", len(env.Timers()))
	}
}

// TestDeterministic checks that the same test has the same history, with and without replays.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	var histories []string
	for _, cfg := range []durabletest.Config{{}, {}, {SkipReplay: true}} {
		env := durabletest.NewWith(t, cfg)
		durabletest.Mock(env, charge, receipt).FailTimes(1, errBusy)
		env.RaiseAt(time.Hour, "Approve", true)
		histories = append(histories, string(durabletest.Run(env, approval, order{"x", 1}).History))
	}
	if histories[0] != histories[1] || histories[0] != histories[2] {
		t.Errorf("runs differ:\n%s", strings.Join(histories, "\n"))
	}
}

// TestFailingChildren starts two children at once, of which one fails.
func TestFailingChildren(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		child := durable.NewOrchestrator("Child", func(_ *durable.Context, n int) (int, error) { return n, nil })
		env.Register(child)
		env.On(child).FailTimes(1, errBusy)
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (string, error) {
			a, b := child.Call(ctx, 1), child.Call(ctx, 2)
			_, err := a.Await()
			n, err2 := b.Await()
			return fmt.Sprint(err != nil, n), err2
		}), durable.Void{})
		if run.Output != "true 2" || run.Err != nil {
			t.Errorf("%q, %v", run.Output, run.Err)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	for name, cfg := range map[string]durabletest.Config{"replayed": {}, "live": {SkipReplay: true}} {
		b.Run(name, func(b *testing.B) {
			env := durabletest.NewWith(b, cfg)
			env.Register(double)
			chain := orchestrate(func(ctx *durable.Context) (int, error) {
				n := 1
				for range 10 {
					var err error
					if n, err = double.Call(ctx, n).Await(); err != nil {
						return 0, err
					}
				}
				return n, nil
			})
			b.ReportAllocs()
			for b.Loop() {
				if run := durabletest.Run(env, chain, durable.Void{}); run.Output != 1024 {
					b.Fatal(run.Err)
				}
			}
		})
	}
}
