package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

// t stands for the *testing.T of a test. It prints how the test would fail.
var t printer

type printer struct{}

func (printer) Helper()                           {}
func (printer) Logf(format string, args ...any)   { fmt.Printf("log: "+format+"\n", args...) }
func (printer) Errorf(format string, args ...any) { fmt.Printf("FAIL: "+format+"\n", args...) }
func (printer) Fatalf(format string, args ...any) { fmt.Printf("FAIL: "+format+"\n", args...) }
func (printer) Cleanup(func())                    {}

// What the examples test.
type (
	Order struct {
		ID    string
		Total int
	}
	Receipt struct{ ID string }
)

var (
	ErrOutOfStock = errors.New("out of stock")
	ErrTimeout    = errors.New("the bank does not answer")

	Charge = durable.DeclareActivity[Order, Receipt]("Charge")
	Refund = durable.DeclareActivity[Receipt, durable.Void]("Refund")
	Pack   = durable.NewActivity("Pack", func(_ context.Context, o Order) (string, error) { return "parcel " + o.ID, nil })
	Ship   = durable.DeclareActivity[string, durable.Void]("Ship")
)

func init() {
	durable.RegisterSentinel("example.OutOfStock", ErrOutOfStock)
	durable.RegisterSentinel("example.Timeout", ErrTimeout)
}

// Checkout charges a card, with retries, packs and ships; what cannot be shipped is refunded.
var Checkout = durable.NewOrchestrator("Checkout", func(ctx *durable.Context, o Order) (string, error) {
	receipt, err := Charge.Call(ctx, o, durable.WithRetry(durable.RetryPolicy{
		MaxAttempts: 3, FirstInterval: 10 * time.Second, BackoffCoefficient: 2,
	})).Await()
	if err != nil {
		return "", err
	}
	parcel, err := Pack.Call(ctx, o).Await()
	if err != nil {
		return "", err
	}
	if _, err := Ship.Call(ctx, parcel).Await(); err != nil {
		if _, refundErr := Refund.Call(ctx, receipt).Await(); refundErr != nil {
			return "", errors.Join(err, refundErr)
		}
		return "", err
	}
	return parcel + " is on its way", nil
})

// Approval asks somebody to approve an order within two days.
var Approval = durable.NewOrchestrator("Approval", func(ctx *durable.Context, o Order) (string, error) {
	if err := durable.SetCustomStatus(ctx, "waiting for approval"); err != nil {
		return "", err
	}
	approved, err := durable.WaitForEvent[bool](ctx, "Approve", durable.WithTimeout(48*time.Hour)).Await()
	switch {
	case errors.Is(err, durable.ErrTimeout):
		return "expired", durable.SetCustomStatus(ctx, "expired")
	case err != nil:
		return "", err
	case !approved:
		return "rejected", durable.SetCustomStatus(ctx, "rejected")
	}
	if err := durable.SetCustomStatus(ctx, "approved"); err != nil {
		return "", err
	}
	return Checkout.Call(ctx, o, durable.WithInstanceID("checkout-"+o.ID)).Await()
})

func pay(context.Context, Order) (Receipt, error)          { return Receipt{"r-1"}, nil }
func hand(context.Context, string) (durable.Void, error)   { return durable.Void{}, nil }
func repay(context.Context, Receipt) (durable.Void, error) { return durable.Void{}, nil }

// Activities are called one after another: some mocked, some real.
func Example() {
	env := durabletest.New(t)
	env.Register(Pack) // runs for real
	durabletest.Mock(env, Charge, func(context.Context, Order) (Receipt, error) { return Receipt{"r-1"}, nil })
	durabletest.Mock(env, Ship, func(_ context.Context, parcel string) (durable.Void, error) {
		fmt.Println("shipping", parcel)
		return durable.Void{}, nil
	})

	run := durabletest.Run(env, Checkout, Order{ID: "o-1", Total: 20})
	fmt.Println(run.Output, run.Err)

	durabletest.AssertCalledWith(env, Charge, Order{ID: "o-1", Total: 20})
	env.AssertNotCalled(Refund)
	// Output:
	// shipping parcel o-1
	// parcel o-1 is on its way <nil>
}

// Somebody has two days to approve. The test takes no time.
func Example_humanInteraction() {
	for _, after := range []time.Duration{47 * time.Hour, 49 * time.Hour} {
		env := durabletest.New(t)
		durabletest.MockOrchestrator(env, Checkout, func(context.Context, Order) (string, error) { return "done", nil })
		env.RaiseAt(after, "Approve", true)

		run := durabletest.Run(env, Approval, Order{ID: "o-1"})
		fmt.Println(run.Output, run.Elapsed, durabletest.CustomStatuses[string](run))
	}
	// Output:
	// done 47h0m0s [waiting for approval approved]
	// expired 48h0m0s [waiting for approval expired]
}

