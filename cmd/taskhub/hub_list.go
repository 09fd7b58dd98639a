package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

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
	output := addOutput(cmd, formatTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return listHubs(cmd, w, c, output.value) }
	return cmd
}

// hubJSON is a hub as hub list -o json shows it.
type hubJSON struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
}

func listHubs(cmd *cobra.Command, w world, c *connection, format string) (err error) {
	account, err := c.open(cmd, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	hubs, err := taskhub.List(cmd.Context(), taskhub.Config{Account: account})
	switch {
	case err != nil:
		return explain(err)
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
	rows := [][]string{{"NAME", "PARTITIONS"}}
	for _, hub := range hubs {
		rows = append(rows, []string{hub.Name, strconv.Itoa(hub.Partitions)})
	}
	return writeTable(w.out, rows)
}
