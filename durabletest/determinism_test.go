package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
)

// TestNonDeterminism checks that every kind of difference between two runs of an orchestrator fails the test.
func TestNonDeterminism(t *testing.T) {
	t.Parallel()
	// Each program is given a number that counts its runs, as a variable outside of it would.
	tests := map[string]struct {
		run  func(ctx *durable.Context, n int) (int, error)
		want string
	}{
		"other activity": {
			func(ctx *durable.Context, n int) (int, error) {
				return durable.CallActivity[int](ctx, fmt.Sprint("A", n%2), 1).Await()
			},
			`the history says that activity "A1" was called (event 2, decision 0), but the code, replayed, decided to call activity "A0" there`,
		},
		"other input": {
			func(ctx *durable.Context, n int) (int, error) {
				return durable.CallActivity[int](ctx, "A1", n).Await()
			},
			`activity "A1" was called with the input [1] (event 2, decision 0), but the code, replayed, did so with [2]`,
		},
		"other time": {
			func(ctx *durable.Context, n int) (int, error) {
				return 0, durable.SleepUntil(ctx, ctx.Now().Add(time.Duration(n)*time.Hour))
			},
			"a timer was set for 2026-01-01T13:00:00Z (event 2, decision 0), but the code, replayed, set it for 2026-01-01T14:00:00Z",
		},
		"other child id": {
			func(ctx *durable.Context, n int) (int, error) {
				return durable.CallSubOrchestration[int](ctx, "C", 1, durable.WithInstanceID(fmt.Sprint("child-", n))).Await()
			},
			`sub-orchestration "C" was started with the instance id child-1 (event 2, decision 0), but the code, replayed, did so with child-2`,
		},
		"other child input": {
			func(ctx *durable.Context, n int) (int, error) {
				return durable.CallSubOrchestration[int](ctx, "C", n).Await()
			},
			`sub-orchestration "C" was started with the input 1 (event 2, decision 0), but the code, replayed, did so with 2`,
		},
		"other child tags": {
			func(ctx *durable.Context, n int) (int, error) {
				return durable.CallSubOrchestration[int](ctx, "C", 1, durable.WithTags(map[string]string{"n": fmt.Sprint(n)})).Await()
			},
			`the tags map[n:1]`,
		},
		"other receiver": {
			func(ctx *durable.Context, n int) (int, error) {
				return 0, durable.SendEvent(ctx, fmt.Sprint("to-", n), "E", 1)
			},
			`event "E" was sent to instance to-1 (event 2, decision 0), but the code, replayed, sent it to to-2`,
		},
		"other event value": {
			func(ctx *durable.Context, n int) (int, error) { return 0, durable.SendEvent(ctx, "to", "E", n) },
			`event "E" was sent with the value 1`,
		},
		"one call more": {
			func(ctx *durable.Context, n int) (int, error) {
				if n > 1 {
					durable.CallActivity[int](ctx, "A0", 1)
				}
				return durable.WaitForEvent[int](ctx, "E").Await()
			},
			`nothing more was decided (event 2, decision 0), but the code, replayed, decided to call activity "A0" with [1]`,
		},
		"one call less": {
			func(ctx *durable.Context, n int) (int, error) {
				if n == 1 {
					durable.CallActivity[int](ctx, "A0", 1)
				}
				return durable.WaitForEvent[int](ctx, "E").Await()
			},
			`activity "A0" was called (event 2, decision 0), but the code, replayed, has made no decision by then`,
		},
		"other output": {
			func(_ *durable.Context, n int) (int, error) { return n, nil },
			"the output was 1 (event 2), but the code, replayed, returned 2",
		},
		"other end": {
			func(_ *durable.Context, n int) (int, error) {
				if n > 1 {
					return 0, errBusy
				}
				return 0, nil
			},
			"the orchestrator ended (Completed) (event 2), but the code, replayed, ended (Failed: busy)",
		},
		"no end": {
			func(ctx *durable.Context, n int) (int, error) {
				if n > 1 {
					return durable.WaitForEvent[int](ctx, "E").Await()
				}
				return 0, nil
			},
			"the orchestrator ended (Completed) (event 2), but the code, replayed, goes on waiting",
		},
		"sudden end": {
			func(ctx *durable.Context, n int) (int, error) {
				if n == 1 {
					return durable.WaitForEvent[int](ctx, "E").Await()
				}
				return 0, nil
			},
			"the orchestrator goes on (event 2), but the code, replayed, ended (Completed)",
		},
		"other generation": {
			func(ctx *durable.Context, n int) (int, error) { return 0, durable.ContinueAsNew(ctx, n) },
			"it continued as new with the input 1 (event 2), but the code, replayed, continued with 2",
		},
		"other custom status": {
			func(ctx *durable.Context, n int) (int, error) {
				if err := durable.SetCustomStatus(ctx, n); err != nil {
					return 0, err
				}
				return durable.WaitForEvent[int](ctx, "E").Await()
			},
			"the custom status was set to 1 (event 1), but the code, replayed, set it to 2",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try := func(cfg durabletest.Config) (*recorder, *durabletest.Result[int]) {
				r, runs := &recorder{}, 0
				env := durabletest.NewWith(r, cfg)
				for _, name := range []string{"A0", "A1"} {
					durabletest.MockNamed(env, name, func(context.Context, int) (int, error) { return 0, nil })
				}
				durabletest.MockOrchestratorNamed(env, "C", func(context.Context, int) (int, error) { return 0, nil })
				o := durable.NewOrchestrator("Main", func(ctx *durable.Context, _ int) (int, error) {
					runs++
					return tt.run(ctx, runs)
				})
				run := durabletest.Run(env, o, 0)
				r.end()
				return r, run
			}
			r, run := try(durabletest.Config{})
			want(t, "errors", r.errors, tt.want)
			want(t, "fatal errors", r.fatals)
			var e *durable.NonDeterminismError
			if !errors.As(run.Err, &e) || e.Text != r.errors[0] || run.Status != history.Failed {
				t.Errorf("%v, %v", run.Status, run.Err)
			}
			if !strings.Contains(e.Text, "time.Now") || !strings.Contains(e.Text, "ctx.NewUUID") || e.Expected == "" || e.Found == "" {
				t.Errorf("%s: expected %q, found %q", e.Text, e.Expected, e.Found)
			}
			if name == "other generation" {
				return // never ends
			}
			if r, _ := try(durabletest.Config{SkipReplay: true}); len(r.errors) > 0 {
				t.Errorf("without replays: %q", r.errors)
			}
		})
	}
}