// The waits of a retry policy can be checked without waiting.
func Example_retries() {
	env := durabletest.New(t)
	env.Register(Pack)
	durabletest.Mock(env, Charge, pay).FailTimes(2, ErrTimeout).Takes(time.Second)
	durabletest.Mock(env, Ship, hand)

	run := durabletest.Run(env, Checkout, Order{ID: "o-1"})
	fmt.Println(run.Output, run.Elapsed)
	for _, timer := range env.Timers() {
		fmt.Println("waited", timer.Duration())
	}
	env.AssertCalledTimes(Charge, 3)
	// Output:
	// parcel o-1 is on its way 33s
	// waited 10s
	// waited 20s
}

// A failure half way must be made good for.
func Example_compensation() {
	env := durabletest.New(t)
	env.Register(Pack)
	durabletest.Mock(env, Charge, pay)
	durabletest.Mock(env, Refund, repay)
	durabletest.Mock(env, Ship, func(context.Context, string) (durable.Void, error) { return durable.Void{}, ErrOutOfStock })

	run := durabletest.Run(env, Checkout, Order{ID: "o-1"})
	fmt.Println(run.Status, errors.Is(run.Err, ErrOutOfStock))
	durabletest.AssertCalledWith(env, Refund, Receipt{"r-1"})
	// Output: Failed true
}

// An orchestrator that does not decide the same when it is run again fails its test.
func Example_nonDeterminism() {
	attempts := 0
	careless := durable.NewOrchestrator("Careless", func(ctx *durable.Context, _ durable.Void) (string, error) {
		attempts++ // a variable outside the function
		return durable.CallActivity[string](ctx, fmt.Sprint("Step", attempts), nil).Await()
	})
	r := &recorder{}
	env := durabletest.New(r)
	durabletest.MockNamed(env, "Step1", func(context.Context, any) (string, error) { return "", nil })

	run := durabletest.Run(env, careless, durable.Void{})
	var explained *durable.NonDeterminismError
	fmt.Println(len(r.errors) > 0, errors.As(run.Err, &explained))
	fmt.Println("history:", explained.Expected)
	fmt.Println("code:   ", explained.Found)
	// Output:
	// true true
	// history: activity "Step1" was called
	// code:    decided to call activity "Step2" there
}

// Histories from production become tests. Here two cities were added since, which
// instances under way would not survive.
func Example_replayInCI() {
	HelloSequence := durable.NewOrchestrator("HelloSequence", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
		var greetings []string
		for _, city := range []string{"Tokyo", "Seattle", "London", "Oslo", "Lima"} {
			greeting, err := durable.CallActivity[string](ctx, "Say", city).Await()
			if err != nil {
				return nil, err
			}
			greetings = append(greetings, greeting)
		}
		return greetings, nil
	})
	r := &recorder{}
	durabletest.Replay(r, "testdata/histories/hello.json", HelloSequence)
	explanation, _, _ := strings.Cut(r.errors[0], " Likely cause")
	_, explanation, _ = strings.Cut(explanation, "hello.json: ")
	fmt.Println(explanation)
	// Output:
	// non-deterministic orchestrator "HelloSequence": event 14 of the history (row 000000000000000E, decision 3) says that the orchestrator ended (Completed), but the code, replayed, still waits for something.
}

func ExampleNew() {
	env := durabletest.New(t)
	fmt.Println(env.Now())
	// Output: 2026-01-01 12:00:00 +0000 UTC
}

func ExampleNewWith() {
	env := durabletest.NewWith(t, durabletest.Config{Start: time.Date(2030, time.May, 6, 7, 0, 0, 0, time.UTC), Batched: true})
	fmt.Println(env.Now())
	// Output: 2030-05-06 07:00:00 +0000 UTC
}

func ExampleRun() {
	env := durabletest.New(t)
	env.Register(Pack)
	twice := durable.NewOrchestrator("Twice", func(ctx *durable.Context, o Order) (string, error) {
		a, b := Pack.Call(ctx, o), Pack.Call(ctx, o)
		parcels, err := durable.WhenAll([]*durable.Task[string]{a, b})
		return strings.Join(parcels, ", "), err
	})
	run := durabletest.Run(env, twice, Order{ID: "o-1"}, durable.WithInstanceID("pack-1"))
	fmt.Println(run.InstanceID, run.Status, run.Output, run.Err)
	// Output: pack-1 Completed parcel o-1, parcel o-1 <nil>
}

