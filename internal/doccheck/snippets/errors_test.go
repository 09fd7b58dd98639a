package snippets

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

// DeclinedError says that the bank has refused a card.
type DeclinedError struct {
	Card string
	Code int
}

func (d *DeclinedError) Error() string {
	return fmt.Sprintf("card %s was declined with code %d", d.Card, d.Code)
}

// ErrSoldOut says that the shelf is empty.
var ErrSoldOut = errors.New("sold out")

func init() {
	durable.RegisterError[*DeclinedError]("shop.Declined")
	durable.RegisterSentinel("shop.SoldOut", ErrSoldOut)
}

// Buy looks at what went wrong.
var Buy = durable.NewOrchestrator("Buy", func(ctx *durable.Context, order Order) (string, error) {
	receipt, err := Charge.Call(ctx, order).Await()
	var declined *DeclinedError
	switch {
	case errors.As(err, &declined):
		return fmt.Sprintf("ask for another card than %s", declined.Card), nil
	case errors.Is(err, ErrSoldOut):
		return "come again", nil
	}
	return receipt, err
})

var policy = durable.RetryPolicy{
	MaxAttempts:        5, // the first one counts
	FirstInterval:      time.Second,
	BackoffCoefficient: 2,
	MaxInterval:        time.Minute,
	Jitter:             0.2,
}

// Patient tries again, for an hour at most.
var Patient = durable.NewOrchestrator("Patient", func(ctx *durable.Context, order Order) (string, error) {
	return Charge.Call(ctx, order, durable.WithRetry(policy), durable.WithTimeout(time.Hour)).Await()
})

// find asks a shelf that may not be there.
func find(_ context.Context, order Order) (string, error) {
	if order.Item == "" {
		return "", durable.Permanent(errors.New("the order has no item"))
	}
	return "shelf 7", nil
}

// Import works on many rows, and tells how far it is.
var Import = durable.NewActivity("Import", func(ctx context.Context, rows []string) (int, error) {
	done, _, err := durable.HeartbeatDetails[int](ctx) // where an earlier attempt got to
	if err != nil {
		return 0, err
	}
	for ; done < len(rows); done++ {
		if err := store(ctx, rows[done]); err != nil {
			return 0, err
		}
		if err := durable.Heartbeat(ctx, done+1); err != nil {
			return 0, err // timed out, terminated, or the worker stops
		}
	}
	return done, nil
}, durable.WithHeartbeatTimeout(30*time.Second), durable.WithStartToClose(time.Hour))

func store(context.Context, string) error { return nil }

// charge is an activity that says the same to the bank each time it runs.
func charge(ctx context.Context, order Order) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://bank.example/charges", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Idempotency-Key", "charge-"+order.ID)
	return req, nil
}

func TestTypedErrors(t *testing.T) {
	t.Parallel()
	for want, fail := range map[string]error{
		"ask for another card than 42": fmt.Errorf("charge: %w", &DeclinedError{"42", 51}),
		"come again":                   ErrSoldOut,
	} {
		charge := Charge.With(func(context.Context, Order) (string, error) { return "", fail })
		run, err := Buy.Start(t.Context(), newHub(t, Buy, charge), Order{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	durabletest.Mock(env, Charge, func(context.Context, Order) (string, error) { return "paid", nil }).FailTimes(4, errors.New("busy"))
	run := durabletest.Run(env, Patient, Order{})
	if run.Err != nil || run.Output != "paid" {
		t.Errorf("%q, %v", run.Output, run.Err)
	}
	env.AssertCalledTimes(Charge, 5)
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	durabletest.Mock(env, Charge, find)
	run := durabletest.Run(env, Patient, Order{})
	if run.Err == nil {
		t.Errorf("%q, %v", run.Output, run.Err)
	}
	env.AssertCalledTimes(Charge, 1)
}

func TestImport(t *testing.T) {
	t.Parallel()
	main := durable.NewOrchestrator("Main", func(ctx *durable.Context, rows []string) (int, error) { return Import.Call(ctx, rows).Await() })
	run, err := main.Start(t.Context(), newHub(t, main, Import), []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := run.Wait(t.Context()); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestKeys: the key of an activity's call is another one for each attempt of a retry policy, and that of the order is not.
func TestKeys(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	probe := durable.NewActivity("Probe", func(ctx context.Context, order Order) (string, error) {
		req, err := charge(ctx, order)
		if err != nil {
			return "", err
		}
		keys[durable.ActivityInfo(ctx).IdempotencyKey()] = true
		keys[req.Header.Get("Idempotency-Key")] = true
		return "", errors.New("busy")
	})
	main := durable.NewOrchestrator("Main", func(ctx *durable.Context, order Order) (string, error) {
		return probe.Call(ctx, order, durable.WithRetry(durable.RetryPolicy{MaxAttempts: 3, FirstInterval: time.Second})).Await()
	})
	env := durabletest.New(t)
	env.Register(probe)
	durabletest.Run(env, main, Order{ID: "7"})
	if len(keys) != 4 || !keys["charge-7"] {
		t.Errorf("keys %v", keys)
	}
}
