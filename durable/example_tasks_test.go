package durable_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

func ExampleWhenAll() {
	show(func(ctx *durable.Context) ([]string, error) {
		var tasks []*durable.Task[string]
		for _, city := range []string{"Oslo", "Lima", "Cairo"} {
			tasks = append(tasks, hello.Call(ctx, city)) // side by side
		}
		return durable.WhenAll(tasks)
	}, hello)
	// Output: [Hello Oslo! Hello Lima! Hello Cairo!]
}

func ExampleAwaitAll() {
	show(func(ctx *durable.Context) (string, error) {
		greeting, pause := hello.Call(ctx, "Bern"), durable.Timer(ctx, time.Minute)
		if err := durable.AwaitAll(greeting, pause); err != nil {
			return "", err
		}
		return greeting.Await() // does not wait any more
	}, hello)
	// Output: Hello Bern!
}

func ExampleWhenAny() {
	show(func(ctx *durable.Context) (string, error) {
		decision, deadline := durable.WaitForEvent[bool](ctx, "Decision"), durable.Timer(ctx, 72*time.Hour)
		switch durable.WhenAny(decision, deadline) {
		case deadline:
			return "escalated", nil
		default:
			yes, err := decision.Await()
			return fmt.Sprint("decided: ", yes), err
		}
	})
	// Output: escalated
}

func ExampleInOrder() {
	show(func(ctx *durable.Context) ([]int, error) {
		tasks := []*durable.Task[durable.Void]{
			durable.Timer(ctx, 3*time.Second), durable.Timer(ctx, time.Second), durable.Timer(ctx, 2*time.Second),
		}
		var order []int
		for i := range durable.InOrder(tasks) {
			order = append(order, i)
		}
		return order, nil
	})
	// Output: [1 2 0]
}

func ExampleTask_Await() {
	show(func(ctx *durable.Context) (string, error) {
		task := hello.Call(ctx, "Kyiv")
		first, err := task.Await()
		if err != nil {
			return "", err
		}
		again, err := task.Await()
		return fmt.Sprint(first == again), err
	}, hello)
	// Output: true
}

func ExampleTask_Cancel() {
	show(func(ctx *durable.Context) (bool, error) {
		reminder := durable.Timer(ctx, 24*time.Hour)
		reminder.Cancel()
		_, err := reminder.Await()
		return errors.Is(err, durable.ErrCanceled), nil
	})
	// Output: true
}

func ExampleTimer() {
	show(func(ctx *durable.Context) (time.Duration, error) {
		before := ctx.Now()
		_, err := durable.Timer(ctx, 36*time.Hour).Await()
		return ctx.Now().Sub(before), err
	})
	// Output: 36h0m0s
}

func ExampleTimerAt() {
	show(func(ctx *durable.Context) (string, error) {
		midnight := ctx.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
		_, err := durable.TimerAt(ctx, midnight).Await()
		return ctx.Now().Format(time.DateTime), err
	})
	// Output: 2026-06-02 00:00:00
}

func ExampleSleep() {
	show(func(ctx *durable.Context) (string, error) {
		if err := durable.Sleep(ctx, 30*24*time.Hour); err != nil {
			return "", err
		}
		return ctx.Now().Format(time.DateOnly), nil
	})
	// Output: 2026-07-01
}

func ExampleSleepUntil() {
	show(func(ctx *durable.Context) (string, error) {
		err := durable.SleepUntil(ctx, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
		return ctx.Now().Format(time.DateOnly), err
	})
	// Output: 2027-01-01
}

func ExampleWaitForEvent() {
	show(func(ctx *durable.Context) (string, error) {
		answer, err := durable.WaitForEvent[string](ctx, "Answer", durable.WithTimeout(time.Hour)).Await()
		if errors.Is(err, durable.ErrTimeout) {
			return err.Error(), nil
		}
		return answer, err
	})
	// Output: event "Answer": no result within 1h0m0s
}

func ExampleWaitForAnyEvent() {
	show(func(ctx *durable.Context) (string, error) {
		if err := durable.SendEvent(ctx, ctx.InstanceID(), "Surprise", 7); err != nil {
			return "", err
		}
		event, err := durable.WaitForAnyEvent(ctx).Await()
		if err != nil {
			return "", err
		}
		var n int
		err = event.Decode(&n)
		return fmt.Sprint(event.Name, " ", n), err
	})
	// Output: Surprise 7
}

func ExampleEvents() {
	basket := durable.NewOrchestrator("Basket", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
		var items []string
		for item, err := range durable.Events[string](ctx, "Add") {
			if err != nil {
				return nil, err
			}
			if items = append(items, item); len(items) == 3 {
				break
			}
		}
		return items, nil
	})
	client := newHub(basket)
	run, _ := basket.Start(context.Background(), client, durable.Void{})
	for _, item := range []string{"bread", "milk", "salt"} {
		_ = run.RaiseEvent(context.Background(), "Add", item)
	}
	fmt.Println(run.Wait(context.Background()))
	// Output: [bread milk salt] <nil>
}

