package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

// stopEvent is the event that ends a workflow.
const stopEvent = "Workflow"

// Workflow waits for its event and ends. It returns what came with the event.
var Workflow = durable.NewOrchestrator("Workflow", func(ctx *durable.Context, _ string) (string, error) {
	return durable.WaitForEvent[string](ctx, stopEvent).Await()
})

var errNoWorkflow = errors.New("there is no workflow with this input among those of the last 20 minutes")

// find returns the workflow with an input that was created in the last 20 minutes: the newest one that still runs, or the newest of all. The range
// goes as far into the future, for the clock of the machine that started it may be ahead of this one's.
func find(ctx context.Context, client *taskhub.Client, input string) (*durable.Instance, error) {
	const around = 20 * time.Minute
	now := time.Now()
	query := taskhub.Query{Name: Workflow.Name(), CreatedFrom: now.Add(-around), CreatedTo: now.Add(around), Inputs: true}
	var found *durable.Instance
	for in, err := range client.Query(ctx, query) {
		if err != nil {
			return nil, err
		}
		if given, err := durable.Input[string](&in.Instance); err == nil && given == input && (found == nil || preferred(&in.Instance, found)) {
			found = &in.Instance
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%q: %w", input, errNoWorkflow)
	}
	return found, nil
}

func preferred(a, b *durable.Instance) bool {
	if ended := a.Status.IsTerminal(); ended != b.Status.IsTerminal() {
		return !ended
	}
	return a.CreatedAt.After(b.CreatedAt)
}
