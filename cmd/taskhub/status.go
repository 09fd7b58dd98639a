package main

import (
	"context"
	"errors"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// Exit statuses, as docs/cli.md lists them.
const (
	exitOK          = 0
	exitFailure     = 1   // it was tried and failed
	exitUsage       = 2   // the command line cannot be carried out as it is written; nothing was tried
	exitNotFound    = 3   // there is no such instance, task hub, message …
	exitTimeout     = 4   // the time of --timeout is up
	exitUnsuccess   = 5   // the instance that was waited for has ended, but not as Completed
	exitState       = 6   // the instance's state does not allow it; nothing was changed
	exitInterrupted = 130 // Ctrl-C or SIGTERM
)

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	err    error
}

// Error implements error.
func (e *statusError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *statusError) Unwrap() error { return e.err }

// withStatus gives an error an exit status.
func withStatus(status int, err error) error {
	if err == nil {
		return nil
	}
	return &statusError{status, err}
}

// notFound makes an error one about something that does not exist.
func notFound(err error) error { return withStatus(exitNotFound, err) }

// endedError says that an instance which was waited for has ended badly.
type endedError struct {
	id     string
	status history.Status
}

// Error implements error.
func (e *endedError) Error() string {
	return "instance \"" + e.id + "\" has ended as " + e.status.String()
}

// exitStatus is what the process tells whoever started it.
func exitStatus(err error) int {
	var given *statusError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &given):
		return given.status
	case errors.As(err, new(*usageError)):
		return exitUsage
	case errors.Is(err, context.Canceled): // only a signal does that
		return exitInterrupted
	case errors.As(err, new(*endedError)):
		return exitUnsuccess
	case errors.Is(err, taskhub.ErrInstanceNotFound), errors.Is(err, taskhub.ErrHubNotFound):
		return exitNotFound
	case isState(err):
		return exitState
	case isArgument(err):
		return exitUsage
	}
	return exitFailure
}

// isState tells errors about an instance in a state that does not allow what was asked for.
func isState(err error) bool {
	return errors.Is(err, taskhub.ErrInstanceExists) || errors.Is(err, taskhub.ErrInstanceFinished) ||
		errors.Is(err, taskhub.ErrInstanceNotFinished) || errors.Is(err, taskhub.ErrInstanceNotFailed)
}

// isArgument tells errors about what was given.
func isArgument(err error) bool {
	return errors.As(err, new(*taskhub.ArgumentError)) || errors.As(err, new(*taskhub.InvalidInstanceIDError)) ||
		errors.As(err, new(*taskhub.InvalidHubNameError)) || errors.As(err, new(*taskhub.InvalidTrackingPrefixError)) ||
		errors.As(err, new(*taskhub.InvalidTokenError)) || errors.As(err, new(*taskhub.ConfigError)) ||
		errors.As(err, new(*taskhub.TrackingPrefixError))
}
