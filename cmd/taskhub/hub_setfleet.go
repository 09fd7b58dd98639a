package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
)

// fleetOptions are the arguments and flags of hub set-fleet.
type fleetOptions struct {
	names layout.Names
	fleet taskhub.Fleet
	wait  time.Duration
	force bool
}

func newHubSetFleet(w world, c *connection) *cobra.Command {
	o := fleetOptions{}
	cmd := &cobra.Command{
		Use:   "set-fleet NAME go|mixed",
		Short: "Say which kinds of workers run a task hub",
		Long: `Say which kinds of workers run a task hub: a go fleet, of Go workers alone, or a mixed one, which .NET workers may join.

Workers that run give the hub up, which takes them up to a minute, and have to be started again. Instances go on where they
are. On the way to a mixed fleet everything must have been sent that only a Go worker can send; if workers of the fleet have
died, start one, and stop it once it has taken their work over.`,
		Example: `  taskhub hub set-fleet Orders go
  taskhub hub set-fleet Orders mixed --wait 5m`,
		Args:              arguments("NAME", "FLEET"),
		ValidArgsFunction: completeHubs(c),
	}
	const patience = 3 * time.Minute
	cmd.Flags().DurationVar(&o.wait, "wait", patience, "how long to wait until no worker runs the hub")
	cmd.Flags().BoolVar(&o.force, "break", false, "break the app lease first, whoever holds it; for a fleet whose workers are gone (takes a minute)")
	hub := addHubName(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.fleet = taskhub.Fleet(args[1])
		if o.names, err = hub.names(args[0]); err != nil {
			return err
		}
		if o.fleet != taskhub.FleetGo && o.fleet != taskhub.FleetMixed {
			return usage(fmt.Errorf("the fleet is %q; give %s or %s", args[1], taskhub.FleetGo, taskhub.FleetMixed))
		}
		return o.run(cmd, w, c)
	}
	return cmd
}

func (o *fleetOptions) run(cmd *cobra.Command, w world, c *connection) (err error) {
	account, err := c.open(cmd, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	hub, err := taskhub.Open(cmd.Context(), hubConfig(account, o.names))
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	ctx, cancel := context.WithTimeout(cmd.Context(), o.wait)
	defer cancel()
	before, err := hub.Fleet(ctx)
	if err != nil {
		return explain(err)
	}
	if before == o.fleet {
		_, err = fmt.Fprintf(w.out, "Task hub %q is run by a %s fleet already.\n", hub.Name(), o.fleet)
		return err
	}
	if o.force {
		if err := leases.BreakFleet(ctx, account, hub.Names()); err != nil {
			return explain(err)
		}
	}
	if err := hub.SetFleet(ctx, o.fleet); err != nil {
		return explain(err)
	}
	_, err = fmt.Fprintf(w.out, "Task hub %q is run by a %s fleet now. Start its workers again.\n", hub.Name(), o.fleet)
	return err
}
