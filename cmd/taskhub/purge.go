package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// purgedJSON is a purge as -o json shows it.
type purgedJSON struct {
	Hub       string `json:"hub"`
	Instances int    `json:"instancesDeleted"`
	Rows      int    `json:"rowsDeleted"` // of histories
}

func newPurge(w world) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "purge ID",
		Short: "Delete all that is stored of an instance",
		Long: `Delete all that is stored of an instance that has finished: history, large values and status. It cannot be undone.

See purge-history for many instances.`,
		Example: `  taskhub purge order-42
  taskhub purge order-42 --force`,
		Args: upTo(1),
	}
	t := addTarget(cmd, w)
	cmd.ValidArgsFunction = completeIDs(t)
	id := addID(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "even if it has not finished; a worker that runs it drops it")
	output := addFormat(cmd)
	alias(cmd, idNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fill(cmd, args, id); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			return purge(ctx, w, hub, id.text, force, output.value)
		})
	}
	return cmd
}

func purge(ctx context.Context, w world, hub *taskhub.Hub, id string, force bool, format string) error {
	var options []taskhub.PurgeOption
	if force {
		options = append(options, taskhub.PurgeUnfinished())
	}
	result, err := hub.Client().Purge(ctx, id, options...)
	if unfinished := new(taskhub.InstanceNotFinishedError); errors.As(err, &unfinished) {
		return withStatus(exitState, fmt.Errorf("instance %q in hub %q is %s and was not purged: terminate it or wait until it has finished, or add --force",
			id, hub.Name(), unfinished.Status))
	}
	switch {
	case err != nil:
		return err
	case result.Instances == 0:
		return &taskhub.InstanceNotFoundError{Hub: hub.Name(), InstanceID: id}
	case format == formatJSON:
		return writeJSON(w.out, purgedJSON{hub.Name(), result.Instances, result.Rows})
	}
	_, err = fmt.Fprintf(w.out, "Purged instance %q, with %s of its history.\n", id, count(result.Rows, "row"))
	return err
}
