package durable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// CardDeclinedError is an error that callers want to look into.
type CardDeclinedError struct {
	Card string
	Code int
}

func (e *CardDeclinedError) Error() string {
	return fmt.Sprintf("card %s declined with code %d", e.Card, e.Code)
}

var errClosed = errors.New("the shop is closed")

func init() {
	durable.RegisterError[*CardDeclinedError]("CardDeclined")
	durable.RegisterSentinel("ShopClosed", errClosed)
}

var pay = durable.NewActivity("Pay", func(_ context.Context, card string) (string, error) {
	switch card {
	case "1":
		return "", fmt.Errorf("pay: %w", &CardDeclinedError{card, 51})
	case "2":
		return "", errClosed
	case "3":
		return "", durable.Permanent(errors.New("no such card"))
	case "4":
		panic("out of paper")
	}
	return "paid", nil
})

func ExampleRegisterError() {
	show(func(ctx *durable.Context) (int, error) {
		_, err := pay.Call(ctx, "1").Await()
		var declined *CardDeclinedError
		if errors.As(err, &declined) {
			return declined.Code, nil
		}
		return 0, err
	}, pay)
	// Output: 51
}

func ExampleRegisterSentinel() {
	show(func(ctx *durable.Context) (bool, error) {
		_, err := pay.Call(ctx, "2").Await()
		return errors.Is(err, errClosed), nil
	}, pay)
	// Output: true
}

func ExamplePermanent() {
	show(func(ctx *durable.Context) (string, error) {
		policy := durable.RetryPolicy{MaxAttempts: 10, FirstInterval: time.Hour}
		before := ctx.Now()
		_, err := pay.Call(ctx, "3", durable.WithRetry(policy)).Await()
		return fmt.Sprint(err, " after ", ctx.Now().Sub(before)), nil
	}, pay)
	// Output: activity "Pay" failed: no such card after 0s
}

func ExampleIsPermanent() {
	show(func(ctx *durable.Context) (bool, error) {
		_, err := pay.Call(ctx, "3").Await()
		return durable.IsPermanent(err), nil
	}, pay)
	// Output: true
}

func ExampleTaskFailedError() {
	show(func(ctx *durable.Context) (string, error) {
		_, err := pay.Call(ctx, "1").Await()
		var failed *durable.TaskFailedError
		errors.As(err, &failed)
		return failed.TaskName + ": " + failed.Message, nil
	}, pay)
	// Output: Pay: pay: card 1 declined with code 51
}

func ExampleSubOrchestrationFailedError() {
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, card string) (string, error) { return pay.Call(ctx, card).Await() })
	show(func(ctx *durable.Context) (string, error) {
		_, err := child.Call(ctx, "1").Await()
		var failed *durable.SubOrchestrationFailedError
		var declined *CardDeclinedError // through two calls
		return fmt.Sprint(errors.As(err, &failed), " ", errors.As(err, &declined), ": ", err), nil
	}, child, pay)
	// Output: true true: sub-orchestration "Child" failed: pay: card 1 declined with code 51
}

func ExampleInstanceError() {
	buy := durable.NewOrchestrator("Buy", func(ctx *durable.Context, card string) (string, error) { return pay.Call(ctx, card).Await() })
	run, _ := buy.Start(context.Background(), newHub(buy, pay), "2", durable.WithInstanceID("b-1"))
	_, err := run.Wait(context.Background())
	var failed *durable.InstanceError
	fmt.Println(errors.As(err, &failed), failed.Status, errors.Is(err, errClosed))
	fmt.Println(err)
	// Output:
	// true Failed true
	// orchestration "Buy" (instance "b-1") failed: the shop is closed
}

func ExampleInstance_Err() {
	buy := durable.NewOrchestrator("Buy", func(ctx *durable.Context, card string) (string, error) { return pay.Call(ctx, card).Await() })
	run, _ := buy.Start(context.Background(), newHub(buy, pay), "5", durable.WithInstanceID("b-2"))
	_, _ = run.Wait(context.Background())
	in, _ := run.Status(context.Background())
	fmt.Println(in.Status, in.Err())
	// Output: Completed <nil>
}

func ExamplePanicError() {
	show(func(ctx *durable.Context) (string, error) {
		_, err := pay.Call(ctx, "4").Await()
		var panicked *durable.PanicError
		errors.As(err, &panicked)
		return fmt.Sprint(panicked.Value, ", at ", strings.Contains(panicked.Stack, "example_errors_test.go")), nil
	}, pay)
	// Output: out of paper, at true
}

