package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// program is an order: it is charged, with a second try for every third, and shipped by a sub-orchestration after a pause.
func program(log *slog.Logger) (*durable.Orchestrator[int, string], []durable.Registrable) {
	charge := durable.NewActivity("Charge", func(ctx context.Context, order int) (string, error) {
		if order%3 == 2 && durable.ActivityInfo(ctx).TaskID == 0 {
			return "", errors.New("the bank is busy")
		}
		log.InfoContext(ctx, "charged", slog.Int(keyOrder, order)) // with the ids of the activity's span
		return fmt.Sprintf("receipt %d", order), nil
	})
	pack := durable.NewActivity("Pack", func(context.Context, int) (durable.Void, error) { return durable.Void{}, nil })
	ship := durable.NewOrchestrator("Ship", func(ctx *durable.Context, order int) (durable.Void, error) {
		return pack.Call(ctx, order).Await()
	})
	retry := durable.RetryPolicy{MaxAttempts: 3, FirstInterval: 100 * time.Millisecond}
	order := durable.NewOrchestrator("Order", func(ctx *durable.Context, n int) (string, error) {
		receipt, err := charge.Call(ctx, n, durable.WithRetry(retry)).Await()
		if err != nil {
			return "", err
		}
		if err := durable.Sleep(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
		_, err = ship.Call(ctx, n).Await()
		return receipt, err
	})
	return order, []durable.Registrable{order, ship, charge, pack}
}
