package durabletest_test

import (
	"context"
	"errors"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
)

// TestMisuse checks that mistakes in a test are reported at once and say what to do.
func TestMisuse(t *testing.T) {
	t.Parallel()
	var (
		noActivity *durable.Activity[int, int]
		noOrch     *durable.Orchestrator[int, int]
		handle     = durable.DeclareActivity[int, int]("A")
		child      = durable.DeclareOrchestrator[int, int]("C")
		actual     = durable.NewOrchestrator("Real", func(*durable.Context, int) (int, error) { return 0, nil })
		fn         = func(context.Context, int) (int, error) { return 0, nil }
	)
	tests := map[string]struct {
		do   func(env *durabletest.Env)
		want string
	}{
		"register nothing":       {func(env *durabletest.Env) { env.Register(double, nil) }, "item 2: it is nil"},
		"register a nil handle":  {func(env *durabletest.Env) { env.Register(noActivity) }, "item 1: it is nil"},
		"register nil function":  {func(env *durabletest.Env) { env.Register(durable.NewActivity[int, int]("N", nil)) }, `activity "N": the function is nil`},
		"register without name":  {func(env *durabletest.Env) { env.Register(durable.NewActivity(" ", fn)) }, "the name is empty"},
		"register a declaration": {func(env *durabletest.Env) { env.Register(charge) }, "durabletest.Mock"},
		"register twice":         {func(env *durabletest.Env) { env.Register(double, durable.NewActivity("Double", fn)) }, `the activity "Double" is registered twice`},
		"orchestrator twice": {func(env *durabletest.Env) {
			env.Register(actual, actual.With(func(*durable.Context, int) (int, error) { return 1, nil }))
		}, `"Real" is registered twice`},
		"mock nil function":     {func(env *durabletest.Env) { durabletest.Mock(env, handle, nil) }, `Mock: the function for activity "A" is nil`},
		"mock nil handle":       {func(env *durabletest.Env) { durabletest.Mock(env, noActivity, fn).Takes(1).FailTimes(1, errBusy) }, "the activity is nil"},
		"mock without name":     {func(env *durabletest.Env) { durabletest.MockNamed(env, "", fn) }, "MockNamed: the name of the activity is empty"},
		"mock nil orchestrator": {func(env *durabletest.Env) { durabletest.MockOrchestrator(env, noOrch, fn) }, "the orchestrator is nil"},
		"mock nil for a child":  {func(env *durabletest.Env) { durabletest.MockOrchestratorNamed[int, int](env, "C", nil) }, `the function for orchestrator "C" is nil`},
		"negative time":         {func(env *durabletest.Env) { durabletest.Mock(env, handle, fn).Takes(-1) }, "negative"},
		"negative failures":     {func(env *durabletest.Env) { env.On(handle).FailTimes(-1, errBusy) }, "negative"},
		"nil failure":           {func(env *durabletest.Env) { env.On(handle).FailTimes(1, nil) }, "there is no error to fail with"},
		"time of a real child":  {func(env *durabletest.Env) { env.On(child).Takes(1) }, "runs for real"},
		"on nothing":            {func(env *durabletest.Env) { env.On(nil) }, "the handle is nil"},
		"event without name":    {func(env *durabletest.Env) { env.RaiseAt(0, " ", 1) }, "the name of the event is empty"},
		"event that cannot be":  {func(env *durabletest.Env) { env.RaiseAt(0, "e", math.NaN()) }, `event "e": the value`},
		"event in the past":     {func(env *durabletest.Env) { env.RaiseAt(-1, "e", 1) }, "time does not run backwards"},
		"clock backwards":       {func(env *durabletest.Env) { env.Advance(-1) }, "time does not run backwards"},
		"run nothing":           {func(env *durabletest.Env) { durabletest.Run(env, noOrch, 1) }, "the orchestrator is nil"},
		"run nil function":      {func(env *durabletest.Env) { durabletest.Run(env, durable.NewOrchestrator[int, int]("N", nil), 1) }, "the function is nil"},
		"run without name":      {func(env *durabletest.Env) { durabletest.Run(env, durable.DeclareOrchestrator[int, int](""), 1) }, "the name is empty"},
		"run another of the name": {func(env *durabletest.Env) {
			env.Register(actual)
			durabletest.Run(env, actual.With(func(*durable.Context, int) (int, error) { return 1, nil }), 1)
		}, "registered twice"},
		"bad id":    {func(env *durabletest.Env) { durabletest.Run(env, actual, 1, durable.WithInstanceID("a/b")) }, "contains / "},
		"entity id": {func(env *durabletest.Env) { durabletest.Run(env, actual, 1, durable.WithInstanceID("@a@b")) }, "entities"},
		"long id": {func(env *durabletest.Env) {
			durabletest.Run(env, actual, 1, durable.WithInstanceID(strings.Repeat("x", 101)))
		}, "longer than 100"},
		"bad input": {func(env *durabletest.Env) {
			durabletest.Run(env, durable.NewOrchestrator("F", func(*durable.Context, float64) (int, error) { return 0, nil }), math.Inf(1))
		}, `orchestrator "F": the input`},
		"calls of nothing": {func(env *durabletest.Env) { env.Calls(nil) }, "the handle is nil"},
		"inputs of any type": {func(env *durabletest.Env) {
			callDouble(env)
			durabletest.Inputs(env, durable.DeclareActivity[string, int]("Double"))
		}, `call 1 of activity "Double": the input 4`},
		"asserted input": {func(env *durabletest.Env) {
			durabletest.AssertCalledWith(env, durable.DeclareActivity[float64, int]("D"), math.NaN())
		}, "the input"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			env := durabletest.New(r)
			tt.do(env)
			r.end()
			want(t, "fatal errors", r.fatals, tt.want)
			want(t, "errors", r.errors)
		})
	}
	func() {
		defer func() {
			if v := recover(); v == nil || !strings.Contains(v.(string), "pass t") {
				t.Errorf("New without a test: %v", v)
			}
		}()
		durabletest.New(nil)
	}()
}