func ExampleNonDeterminismError() {
	activity := "Hello"
	changing := durable.NewOrchestrator("Changing", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.CallActivity[string](ctx, activity, "Oslo").Await()
	})
	client := hubWith(func(h *memHub) { h.reload = true }, changing, hello)
	defer client.Close()
	run, _ := changing.Start(context.Background(), client, durable.Void{})
	client.step()
	activity = "Goodbye" // a new version of the code, under a running instance
	_, err := run.Wait(context.Background())
	var changed *durable.NonDeterminismError
	fmt.Println(errors.As(err, &changed))
	fmt.Println(changed.Expected, "-", changed.Found)
	// Output:
	// true
	// activity "Hello" was called - decided to call activity "Goodbye" there
}

func ExamplePayloadError() {
	show(func(ctx *durable.Context) (string, error) {
		_, err := durable.CallActivity[int](ctx, "Hello", "Oslo").Await() // it returns a string
		var payload *durable.PayloadError
		errors.As(err, &payload)
		return payload.Subject + ", " + payload.What, nil
	}, hello)
	// Output: activity "Hello", the result
}

func ExampleDefinitionError() {
	broken := durable.NewActivity[string, string]("Broken", nil)
	err := broken.Validate()
	fmt.Println(err)
	fmt.Println(errors.Is(err, durable.ErrInvalidDefinition))
	// Output:
	// durable: activity "Broken": the function is nil; pass one, or use the Declare function for code that is hosted elsewhere
	// true
}

func ExampleTimeoutError() {
	show(func(ctx *durable.Context) (time.Duration, error) {
		_, err := durable.WaitForEvent[int](ctx, "Never", durable.WithTimeout(time.Minute)).Await()
		var late *durable.TimeoutError
		errors.As(err, &late)
		return late.After, nil
	})
	// Output: 1m0s
}

func ExampleRemoteError() {
	// The error type is what a .NET caller sees.
	strict := durable.NewActivity("Strict", func(context.Context, int) (int, error) {
		return 0, &durable.RemoteError{Type: "System.ArgumentException", Message: "must be positive"}
	})
	show(func(ctx *durable.Context) (string, error) {
		_, err := strict.Call(ctx, -1).Await()
		var remote *durable.RemoteError
		errors.As(err, &remote)
		return remote.Type + ": " + remote.Message, nil
	}, strict)
	// Output: System.ArgumentException: must be positive
}

func ExampleFailureOf() {
	f := durable.FailureOf(fmt.Errorf("pay: %w", &CardDeclinedError{"1", 51}))
	fmt.Println(f.ErrorType, "/", f.ErrorMessage)
	fmt.Println(f.Inner.ErrorType, "/", f.Inner.ErrorMessage)
	// Output:
	// error / pay: card 1 declined with code 51
	// CardDeclined / card 1 declined with code 51
}

func ExampleErrorOf() {
	var declined *CardDeclinedError
	err := durable.ErrorOf(durable.FailureOf(&CardDeclinedError{"1", 51}))
	fmt.Println(errors.As(err, &declined), declined.Code)
	// Output: true 51
}

func ExampleExceptionOf() {
	text, err := durable.ExceptionOf(errors.New("boom"))
	fmt.Println(strings.HasPrefix(text, `{"$type":"System.Exception","ClassName":"error","Message":"boom"`), err)
	// Output: true <nil>
}

func ExampleJSON() {
	text, err := durable.JSON().Marshal(map[string]any{"at": time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC), "html": "<b>"})
	fmt.Println(string(text), err)
	var n int
	err = durable.JSON().Unmarshal([]byte("7"), &n)
	fmt.Println(n, err)
	// Output:
	// {"at":"2026-01-02T03:04:05.0000067Z","html":"<b>"} <nil>
	// 7 <nil>
}

func ExampleCompressingConverter() {
	c := durable.CompressingConverter(durable.CompressionConfig{MinSize: 100})
	text, err := c.Marshal(strings.Repeat("long ", 1000))
	fmt.Println(len(text) < 200, strings.HasPrefix(string(text), `{"$taskhub.gzip":"`), err)
	// Output: true true <nil>
}

func ExampleEncryptingConverter() {
	c, err := durable.EncryptingConverter(durable.EncryptionConfig{Keys: []durable.EncryptionKey{
		{ID: "2026-06", Secret: bytes.Repeat([]byte{6}, 32)}, // encrypts
		{ID: "2026-05", Secret: bytes.Repeat([]byte{5}, 32)}, // still decrypts
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := c.Marshal("secret")
	var back string
	err = c.Unmarshal(text, &back)
	fmt.Println(strings.Contains(string(text), "secret"), back, err)
	// Output: false secret <nil>
}
