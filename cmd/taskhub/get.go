package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newGet(w world) *cobra.Command {
	var noInput, noOutput bool
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "Show an instance",
		Long: `Show the state of an instance: status, times, input, output, custom status, and how it failed.

Long values are cut in the table; -o wide and -o json have the whole of them.`,
		Example: `  taskhub get order-42
  taskhub get order-42 -o json
  taskhub get order-42 --watch`,
		Args:              upTo(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	id := addID(cmd)
	cmd.Flags().BoolVar(&noInput, "no-input", false, "leave the input out")
	cmd.Flags().BoolVar(&noOutput, "no-output", false, "leave the output out")
	output := addFormat(cmd)
	watch := addWatch(cmd, "the instance has ended")
	alias(cmd, idNames)
	cmd.ValidArgsFunction = completeIDs(t)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := firstError(fill(cmd, args, id), usage(watch.check(cmd))); err != nil {
			return err
		}
		values := shown{input: !noInput, output: !noOutput}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			return watch.repeat(ctx, w, false, func(w world) (bool, error) {
				in, err := getInstance(ctx, hub, id.text, values)
				if in == nil {
					return false, err
				}
				if shownErr := showInstance(w, in, err, output.value, values); shownErr != nil {
					return false, shownErr
				}
				return in.Status.IsTerminal(), err
			})
		})
	}
	return cmd
}

// getInstance reads an instance, no more of it than is to be shown. With an error there may be an instance, of which
// something could not be read.
func getInstance(ctx context.Context, hub *taskhub.Hub, id string, values shown) (*durable.Instance, error) {
	if values.input {
		return hub.Client().Get(ctx, id)
	}
	return hub.Client().Get(ctx, id, taskhub.OmitInput())
}
