package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// suggest reads what a shell can offer for an argument that begins so.
type suggest func(ctx context.Context, c *taskhub.Client, start string, add func(name, description string)) error

// completeFrom gives the shell what a hub has for a command's only argument. What fails is no matter.
func completeFrom(t *target, read suggest) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
		const patience = 3 * time.Second
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmp.Or(cmd.Context(), context.Background()), patience)
		defer cancel()
		cmd.SetContext(ctx)
		_ = t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			return read(ctx, hub.Client(), start, func(name, description string) {
				if strings.HasPrefix(name, start) && clean(name) == name {
					found = append(found, cobra.CompletionWithDesc(name, clean(description)))
				}
			})
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeIDs gives the shell ids of instances.
func completeIDs(t *target) cobra.CompletionFunc {
	return completeFrom(t, func(ctx context.Context, c *taskhub.Client, start string, add func(name, description string)) error {
		const most = 50
		page, err := c.QueryPage(ctx, taskhub.Query{IDPrefix: start, PageSize: most}, "")
		if err != nil {
			return err
		}
		for _, in := range page.Instances {
			add(in.InstanceID, in.Name+", "+statusName(in.Status))
		}
		return nil
	})
}
