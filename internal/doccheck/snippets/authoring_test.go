package snippets

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

// CountWords counts the words of a file.
var CountWords = durable.NewActivity("CountWords", func(_ context.Context, text string) (int, error) {
	return len(strings.Fields(text)), nil
})

// FanOut calls an activity for each file, all at once.
var FanOut = durable.NewOrchestrator("FanOut", func(ctx *durable.Context, files []string) (int, error) {
	tasks := make([]*durable.Task[int], len(files))
	for i, file := range files {
		tasks[i] = CountWords.Call(ctx, file)
	}
	counts, err := durable.WhenAll(tasks)
	if err != nil {
		return 0, err // joins the errors of all that failed
	}
	return sum(counts), nil
})

func sum(counts []int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

// AsTheyCome takes the results in the order in which they come.
var AsTheyCome = durable.NewOrchestrator("AsTheyCome", func(ctx *durable.Context, files []string) (total int, err error) {
	tasks := make([]*durable.Task[int], len(files))
	for i, file := range files {
		tasks[i] = CountWords.Call(ctx, file)
	}
	for i, task := range durable.InOrder(tasks) {
		count, err := task.Await() // does not wait any more
		if err != nil {
			return 0, err
		}
		ctx.Logger().Info("counted", "file", i, "words", count)
		total += count
	}
	return total, nil
})

// FewAtATime has no more than three calls open.
var FewAtATime = durable.NewOrchestrator("FewAtATime", func(ctx *durable.Context, files []string) (int, error) {
	counts := make([]int, len(files))
	next := 0
	lanes := make([]*durable.Task[durable.Void], 3)
	for i := range lanes {
		lanes[i] = durable.Go(ctx, func(ctx *durable.Context) (err error) {
			for next < len(files) && err == nil {
				mine := next
				next++
				counts[mine], err = CountWords.Call(ctx, files[mine]).Await()
			}
			return err
		})
	}
	_, err := durable.WhenAll(lanes)
	return sum(counts), err
})

// Approval waits for a decision, for three days at most.
var Approval = durable.NewOrchestrator("Approval", func(ctx *durable.Context, _ durable.Void) (string, error) {
	decision := durable.WaitForEvent[bool](ctx, "Decision")
	deadline := durable.Timer(ctx, 72*time.Hour)
	if durable.WhenAny(decision, deadline) == deadline {
		return "expired", nil
	}
	deadline.Cancel()
	if approved, err := decision.Await(); err != nil || !approved {
		return "refused", err
	}
	return "approved", nil
})

// ShortApproval is the same with an option.
var ShortApproval = durable.NewOrchestrator("ShortApproval", func(ctx *durable.Context, _ durable.Void) (string, error) {
	approved, err := durable.WaitForEvent[bool](ctx, "Decision", durable.WithTimeout(72*time.Hour)).Await()
	if errors.Is(err, durable.ErrTimeout) {
		return "expired", nil
	}
	if err != nil || !approved {
		return "refused", err
	}
	return "approved", nil
})

// Counter adds up what events bring, for as long as they come.
var Counter = durable.NewOrchestrator("Counter", func(ctx *durable.Context, total int) (int, error) {
	for n, err := range durable.Events[int](ctx, "Add") {
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		total += n
		if ctx.HistorySize() > 1000 {
			return 0, durable.ContinueAsNew(ctx, total)
		}
	}
	return total, nil
})

// Survey asks the customer how it was.
var Survey = durable.NewOrchestrator("Survey", func(*durable.Context, Order) (durable.Void, error) { return durable.Void{}, nil })

// Family has children.
var Family = durable.NewOrchestrator("Family", func(ctx *durable.Context, order Order) (string, error) {
	receipt, err := Checkout.Call(ctx, order, durable.WithInstanceID("checkout-"+order.ID)).Await()
	if err != nil {
		return "", err
	}
	if _, err := Survey.Spawn(ctx, order); err != nil { // nobody waits for this one
		return "", err
	}
	return receipt, durable.SetCustomStatus(ctx, "sold")
})

func TestFanOut(t *testing.T) {
	t.Parallel()
	files := []string{"a b c", "d", "e f", "g h", "i"}
	for _, o := range []*durable.Orchestrator[[]string, int]{FanOut, AsTheyCome, FewAtATime} {
		env := durabletest.New(t)
		env.Register(CountWords)
		run := durabletest.Run(env, o, files)
		if run.Err != nil || run.Output != 9 {
			t.Errorf("%s: %v, %v", o.Name(), run.Output, run.Err)
		}
	}
}

func TestApproval(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.RaiseAt(47*time.Hour, "Decision", true) // somebody decides just in time
	run := durabletest.Run(env, Approval, durable.Void{})
	if run.Err != nil || run.Output != "approved" {
		t.Errorf("%q, %v", run.Output, run.Err)
	}
}

func TestNobodyDecides(t *testing.T) {
	t.Parallel()
	for _, o := range []*durable.Orchestrator[durable.Void, string]{Approval, ShortApproval} {
		run := durabletest.Run(durabletest.New(t), o, durable.Void{})
		if run.Err != nil || run.Output != "expired" || run.Elapsed != 72*time.Hour {
			t.Errorf("%s: %q after %v, %v", o.Name(), run.Output, run.Elapsed, run.Err)
		}
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	for i := range 3 {
		env.RaiseAt(time.Duration(i+1)*time.Minute, "Add", 2-i)
	}
	run := durabletest.Run(env, Counter, 10)
	if run.Err != nil || run.Output != 13 {
		t.Errorf("%v, %v", run.Output, run.Err)
	}
}

func TestFamily(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.Register(Checkout, Survey, Reserve)
	durabletest.Mock(env, Charge, func(context.Context, Order) (string, error) { return "paid", nil })
	run := durabletest.Run(env, Family, Order{ID: "1"})
	if run.Err != nil || run.Output != "paid from shelf 7" || len(env.Children()) != 2 {
		t.Errorf("%q, %v, %v", run.Output, run.Err, env.Children())
	}
}

// TestRaise raises the event as a client does.
func TestRaise(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	run, err := Approval.Start(ctx, newHub(t, Approval), durable.Void{})
	if err != nil {
		t.Fatal(err)
	}
	err = run.RaiseEvent(ctx, "Decision", true)
	if err != nil {
		t.Fatal(err)
	}
	if output, err := run.Wait(ctx); err != nil || output != "approved" {
		t.Errorf("%q, %v", output, err)
	}
}
