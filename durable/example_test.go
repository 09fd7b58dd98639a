package durable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// In these examples newHub stands for opening a hub, registering what is given with a
// worker and running it; its result is the hub's client. Time is virtual.

var hello = durable.NewActivity("Hello", func(_ context.Context, city string) (string, error) {
	return "Hello " + city + "!", nil
})

var cities = durable.NewOrchestrator("Cities", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
	var out []string
	for _, city := range []string{"Tokyo", "Seattle", "London"} {
		greeting, err := hello.Call(ctx, city).Await()
		if err != nil {
			return nil, err
		}
		out = append(out, greeting)
	}
	return out, nil
})

func Example() {
	client := newHub(cities, hello)
	ctx := context.Background()

	run, err := cities.Start(ctx, client, durable.Void{}, durable.WithInstanceID("tour-7"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.InstanceID())
	fmt.Println(run.Wait(ctx))
	// Output:
	// tour-7
	// [Hello Tokyo! Hello Seattle! Hello London!] <nil>
}

// show runs an orchestrator without input and prints its output or its error.
func show[O any](f func(ctx *durable.Context) (O, error), things ...durable.Registrable) {
	main := durable.NewOrchestrator("Main", func(ctx *durable.Context, _ durable.Void) (O, error) { return f(ctx) })
	client := newHub(append(things, main)...)
	defer client.Close()
	run, err := main.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("m"))
	if err != nil {
		fmt.Println(err)
		return
	}
	output, err := run.Wait(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(output)
}

func ExampleNewActivity() {
	length := durable.NewActivity("Length", func(_ context.Context, s string) (int, error) { return len(s), nil })
	show(func(ctx *durable.Context) (int, error) { return length.Call(ctx, "abc").Await() }, length)
	// Output: 3
}

func ExampleNewOrchestrator() {
	twice := durable.NewOrchestrator("Twice", func(ctx *durable.Context, city string) (string, error) {
		a, err := hello.Call(ctx, city).Await()
		if err != nil {
			return "", err
		}
		b, err := hello.Call(ctx, city).Await()
		return a + " " + b, err
	})
	client := newHub(twice, hello)
	run, _ := twice.Start(context.Background(), client, "Rome")
	fmt.Println(run.Wait(context.Background()))
	// Output: Hello Rome! Hello Rome! <nil>
}

// service is something an activity depends on.
type service struct{ currency string }

func (s service) charge(_ context.Context, amount int) (string, error) {
	return fmt.Sprint(amount, " ", s.currency), nil
}

func ExampleDeclareActivity() {
	charge := durable.DeclareActivity[int, string]("Charge")
	// Another worker may host it; here it is bound to a service.
	bound := charge.With(service{"EUR"}.charge)
	show(func(ctx *durable.Context) (string, error) { return charge.Call(ctx, 5).Await() }, bound)
	fmt.Println(charge.Validate())
	// Output:
	// 5 EUR
	// durable: activity "Charge": it is only declared; bind a function with With before registering it
}

func ExampleActivity_With() {
	charge := durable.DeclareActivity[int, string]("Charge").With(service{"USD"}.charge)
	show(func(ctx *durable.Context) (string, error) { return charge.Call(ctx, 5).Await() }, charge)
	// Output: 5 USD
}

func ExampleActivity_Call() {
	show(func(ctx *durable.Context) (string, error) {
		task := hello.Call(ctx, "Oslo") // runs from here on
		return task.Await()
	}, hello)
	// Output: Hello Oslo!
}

func ExampleCallActivity() {
	show(func(ctx *durable.Context) (string, error) {
		name := "Hello" // from configuration, say
		return durable.CallActivity[string](ctx, name, "Lima").Await()
	}, hello)
	// Output: Hello Lima!
}

// An orchestrator that starts itself must be declared first: its variable cannot
// refer to itself in Go.
var factorial = durable.DeclareOrchestrator[int, int]("Factorial")

func ExampleDeclareOrchestrator() {
	recursive := factorial.With(func(ctx *durable.Context, n int) (int, error) {
		if n < 2 {
			return 1, nil
		}
		rest, err := factorial.Call(ctx, n-1).Await()
		return n * rest, err
	})
	client := newHub(recursive)
	run, _ := factorial.Start(context.Background(), client, 5)
	fmt.Println(run.Wait(context.Background()))
	// Output: 120 <nil>
}

func ExampleOrchestrator_With() {
	ping := durable.DeclareOrchestrator[durable.Void, string]("Ping")
	bound := ping.With(func(*durable.Context, durable.Void) (string, error) { return "pong", nil })
	run, _ := ping.Start(context.Background(), newHub(bound), durable.Void{})
	fmt.Println(run.Wait(context.Background()))
	// Output: pong <nil>
}

func ExampleOrchestrator_Call() {
	show(func(ctx *durable.Context) (string, error) {
		greetings, err := cities.Call(ctx, durable.Void{}, durable.WithInstanceID("m:cities")).Await()
		return strings.Join(greetings, " "), err
	}, cities, hello)
	// Output: Hello Tokyo! Hello Seattle! Hello London!
}

func ExampleCallSubOrchestration() {
	show(func(ctx *durable.Context) ([]string, error) {
		return durable.CallSubOrchestration[[]string](ctx, "Cities", nil).Await()
	}, cities, hello)
	// Output: [Hello Tokyo! Hello Seattle! Hello London!]
}

func ExampleOrchestrator_Spawn() {
	show(func(ctx *durable.Context) (string, error) {
		id, err := cities.Spawn(ctx, durable.Void{}) // nobody waits for it
		return "started " + id, err
	}, cities, hello)
	// Output: started m.1:0
}

func ExampleOrchestrator_Start() {
	client := newHub(cities, hello)
	run, err := cities.Start(context.Background(), client, durable.Void{},
		durable.WithInstanceID("tour-8"),
		durable.WithTags(map[string]string{"team": "blue"}),
		durable.WithStartDelay(time.Minute))
	fmt.Println(run.InstanceID(), err)
	// Output: tour-8 <nil>
}

func ExampleStart() {
	client := newHub(cities, hello)
	run, err := durable.Start[[]string](context.Background(), client, "Cities", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(context.Background()))
	// Output: [Hello Tokyo! Hello Seattle! Hello London!] <nil>
}

func ExampleGetRun() {
	client := newHub(cities, hello)
	_, _ = cities.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("tour-9"))
	// Later, perhaps in another process:
	run := durable.GetRun[[]string](client, "tour-9")
	fmt.Println(run.Wait(context.Background()))
	// Output: [Hello Tokyo! Hello Seattle! Hello London!] <nil>
}

