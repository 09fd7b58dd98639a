package globals

import (
	"example.com/tools"

	"github.com/go-taskhub/taskhub/durable"
)

var (
	counter int
	seen    = map[string]bool{}
	list    []string
	config  = struct{ n int }{}
	pointer = new(int)
	limit   = 10
)

func writes(ctx *durable.Context) (int, error) {
	counter++                     // want `^writing to counter changes a variable that all instances share, again in every replay; keep state in local variables \(in orchestrator function writes\)`
	counter = 2                   // want `writing to counter`
	counter += 2                  // want `writing to counter`
	seen["x"] = true              // want `writing to seen`
	delete(seen, "x")             // want `writing to seen`
	list = append(list, "x")      // want `writing to list`
	config.n = 1                  // want `writing to config`
	*pointer = 1                  // want `writing to pointer`
	tools.Debug = true            // want `writing to tools\.Debug`
	for _, list[0] = range list { // want `writing to list`
	}
	local := limit
	local++
	mine := map[string]bool{}
	mine["x"] = true
	counter := 1
	counter++
	_ = helper()
	return local + counter, nil
}

func helper() int {
	counter++ // want `writing to counter .*reached from orchestrator function writes via helper\(\)`
	return counter
}
