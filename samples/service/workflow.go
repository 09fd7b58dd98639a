package main

import (
	"context"

	"github.com/go-taskhub/taskhub/durable"
)

// Greet greets one name.
var Greet = durable.NewActivity("Greet", func(_ context.Context, name string) (string, error) {
	return "Hello " + name + "!", nil
})

// Greetings greets all names of its input, side by side.
var Greetings = durable.NewOrchestrator("Greetings", func(ctx *durable.Context, names []string) ([]string, error) {
	var tasks []*durable.Task[string]
	for _, name := range names {
		tasks = append(tasks, Greet.Call(ctx, name))
	}
	return durable.WhenAll(tasks)
})
