package fixes

import (
	sorted "slices"

	"github.com/go-taskhub/taskhub/durable"
)

func imported(ctx *durable.Context, stops map[string]int) {
	for name := range stops { // want `ranging over stops`
		Ship.Call(ctx, name)
	}
	sorted.Sort([]string{})
}

// The names of the packages mean something else here.
func shadowed(ctx *durable.Context, maps map[string]int) {
	for name := range maps { // want `ranging over maps`
		Ship.Call(ctx, name)
	}
}
