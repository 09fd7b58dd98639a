package history

import (
	"fmt"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// Format names one of the forms of events.
type Format string

// The formats that can be decoded.
const (
	FormatMessage Format = "queue message"
	FormatRow     Format = "history row"
	FormatExport  Format = "history export"
	FormatValue   Format = "JSON value"
)

// DecodeError says that something in a hub, or in an export, cannot be read.
type DecodeError struct {
	// Format is what was being read.
	Format Format
	// Field leads to the place, such as "TaskMessage.Event.Timestamp" in a
	// message, "FailureDetails.InnerFailure" in a row (where it begins with the
	// name of the column), or "[3].Name" in an export. It is empty when the
	// input as a whole is at fault.
	Field string
	// Err says what is wrong. It does not repeat the content.
	Err error
}

func (e *DecodeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("cannot read %s: %v", e.Format, e.Err)
	}
	return fmt.Sprintf("cannot read %s: %s: %v", e.Format, e.Field, e.Err)
}

// Unwrap returns what is wrong.
func (e *DecodeError) Unwrap() error { return e.Err }

// decodeError makes a DecodeError from an error that carries its path.
func decodeError(format Format, err error) error {
	field, inner := jsontext.SplitPath(err)
	return &DecodeError{Format: format, Field: field, Err: inner}
}