func ExampleMock() {
	env := durabletest.New(t)
	durabletest.Mock(env, Charge, func(ctx context.Context, o Order) (Receipt, error) {
		return Receipt{ID: "for " + durable.ActivityInfo(ctx).InstanceID}, nil
	})
	run := durabletest.Run(env, onlyCharge, Order{})
	fmt.Println(run.Output)
	// Output: for instance-1
}

// onlyCharge charges and returns the receipt.
var onlyCharge = durable.NewOrchestrator("OnlyCharge", func(ctx *durable.Context, o Order) (string, error) {
	receipt, err := Charge.Call(ctx, o).Await()
	return receipt.ID, err
})

func ExampleMockNamed() {
	env := durabletest.New(t)
	durabletest.MockNamed(env, "Charge", func(context.Context, map[string]any) (map[string]string, error) {
		return map[string]string{"ID": "r-2"}, nil
	})
	fmt.Println(durabletest.Run(env, onlyCharge, Order{}).Output)
	// Output: r-2
}

func ExampleMockOrchestrator() {
	env := durabletest.New(t)
	durabletest.MockOrchestrator(env, Checkout, func(context.Context, Order) (string, error) {
		return "", ErrOutOfStock
	}).Takes(time.Hour)
	env.RaiseAt(0, "Approve", true)
	run := durabletest.Run(env, Approval, Order{ID: "o-1"})
	fmt.Println(errors.Is(run.Err, ErrOutOfStock), run.Elapsed)
	fmt.Println(durabletest.ChildInputs(env, Checkout))
	// Output:
	// true 1h0m0s
	// [{o-1 0}]
}

func ExampleMockOrchestratorNamed() {
	env := durabletest.New(t)
	durabletest.MockOrchestratorNamed(env, "Checkout", func(context.Context, any) (string, error) { return "mocked", nil })
	env.RaiseAt(0, "Approve", true)
	fmt.Println(durabletest.Run(env, Approval, Order{ID: "o-1"}).Output)
	// Output: mocked
}

func ExampleBehavior_Takes() {
	race := durable.NewOrchestrator("Race", func(ctx *durable.Context, o Order) (string, error) {
		_, err := Charge.Call(ctx, o, durable.WithTimeout(time.Minute)).Await()
		return fmt.Sprint(err), nil
	})
	for _, takes := range []time.Duration{59 * time.Second, 61 * time.Second} {
		env := durabletest.New(t)
		durabletest.Mock(env, Charge, pay).Takes(takes)
		run := durabletest.Run(env, race, Order{})
		fmt.Println(run.Output, "after", run.Elapsed)
	}
	// Output:
	// <nil> after 59s
	// activity "Charge": no result within 1m0s after 1m0s
}

func ExampleBehavior_FailTimes() {
	env := durabletest.New(t)
	durabletest.Mock(env, Charge, pay).FailTimes(1, ErrTimeout)
	for range 2 {
		run := durabletest.Run(env, onlyCharge, Order{})
		fmt.Println(run.Output, errors.Is(run.Err, ErrTimeout))
	}
	// Output:
	//  true
	// r-1 false
}

// On sets the behavior of code that runs for real.
func ExampleEnv_On() {
	env := durabletest.New(t)
	env.Register(Pack)
	env.On(Pack).Takes(20 * time.Minute)
	durabletest.Mock(env, Charge, pay)
	durabletest.Mock(env, Ship, hand)
	run := durabletest.Run(env, Checkout, Order{ID: "o-1"})
	fmt.Println(run.Output, "after", run.Elapsed)
	// Output: parcel o-1 is on its way after 20m0s
}

// Children run for real when they are registered.
func ExampleEnv_Register() {
	env := durabletest.New(t)
	env.Register(Checkout, Pack)
	durabletest.Mock(env, Charge, pay)
	durabletest.Mock(env, Ship, hand)
	env.RaiseAt(time.Hour, "Approve", true)
	fmt.Println(durabletest.Run(env, Approval, Order{ID: "o-1"}).Output)
	// Output: parcel o-1 is on its way
}

func ExampleEnv_RaiseAt() {
	env := durabletest.New(t)
	env.RaiseAt(90*time.Minute, "approve", false) // names match without regard to case
	run := durabletest.Run(env, Approval, Order{ID: "o-1"})
	fmt.Println(run.Output, "after", run.Elapsed)
	// Output: rejected after 1h30m0s
}

func ExampleTo() {
	env := durabletest.New(t)
	ask := durable.NewOrchestrator("Ask", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return Approval.Call(ctx, Order{}, durable.WithInstanceID("child")).Await()
	})
	env.Register(Approval)
	env.RaiseAt(time.Hour, "Approve", false, durabletest.To("child"))
	fmt.Println(durabletest.Run(env, ask, durable.Void{}).Output)
	// Output: rejected
}

