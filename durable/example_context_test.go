package durable_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

func ExampleContext_Now() {
	show(func(ctx *durable.Context) (string, error) { return ctx.Now().Format(time.DateTime), nil })
	// Output: 2026-06-01 12:00:00
}

func ExampleContext_NewUUID() {
	show(func(ctx *durable.Context) (durable.UUID, error) { return ctx.NewUUID(), nil })
	// Output: ad3417ee-c563-5ba5-8d58-fc57addb3d9c
}

func ExampleUUID() {
	var u durable.UUID
	err := u.UnmarshalText([]byte("{AD3417EEC5635BA58D58FC57ADDB3D9C}"))
	fmt.Println(u, err)
	// Output: ad3417ee-c563-5ba5-8d58-fc57addb3d9c <nil>
}

func ExampleContext_Rand() {
	show(func(ctx *durable.Context) (bool, error) {
		n := ctx.Rand().IntN(6) + 1 // the same in every replay
		return n >= 1 && n <= 6, nil
	})
	// Output: true
}

func ExampleContext_IsReplaying() {
	show(func(ctx *durable.Context) (bool, error) {
		if !ctx.IsReplaying() {
			fmt.Println("counted once")
		}
		_, err := hello.Call(ctx, "Oslo").Await()
		return ctx.IsReplaying(), err
	}, hello)
	// Output:
	// counted once
	// false
}

func ExampleContext_Logger() {
	logged := durable.NewOrchestrator("Logged", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		ctx.Logger().Info("begin") // once, however often it is replayed
		_, err := hello.Call(ctx, "Oslo").Await()
		return durable.Void{}, err
	})
	client := hubWith(func(h *memHub) {
		h.reload = true // replay at every step
		h.log = lines{os.Stdout}.logger()
	}, logged, hello)
	defer client.Close()
	run, _ := logged.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("l-1"))
	_, _ = run.Wait(context.Background())
	// Output: msg=begin orchestrator=Logged instance_id=l-1 execution_id=l-1.1
}

func ExampleContext_HistorySize() {
	show(func(ctx *durable.Context) (int, error) {
		for ctx.HistorySize() < 10 {
			if _, err := hello.Call(ctx, "Oslo").Await(); err != nil {
				return 0, err
			}
		}
		return ctx.HistorySize(), nil
	}, hello)
	// Output: 11
}

func ExampleContext_ParentInstance() {
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) {
		parent, ok := ctx.ParentInstance()
		return fmt.Sprint(parent.Name, " ", parent.InstanceID, " ", ok), nil
	})
	show(func(ctx *durable.Context) (string, error) { return child.Call(ctx, durable.Void{}).Await() }, child)
	// Output: Main m true
}

func ExampleContext_Tags() {
	tagged := durable.NewOrchestrator("Tagged", func(ctx *durable.Context, _ durable.Void) (int, error) { return len(ctx.Tags()), nil })
	run, _ := tagged.Start(context.Background(), newHub(tagged), durable.Void{})
	fmt.Println(run.Wait(context.Background()))
	// Output: 0 <nil>
}

func ExampleContext_Version() {
	show(func(ctx *durable.Context) (bool, error) { return ctx.Version() == "", nil })
	// Output: true
}

func ExampleContext_InstanceID() {
	show(func(ctx *durable.Context) (string, error) {
		return fmt.Sprint(ctx.Name(), " ", ctx.InstanceID(), " ", ctx.ExecutionID()), nil
	})
	// Output: Main m m.1
}

func ExampleContext_Err() {
	show(func(ctx *durable.Context) (string, error) {
		scope, cancel := durable.WithCancel(ctx)
		cancel()
		return fmt.Sprint(scope.Err(), ", ", ctx.Err()), nil
	})
	// Output: durable: canceled, <nil>
}

func ExampleContext_Unloading() {
	cleaned := durable.NewOrchestrator("Cleaned", func(ctx *durable.Context, _ durable.Void) (string, error) {
		defer func() {
			if ctx.Unloading() {
				fmt.Println("goes on later, from the history")
			}
		}()
		return durable.WaitForEvent[string](ctx, "Go").Await()
	})
	client := newHub(cleaned)
	run, _ := cleaned.Start(context.Background(), client, durable.Void{})
	_, err := run.Wait(context.Background())
	fmt.Println(err)
	client.Close() // takes it out of memory
	// Output:
	// instance "instance-1": nothing is left to do, and the instance still waits
	// goes on later, from the history
}