func callDouble(env *durabletest.Env) {
	env.Register(double)
	durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) { return double.Call(ctx, 4).Await() }), durable.Void{})
}

func TestNotRegistered(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		run  func(ctx *durable.Context) (int, error)
		want []string
	}{
		"activity": {
			func(ctx *durable.Context) (int, error) { return durable.CallActivity[int](ctx, "Dubble", 1).Await() },
			[]string{`activity "Dubble", which orchestrator "Main" calls, is not registered`, "env.Register", "durabletest.Mock or durabletest.MockNamed", `(known: "Double", "Mocked")`},
		},
		"child": {
			func(ctx *durable.Context) (int, error) {
				return durable.CallSubOrchestration[int](ctx, "Kid", 1).Await()
			},
			[]string{`orchestrator "Kid", which orchestrator "Main" calls, is not registered`, "durabletest.MockOrchestrator", `(known: "Main")`},
		},
		"version": {
			func(ctx *durable.Context) (int, error) {
				return durable.CallSubOrchestration[int](ctx, "Kid", 1, durable.WithVersion("2")).Await()
			},
			[]string{`orchestrator "Kid" (version "2"), which`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			env := durabletest.New(r)
			env.Register(double)
			durabletest.MockNamed(env, "Mocked", func(context.Context, int) (int, error) { return 0, nil })
			run := durabletest.Run(env, orchestrate(tt.run), durable.Void{})
			r.end()
			var missing *durabletest.NotRegisteredError
			if !errors.Is(run.Err, durabletest.ErrNotRegistered) || !errors.As(run.Err, &missing) || run.Status != history.Running {
				t.Fatalf("%v, %v", run.Status, run.Err)
			}
			want(t, "errors", r.errors, tt.want[0])
			for _, text := range tt.want {
				if !strings.Contains(run.Err.Error(), text) {
					t.Errorf("%v\nwant %q in it", run.Err, text)
				}
			}
			want(t, "fatal errors", r.fatals)
		})
	}
	t.Run("declared", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		run := durabletest.Run(durabletest.New(r), durable.DeclareOrchestrator[int, int]("D"), 1)
		want(t, "errors", r.errors, `orchestrator "D" is not registered`)
		if !errors.Is(run.Err, durabletest.ErrNotRegistered) {
			t.Error(run.Err)
		}
	})
	t.Run("next generation", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		o := durable.NewOrchestrator("V", func(ctx *durable.Context, n int) (int, error) {
			return 0, durable.ContinueAsNew(ctx, n, durable.WithVersion("2"))
		}, durable.WithVersion("1"))
		run := durabletest.Run(durabletest.New(r), o, 1)
		want(t, "errors", r.errors, `orchestrator "V" (version "2") is not registered`)
		if !errors.Is(run.Err, durabletest.ErrNotRegistered) {
			t.Error(run.Err)
		}
	})
}

