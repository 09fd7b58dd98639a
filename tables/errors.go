package tables

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/storage"
)

var (
	// ErrConflict is matched by errors of writes whose row was changed by somebody else in the meantime, or is there
	// although it should not be, or is gone. See [ConflictError].
	ErrConflict = errors.New("another writer was faster")
	// ErrNoTables is matched by errors of operations on a hub whose tables do not exist.
	ErrNoTables = errors.New("the hub's tables do not exist")
	// ErrRowNotFound is matched by errors of writes to a row that must exist and does not.
	ErrRowNotFound = errors.New("the row does not exist")
)

// ConflictError reports a write that was refused because its row is no longer what the writer had read. Nothing of
// that write was stored. It matches [ErrConflict].
type ConflictError struct {
	Hub        string
	InstanceID string
	Operation  string
	Err        error // what the service said
}

// Error says which write met another writer.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: instance %q in hub %q: %v; read it again and decide anew", e.Operation, e.InstanceID, e.Hub, ErrConflict)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Unwrap returns the service's error.
func (e *ConflictError) Unwrap() error { return e.Err }

// CorruptHistoryError reports an instance whose stored history cannot be read. Other instances are not concerned.
type CorruptHistoryError struct {
	Hub        string
	InstanceID string
	RowKey     string // the row that is wrong
	Column     string // the column that is wrong, or empty when it is the row itself
	Err        error
}

// Error names row and column.
func (e *CorruptHistoryError) Error() string {
	where := fmt.Sprintf("row %q", e.RowKey)
	if e.Column != "" {
		where += fmt.Sprintf(", column %q", e.Column)
	}
	return fmt.Sprintf("history of instance %q in hub %q is not readable: %s: %v; repair the row or purge the instance", e.InstanceID, e.Hub, where, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptHistoryError) Unwrap() error { return e.Err }

// ValueTooLargeError reports a value that the Table service cannot hold and that the layout does not allow to be kept
// in a blob instead.
type ValueTooLargeError struct {
	Hub        string
	InstanceID string
	Table      string
	RowKey     string
	Column     string
	Units      int // length in UTF-16 code units
	Limit      int // longest length the service takes, in UTF-16 code units
}

// Error names the column and both lengths.
func (e *ValueTooLargeError) Error() string {
	return fmt.Sprintf("table %s: instance %q in hub %q: column %s (row %q) holds %d characters, but at most %d fit and this column cannot be kept in a blob; make the value shorter",
		e.Table, e.InstanceID, e.Hub, e.Column, e.RowKey, e.Units, e.Limit)
}

// InvalidTokenError reports a continuation token that no query of this package returned.
type InvalidTokenError struct{ Token string }

// Error says what to do instead.
func (e *InvalidTokenError) Error() string {
	return "the continuation token is not one that a query of a task hub returned; begin again without a token"
}

// IsHopeless reports an error that another attempt at the same thing will not change: the Table service does not take what
// it was given, or a row cannot be written, or what is stored cannot be read.
func IsHopeless(err error) bool {
	var corrupt *CorruptHistoryError
	var large *ValueTooLargeError
	var row *edm.Error
	if errors.As(err, &corrupt) || errors.As(err, &large) || errors.As(err, &row) && row.Property != "" {
		return true
	}
	switch storage.StatusOf(err) {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// fail wraps a service's error with the operation, the instance and the hub, and sorts it into the errors above.
func (s *Store) fail(operation, instanceID string, err error) error {
	switch {
	case err == nil:
		return nil
	case storage.HasCode(err, storage.CodeTableNotFound):
		return fmt.Errorf("hub %q: %w (%w)", s.names.Hub(), ErrNoTables, storage.Explain(err, operation))
	case storage.HasCode(err, storage.CodeEntityAlreadyExists) || storage.IsPreconditionFailed(err):
		return &ConflictError{Hub: s.names.Hub(), InstanceID: instanceID, Operation: operation, Err: err}
	case storage.IsNotFound(err):
		return fmt.Errorf("instance %q in hub %q: %w (%w)", instanceID, s.names.Hub(), ErrRowNotFound, storage.Explain(err, operation))
	case instanceID == "":
		return fmt.Errorf("hub %q: %w", s.names.Hub(), storage.Explain(err, operation))
	}
	return fmt.Errorf("instance %q in hub %q: %w", instanceID, s.names.Hub(), storage.Explain(err, operation))
}
