package main

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// completeIDs gives the shell ids of instances. What fails is no matter.
func completeIDs(t *target) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) (ids []cobra.Completion, _ cobra.ShellCompDirective) {
		const patience, most = 3 * time.Second, 50
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmp.Or(cmd.Context(), context.Background()), patience)
		defer cancel()
		cmd.SetContext(ctx)
		_ = t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			page, err := hub.Client().QueryPage(ctx, taskhub.Query{IDPrefix: start, PageSize: most}, "")
			if err != nil {
				return err
			}
			for _, in := range page.Instances {
				if clean(in.InstanceID) == in.InstanceID {
					ids = append(ids, cobra.CompletionWithDesc(in.InstanceID, clean(in.Name)+", "+statusName(in.Status)))
				}
			}
			return nil
		})
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
