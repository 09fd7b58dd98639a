package queues

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/payloads"
)

// MaxDelay is the longest time for which the service keeps a message invisible.
const MaxDelay = 7 * 24 * time.Hour

// ErrReceiptMoved says that a message has another pop receipt by now: it was received or updated by somebody else, or by
// an earlier attempt of the same request whose answer was lost.
var ErrReceiptMoved = errors.New("the message's pop receipt is out of date: somebody else has received or updated it")

// ErrMessageGone says that a message does not exist any more: somebody has deleted it.
var ErrMessageGone = errors.New("the message does not exist any more")

// DelayError says that a message should become visible later than the service can do.
type DelayError struct {
	Delay time.Duration
}

// Error implements error.
func (e *DelayError) Error() string {
	return fmt.Sprintf("a delay of %v is longer than the %v that a queue allows; use several shorter ones", e.Delay, MaxDelay)
}

// EncodeError says that a message cannot be written, now or later.
type EncodeError struct {
	Err error
}

// Error implements error.
func (e *EncodeError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *EncodeError) Unwrap() error { return e.Err }

// UndecodableError says that a message cannot be understood, now or later.
type UndecodableError struct {
	Queue     string // name of the queue
	MessageID string // the service's id of the message
	Blob      string // name of the blob with the message's content; empty when it is in the message itself
	Err       error  // the reason: a [*history.DecodeError], or an error of package payloads
}

// Error implements error.
func (e *UndecodableError) Error() string {
	return fmt.Sprintf("message %s in queue %s cannot be understood: %v", e.MessageID, e.Queue, e.Err)
}

// Unwrap returns the reason.
func (e *UndecodableError) Unwrap() error { return e.Err }

// errNotText is the reason for messages that are neither JSON nor Base64.
var errNotText = errors.New("the text is neither a JSON object nor Base64 of one")

// errNested is the reason for a large message whose blob again refers to a blob.
var errNested = errors.New("the blob holds a reference to another blob instead of a message")

// isPermanent tells content that is bad from content that could not be had this time.
func isPermanent(err error) bool {
	var decode *history.DecodeError
	var missing *payloads.MissingError
	var corrupt *payloads.CorruptError
	var large *payloads.TooLargeError
	return errors.As(err, &decode) || errors.As(err, &missing) || errors.As(err, &corrupt) || errors.As(err, &large) ||
		errors.Is(err, errNotText) || errors.Is(err, errNested)
}
