package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newWait(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait ID",
		Short: "Wait until an instance has ended",
		Long: `Wait until an instance has ended, and show how.

Exit status: 0 when it is Completed, 5 when it ended otherwise, 4 when the time of --timeout is up, 3 when there is no such
instance.`,
		Example: `  taskhub wait order-42
  taskhub wait order-42 --timeout 5m -o json`,
		Args: upTo(1),
	}
	t := addTarget(cmd, w)
	id := addID(cmd)
	waiting := addWaiting(cmd, true)
	output := addFormat(cmd)
	alias(cmd, idNames)
	cmd.ValidArgsFunction = completeIDs(t)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := firstError(fill(cmd, args, id), waiting.check(cmd)); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			in, err := waiting.wait(ctx, w, hub, id.text)
			if in == nil {
				return err
			}
			if shownErr := showEnd(w, in, output.value, history.Completed); err == nil {
				err = shownErr
			}
			return err
		})
	}
	return cmd
}
