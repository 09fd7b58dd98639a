package durable

import "github.com/go-taskhub/taskhub/internal/replay"

// ErrorStyle is how the workers of a hub write failures. Every reader understands both styles.
type ErrorStyle = replay.ErrorStyle

const (
	// FailureDetails writes type, text, stack and causes of an error, as Durable Functions does.
	FailureDetails ErrorStyle = replay.FailureDetails
	// SerializedExceptions writes the text alone in Reason and Result, as the Durable Task Framework does by default.
	SerializedExceptions ErrorStyle = replay.Exceptions
)
