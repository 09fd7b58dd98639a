package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
)

// explain adds to an error what somebody at a command line should do about it.
func explain(err error) error {
	var unreachable *storage.ConnectionError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &unreachable) && unreachable.Account == emulator.DevelopmentAccount:
		return fmt.Errorf(`nothing answers at %s, where the %s service of account %s should be (%w): start "taskhub dev" or Azurite, or give another connection string`,
			unreachable.Address, unreachable.Service, unreachable.Account, innermost(unreachable.Err))
	case storage.HasCode(err, storage.CodeTableBeingDeleted, storage.CodeQueueBeingDeleted, storage.CodeContainerBeingDeleted):
		return fmt.Errorf("%w; a hub of this name was deleted a moment ago and Azure Storage takes up to a minute to finish that: try again then", err)
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