// TestNextTest checks that an environment is of use after a mistake.
func TestNextRun(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	env := durabletest.New(r)
	o := orchestrate(func(ctx *durable.Context) (int, error) { return double.Call(ctx, 1).Await() })
	if run := durabletest.Run(env, o, durable.Void{}); run.Err == nil {
		t.Error("no error without the activity")
	}
	env.Register(double)
	if run := durabletest.Run(env, o, durable.Void{}); run.Err != nil || run.Output != 2 {
		t.Errorf("%d, %v", run.Output, run.Err)
	}
	r.end()
	want(t, "errors", r.errors, `"Double"`)
}

// TestVersions checks that code is found as a worker finds it.
func TestVersions(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	make1 := func(output string, opts ...durable.OrchestratorOption) *durable.Orchestrator[int, string] {
		return durable.NewOrchestrator("V", func(ctx *durable.Context, _ int) (string, error) { return output + ctx.Version(), nil }, opts...)
	}
	v1, v2, other := make1("one", durable.WithVersion("V1")), make1("two", durable.WithVersion("v2")), make1("any")
	env.Register(v1, v2, other)
	for version, want := range map[string]string{"v1": "onev1", "V2": "twoV2", "3": "any3", "": "any"} {
		if run := durabletest.Run(env, other, 1, durable.WithVersion(version)); run.Output != want {
			t.Errorf("version %q ran %q, %v", version, run.Output, run.Err)
		}
	}
}

func TestWrongMockDoesNotCompile(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	text, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-e", "./testdata/wrongmock").CombinedOutput()
	if err == nil {
		t.Error("a mock of the wrong type compiles")
	}
	for _, want := range []string{"wrongmock.go:14", "wrongmock.go:15"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nwant an error in line %s", text, want)
		}
	}
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	env := durabletest.New(r)
	if env.AssertCalled(double) {
		t.Error("called")
	}
	callDouble(env)
	for name, ok := range map[string]bool{
		"called": env.AssertCalled(double), "times": env.AssertCalledTimes(double, 1), "with": durabletest.AssertCalledWith(env, double, 4), "not": env.AssertNotCalled(charge),
	} {
		if !ok {
			t.Errorf("%s failed", name)
		}
	}
	for name, ok := range map[string]bool{
		"called": env.AssertCalled(charge), "times": env.AssertCalledTimes(double, 2), "with": durabletest.AssertCalledWith(env, double, 5), "not": env.AssertNotCalled(double),
		"sent": env.AssertSent("x", "e"), "never": durabletest.AssertCalledWith(env, charge, order{}),
	} {
		if ok {
			t.Errorf("%s passed", name)
		}
	}
	r.end()
	all := strings.Join(r.errors, "\n")
	for _, text := range []string{
		`activity "Double" was not called; nothing was called`, `activity "Charge" was not called; called were "Double"`, `activity "Double" was called 1 times, want 2`,
		`activity "Double" was not called with 5`, "want never", `no event "e" was sent to instance "x"`, `by "instance-1" with 4`, "it was never called",
	} {
		if !strings.Contains(all, text) {
			t.Errorf("no %q in\n%s", text, all)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	env := durabletest.New(r)
	env.RaiseAt(time.Minute, "late", 1)
	env.TerminateAt(0, "", durabletest.To("nobody"))
	durabletest.Run(env, orchestrate(func(ctx *durable.Context) (int, error) { return 1, nil }), durable.Void{})
	env.Settle()
	r.end()
	want(t, "log", r.logs, `ExecutionTerminated for instance "nobody" was dropped: there is no such`, `event "late" for instance "instance-1" was dropped: the instance has ended`)
	want(t, "errors", r.errors)
}
