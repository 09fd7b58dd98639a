package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// newHubs is the group of commands about whole hubs.
func newHubs(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "List, show, create, delete and set up the task hubs of a storage account",
		Long: `List, show, create, delete and set up the task hubs of a storage account.

The account is the one of --conn, or else of the environment variable ` + connectionVariable + `. To work on the storage of
"taskhub dev" give UseDevelopmentStorage=true, or while it does not run embedded:DIR with its directory.`,
	}
	c := addConnection(cmd, w)
	group(cmd, newHubList(w, c), newHubCreate(w, c), newHubDelete(w, c), newHubSetFleet(w, c), newHubShow(w, c))
	return cmd
}

// completeHubs gives the shell the names of the account's hubs. What fails is no matter.
func completeHubs(c *connection) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const patience = 3 * time.Second
		ctx, cancel := context.WithTimeout(cmp.Or(cmd.Context(), context.Background()), patience)
		defer cancel()
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		account, err := c.open(cmd, false)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		hubs, _ := taskhub.List(ctx, taskhub.Config{Account: account})
		names := hubNames(hubs)
		_ = account.Close()
		return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, start) }), cobra.ShellCompDirectiveNoFileComp
	}
}

func hubNames(hubs []taskhub.Info) []string {
	names := make([]string, len(hubs))
	for i, hub := range hubs {
		names[i] = hub.Name
	}
	return names
}