// TestPatched checks that a guarded change replays.
func TestPatched(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, env *durabletest.Env) {
		env.Register(double)
		run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
			n, err := double.Call(ctx, 1).Await()
			if err == nil && ctx.Patched("twice") {
				return double.Call(ctx, n).Await()
			}
			return n, err
		}), durable.Void{})
		if run.Output != 4 || run.Err != nil {
			t.Errorf("%d, %v", run.Output, run.Err)
		}
	})
}

// TestStuck checks an orchestrator that blocks, and one that starts a goroutine.
func TestStuck(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r := &recorder{}
	env := durabletest.NewWith(r, durabletest.Config{StuckAfter: 10 * time.Millisecond})
	run := durabletest.Run(env, orchestrate(func(*durable.Context) (int, error) {
		<-release
		return 0, nil
	}), durable.Void{})
	env.Settle()
	r.end()
	want(t, "errors", r.errors, "has blocked outside the durable API")
	if run.Err == nil || run.Status != history.Pending && run.Status != history.Running {
		t.Errorf("%v, %v", run.Status, run.Err)
	}
}

func TestLeak(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	r := &recorder{}
	env := durabletest.New(r)
	run := durabletest.Run(env, orchestrate(func(*durable.Context) (int, error) {
		go func() { <-release }()
		return 1, nil
	}), durable.Void{})
	if run.Output != 1 {
		t.Error(run.Err)
	}
	r.end()
	want(t, "errors", r.errors, "left 2 goroutines behind")
	if len(r.errors) == 1 && !strings.Contains(r.errors[0], "determinism_test.go") {
		t.Errorf("%s\ndoes not show where they are", r.errors[0])
	}
}

