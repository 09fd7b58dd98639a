package snippets

import (
	"context"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

// SendReceipt is what the shop did not do at first.
var SendReceipt = durable.NewActivity("SendReceipt", func(context.Context, Order) (durable.Void, error) { return durable.Void{}, nil })

// PatchedCheckout has learned to send a receipt. Instances that were started before end as they began.
var PatchedCheckout = durable.NewOrchestrator("Checkout", func(ctx *durable.Context, order Order) (string, error) {
	receipt, err := Charge.Call(ctx, order).Await()
	if err != nil {
		return "", err
	}
	if ctx.Patched("send-receipt") {
		if _, err := SendReceipt.Call(ctx, order).Await(); err != nil {
			return "", err
		}
	}
	return receipt, nil
})

// Two versions of one orchestrator, side by side in one worker.
var (
	PriceV1 = durable.NewOrchestrator("Price", priceV1, durable.WithVersion("1"))
	PriceV2 = durable.NewOrchestrator("Price", priceV2, durable.WithVersion("2"))
)

func priceV1(_ *durable.Context, order Order) (int, error) { return order.Cents, nil }
func priceV2(_ *durable.Context, order Order) (int, error) { return order.Cents * 119 / 100, nil }

func TestPatched(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.Register(SendReceipt)
	durabletest.Mock(env, Charge, func(context.Context, Order) (string, error) { return "paid", nil })
	run := durabletest.Run(env, PatchedCheckout, Order{ID: "1"})
	if run.Err != nil || run.Output != "paid" {
		t.Errorf("%q, %v", run.Output, run.Err)
	}
	env.AssertCalledTimes(SendReceipt, 1)
}

// TestHistories replays histories that earlier code has written.
func TestHistories(t *testing.T) {
	durabletest.ReplayDir(t, "testdata/histories", Checkout)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	client := newHub(t, PriceV1, PriceV2)
	for o, want := range map[*durable.Orchestrator[Order, int]]int{PriceV1: 100, PriceV2: 119} {
		run, err := o.Start(t.Context(), client, Order{Cents: 100})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || got != want {
			t.Errorf("version %s: %d, %v", o.Version(), got, err)
		}
	}
}
