package snippets

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// Order is the input of Checkout.
type Order struct {
	ID    string `json:"id"`
	Item  string `json:"item"`
	Cents int    `json:"cents"`
}

// Reserve takes an item from the shelf.
var Reserve = durable.NewActivity("Reserve", func(_ context.Context, item string) (string, error) {
	return "shelf 7", nil // ask the warehouse
})

// Charge takes the money. What it needs is given to it later.
var Charge = durable.DeclareActivity[Order, string]("Charge")

// Checkout decides what is done with an order.
var Checkout = durable.NewOrchestrator("Checkout", func(ctx *durable.Context, order Order) (string, error) {
	shelf, err := Reserve.Call(ctx, order.Item).Await()
	if err != nil {
		return "", err
	}
	receipt, err := Charge.Call(ctx, order).Await()
	if err != nil {
		return "", err
	}
	return receipt + " from " + shelf, nil
})

// bank is what Charge works with.
type bank struct{ currency string }

func (b bank) charge(_ context.Context, order Order) (string, error) {
	return fmt.Sprint(order.Cents, " ", b.currency), nil
}

// serve runs a worker until ctx ends.
func serve(ctx context.Context, conn string, bank bank) error {
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: "Shop", Connection: conn})
	if err != nil {
		return err
	}
	defer hub.Close()
	w, err := worker.New(hub, worker.Config{})
	if err != nil {
		return err
	}
	if err := w.Register(Checkout, Reserve, Charge.With(bank.charge)); err != nil {
		return err
	}
	return w.Run(ctx)
}

// newHub opens a hub on embedded storage and runs a worker that hosts what is given.
func newHub(t *testing.T, items ...durable.Registrable) *taskhub.Client {
	t.Helper()
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Shop", Connection: "embedded:"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(hub, worker.Config{})
	if err == nil {
		err = w.Register(items...)
	}
	if err == nil {
		err = w.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(w.Stop(ctx), hub.Close()); err != nil {
			t.Error(err)
		}
	})
	return hub.Client()
}

func TestShop(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	order := Order{ID: "42", Item: "book", Cents: 1200}
	client := newHub(t, Checkout, Reserve, Charge.With(bank{"EUR"}.charge))

	run, err := Checkout.Start(ctx, client, order, durable.WithInstanceID("order-"+order.ID))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := run.Wait(ctx)

	if err != nil || receipt != "1200 EUR from shelf 7" {
		t.Errorf("got %q, %v", receipt, err)
	}
}

// TestServe: a worker ends with its context.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serve(ctx, "embedded:", bank{"EUR"}); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