// TestActivityGoroutines checks that goroutines of activities, such as those of idle connections, are nobody's business.
func TestActivityGoroutines(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	env := durabletest.New(t)
	durabletest.Mock(env, notify, func(context.Context, string) (durable.Void, error) {
		go func() { <-release }()
		return durable.Void{}, nil
	})
	durabletest.Run(env, orchestrate(func(ctx *durable.Context) (durable.Void, error) { return notify.Call(ctx, "").Await() }), durable.Void{})
}

// TestConverter checks payloads that are never written the same way twice.
func TestConverter(t *testing.T) {
	t.Parallel()
	converter, err := durable.EncryptingConverter(durable.EncryptionConfig{
		Keys: []durable.EncryptionKey{{ID: "k", Secret: []byte("0123456789abcdef0123456789abcdef")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	env := durabletest.NewWith(t, durabletest.Config{Environment: durable.Environment{Converter: converter}})
	env.Register(double)
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, n int) (int, error) {
		if err := durable.SendEvent(ctx, "main", "told", n); err != nil {
			return 0, err
		}
		return double.Call(ctx, n).Await()
	})
	env.Register(child)
	durabletest.MockOrchestratorNamed(env, "Mocked", func(_ context.Context, n int) (int, error) { return n, nil })
	env.RaiseAt(time.Hour, "go", 5)
	run := durabletest.Run(env, durable.NewOrchestrator("Main", func(ctx *durable.Context, again bool) (int, error) {
		if err := durable.SetCustomStatus(ctx, "x"); err != nil {
			return 0, err
		}
		if !again {
			return 0, durable.ContinueAsNew(ctx, true)
		}
		n, err := durable.WaitForEvent[int](ctx, "go").Await()
		if err != nil {
			return 0, err
		}
		if n, err = child.Call(ctx, n).Await(); err != nil {
			return 0, err
		}
		return durable.CallSubOrchestration[int](ctx, "Mocked", n).Await()
	}), false, durable.WithInstanceID("main"))
	if run.Output != 10 || run.Err != nil {
		t.Errorf("%d, %v", run.Output, run.Err)
	}
	if got := durabletest.Inputs(env, double); len(got) != 1 || got[0] != 5 {
		t.Errorf("inputs %v", got)
	}
	durabletest.AssertCalledWith(env, double, 5)
	var told int
	if err := env.SentEvents()[0].Decode(&told); err != nil || told != 5 {
		t.Errorf("told %d, %v", told, err)
	}
	if got := durabletest.CustomStatuses[string](run); got[0] != "x" || strings.Contains(run.CustomStatus, "x\"") && len(run.CustomStatus) < 5 {
		t.Errorf("%q, %s", got, run.CustomStatus)
	}
	durabletest.Replayer{Environment: durable.Environment{Converter: converter}, Strict: true}.ReplayHistory(t, run.History, orchestrateMain(child))
}

func orchestrateMain(child *durable.Orchestrator[int, int]) durable.Registrable {
	return durable.NewOrchestrator("Main", func(ctx *durable.Context, _ bool) (int, error) {
		n, err := durable.WaitForEvent[int](ctx, "go").Await()
		if err != nil {
			return 0, err
		}
		if n, err = child.Call(ctx, n).Await(); err != nil {
			return 0, err
		}
		return durable.CallSubOrchestration[int](ctx, "Mocked", n).Await()
	})
}

// TestDivergenceLater checks an orchestrator that differs when it is loaded again, between two calls that let time pass.
func TestDivergenceLater(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	env := durabletest.New(r)
	timers := 1
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
		for range timers {
			durable.Timer(ctx, time.Hour).Cancel()
		}
		return durable.WaitForEvent[int](ctx, "E").Await()
	}), durable.Void{})
	if !errors.Is(run.Err, durabletest.ErrStalled) {
		t.Fatal(run.Err)
	}
	timers = 2
	env.RaiseAt(time.Minute, "E", 1, durabletest.To(run.InstanceID))
	env.Settle()
	r.end()
	want(t, "errors", r.errors, "decided to set a timer for 2026-01-01T13:00:00Z")
	if in := durabletest.Inspect[int](env, run.InstanceID); in.Status != history.Failed {
		t.Errorf("%v, %v", in.Status, in.Err)
	}
}