func ExamplePatched() {
	show(func(ctx *durable.Context) (string, error) {
		if durable.Patched(ctx, "greet-in-english") {
			return hello.Call(ctx, "Paris").Await() // every execution from now on
		}
		return durable.CallActivity[string](ctx, "Bonjour", "Paris").Await() // those that were here before
	}, hello)
	// Output: Hello Paris!
}

func ExampleContext_Patched() {
	show(func(ctx *durable.Context) (bool, error) { return ctx.Patched("v2"), nil })
	// Output: true
}

func ExampleActivityInfo() {
	charge := durable.NewActivity("Charge", func(ctx context.Context, amount int) (string, error) {
		info := durable.ActivityInfo(ctx)
		return fmt.Sprint(info.InstanceID, ", attempt ", info.Attempt, ", key ", info.IdempotencyKey()), nil
	})
	show(func(ctx *durable.Context) (string, error) { return charge.Call(ctx, 5).Await() }, charge)
	// Output: m, attempt 1, key m/m.1/0
}

func ExampleWithActivityInfo() {
	// To test an activity's function by itself:
	ctx := durable.WithActivityInfo(context.Background(), durable.ActivityInfoValue{Name: "Charge", Attempt: 2})
	fmt.Println(durable.ActivityInfo(ctx).Attempt)
	// Output: 2
}

func ExampleHeartbeat() {
	report := func(_ context.Context, details *string) error {
		fmt.Println("progress", *details)
		return nil
	}
	ctx := durable.WithActivityInfo(context.Background(), durable.ActivityInfoValue{Name: "Copy", Heartbeat: report})
	for _, percent := range []int{50, 100} {
		if err := durable.Heartbeat(ctx, percent); err != nil {
			return // canceled
		}
	}
	// Output:
	// progress 50
	// progress 100
}

// timing is an interceptor that logs activities.
type timing struct {
	durable.PassThrough
	log *slog.Logger
}

func (t timing) Activity(next durable.ActivityHandler) durable.ActivityHandler {
	return func(ctx context.Context, input *string) (*string, error) {
		output, err := next(ctx, input)
		t.log.Info("ran " + durable.ActivityInfo(ctx).Name)
		return output, err
	}
}

func ExampleInterceptor() {
	env := durable.Environment{Interceptors: []durable.Interceptor{timing{log: lines{os.Stdout}.logger()}}}
	client := hubWith(func(h *memHub) { h.env = env }, cities, hello)
	run, _ := cities.Start(context.Background(), client, durable.Void{})
	fmt.Println(run.Wait(context.Background()))
	// Output:
	// msg="ran Hello"
	// msg="ran Hello"
	// msg="ran Hello"
	// [Hello Tokyo! Hello Seattle! Hello London!] <nil>
}

// naming is an interceptor that starts every instance under a name.
type naming struct{ durable.PassThrough }

func (naming) Client(next durable.ClientHandler) durable.ClientHandler {
	return func(ctx context.Context, call *durable.ClientCall) error {
		if call.Operation == durable.OperationStart {
			call.Start.InstanceID = "tenant-1:" + call.Start.Name
		}
		return next(ctx, call)
	}
}

func ExampleInterceptClient() {
	client := durable.InterceptClient(newHub(cities, hello), naming{})
	run, _ := cities.Start(context.Background(), client, durable.Void{})
	fmt.Println(run.InstanceID())
	// Output: tenant-1:Cities
}

func ExampleEnvironment() {
	env := durable.Environment{Converter: durable.CompressingConverter(durable.CompressionConfig{})}
	handler := env.Handler(hello)
	input := `["Oslo"]`
	output, err := handler(context.Background(), &input)
	fmt.Println(*output, err)
	// Output: "Hello Oslo!" <nil>
}

func ExampleRegistrable() {
	for _, r := range []durable.Registrable{hello, cities} {
		fmt.Println(r.Kind(), r.Name(), r.Validate())
	}
	// Output:
	// activity Hello <nil>
	// orchestrator Cities <nil>
}