func ExampleEnv_SuspendAt() {
	env := durabletest.New(t)
	env.SuspendAt(time.Hour, "audit")
	env.RaiseAt(2*time.Hour, "Approve", false)
	env.ResumeAt(5*time.Hour, "audit over")
	run := durabletest.Run(env, Approval, Order{})
	fmt.Println(run.Output, "after", run.Elapsed)
	// Output: rejected after 5h0m0s
}

func ExampleEnv_TerminateAt() {
	env := durabletest.New(t)
	env.TerminateAt(time.Hour, "order withdrawn")
	run := durabletest.Run(env, Approval, Order{})
	fmt.Println(run.Err)
	// Output: orchestration "Approval" (instance "instance-1") was terminated: order withdrawn
}

// Heartbeat never ends; the test looks at it after a day.
func ExampleEnv_Advance() {
	ping := durable.DeclareActivity[durable.Void, durable.Void]("Ping")
	watch := durable.NewOrchestrator("Watch", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		if _, err := ping.Call(ctx, durable.Void{}).Await(); err != nil {
			return durable.Void{}, err
		}
		if err := durable.Sleep(ctx, time.Hour); err != nil {
			return durable.Void{}, err
		}
		return durable.Void{}, durable.ContinueAsNew(ctx, durable.Void{})
	})
	env := durabletest.New(t)
	env.Register(watch)
	durabletest.Mock(env, ping, func(context.Context, durable.Void) (durable.Void, error) { return durable.Void{}, nil })
	if _, err := watch.Start(context.Background(), env.Client(), durable.Void{}, durable.WithInstanceID("w")); err != nil {
		fmt.Println(err)
	}
	env.Advance(24 * time.Hour)
	state := durabletest.Inspect[durable.Void](env, "w")
	fmt.Println(state.Status, state.Generations, len(env.Calls(ping)))
	// Output: Running 25 25
}

// What is left behind goes on until nothing is left to happen.
func ExampleEnv_Settle() {
	env := durabletest.New(t)
	report := durable.NewOrchestrator("Report", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "reported", durable.Sleep(ctx, time.Hour)
	})
	main := durable.NewOrchestrator("Main", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return report.Spawn(ctx, durable.Void{}, durable.WithInstanceID("report"))
	})
	env.Register(report)
	durabletest.Run(env, main, durable.Void{})
	fmt.Println(durabletest.Inspect[string](env, "report").Status)
	env.Settle()
	fmt.Println(durabletest.Inspect[string](env, "report").Output)
	// Output:
	// Running
	// reported
}

// The client is for code that takes one.
func ExampleEnv_Client() {
	env := durabletest.New(t)
	env.Register(Approval)
	decide := func(ctx context.Context, c durable.Client, o Order) (string, error) {
		run, err := Approval.Start(ctx, c, o)
		if err != nil {
			return "", err
		}
		if err := run.RaiseEvent(ctx, "Approve", o.Total < 100); err != nil {
			return "", err
		}
		return run.Wait(ctx)
	}
	fmt.Println(decide(context.Background(), env.Client(), Order{Total: 500}))
	// Output: rejected <nil>
}

func ExampleInspect() {
	env := durabletest.New(t)
	env.Register(Checkout, Pack)
	durabletest.Mock(env, Charge, pay)
	durabletest.Mock(env, Ship, hand).Takes(24 * time.Hour)
	env.RaiseAt(time.Hour, "Approve", true)
	durabletest.Run(env, Approval, Order{ID: "o-1"})
	child := durabletest.Inspect[string](env, "checkout-o-1")
	fmt.Println(child.Output, "after", child.Elapsed)
	// Output: parcel o-1 is on its way after 24h0m0s
}

func ExampleEnv_Calls() {
	env := durabletest.New(t)
	env.Register(Pack)
	durabletest.Mock(env, Charge, pay).FailTimes(1, ErrTimeout)
	durabletest.Mock(env, Ship, hand)
	durabletest.Run(env, Checkout, Order{ID: "o-1"})
	for _, call := range env.Calls(Charge) {
		fmt.Println(call.At.Format(time.TimeOnly), *call.Input, call.Err)
	}
	// Output:
	// 12:00:00 {"ID":"o-1","Total":0} the bank does not answer
	// 12:00:10 {"ID":"o-1","Total":0} <nil>
}

