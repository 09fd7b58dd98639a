package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newHubList(w world, c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the task hubs of a storage account",
		Example: `  taskhub hub list
  taskhub hub list --conn UseDevelopmentStorage=true -o json`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	output := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.use(cmd, func(ctx context.Context, account *storage.Account) error {
			return listHubs(ctx, w, account, output.value)
		})
	}
	return cmd
}

// hubJSON is a hub as hub list -o json shows it.
type hubJSON struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
}

func listHubs(ctx context.Context, w world, account *storage.Account, format string) error {
	hubs, err := taskhub.List(ctx, taskhub.Config{Account: account})
	switch {
	case err != nil:
		return err
	case format == formatJSON:
		list := make([]hubJSON, len(hubs))
		for i, hub := range hubs {
			list[i] = hubJSON{Name: hub.Name, Partitions: hub.Partitions}
		}
		return writeJSON(w.out, list)
	case len(hubs) == 0: // to err, so that a program that reads the table gets none
		_, err := fmt.Fprintf(w.err, "There is no task hub in storage account %s.\n", account.Name())
		return err
	}
	list := newTable(w, format, column{title: "NAME"}, column{title: "PARTITIONS"},
		column{title: "PARTITION MANAGER", wide: true}, column{title: "FLEET", wide: true}, column{title: "WORKERS", wide: true})
	for _, hub := range hubs {
		more := hubShowJSON{}
		if format == formatWide {
			more, err = lookAtHub(ctx, account, hub.Name)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil { // one hub that is being deleted, for example, must not hide the others
				fmt.Fprintln(w.err, "taskhub: warning: "+redact(oneLine(explain(err).Error())))
			}
		}
		if err := list.add(hub.Name, strconv.Itoa(hub.Partitions), more.PartitionManager, more.Fleet, strings.Join(more.Workers, ", ")); err != nil {
			return err
		}
	}
	return list.end()
}

// lookAtHub reads how a hub is set up. Tables that look like a hub's but have names that no hub can have show nothing.
func lookAtHub(ctx context.Context, account *storage.Account, name string) (hubShowJSON, error) {
	names, err := layout.NewNames(name)
	if err != nil {
		return hubShowJSON{}, nil //nolint:nilerr // it is listed, and no more can be said
	}
	return readHub(ctx, account, names)
}
