package durable_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Every call of the API from a goroutine that is not the orchestrator's panics with a
// text that says so, while the orchestrator runs as well as afterwards.
func TestForeignGoroutines(t *testing.T) {
	t.Parallel()
	leaf := durable.NewOrchestrator("Leaf", func(*durable.Context, int) (int, error) { return 0, nil })
	calls := map[string]func(ctx *durable.Context, task *durable.Task[int]){
		"Activity.Call":       func(ctx *durable.Context, _ *durable.Task[int]) { double.Call(ctx, 1) },
		"Orchestrator.Call":   func(ctx *durable.Context, _ *durable.Task[int]) { leaf.Call(ctx, 1) },
		"Orchestrator.Spawn":  func(ctx *durable.Context, _ *durable.Task[int]) { _, _ = leaf.Spawn(ctx, 1) },
		"Await":               func(_ *durable.Context, task *durable.Task[int]) { _, _ = task.Await() },
		"Task.Cancel":         func(_ *durable.Context, task *durable.Task[int]) { task.Cancel() },
		"Timer":               func(ctx *durable.Context, _ *durable.Task[int]) { durable.TimerAt(ctx, time.Time{}) },
		"WhenAny":             func(_ *durable.Context, task *durable.Task[int]) { durable.WhenAny(task) },
		"WhenAll":             func(_ *durable.Context, task *durable.Task[int]) { _, _ = durable.WhenAll([]*durable.Task[int]{task}) },
		"WaitForEvent":        func(ctx *durable.Context, _ *durable.Task[int]) { durable.WaitForEvent[int](ctx, "e") },
		"WaitForAnyEvent":     func(ctx *durable.Context, _ *durable.Task[int]) { durable.WaitForAnyEvent(ctx) },
		"SendEvent":           func(ctx *durable.Context, _ *durable.Task[int]) { _ = durable.SendEvent(ctx, "i", "e", 1) },
		"SetCustomStatus":     func(ctx *durable.Context, _ *durable.Task[int]) { _ = durable.SetCustomStatus(ctx, 1) },
		"ContinueAsNew":       func(ctx *durable.Context, _ *durable.Task[int]) { _ = durable.ContinueAsNew(ctx, 1) },
		"Go":                  func(ctx *durable.Context, _ *durable.Task[int]) { durable.Go(ctx, nil) },
		"Patched":             func(ctx *durable.Context, _ *durable.Task[int]) { ctx.Patched("p") },
		"Context.Now":         func(ctx *durable.Context, _ *durable.Task[int]) { ctx.Now() },
		"Context.NewUUID":     func(ctx *durable.Context, _ *durable.Task[int]) { ctx.NewUUID() },
		"Context.Rand":        func(ctx *durable.Context, _ *durable.Task[int]) { ctx.Rand() },
		"Context.IsReplaying": func(ctx *durable.Context, _ *durable.Task[int]) { ctx.IsReplaying() },
		"Context.HistorySize": func(ctx *durable.Context, _ *durable.Task[int]) { ctx.HistorySize() },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := func(ctx *durable.Context, task *durable.Task[int]) (text string) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { text = fmt.Sprint(recover()) }()
					call(ctx, task)
				}()
				<-done
				return text
			}
			var leaked *durable.Context
			var leakedTask *durable.Task[int]
			o := orchestrate(func(ctx *durable.Context) (string, error) {
				leaked, leakedTask = ctx, durable.WaitForEvent[int](ctx, "e")
				return said(leaked, leakedTask), nil
			})
			during, err := run(t, newHub(o), o, durable.Void{})
			if err != nil {
				t.Fatal(err)
			}
			for when, text := range map[string]string{"during": during, "after": said(leaked, leakedTask)} {
				if !strings.HasPrefix(text, "durable: "+name+" was called from outside its orchestrator") {
					t.Errorf("%s the run: %q", when, text)
				}
			}
		})
	}
}

// In deferred functions that run because the orchestrator is taken out of memory,
// every call returns at once and does nothing.
func TestDefersDuringUnload(t *testing.T) {
	t.Parallel()
	var errs []error
	o := orchestrate(func(ctx *durable.Context) (int, error) {
		leaf := durable.NewOrchestrator("Leaf", func(*durable.Context, int) (int, error) { return 0, nil })
		pending := double.Call(ctx, 1)
		defer func() {
			_, err1 := pending.Await()
			_, err2 := double.Call(ctx, 2).Await()
			_, err3 := durable.WhenAll([]*durable.Task[int]{pending})
			_, err4 := leaf.Spawn(ctx, 1)
			pending.Cancel()
			for range durable.InOrder([]*durable.Task[int]{pending}) {
				t.Error("InOrder yielded")
			}
			for range durable.Events[int](ctx, "e") {
				t.Error("Events yielded")
			}
			if durable.WhenAny(pending) != nil || ctx.Patched("p") || ctx.NewUUID() != (durable.UUID{}) || !ctx.Unloading() {
				t.Error("a call had an effect")
			}
			errs = append(errs, err1, err2, err3, err4, durable.Sleep(ctx, time.Hour), durable.AwaitAll(pending),
				durable.SendEvent(ctx, "i", "e", 1), durable.SetCustomStatus(ctx, 1), durable.ContinueAsNew(ctx, 1),
				durable.Go(ctx, func(*durable.Context) error { t.Error("a coroutine ran"); return nil }).Err())
		}()
		return durable.WaitForEvent[int](ctx, "never").Await()
	})
	h := newHub(o)
	_, _ = run(t, h, o, durable.Void{}, durable.WithInstanceID("i"))
	h.Close()
	if len(errs) != 10 {
		t.Fatalf("the deferred function did not run to its end: %v", errs)
	}
	for i, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "being unloaded") {
			t.Errorf("call %d: %v", i, err)
		}
	}
	wantStory(t, h, "i", "0 call Double", "0 failed")
}
