package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// waiting are the flags of commands that can wait for the end of an instance.
type waiting struct {
	on      bool
	timeout duration
}

// addWaiting adds the flags. A command that always waits has no --wait.
func addWaiting(cmd *cobra.Command, always bool) *waiting {
	o := &waiting{on: always}
	if !always {
		cmd.Flags().BoolVar(&o.on, "wait", false, "wait until the instance has ended, and show how")
	}
	cmd.Flags().Var(&o.timeout, "timeout", "how long to wait at most, such as 90s or 5m (default: until it has ended)")
	return o
}

func (o *waiting) check(cmd *cobra.Command) error {
	switch changed := cmd.Flags().Changed("timeout"); {
	case changed && o.timeout.value <= 0:
		return usage(errors.New("--timeout is 0: leave it out to wait until the instance has ended"))
	case changed && !o.on:
		return usage(errors.New("--timeout belongs to --wait, which is missing"))
	}
	return nil
}

// wait waits for the end of an instance and returns how it has ended.
func (o *waiting) wait(ctx context.Context, w world, hub *taskhub.Hub, id string) (*durable.Instance, error) {
	waiting, cancel := ctx, func() {}
	if o.timeout.value > 0 {
		waiting, cancel = context.WithTimeout(ctx, o.timeout.value)
	}
	defer cancel()
	line := newProgress(w, fmt.Sprintf("Waiting for instance %q", clean(id)), "", 0)
	in, err := hub.Client().WaitForCompletion(waiting, id, "")
	line.end()
	if err != nil && ctx.Err() == nil && errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return nil, withStatus(exitTimeout, o.late(ctx, hub, id))
	}
	return in, err
}

// late says what the instance is doing when the time is up.
func (o *waiting) late(ctx context.Context, hub *taskhub.Hub, id string) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status := ""
	if in, err := hub.Client().GetStatus(ctx, id); err == nil {
		status = fmt.Sprintf(": it is %s", statusName(in.Status))
	}
	return fmt.Errorf("instance %q has not ended within %v%s", id, o.timeout.value, status)
}

// showEnd shows how an instance has ended; other ends than the one that is good are errors.
func showEnd(w world, in *durable.Instance, format string, good history.Status) error {
	if err := showInstance(w, in, nil, format, shown{output: true}); err != nil {
		return err
	}
	if in.Status != good {
		return &endedError{in.InstanceID, in.Status}
	}
	return nil
}

// showInstance shows an instance in one of the forms of addFormat.
func showInstance(w world, in *durable.Instance, problem error, format string, values shown) error {
	if format == formatJSON {
		return writeJSON(w.out, newInstanceJSON(in, problem, values))
	}
	return describe(w, in, format, values)
}
