package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// createOptions are the flags of hub create. What is zero is left to the hub that exists, or to the defaults of a new one.
type createOptions struct {
	names      layout.Names
	partitions int
	mode       *leases.Mode
}

func newHubCreate(w world, c *connection) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a task hub",
		Long: `Create a task hub with its queues, tables and blob containers.

Workers and the first start of an orchestration create a missing hub too; create it beforehand to choose the number of
partitions, which cannot be changed later, or when they may not. A hub that exists with the same settings is left as it is.`,
		Example: `  taskhub hub create Orders
  taskhub hub create Orders --partitions 8 --mode table`,
		Args:              arguments("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&o.partitions, "partitions", 0, fmt.Sprintf("`number` of control queues, %d to %d (default %d)", layout.MinPartitions, layout.MaxPartitions, layout.DefaultPartitions))
	mode := addChoice(cmd, "mode", "", "", "partition manager, the same for all workers (default safe)", leases.Safe.String(), leases.Legacy.String(), leases.Table.String())
	hub := addHubName(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.names, err = hub.names(args[0]); err != nil {
			return err
		}
		if err := o.check(cmd, mode); err != nil {
			return usage(err)
		}
		return o.run(cmd, w, c)
	}
	return cmd
}

func (o *createOptions) check(cmd *cobra.Command, mode *choice) error {
	if cmd.Flags().Changed("partitions") && (o.partitions < layout.MinPartitions || o.partitions > layout.MaxPartitions) {
		return fmt.Errorf("--partitions is %d; give %d to %d", o.partitions, layout.MinPartitions, layout.MaxPartitions)
	}
	if mode.value == "" {
		return nil
	}
	m, err := leases.ParseMode(mode.value)
	o.mode = &m
	return err
}

func (o *createOptions) run(cmd *cobra.Command, w world, c *connection) (err error) {
	account, err := c.open(cmd, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	ctx := cmd.Context()
	exists, err := o.find(ctx, account)
	if err != nil {
		return explain(err)
	}
	hub, err := o.open(ctx, account, exists)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	if err := hub.Ensure(ctx); err != nil {
		return explain(err)
	}
	text := "Created task hub %q in storage account %s: %s, partition manager %s.\n"
	if exists {
		text = "Task hub %q exists in storage account %s: %s, partition manager %s.\n"
	}
	_, err = fmt.Fprintf(w.out, text, hub.Name(), account.Name(), count(hub.Partitions(), "partition"), hub.LeaseMode())
	return err
}

// find reports whether the hub exists.
func (o *createOptions) find(ctx context.Context, account *storage.Account) (bool, error) {
	hubs, err := taskhub.List(ctx, taskhub.Config{Account: account})
	for _, hub := range hubs {
		if strings.EqualFold(hub.Name, o.names.Hub()) {
			return true, sameSpelling(account, hub.Name, o.names.Hub())
		}
	}
	return false, err
}

// sameSpelling refuses a hub's name in another spelling: the services mostly take it for the same, .NET and this module
// keep it as it is given.
func sameSpelling(account *storage.Account, name, given string) error {
	if name == given {
		return nil
	}
	return fmt.Errorf("storage account %s has a task hub %q, which differs from %q in upper and lower case only, and Azure Storage cannot hold both: use that spelling",
		account.Name(), name, given)
}

// open opens the hub. One that exists must have the partition manager that is asked for, as to make room for another
// beside it would leave workers with two.
func (o *createOptions) open(ctx context.Context, account *storage.Account, exists bool) (*taskhub.Hub, error) {
	cfg := hubConfig(account, o.names)
	cfg.Partitions = o.partitions
	if !exists {
		cfg.LeaseMode = o.mode
	}
	hub, err := taskhub.Open(ctx, cfg)
	var other *taskhub.PartitionCountError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("task hub %q exists in storage account %s with %s, which cannot be changed: leave --partitions out, or delete the hub first",
			o.names.Hub(), account.Name(), count(other.Stored, "partition"))
	case err == nil && exists && o.mode != nil && hub.LeaseMode() != *o.mode:
		return nil, errors.Join(fmt.Errorf("task hub %q exists in storage account %s with partition manager %s, which cannot be changed: leave --mode out, or delete the hub first",
			o.names.Hub(), account.Name(), hub.LeaseMode()), hub.Close())
	}
	return hub, err
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
