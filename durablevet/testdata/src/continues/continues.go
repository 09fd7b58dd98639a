package continues

import "github.com/go-taskhub/taskhub/durable"

type state struct{ n int }

func ignored(ctx *durable.Context, n int) (state, error) {
	if n == 1 {
		durable.ContinueAsNew(ctx, n+1) // want `^durable\.ContinueAsNew does nothing by itself: the orchestrator must return the error it makes$`
	}
	if n == 2 {
		_ = durable.ContinueAsNew(ctx, n) // want `does nothing by itself`
	}
	defer durable.ContinueAsNew(ctx, n) // want `does nothing by itself`
	durable.ContinueAsNew(ctx, n+1)     // want `does nothing by itself`
	return state{n}, nil
}

func kept(ctx *durable.Context, n int) (state, error) {
	if n == 1 {
		return state{}, durable.ContinueAsNew(ctx, n+1)
	}
	err := durable.ContinueAsNew(ctx, n)
	if n == 2 {
		durable.ContinueAsNew(ctx, n) //durablevet:ignore only looks at what it says
	}
	return state{}, err
}

func nothing(ctx *durable.Context) {
	durable.ContinueAsNew(ctx, 1) // want `does nothing by itself`
}
