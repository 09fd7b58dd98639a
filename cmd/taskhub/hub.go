package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
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

// hubName is the hub that an argument names.
type hubName struct{ prefix string }

// addHubName adds the flag without which hubs that keep their tables under another name are not found.
func addHubName(cmd *cobra.Command) *hubName {
	h := new(hubName)
	cmd.Flags().StringVar(&h.prefix, "tracking-prefix", "", "what the names of the hub's tables begin with, for hubs with a TrackingStoreNamePrefix")
	if err := cmd.RegisterFlagCompletionFunc("tracking-prefix", cobra.NoFileCompletions); err != nil {
		panic(err) // the flag was added just now
	}
	return h
}

// names checks the argument and the flag.
func (h *hubName) names(arg string) (layout.Names, error) {
	names, err := layout.NewNames(arg)
	if err != nil {
		return names, usage(err)
	}
	if names, err = names.WithTrackingPrefix(h.prefix); err != nil {
		return names, usage(fmt.Errorf("--tracking-prefix: %w", err))
	}
	return names, nil
}

// hubConfig is the hub of these names.
func hubConfig(account *storage.Account, names layout.Names) taskhub.Config {
	return taskhub.Config{Name: names.Hub(), TrackingPrefix: names.TrackingPrefix(), Account: account}
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
