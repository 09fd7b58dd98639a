package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// explain adds to an error what somebody at a command line should do about it.
func explain(err error) error {
	var unreachable *storage.ConnectionError
	tracking := new(taskhub.TrackingPrefixError)
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &unreachable) && unreachable.Account == emulator.DevelopmentAccount:
		return fmt.Errorf(`nothing answers at %s, where the %s service of account %s should be (%w): start "taskhub dev" or Azurite, or give another connection string`,
			unreachable.Address, unreachable.Service, unreachable.Account, innermost(unreachable.Err))
	case storage.HasCode(err, storage.CodeTableBeingDeleted, storage.CodeQueueBeingDeleted, storage.CodeContainerBeingDeleted):
		return fmt.Errorf("%w; a hub of this name was deleted a moment ago and Azure Storage takes up to a minute to finish that: try again then", err)
	case storage.HasCode(err, "KeyBasedAuthenticationNotPermitted"):
		return fmt.Errorf("%w; give --account in place of a connection string, and sign in with az login", err)
	case errors.As(err, &tracking):
		return usage(fmt.Errorf("hub %q keeps its instances in the tables %sHistory and %sInstances: add --tracking-prefix %s", tracking.Hub, tracking.Stored, tracking.Stored, tracking.Stored))
	}
	return err
}

// flagged puts the name of the flag before an error about what was given with it. The flags are by the arguments of
// taskhub's client.
func flagged(err error, flags map[string]string) error {
	argument, id, exists := new(taskhub.ArgumentError), new(taskhub.InvalidInstanceIDError), new(taskhub.InstanceExistsError)
	switch {
	case errors.As(err, &argument) && flags[argument.Argument] != "":
		return usage(fmt.Errorf("--%s: the %s %s", flags[argument.Argument], argument.Argument, argument.Reason))
	case errors.As(err, &id):
		return usage(fmt.Errorf("--id: %w", id))
	case errors.As(err, &exists):
		return withStatus(exitState, fmt.Errorf("instance %q exists in hub %q and is %s: wait until it has finished, choose another --id, or say with --if-exists what to do",
			exists.InstanceID, exists.Hub, exists.Status))
	}
	return err
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
