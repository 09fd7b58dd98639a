package fixes

import "github.com/go-taskhub/taskhub/durable"

type city string

type plan struct{ stops map[city]int }

func order(ctx *durable.Context, p plan, any map[struct{ x int }]int) error {
	for name, n := range p.stops { // want `ranging over p\.stops`
		if _, err := Ship.Call(ctx, string(name)).Await(); err != nil {
			return err
		}
		_ = n
	}
	for name := range p.stops { // want `ranging over p\.stops`
		Ship.Call(ctx, string(name))
	}
	for _, n := range p.stops { // want `ranging over p\.stops`
		Ship.Call(ctx, string(rune(n)))
	}
	// Nothing to sort by.
	for range2 := range any { // want `ranging over any`
		Ship.Call(ctx, "x")
		_ = range2
	}
	// The map changes on the way.
	for name := range p.stops { // want `ranging over p\.stops`
		Ship.Call(ctx, string(name))
		delete(p.stops, name)
	}
	return nil
}
