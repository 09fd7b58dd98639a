// Package roots has orchestrators defined in every way there is.
package roots

import (
	"context"
	"os"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

var Declared = durable.DeclareOrchestrator[int, int]("Declared")

var Bound = Declared.With(func(ctx *durable.Context, n int) (int, error) {
	_ = time.Now() // want `in orchestrator Declared\)`
	return n, nil
})

var AtOnce = durable.DeclareOrchestrator[int, int]("AtOnce").With(body)

func body(ctx *durable.Context, n int) (int, error) {
	_ = time.Now() // want `in orchestrator AtOnce\)`
	step(ctx)
	return n, nil
}

// A step with the context belongs to its orchestrator.
func step(ctx *durable.Context) {
	_ = time.Now() // want `reached from orchestrator AtOnce via step\(\)`
}

func lonely(ctx *durable.Context) {
	_ = time.Now() // want `in orchestrator function lonely\)`
}

const name = "Named"

func named() *durable.Orchestrator[int, int] {
	return durable.NewOrchestrator(name, func(ctx *durable.Context, n int) (int, error) {
		durable.Go(ctx, func(ctx *durable.Context) error {
			_ = time.Now() // want `in orchestrator Named\)`
			return nil
		})
		return n, nil
	})
}

var loose = func(ctx *durable.Context) {
	_ = time.Now() // want `in the orchestrator function at roots\.go:\d+\)`
}

// Not the first parameter, but called by one who has it.
func second(n int, ctx *durable.Context) {
	_ = time.Now() // want `use ctx\.Now\(\) \(reached from orchestrator function first via second\(\)\)`
}

func first(ctx *durable.Context) { second(1, ctx) }

// Activities may do anything, wherever they are written.
var Save = durable.NewActivity("Save", save)

func save(ctx context.Context, text string) (time.Time, error) {
	return time.Now(), os.WriteFile("x", []byte(text), 0o600)
}

func onlyFromActivities() time.Time { return time.Now() }

var Stamp = durable.NewActivity("Stamp", func(ctx context.Context, _ durable.Void) (time.Time, error) {
	return onlyFromActivities(), nil
})

var Mixed = durable.NewOrchestrator("Mixed", func(ctx *durable.Context, s string) (time.Time, error) {
	inline := durable.NewActivity("Inline", func(ctx context.Context, _ durable.Void) (time.Time, error) {
		return time.Now(), nil
	})
	again := Save.With(save)
	if _, err := inline.Call(ctx, durable.Void{}).Await(); err != nil {
		return time.Time{}, err
	}
	return again.Call(ctx, s, durable.WithRetry(durable.RetryPolicy{MaxAttempts: 3})).Await()
})

func main() {
	_ = time.Now()
	go func() {}()
	named()
}
