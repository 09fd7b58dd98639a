package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newHubShow(w world, c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show how a task hub is set up",
		Long:  "Show how a task hub is set up: partitions, partition manager, fleet, workers, and its queues, tables and containers.",
		Example: `  taskhub hub show Orders
  taskhub hub show Orders -o json`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeHubs(c),
	}
	output, hub := addFormat(cmd), addHubName(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, err := hub.names(args[0])
		if err != nil {
			return err
		}
		return c.use(cmd, func(ctx context.Context, account *storage.Account) error {
			return showHub(ctx, w, account, names, output.value)
		})
	}
	return cmd
}

// hubShowJSON is a hub as hub show -o json shows it.
type hubShowJSON struct {
	Name             string   `json:"name"`
	Account          string   `json:"account"`
	Partitions       int      `json:"partitions"`
	PartitionManager string   `json:"partitionManager"`
	Fleet            string   `json:"fleet"` // empty when no worker of this module was ever started
	CreatedTime      *string  `json:"createdTime"`
	Workers          []string `json:"workers"` // those that hold leases now
	Tables           []string `json:"tables"`
	Queues           []string `json:"queues"`
	Containers       []string `json:"containers"`
}

func showHub(ctx context.Context, w world, account *storage.Account, names layout.Names, format string) error {
	parts, err := findParts(ctx, account, names)
	if err == nil {
		err = checkPresent(ctx, account, parts)
	}
	if err != nil {
		return err
	}
	view, err := readHub(ctx, account, names)
	if err != nil {
		return err
	}
	view.Tables, view.Queues, view.Containers = present(parts.tables), present(parts.queues), present(parts.containers)
	if format == formatJSON {
		return writeJSON(w.out, view)
	}
	created := "-"
	if view.CreatedTime != nil {
		created = *view.CreatedTime
	}
	var text strings.Builder
	for _, line := range [][2]string{
		{"Task hub", view.Name}, {"Account", view.Account}, {"Partitions", fmt.Sprint(view.Partitions)}, {"Partition manager", view.PartitionManager},
		{"Fleet", cmp.Or(view.Fleet, "not known")}, {"Created", created}, {"Workers", cmp.Or(strings.Join(view.Workers, ", "), "none")},
	} {
		fmt.Fprintf(&text, "%-19s%s\n", line[0], clean(line[1]))
	}
	_, err = fmt.Fprintf(w.out, "%s\n%s", text.String(), parts)
	return err
}

// readHub reads how a hub is set up.
func readHub(ctx context.Context, account *storage.Account, names layout.Names) (view hubShowJSON, err error) {
	hub, err := taskhub.Open(ctx, hubConfig(account, names))
	if err != nil {
		return view, err
	}
	defer func() { _ = hub.Close() }() // the account stays open, so there is nothing that could fail
	fleet, err := hub.Fleet(ctx)
	if err != nil {
		return view, err
	}
	state, err := leases.Inspect(ctx, account, names)
	if err != nil {
		return view, err
	}
	view = hubShowJSON{
		Name: hub.Name(), Account: account.Name(), Partitions: hub.Partitions(), PartitionManager: hub.LeaseMode().String(), Fleet: string(fleet), Workers: []string{},
	}
	if state.Info != nil {
		view.CreatedTime = jsonTime(state.Info.CreatedAt)
	}
	for _, live := range state.Live {
		view.Workers = append(view.Workers, live.Owner)
	}
	return view, nil
}

// present makes an empty list one that JSON shows as such.
func present(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
