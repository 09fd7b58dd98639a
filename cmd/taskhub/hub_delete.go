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

func newHubDelete(w world, c *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a task hub with everything in it",
		Long: `Delete a task hub with everything in it: instances, histories, messages, leases and large values.

It asks for the hub's name first, on a terminal. What an earlier deletion left, because it was cut short, is deleted too.
Tables that the hub shares with others (--tracking-prefix) lose its instances and stay.`,
		Example: `  taskhub hub delete Orders
  taskhub hub delete Orders --yes`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeHubs(c),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	hub := addHubName(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, err := hub.names(args[0])
		if err != nil {
			return err
		}
		if !yes && !w.person() {
			return usage(errors.New("deleting a task hub asks for its name, and there is no terminal to ask on; to delete it without being asked add --yes"))
		}
		return deleteHub(cmd, w, c, names, yes)
	}
	return cmd
}

func deleteHub(cmd *cobra.Command, w world, c *connection, names layout.Names, yes bool) (err error) {
	account, err := c.open(cmd, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	ctx := cmd.Context()
	parts, err := findParts(ctx, account, names)
	if err == nil {
		err = checkPresent(ctx, account, parts)
	}
	if err == nil {
		err = checkTables(ctx, account, names)
	}
	if err != nil {
		return explain(err)
	}
	warnWorkers(ctx, w, account, names)
	if !yes {
		if err := confirmDeletion(ctx, w, account, parts); err != nil {
			return err
		}
	}
	if err := deleteParts(ctx, account, names); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.out, "Deleted task hub %q from storage account %s:\n\n%s", names.Hub(), account.Name(), parts)
	return err
}

// checkPresent wants a hub, in the spelling that was given.
func checkPresent(ctx context.Context, account *storage.Account, parts hubParts) error {
	switch {
	case parts.isHub():
		return sameSpelling(account, parts.spelling(), parts.names.Hub())
	case !parts.empty():
		return notFound(fmt.Errorf("storage account %s has no task hub %q, only %s, which may be something else's: if it is left over from a hub, delete it with Azure Storage Explorer",
			account.Name(), parts.names.Hub(), strings.Join(append(parts.tables, parts.containers...), ", ")))
	}
	hubs, err := taskhub.List(ctx, taskhub.Config{Account: account})
	if err != nil {
		return err
	}
	others := "it has none"
	if len(hubs) > 0 {
		others = "it has " + strings.Join(hubNames(hubs), ", ")
	}
	return notFound(fmt.Errorf("storage account %s has no task hub %q: %s", account.Name(), parts.names.Hub(), others))
}

// checkTables refuses a hub whose instances are in tables of another name: they would stay. Whatever else is wrong with the
// hub is no reason to keep it.
func checkTables(ctx context.Context, account *storage.Account, names layout.Names) error {
	hub, err := taskhub.Open(ctx, hubConfig(account, names))
	if err == nil {
		return hub.Close()
	}
	if errors.As(err, new(*taskhub.TrackingPrefixError)) {
		return err
	}
	return nil
}

// warnWorkers tells of workers that are running. When it cannot find out, that is no reason to keep the hub.
func warnWorkers(ctx context.Context, w world, account *storage.Account, names layout.Names) {
	state, err := leases.Inspect(ctx, account, names)
	if err != nil {
		return
	}
	for _, live := range state.Live {
		fmt.Fprintf(w.err, "taskhub: warning: worker %q is running on the hub; stop it, or it reports errors and may create the hub anew\n", live.Owner)
	}
}

func confirmDeletion(ctx context.Context, w world, account *storage.Account, parts hubParts) error {
	question := fmt.Sprintf("This deletes task hub %q from storage account %s, with all its instances, and cannot be undone:\n\n%s\nType the hub's name to go on: ",
		parts.names.Hub(), account.Name(), parts)
	answer, err := ask(ctx, w, question)
	switch {
	case ctx.Err() != nil:
		return withStatus(exitInterrupted, errors.New("interrupted; nothing was deleted"))
	case err != nil:
		return err
	case answer == "":
		return errors.New("not confirmed; nothing was deleted")
	case answer != parts.names.Hub():
		return fmt.Errorf("%q is not %q; nothing was deleted", answer, parts.names.Hub())
	}
	return nil
}

func deleteParts(ctx context.Context, account *storage.Account, names layout.Names) error {
	err := taskhub.Delete(ctx, hubConfig(account, names))
	const again = "run the command again to delete what is left"
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return withStatus(exitInterrupted, errors.New("interrupted; "+again))
	}
	return fmt.Errorf("%w; %s", explain(err), again)
}
