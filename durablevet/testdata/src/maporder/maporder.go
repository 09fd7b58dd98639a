package maporder

import (
	"maps"
	"slices"
	"sort"

	"example.com/tools"

	"github.com/go-taskhub/taskhub/durable"
)

type order struct{ prices map[string]int }

type catalog map[string]int

var Price = durable.DeclareActivity[string, int]("Price")

func schedules(ctx *durable.Context, o order, c catalog) error {
	for name := range o.prices { // want `^ranging over o\.prices visits its elements in random order, in which each replay would make the durable calls of the loop \(Price\.Call\); range over sorted keys, as in slices\.Sorted\(maps\.Keys\(o\.prices\)\) \(in orchestrator function schedules\)`
		Price.Call(ctx, name)
	}
	for range o.prices { // all turns are alike
		Price.Call(ctx, "same")
	}
	for name := range c { // want `ranging over c visits`
		if _, err := Price.Call(ctx, name).Await(); err != nil {
			return err
		}
	}
	for name := range maps.Keys(c) { // want `ranging over c visits`
		Price.Call(ctx, name)
	}
	for _, name := range slices.Collect(maps.Keys(c)) { // want `ranging over c visits`
		Price.Call(ctx, name)
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		Price.Call(ctx, name)
	}
	for _, task := range map[string]*durable.Task[int]{} { // want `\(task\.Await\)`
		_, _ = task.Await()
	}
	for range c {
		ctx.Logger().Info("x", "time", ctx.Now(), "id", ctx.InstanceID())
	}
	return nil
}

func indirectly(ctx *durable.Context, c catalog) {
	call := func(name string) { Price.Call(ctx, name) }
	log := func(name string) { ctx.Logger().Info(name) }
	for name := range c { // want `\(call\)`
		call(name)
	}
	for name := range c {
		log(name)
	}
	for name := range c { // want `\(helper\)`
		helper(ctx, name)
	}
	for name := range c {
		quiet(ctx, name)
	}
	for name := range c { // want `\(tools\.Ask\)`
		tools.Ask(ctx, name)
	}
	for name := range c {
		tools.Say(ctx, name)
	}
	for name, f := range map[string]func(*durable.Context){} { // want `\(f\)`
		f(ctx)
		_ = name
	}
	for name := range c { // want `durable calls of the loop \(durable\.Go\)`
		durable.Go(ctx, func(ctx *durable.Context) error { return helper(ctx, name) })
	}
	for name := range c { // want `\(ctx\.NewUUID\)`
		_, _ = name, ctx.NewUUID()
	}
}

func helper(ctx *durable.Context, name string) error {
	_, err := Price.Call(ctx, name).Await()
	return err
}

func quiet(ctx *durable.Context, name string) { ctx.Logger().Info(name) }

func generic[M ~map[K]V, K comparable, V any](ctx *durable.Context, m M) {
	for range maps.Keys(m) { // want `ranging over m visits`
		Price.Call(ctx, "x")
	}
	for k := range m { // want `ranging over m visits`
		_ = k
		Price.Call(ctx, "x")
	}
}

func collects(ctx *durable.Context, c catalog) {
	var sorted []string
	for name := range c {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		Price.Call(ctx, name)
	}

	var random []string
	for name := range c { // want `^ranging over c collects in random order what the loop over random then makes durable calls for \(Price\.Call\); sort random in between`
		random = append(random, name)
	}
	if len(random) > 0 {
		for _, name := range random {
			Price.Call(ctx, name)
		}
	}

	var counted []string
	for name := range c {
		counted = append(counted, name)
	}
	own(counted)
	for _, name := range counted {
		Price.Call(ctx, name)
	}

	sum := 0
	for _, price := range c {
		sum += price
	}
	ctx.Logger().Info("sum", "sum", sum)
}

func own(names []string) { slices.Sort(names) }

// Outside of orchestrators the order is nobody's business.
func free(c catalog) {
	for range c {
		print()
	}
}
