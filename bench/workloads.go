package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
)

const defaultConn = "embedded:"

// workload runs one orchestration and checks its result.
type workload func(ctx context.Context, c durable.Client, input int) error

var workloads = map[string]workload{
	"empty": func(ctx context.Context, c durable.Client, _ int) error {
		return runOne(ctx, c, programs.Empty, "x", "done x")
	},
	"chain": func(ctx context.Context, c durable.Client, n int) error {
		return runOne(ctx, c, programs.Chain, int32(n), squares(0, int32(n)-1))
	},
	"fanout": func(ctx context.Context, c durable.Client, n int) error {
		return runOne(ctx, c, programs.FanOut, int32(n), squares(1, int32(n)))
	},
}

func runOne[I any, O comparable](ctx context.Context, c durable.Client, o *durable.Orchestrator[I, O], in I, want O) error {
	run, err := o.Start(ctx, c, in)
	if err != nil {
		return err
	}
	got, err := run.Wait(ctx)
	if err == nil && got != want {
		err = fmt.Errorf("instance %s: the result is %v instead of %v", run.InstanceID(), got, want)
	}
	return err
}

// squares adds up squares as the workloads do, overflow included.
func squares(from, to int32) int32 {
	var sum int32
	for i := from; i <= to; i++ {
		sum += i * i
	}
	return sum
}

func freshHub() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return "Bench" + hex.EncodeToString(b[:])
}