func ExampleSendEvent() {
	client := newHub(approval, durable.NewOrchestrator("Boss", func(ctx *durable.Context, id string) (durable.Void, error) {
		return durable.Void{}, durable.SendEvent(ctx, id, "Approved", "the boss")
	}))
	run, _ := approval.Start(context.Background(), client, durable.Void{})
	_, _ = durable.Start[durable.Void](context.Background(), client, "Boss", run.InstanceID())
	fmt.Println(run.Wait(context.Background()))
	// Output: approved by the boss <nil>
}

func ExampleGo() {
	show(func(ctx *durable.Context) (string, error) {
		greetings := map[string]string{}
		visit := func(city string, pause time.Duration) *durable.Task[durable.Void] {
			return durable.Go(ctx, func(ctx *durable.Context) error {
				if err := durable.Sleep(ctx, pause); err != nil {
					return err
				}
				greeting, err := hello.Call(ctx, city).Await()
				greetings[city] = greeting // no lock: only one of them runs at a time
				return err
			})
		}
		err := durable.AwaitAll(visit("Oslo", 2*time.Second), visit("Lima", time.Second))
		return fmt.Sprint(len(greetings), " ", greetings["Oslo"]), err
	}, hello)
	// Output: 2 Hello Oslo!
}

func ExampleWithCancel() {
	show(func(ctx *durable.Context) (string, error) {
		scope, cancel := durable.WithCancel(ctx)
		first := []durable.Awaitable{durable.Timer(scope, time.Hour), durable.Timer(scope, time.Minute)}
		durable.WhenAny(first...)
		cancel() // forgets the other one
		return fmt.Sprint(first[0].Err(), " / ", first[1].Err()), nil
	})
	// Output: durable: canceled / <nil>
}

func ExampleContinueAsNew() {
	poll := durable.NewOrchestrator("Poll", func(ctx *durable.Context, round int) (string, error) {
		if err := durable.Sleep(ctx, time.Minute); err != nil {
			return "", err
		}
		if round < 3 {
			return "", durable.ContinueAsNew(ctx, round+1) // a new generation, with an empty history
		}
		return fmt.Sprint("round ", round), nil
	})
	run, _ := poll.Start(context.Background(), newHub(poll), 1)
	fmt.Println(run.Wait(context.Background()))
	// Output: round 3 <nil>
}

func ExampleDropEvents() {
	forgetful := durable.NewOrchestrator("Forgetful", func(ctx *durable.Context, again bool) (string, error) {
		if again {
			if err := durable.Sleep(ctx, time.Minute); err != nil {
				return "", err
			}
			return "", durable.ContinueAsNew(ctx, false, durable.DropEvents())
		}
		_, err := durable.WaitForEvent[string](ctx, "Hint", durable.WithTimeout(time.Hour)).Await()
		return fmt.Sprint(err), nil
	})
	run, _ := forgetful.Start(context.Background(), newHub(forgetful), true)
	_ = run.RaiseEvent(context.Background(), "Hint", "x")
	fmt.Println(run.Wait(context.Background()))
	// Output: event "Hint": no result within 1h0m0s <nil>
}

func ExampleSetCustomStatus() {
	type progress struct{ Done, Of int }
	work := durable.NewOrchestrator("Work", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		return durable.Void{}, durable.SetCustomStatus(ctx, progress{2, 5})
	})
	run, _ := work.Start(context.Background(), newHub(work), durable.Void{})
	_, _ = run.Wait(context.Background())
	in, _ := run.Status(context.Background())
	fmt.Println(*in.CustomStatus)
	// Output: {"Done":2,"Of":5}
}

func ExampleCustomStatus() {
	work := durable.NewOrchestrator("Work", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		return durable.Void{}, durable.SetCustomStatus(ctx, "halfway")
	})
	run, _ := work.Start(context.Background(), newHub(work), durable.Void{})
	_, _ = run.Wait(context.Background())
	in, _ := run.Status(context.Background())
	fmt.Println(durable.CustomStatus[string](in))
	// Output: halfway <nil>
}
