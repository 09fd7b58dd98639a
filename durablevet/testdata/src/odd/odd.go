// Package odd writes the usual things in unusual ways.
package odd

import (
	"context"
	"iter"
	"slices"
	. "time"

	"github.com/go-taskhub/taskhub/durable"
)

type Ctx = durable.Context

func aliased(ctx *Ctx) {
	_ = Now() // want `time\.Now reads .*in orchestrator function aliased`
}

type body func(ctx *durable.Context, n int) (int, error)

var named body = func(ctx *durable.Context, n int) (int, error) {
	_ = (Now)() // want `time\.Now reads`
	return n, nil
}

type clock struct{ at Time }

func (c *clock) touch() { c.at = Now() } // want `reached from orchestrator function methods via clock\.touch\(\)`

func (c *clock) value() Time { return Now() } // want `reached from orchestrator function methods via clock\.value\(\)`

type outer struct{ *clock }

func (o outer) less(a, b int) int {
	return Now().Hour() // want `reached from orchestrator function methods via outer\.less\(\)`
}

func methods(ctx *durable.Context, o outer) {
	(*clock).touch(o.clock)
	f := o.value
	_ = f()
	slices.SortFunc([]int{2, 1}, o.less)
}

func stamps() iter.Seq[Time] {
	return func(yield func(Time) bool) {
		for yield(Now()) { // want `reached from orchestrator function iterates via stamps\(\)`
		}
	}
}

func iterates(ctx *durable.Context) {
	for range stamps() {
		break
	}
	func() {
		_ = Now() // want `time\.Now reads`
	}()
	defer func() {
		_ = Now() // want `time\.Now reads`
	}()
}

func factory[I, O any](name string, f func(I) O) *durable.Orchestrator[I, O] {
	return durable.NewOrchestrator(name, func(ctx *durable.Context, in I) (O, error) {
		_ = Now() // want `in the orchestrator function at odd\.go:\d+`
		return f(in), nil
	})
}

// The interceptor of a worker runs inside orchestrators.
type interceptor struct{}

func (interceptor) Orchestration(next durable.OrchestrationHandler) durable.OrchestrationHandler {
	return func(ctx *durable.Context, input *string) (*string, error) {
		started := Now() // want `time\.Now reads`
		out, err := next(ctx, input)
		if !ctx.IsReplaying() {
			println(Since(started))
		}
		return out, err
	}
}

// A context in a struct instead of a parameter.
type run struct {
	ctx   *durable.Context
	names map[string]bool
}

var ask = durable.DeclareActivity[string, bool]("Ask")

func (r *run) one(name string) error {
	_, err := ask.Call(r.ctx, name).Await()
	return err
}

func (r *run) all() error {
	for name := range r.names { // want `ranging over r\.names visits .*\(r\.one\).*reached from orchestrator Holder via run\.all\(\)`
		if err := r.one(name); err != nil {
			return err
		}
	}
	return nil
}

var Holder = durable.NewOrchestrator("Holder", func(ctx *durable.Context, names map[string]bool) (durable.Void, error) {
	r := &run{ctx, names}
	return durable.Void{}, r.all()
})

// Recursion through a variable.
func walks(ctx *durable.Context, tree map[string]any) {
	var walk func(at map[string]any)
	walk = func(at map[string]any) {
		for _, below := range at { // want `ranging over at visits`
			ask.Call(ctx, "x")
			walk(below.(map[string]any))
		}
	}
	walk(tree)
}

// Selection by type and nothing called: no findings.
func quiet(ctx *durable.Context, v any) (out []string) {
	switch v := v.(type) {
	case chan int, context.Context:
		_ = v
	case Time:
		out = append(out, v.String())
	}
	var c <-chan int
	_ = c
	type pair struct{ ctx context.Context }
	_ = pair{ctx: nil}
	return out
}
