package main

import (
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
)

// functionTexts gives failed orchestrations the texts that Durable Functions gives them, for people and programs that know those: the column Output
// then reads "Orchestrator function '…' failed: The activity function '…' failed: …". Errors stay what they are for errors.Is and errors.As.
type functionTexts struct{ durable.PassThrough }

// Orchestration wraps the run of every orchestration.
func (functionTexts) Orchestration(next durable.OrchestrationHandler) durable.OrchestrationHandler {
	return func(ctx *durable.Context, input *string) (*string, error) {
		output, err := next(ctx, input)
		if err != nil {
			err = &functionError{fmt.Sprintf("Orchestrator function '%s' failed: %s", ctx.Name(), textOf(err)), err}
		}
		return output, err
	}
}

// textOf is what Durable Functions says of an error. The activity that failed is among its causes, or there is none.
func textOf(err error) string {
	var activity *durable.TaskFailedError
	var child *durable.SubOrchestrationFailedError
	switch {
	case errors.As(err, &activity):
		return functionFailed("activity", activity.TaskName, activity.Message)
	case errors.As(err, &child):
		return functionFailed("orchestrator", child.Name, child.Message)
	}
	return err.Error()
}

func functionFailed(kind, name, message string) string {
	return fmt.Sprintf("The %s function '%s' failed: \"%s\". See the function execution logs for additional details.", kind, name, message)
}

// functionError is an error with another text.
type functionError struct {
	text string
	err  error
}

// Error returns the text.
func (e *functionError) Error() string { return e.text }

// Unwrap returns the error.
func (e *functionError) Unwrap() error { return e.err }
