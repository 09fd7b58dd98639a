package durable

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// Instance is the state of an orchestration instance.
type Instance struct {
	// InstanceID and ExecutionID identify the instance and its current execution.
	InstanceID, ExecutionID string
	// Name and Version are the orchestrator's.
	Name, Version string
	// Status is how far it has got.
	Status history.Status
	// CreatedAt is when its current generation was started, LastUpdatedAt when the
	// state was written last. In UTC, as all times here.
	CreatedAt, LastUpdatedAt time.Time
	// CompletedAt is when it ended and ScheduledStartAt when it was due to start;
	// zero where that does not apply.
	CompletedAt, ScheduledStartAt time.Time
	// Input, Output and CustomStatus are as serialized; nil for null or absent. The
	// output of a failed instance is the error's text.
	Input, Output, CustomStatus *string
	// Failure describes the error of a failed instance, where it is known.
	Failure *history.FailureDetails
	// Tags are those it was started with.
	Tags map[string]string
	// Generation counts the starts under the same id, from 0 on.
	Generation int32
	// Converter reads the payloads. Defaults to JSON.
	Converter Converter
}

// ErrNotCompleted is what [Output] returns for an instance that has not ended.
var ErrNotCompleted = errors.New("durable: the instance has not completed")

// Err returns why the instance did not complete: an [*InstanceError] if it has ended
// otherwise, nil if it completed or still runs.
func (in *Instance) Err() error {
	if !in.Status.IsTerminal() || in.Status == history.Completed {
		return nil
	}
	message := text(in.Output)
	if in.Failure != nil {
		// .NET's status row has "type: message" where the details are kept.
		message = strings.TrimPrefix(message, in.Failure.ErrorType+": ")
		if message == "" {
			message = in.Failure.ErrorMessage
		}
	}
	e := &InstanceError{InstanceID: in.InstanceID, Name: in.Name, Status: in.Status, Message: message, Failure: in.Failure}
	if in.Status == history.Failed {
		e.cause = causeOf(in.Failure, message)
	}
	return e
}

// Output returns the output of an instance that has completed; otherwise the error
// is [ErrNotCompleted] or an [*InstanceError].
func Output[T any](in *Instance) (T, error) {
	var value T
	if in == nil {
		return value, ErrNotCompleted
	}
	if err := in.Err(); err != nil {
		return value, err
	}
	if in.Status != history.Completed {
		return value, fmt.Errorf("instance %q is %v: %w", in.InstanceID, in.Status, ErrNotCompleted)
	}
	return read[T](in, in.Output, "the output")
}

// Input returns the input an instance was started with.
func Input[T any](in *Instance) (T, error) { return read[T](in, in.Input, "the input") }

// CustomStatus returns the status an orchestrator has set with [SetCustomStatus].
func CustomStatus[T any](in *Instance) (T, error) {
	return read[T](in, in.CustomStatus, "the custom status")
}

func read[T any](in *Instance, raw *string, what string) (T, error) {
	var value T
	if err := unmarshal(converterOr(in.Converter), raw, &value); err != nil {
		return value, &PayloadError{Subject: fmt.Sprintf("orchestrator %q (instance %q)", in.Name, in.InstanceID), What: what, Err: err}
	}
	return value, nil
}