func ExampleInputs() {
	env := durabletest.New(t)
	env.Register(Pack)
	durabletest.Run(env, durable.NewOrchestrator("Many", func(ctx *durable.Context, n int) (int, error) {
		for i := range n {
			if _, err := Pack.Call(ctx, Order{Total: i}).Await(); err != nil {
				return 0, err
			}
		}
		return n, nil
	}), 3)
	fmt.Println(durabletest.Inputs(env, Pack))
	// Output: [{ 0} { 1} { 2}]
}

func ExampleEnv_SentEvents() {
	env := durabletest.New(t)
	tell := durable.NewOrchestrator("Tell", func(ctx *durable.Context, to string) (durable.Void, error) {
		return durable.Void{}, durable.SendEvent(ctx, to, "Stock", 7)
	})
	durabletest.Run(env, tell, "warehouse")
	for _, e := range env.SentEvents() {
		fmt.Println(e.To, e.Name, *e.Payload, e.Delivered)
	}
	env.AssertSent("warehouse", "Stock")
	// Output:
	// log: durabletest: at 2026-01-01T12:00:00Z event "Stock" for instance "warehouse" was dropped: there is no such instance
	// warehouse Stock 7 false
}

func ExampleStalledError() {
	env := durabletest.New(t)
	wait := durable.NewOrchestrator("Wait", func(ctx *durable.Context, _ durable.Void) (bool, error) {
		return durable.WaitForEvent[bool](ctx, "Approve").Await()
	})
	env.RaiseAt(time.Hour, "Aprove", true)
	run := durabletest.Run(env, wait, durable.Void{})
	var stalled *durabletest.StalledError
	if errors.As(run.Err, &stalled) {
		fmt.Println("waits for", stalled.Waits, "and got", stalled.Kept)
	}
	fmt.Println(run.Err)
	// Output:
	// waits for [event "Approve"] and got [Aprove]
	// orchestration "Wait" (instance "instance-1") can never go on: at 2026-01-01T13:00:00Z, 1h0m0s after its start, it waits for event "Approve", and nothing is left to happen; events that came and that nobody waits for: "Aprove". Raise events with RaiseAt or from an activity, or give the wait a time-out
}

func ExampleNotRegisteredError() {
	env := durabletest.New(t)
	env.Register(Pack)
	durabletest.Run(env, onlyCharge, Order{})
	// Output: FAIL: activity "Charge", which orchestrator "OnlyCharge" calls, is not registered: pass it to env.Register, or mock it with durabletest.Mock or durabletest.MockNamed (known: "Pack")
}

func ExampleLimitError() {
	env := durabletest.NewWith(t, durabletest.Config{MaxGenerations: 3})
	loop := durable.NewOrchestrator("Loop", func(ctx *durable.Context, n int) (int, error) { return 0, durable.ContinueAsNew(ctx, n+1) })
	run := durabletest.Run(env, loop, 0)
	var limit *durabletest.LimitError
	fmt.Println(errors.As(run.Err, &limit), limit.Limit, limit.What)
	// Output: true 3 generations
}

func ExampleReplayHistory() {
	env := durabletest.New(t)
	env.Register(Pack)
	durabletest.Mock(env, Charge, pay)
	durabletest.Mock(env, Ship, hand)
	run := durabletest.Run(env, Checkout, Order{ID: "o-1"})

	replayed := durabletest.ReplayHistory(t, run.History, Checkout)
	fmt.Println(replayed.InstanceID, replayed.Recorded, replayed.Status, replayed.Output)
	// Output: instance-1 Completed Completed "parcel o-1 is on its way"
}

func ExampleReplay() {
	waitForever := durable.NewOrchestrator("WaitForever", func(ctx *durable.Context, _ string) (string, error) {
		return durable.WaitForEvent[string](ctx, "Go").Await()
	})
	replayed := durabletest.Replay(t, "testdata/histories/running.json", waitForever)
	fmt.Println(replayed.InstanceID, "is", replayed.Status, "and waits for", replayed.Waits)
	// Output: running is Running and waits for [event "Go"]
}

func ExampleReplayer() {
	counter := durable.NewOrchestrator("Counter", func(ctx *durable.Context, n int) (int, error) {
		square, err := durable.CallActivity[int](ctx, "Square", n).Await()
		return square + 1, err // the output is another, which a worker does not mind
	})
	durabletest.Replay(t, "testdata/histories/counter.json", counter)

	r := &recorder{}
	durabletest.Replayer{Strict: true}.Replay(r, "testdata/histories/counter.json", counter)
	fmt.Println(slices.ContainsFunc(r.errors, func(e string) bool {
		return strings.Contains(e, "the output was 9, but the code, replayed, returned 10")
	}))
	// Output: true
}