func ExampleRun_Status() {
	client := newHub(cities, hello)
	run, _ := cities.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("tour-10"))
	before, _ := run.Status(context.Background())
	_, _ = run.Wait(context.Background())
	after, _ := run.Status(context.Background())
	fmt.Println(before.Status, after.Status, *after.Output)
	// Output: Running Completed ["Hello Tokyo!","Hello Seattle!","Hello London!"]
}

var approval = durable.NewOrchestrator("Approval", func(ctx *durable.Context, _ durable.Void) (string, error) {
	who, err := durable.WaitForEvent[string](ctx, "Approved").Await()
	return "approved by " + who, err
})

func ExampleRun_RaiseEvent() {
	client := newHub(approval)
	run, _ := approval.Start(context.Background(), client, durable.Void{})
	_ = run.RaiseEvent(context.Background(), "Approved", "Ada")
	fmt.Println(run.Wait(context.Background()))
	// Output: approved by Ada <nil>
}

func ExampleRaiseEvent() {
	client := newHub(approval)
	run, _ := approval.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("a-1"))
	_ = durable.RaiseEvent(context.Background(), client, "a-1", "Approved", "Grace")
	fmt.Println(run.Wait(context.Background()))
	// Output: approved by Grace <nil>
}

func ExampleRun_Terminate() {
	client := newHub(approval)
	run, _ := approval.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("a-2"))
	_ = run.Terminate(context.Background(), "no longer needed")
	_, err := run.Wait(context.Background())
	fmt.Println(err)
	fmt.Println(errors.Is(err, durable.ErrTerminated))
	// Output:
	// orchestration "Approval" (instance "a-2") was terminated: no longer needed
	// true
}

func ExampleOutput() {
	client := newHub(cities, hello)
	run, _ := cities.Start(context.Background(), client, durable.Void{}, durable.WithInstanceID("tour-11"))
	in, _ := run.Status(context.Background())
	_, err := durable.Output[[]string](in)
	fmt.Println(err)
	_, _ = run.Wait(context.Background())
	in, _ = run.Status(context.Background())
	greetings, err := durable.Output[[]string](in)
	fmt.Println(greetings[0], err)
	// Output:
	// instance "tour-11" is Running: durable: the instance has not completed
	// Hello Tokyo! <nil>
}

func ExampleInput() {
	client := newHub(factorial.With(func(_ *durable.Context, n int) (int, error) { return n, nil }))
	run, _ := factorial.Start(context.Background(), client, 5)
	in, _ := run.Status(context.Background())
	fmt.Println(durable.Input[int](in))
	// Output: 5 <nil>
}

func ExampleVoid() {
	clean := durable.NewActivity("Clean", func(context.Context, durable.Void) (durable.Void, error) { return durable.Void{}, nil })
	show(func(ctx *durable.Context) (string, error) {
		_, err := clean.Call(ctx, durable.Void{}).Await()
		return "clean", err
	}, clean)
	// Output: clean
}
