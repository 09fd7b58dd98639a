package durable_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// newFlaky returns an activity that succeeds in its third attempt.
func newFlaky() *durable.Activity[durable.Void, string] {
	calls := 0
	return durable.NewActivity("Flaky", func(context.Context, durable.Void) (string, error) {
		if calls++; calls < 3 {
			return "", errors.New("try again")
		}
		return fmt.Sprintf("attempt %d", calls), nil
	})
}

func ExampleWithRetry() {
	flaky := newFlaky()
	show(func(ctx *durable.Context) (string, error) {
		policy := durable.RetryPolicy{MaxAttempts: 5, FirstInterval: time.Second, BackoffCoefficient: 2}
		before := ctx.Now()
		result, err := flaky.Call(ctx, durable.Void{}, durable.WithRetry(policy)).Await()
		return fmt.Sprint(result, " after ", ctx.Now().Sub(before)), err
	}, flaky)
	// Output: attempt 3 after 3s
}

func ExampleRetryPolicy() {
	flaky := newFlaky()
	show(func(ctx *durable.Context) (string, error) {
		policy := durable.RetryPolicy{
			MaxAttempts:        10,
			FirstInterval:      time.Second,
			BackoffCoefficient: 1.5,
			MaxInterval:        time.Minute,
			RetryTimeout:       time.Hour,
			Jitter:             0.2,
			Handle:             func(err error) bool { return !errors.Is(err, errSoldOut) },
		}
		return flaky.Call(ctx, durable.Void{}, durable.WithRetry(policy)).Await()
	}, flaky)
	// Output: attempt 3
}

func ExampleRetryPolicy_Validate() {
	policy := durable.RetryPolicy{MaxAttempts: 3}
	fmt.Println(policy.Validate())
	// Output: durable: retry policy: FirstInterval is 0s, it must be positive
}

func ExampleWithInstanceID() {
	show(func(ctx *durable.Context) (string, error) {
		child := durable.DeclareOrchestrator[durable.Void, string]("Child")
		return child.Call(ctx, durable.Void{}, durable.WithInstanceID(ctx.InstanceID()+":child")).Await()
	}, durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) { return ctx.InstanceID(), nil }))
	// Output: m:child
}

func ExampleWithVersion() {
	v1 := durable.NewOrchestrator("Order", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "the old way, version " + ctx.Version(), nil
	}, durable.WithVersion("1"))
	v2 := durable.NewOrchestrator("Order", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "the new way, version " + ctx.Version(), nil
	}, durable.WithVersion("2"))
	client := newHub(v1, v2)
	latest, _ := v2.Start(context.Background(), client, durable.Void{})
	fmt.Println(latest.Wait(context.Background()))
	old, _ := durable.Start[string](context.Background(), client, "Order", nil, durable.WithVersion("1"))
	fmt.Println(old.Wait(context.Background()))
	// Output:
	// the new way, version 2 <nil>
	// the old way, version 1 <nil>
}

func ExampleWithTags() {
	tagged := durable.NewOrchestrator("Tagged", func(ctx *durable.Context, _ durable.Void) (string, error) { return ctx.Tags()["team"], nil })
	run, _ := tagged.Start(context.Background(), newHub(tagged), durable.Void{}, durable.WithTags(map[string]string{"team": "blue"}))
	fmt.Println(run.Wait(context.Background()))
	// Output: blue <nil>
}

func ExampleWithTimeout() {
	slow := durable.NewOrchestrator("Slow", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		return durable.Void{}, durable.Sleep(ctx, 24*time.Hour)
	})
	show(func(ctx *durable.Context) (bool, error) {
		_, err := slow.Call(ctx, durable.Void{}, durable.WithTimeout(time.Hour)).Await()
		return errors.Is(err, durable.ErrTimeout), nil
	}, slow)
	// Output: true
}

func ExampleWithStartAt() {
	clock := durable.NewOrchestrator("Clock", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return ctx.Now().Format(time.DateOnly), nil
	})
	newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	run, _ := clock.Start(context.Background(), newHub(clock), durable.Void{}, durable.WithStartAt(newYear))
	fmt.Println(run.Wait(context.Background()))
	// Output: 2027-01-01 <nil>
}

func ExampleWithStartDelay() {
	var req durable.StartRequest
	_, _ = cities.Start(context.Background(), spy{&req}, durable.Void{}, durable.WithStartDelay(time.Hour))
	fmt.Println(time.Until(req.StartAt).Round(time.Minute))
	// Output: 1h0m0s
}

func ExampleWithReuse() {
	var req durable.StartRequest
	_, _ = cities.Start(context.Background(), spy{&req}, durable.Void{}, durable.WithInstanceID("tour-12"),
		durable.WithReuse(history.Failed, history.Terminated)) // not if it has completed
	fmt.Println(req.Reuse)
	// Output: [Failed Terminated]
}

// spy is a client that only looks at what is to be started.
type spy struct{ req *durable.StartRequest }

func (s spy) StartOrchestration(_ context.Context, req durable.StartRequest) (durable.Started, error) {
	*s.req = req
	return durable.Started{InstanceID: req.InstanceID}, nil
}

func (spy) WaitForCompletion(context.Context, string, string) (*durable.Instance, error) {
	return nil, nil
}
func (spy) GetInstance(context.Context, string) (*durable.Instance, error) { return nil, nil }
func (spy) RaiseEvent(context.Context, string, string, any) error          { return nil }
func (spy) Terminate(context.Context, string, string) error                { return nil }
func (spy) Converter() durable.Converter                                   { return nil }