// TestIntents checks the words for what is decided in addition.
func TestIntents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	for text, decide := range map[string]func(ctx *durable.Context){
		`decided to start sub-orchestration "C"`: func(ctx *durable.Context) { durable.CallSubOrchestration[int](ctx, "C", nil) },
		`decided to send event "E"`:              func(ctx *durable.Context) { _ = durable.SendEvent(ctx, "to", "E", 1) },
		`(1004 bytes)`:                           func(ctx *durable.Context) { durable.CallActivity[int](ctx, "A", long) },
		`call activity "A" with [null]`:          func(ctx *durable.Context) { durable.CallActivity[int](ctx, "A", nil) },
	} {
		r, runs := &recorder{}, 0
		env := durabletest.New(r)
		durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) {
			if runs++; runs > 1 {
				decide(ctx)
			}
			return durable.WaitForEvent[int](ctx, "E").Await()
		}), durable.Void{})
		r.end()
		want(t, "errors", r.errors, text)
	}
}

// TestNulls checks inputs that are null.
func TestNulls(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	durabletest.MockOrchestratorNamed(env, "C", func(_ context.Context, v *int) (*int, error) { return v, nil })
	durabletest.MockNamed(env, "A", func(_ context.Context, v *int) (*int, error) { return v, nil })
	run := durabletest.Run(env, orchestrate(func(ctx *durable.Context) (*int, error) {
		v, err := durable.CallSubOrchestration[*int](ctx, "C", nil).Await()
		if v != nil || err != nil {
			return v, err
		}
		if v, err = durable.CallActivity[*int](ctx, "A", nil).Await(); v != nil || err != nil {
			return v, err
		}
		return durable.WaitForEvent[*int](ctx, "E", durable.WithTimeout(time.Hour)).Await()
	}), durable.Void{})
	if !errors.Is(run.Err, durable.ErrTimeout) {
		t.Error(run.Err)
	}
	env.RaiseAt(0, "E", nil)
	run = durabletest.Run(env, durable.NewOrchestrator("E", func(ctx *durable.Context, _ durable.Void) (*int, error) {
		return durable.WaitForEvent[*int](ctx, "E").Await()
	}), durable.Void{})
	if run.Output != nil || run.Err != nil {
		t.Errorf("%v, %v", run.Output, run.Err)
	}
	if calls := env.AllCalls(); calls[0].Input != nil || calls[1].Input != nil {
		t.Errorf("%+v", calls)
	}
}

// TestMockedRun runs an orchestrator that is mocked: what starts it may be tested that way.
func TestMockedRun(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	durabletest.MockOrchestrator(env, approval, func(context.Context, order) (string, error) { return "mocked", nil }).Takes(time.Hour)
	run := durabletest.Run(env, approval, order{}, durable.WithStartAt(env.Now().Add(time.Hour)))
	if run.Output != "mocked" || run.Elapsed != 2*time.Hour {
		t.Errorf("%q after %v, %v", run.Output, run.Elapsed, run.Err)
	}
}
