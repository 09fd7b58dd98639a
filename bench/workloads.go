package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
)

// workload runs one orchestration of a size and checks its result.
type workload func(ctx context.Context, c durable.Client, input int) error

// idle is the workload without work: it counts what a worker costs that has nothing to do.
const idle = "idle"

// local is idle with instances that wait for activities which wait for a place in the worker.
const local = "local"

// watched says whether a workload is watched for a time instead of being worked off.
func watched(workload string) bool { return workload == idle || workload == local }

// starting only starts: the only workload that needs no worker.
const starting = "start"

var workloads = map[string]workload{
	"empty": func(ctx context.Context, c durable.Client, _ int) error {
		return runOne(ctx, c, programs.Empty, "x", "done x")
	},
	"chain": func(ctx context.Context, c durable.Client, n int) error {
		return runOne(ctx, c, programs.Chain, int32(n), squares(0, int32(n)-1))
	},
	"pipeline": func(ctx context.Context, c durable.Client, n int) error {
		return runOne(ctx, c, pipelined, int32(n), squares(0, int32(n)-1))
	},
	"fanout": func(ctx context.Context, c durable.Client, n int) error {
		return runOne(ctx, c, programs.FanOut, int32(n), squares(1, int32(n)))
	},
	"subs":   func(ctx context.Context, c durable.Client, n int) error { return runOne(ctx, c, parent, n, n) },
	"timers": runTimer,
	"events": runEvents,
	starting: func(ctx context.Context, c durable.Client, _ int) error {
		_, err := programs.Empty.Start(ctx, c, "x")
		return err
	},
}

// square is an activity that may run ahead of the commit that decides to call it.
var square = durable.NewActivity("BenchSquare", func(_ context.Context, n int32) (int32, error) { return n * n, nil }, durable.Idempotent())

// pipelined is the chain of such activities.
var pipelined = durable.NewOrchestrator("BenchPipeline", func(ctx *durable.Context, n int32) (int32, error) {
	var total int32
	for i := range n {
		next, err := square.Call(ctx, i).Await()
		if err != nil {
			return 0, err
		}
		total += next
	}
	return total, nil
})

// parent starts children of one activity each, side by side, and counts the right answers.
var parent = durable.NewOrchestrator("BenchParent", func(ctx *durable.Context, children int) (int, error) {
	tasks := make([]*durable.Task[string], 0, children)
	for range children {
		tasks = append(tasks, programs.OneActivity.Call(ctx, "child"))
	}
	answers, err := durable.WhenAll(tasks)
	right := 0
	for _, answer := range answers {
		if answer == "Hello child!" {
			right++
		}
	}
	return right, err
})

const eventName = "Go"

// collector adds up the numbers that so many events bring.
var collector = durable.NewOrchestrator("BenchCollector", func(ctx *durable.Context, events int) (int, error) {
	sum := 0
	for range events {
		number, err := durable.WaitForEvent[int](ctx, eventName).Await()
		if err != nil {
			return 0, err
		}
		sum += number
	}
	return sum, nil
})

// waiter waits for an event that never comes.
var waiter = durable.NewOrchestrator("BenchWaiter", func(ctx *durable.Context, _ durable.Void) (int, error) {
	return durable.WaitForEvent[int](ctx, eventName).Await()
})

// blocked is an activity that lasts as long as its worker.
var blocked = durable.NewActivity("BenchBlocked", func(ctx context.Context, _ durable.Void) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
})

// localWaiter waits for something that only its worker knows.
var localWaiter = durable.NewOrchestrator("BenchLocalWaiter", func(ctx *durable.Context, _ durable.Void) (int, error) {
	return blocked.Call(ctx, durable.Void{}).Await()
})

// activities are all that the workloads call.
func activities() []durable.Registrable { return append(programs.Activities(), square, blocked) }

func orchestrators() []durable.Registrable {
	return append(programs.Orchestrators(), parent, pipelined, collector, waiter, localWaiter)
}

func runOne[I any, O comparable](ctx context.Context, c durable.Client, o *durable.Orchestrator[I, O], in I, want O) error {
	run, err := o.Start(ctx, c, in)
	if err != nil {
		return err
	}
	return finish(ctx, run, want)
}

func finish[O comparable](ctx context.Context, run *durable.Run[O], want O) error {
	got, err := run.Wait(ctx)
	if err == nil && got != want {
		err = fmt.Errorf("instance %s: the result is %v instead of %v", run.InstanceID(), got, want)
	}
	return err
}

// runTimer also checks that the timer was not early.
func runTimer(ctx context.Context, c durable.Client, ms int) error {
	began := time.Now()
	if err := runOne(ctx, c, programs.TimerOnly, ms, "fired"); err != nil {
		return err
	}
	if took, want := time.Since(began), time.Duration(ms)*time.Millisecond; took < want {
		return fmt.Errorf("a timer of %v fired after %v", want, took)
	}
	return nil
}

func runEvents(ctx context.Context, c durable.Client, events int) error {
	run, err := collector.Start(ctx, c, events)
	if err != nil {
		return err
	}
	want := 0
	for i := 1; i <= events; i++ {
		if err := run.RaiseEvent(ctx, eventName, i); err != nil {
			return err
		}
		want += i
	}
	return finish(ctx, run, want)
}

// squares adds up squares as the workloads do, overflow included.
func squares(from, to int32) int32 {
	var sum int32
	for i := from; i <= to; i++ {
		sum += i * i
	}
	return sum
}
