package shop

import (
	"cmp"
	"context"
	"slices"

	"example.com/pricing"
	"example.com/tools"

	"github.com/go-taskhub/taskhub/durable"
)

var Checkout = durable.NewOrchestrator("Checkout", func(ctx *durable.Context, items []int) (int, error) {
	sum := pricing.Total(items) // want `^pricing\.Total leads to time\.Now \(pricing/pricing\.go:25\) through rate\(\), Table\.current\(\): it reads the machine's clock, which shows every replay another time; have ctx\.Now\(\) passed in \(in orchestrator Checkout\)$`
	var t pricing.Table
	sum += t.Get()                            // want `^pricing\.Table\.Get leads to os\.ReadFile \(pricing/pricing\.go:30\): it does I/O, .*; do it in an activity; it also leads to sync\.Mutex\.Lock \(in orchestrator Checkout\)$`
	sum += pricing.Load(context.Background()) // want `^pricing\.Load takes a context\.Context, as what does I/O or waits does; do it in an activity`
	sum += pricing.Double(sum)
	sum = pricing.Generic(sum) // want `pricing\.Generic leads to time\.Now`
	sum += local(items)
	_ = pricing.Logged()
	_ = pricing.Total(items) //durablevet:ignore nobody looks
	tools.Ask(ctx, "x")
	slices.SortFunc(items, pricing.Less) // want `^pricing\.Less leads to time\.Now`
	slices.SortFunc(items, cmp.Compare[int])
	var r pricing.Rates
	sum += r.Current() // an interface: not seen
	return sum, nil
})

func local(items []int) int { // want local:`clock time\.Now at pricing/pricing\.go:25 via pricing\.Total, rate, Table\.current`
	return pricing.Total(items) // want `reached from orchestrator Checkout via local\(\)`
}

func outside(items []int) int { return pricing.Total(items) } // want outside:"clock"
