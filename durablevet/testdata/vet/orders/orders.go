// Package orders is a small program as users write it: helpers in packages of its
// own and of another module.
package orders

import (
	"context"
	"os"
	"time"

	"github.com/google/uuid"

	"example.com/kit"
	"example.com/orders/rates"

	"github.com/go-taskhub/taskhub/durable"
)

var Charge = durable.NewActivity("Charge", func(ctx context.Context, id string) (string, error) {
	return os.Getenv("CURRENCY") + time.Now().String(), nil
})

var Checkout = durable.NewOrchestrator("Checkout", func(ctx *durable.Context, items map[string]int) (int, error) {
	started := time.Now()
	id := uuid.NewString()
	time.Sleep(time.Second)
	total := rates.Total(len(items))
	total += kit.Pooled() + kit.Stamp()
	for item := range items {
		if _, err := Charge.Call(ctx, id+item).Await(); err != nil {
			return 0, err
		}
	}
	go audit(id)
	if time.Since(started) > time.Hour {
		durable.ContinueAsNew(ctx, items)
	}
	return total, nil
})

func audit(id string) {}
