package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// restartOptions are the flags of restart.
type restartOptions struct {
	id      *named
	newID   string
	sameID  bool
	waiting *waiting
	output  *choice
}

func newRestart(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart ID",
		Short: "Start an orchestration again with the input of an instance",
		Long: `Start an orchestration again with the name, version, input and tags of an instance, under a new id. The old instance stays,
unless --same-id is given.`,
		Example: `  taskhub restart order-42
  taskhub restart order-42 --new-id order-42b
  taskhub restart order-42 --same-id --wait`,
		Args: upTo(1),
	}
	t := addTarget(cmd, w)
	cmd.ValidArgsFunction = completeIDs(t)
	o := restartOptions{id: addID(cmd)}
	cmd.Flags().StringVar(&o.newID, "new-id", "", "`id` of the new instance (default: a random one)")
	cmd.Flags().BoolVar(&o.sameID, "same-id", false, "start it anew under its own id, once it has finished; its history and state are replaced")
	o.waiting = addWaiting(cmd, false)
	o.output = addFormat(cmd)
	alias(cmd, idNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := firstError(fill(cmd, args, o.id), oneOf(cmd, "new-id", "same-id", "give one of the two"), o.waiting.check(cmd)); err != nil {
			return err
		}
		if cmd.Flags().Changed("new-id") && o.newID == "" {
			return usage(fmt.Errorf("--new-id %w", errEmptyValue))
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error { return o.run(ctx, w, hub) })
	}
	return cmd
}

func (o *restartOptions) run(ctx context.Context, w world, hub *taskhub.Hub) error {
	started, err := o.restart(ctx, hub)
	if err != nil {
		return o.explain(err)
	}
	if o.waiting.on {
		in, err := o.waiting.wait(ctx, w, hub, started.InstanceID)
		if err != nil {
			return fmt.Errorf("instance %q was started: %w", started.InstanceID, err)
		}
		return showEnd(w, in, o.output.value, history.Completed)
	}
	if o.output.value == formatJSON {
		in, err := hub.Client().GetStatus(ctx, started.InstanceID)
		if err != nil {
			return fmt.Errorf("instance %q was started: %w", started.InstanceID, err)
		}
		return writeJSON(w.out, startedJSON{started.InstanceID, started.ExecutionID, in.Name, hub.Name(), false})
	}
	_, err = fmt.Fprintf(w.out, "Instance %q is started again. Instance: %s\n", o.id.text, clean(started.InstanceID))
	return err
}

func (o *restartOptions) restart(ctx context.Context, hub *taskhub.Hub) (durable.Started, error) {
	switch {
	case o.sameID:
		return hub.Client().Restart(ctx, o.id.text, taskhub.RestartSameID())
	case o.newID != "":
		return hub.Client().Restart(ctx, o.id.text, taskhub.RestartAs(o.newID))
	}
	return hub.Client().Restart(ctx, o.id.text)
}

// explain names the flag of an id that cannot be used.
func (o *restartOptions) explain(err error) error {
	exists, invalid, argument := new(taskhub.InstanceExistsError), new(taskhub.InvalidInstanceIDError), new(taskhub.ArgumentError)
	switch {
	case errors.As(err, &exists):
		return withStatus(exitState, fmt.Errorf("instance %q exists in hub %q and is %s: wait until it has finished, terminate it, or choose another --new-id",
			exists.InstanceID, exists.Hub, exists.Status))
	case errors.As(err, &invalid):
		return usage(fmt.Errorf("--new-id: %w", invalid))
	case errors.As(err, &argument) && argument.InstanceID == o.newID && o.newID != "":
		return usage(fmt.Errorf("--new-id: the %s %s", argument.Argument, argument.Reason))
	}
	return err
}
