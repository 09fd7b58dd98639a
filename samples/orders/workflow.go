package main

import (
	"errors"
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Order is what a customer wants.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
	Cents    int    `json:"cents"` // for all of it
	Country  string `json:"country"`
}

// Outcome is what became of an order: "shipped" with a tracking number, or "cancelled" with the reason and with what was made undone.
type Outcome struct {
	OrderID  string   `json:"orderId"`
	Status   string   `json:"status"`
	Tracking string   `json:"tracking,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Undone   []string `json:"undone,omitempty"`
}

// What a shop refuses. Registered under a name, an error is found by errors.Is in the orchestrator too, although it happened in an activity, perhaps
// on another machine.
var (
	ErrOutOfStock = errors.New("out of stock")
	ErrDeclined   = errors.New("the card was declined")
	ErrNoCarrier  = errors.New("no carrier goes there")
)

func init() {
	durable.RegisterSentinel("orders.OutOfStock", ErrOutOfStock)
	durable.RegisterSentinel("orders.Declined", ErrDeclined)
	durable.RegisterSentinel("orders.NoCarrier", ErrNoCarrier)
}

// The activities by their names, the steps and what makes them undone. What they do needs a shop, so main binds it.
var (
	checkInventory   = durable.DeclareActivity[Order, durable.Void]("CheckInventory")
	releaseInventory = durable.DeclareActivity[Order, durable.Void]("ReleaseInventory")
	chargeCustomer   = durable.DeclareActivity[Order, durable.Void]("ChargeCustomer")
	refundCustomer   = durable.DeclareActivity[Order, durable.Void]("RefundCustomer")
	createShipment   = durable.DeclareActivity[Order, string]("CreateShipment")
)

var (
	// retry outlasts short troubles of a step.
	retry = durable.WithRetry(durable.RetryPolicy{MaxAttempts: 4, FirstInterval: time.Second, BackoffCoefficient: 2})
	// retryForLong is for what must not fail: somebody's money is at stake.
	retryForLong = durable.WithRetry(durable.RetryPolicy{MaxAttempts: 100, FirstInterval: time.Second, BackoffCoefficient: 2, MaxInterval: 10 * time.Minute})
)

// undo is a step that makes another one undone.
type undo = *durable.Activity[Order, durable.Void]

// ProcessOrder reserves the goods, charges the customer and creates a shipment. When a step fails, those before it are made undone, the latest
// first.
var ProcessOrder = durable.NewOrchestrator("ProcessOrder", func(ctx *durable.Context, order Order) (Outcome, error) {
	var undos []undo
	tracking, failure := fulfil(ctx, order, &undos)
	if failure == nil {
		return Outcome{OrderID: order.ID, Status: "shipped", Tracking: tracking}, nil
	}
	ctx.Logger().Info("the order is made undone")
	var undone []string
	for _, u := range slices.Backward(undos) {
		if _, err := u.Call(ctx, order, retryForLong).Await(); err != nil {
			return Outcome{}, errors.Join(failure, err) // a case for people, who rewind the instance once the cause is mended
		}
		undone = append(undone, u.Name())
	}
	for _, refusal := range []error{ErrOutOfStock, ErrDeclined, ErrNoCarrier} {
		if errors.Is(failure, refusal) {
			return Outcome{OrderID: order.ID, Status: "cancelled", Reason: refusal.Error(), Undone: undone}, nil
		}
	}
	return Outcome{}, failure
})

// fulfil does the steps. What undoes a step is noted before the step is called: of a call that fails nobody knows how far it got, and undoing what
// was not done is harmless.
func fulfil(ctx *durable.Context, order Order, undos *[]undo) (tracking string, err error) {
	*undos = append(*undos, releaseInventory)
	if _, err := checkInventory.Call(ctx, order, retry).Await(); err != nil {
		return "", err
	}
	*undos = append(*undos, refundCustomer)
	if _, err := chargeCustomer.Call(ctx, order, retry).Await(); err != nil {
		return "", err
	}
	return createShipment.Call(ctx, order, retry).Await()
}
