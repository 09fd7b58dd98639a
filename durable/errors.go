package durable

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

var (
	// ErrTimeout is what a wait or call ended by [WithTimeout] fails with. It
	// travels as .NET's System.TimeoutException.
	ErrTimeout = errors.New("durable: timed out")

	// ErrCanceled is what a task fails with whose wait was given up by [Task.Cancel]
	// or [WithCancel]. It travels as .NET's System.OperationCanceledException.
	ErrCanceled = errors.New("durable: canceled")

	// ErrTerminated is what waiting for a terminated instance fails with.
	ErrTerminated = errors.New("durable: the instance was terminated")

	errUnloading    = errors.New("durable: the orchestrator is being unloaded; durable calls in deferred functions do nothing")
	errNilCoroutine = errors.New("durable: Go needs a function")
)

func quote(s string) string { return strconv.Quote(s) }

// TimeoutError says what took too long. It is [ErrTimeout].
type TimeoutError struct {
	// Subject is what was waited for, such as `event "Approval"`.
	Subject string
	// After is how long.
	After time.Duration
}

// Error names the subject and the time.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: no result within %v", e.Subject, e.After)
}

// Is reports true for [ErrTimeout].
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

// PayloadError says that a value could not be written as JSON, or that JSON does
// not fit the declared type.
type PayloadError struct {
	// Subject names the activity, orchestrator or event, such as `activity "Say"`.
	Subject string
	// What says which of its values it is: "the input", "the result".
	What string
	// Err is the converter's error.
	Err error
}

// Error names the subject and the reason.
func (e *PayloadError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Subject, e.What, e.Err) }

// Unwrap returns the converter's error.
func (e *PayloadError) Unwrap() error { return e.Err }

// TaskFailedError is the failure of an activity. errors.As and errors.Is see
// through it: to errors registered with [RegisterError] and [RegisterSentinel], and
// to a [*RemoteError] for every cause.
type TaskFailedError struct {
	// TaskName is the activity.
	TaskName string
	// TaskID is the event id of the call.
	TaskID int32
	// Message is the text of the activity's error.
	Message string
	// Failure describes the error as the history has it. It is nil where a hub that
	// serializes exceptions kept the message alone.
	Failure *history.FailureDetails

	cause error
}

func newTaskFailedError(name string, id int32, e *history.TaskFailed) *TaskFailedError {
	failure, _ := splitHeartbeat(failureIn(e.Failure, e.Details))
	message := messageOr(e.Reason, failure)
	return &TaskFailedError{TaskName: name, TaskID: id, Message: message, Failure: failure, cause: causeOf(failure, message)}
}

// Error names the activity and its error.
func (e *TaskFailedError) Error() string {
	return fmt.Sprintf("activity %q failed: %s", e.TaskName, e.Message)
}

// Unwrap returns the activity's error.
func (e *TaskFailedError) Unwrap() error { return e.cause }

// SubOrchestrationFailedError is the failure or termination of a child. errors.As
// and errors.Is see through it, as through a [*TaskFailedError].
type SubOrchestrationFailedError struct {
	// Name is the child's orchestrator.
	Name string
	// TaskID is the event id of the call.
	TaskID int32
	// Message is the text of the child's error, or the reason of its termination.
	Message string
	// Failure describes the error as the history has it. It is nil where a hub that
	// serializes exceptions kept the message alone.
	Failure *history.FailureDetails

	cause error
}

func newSubOrchestrationFailedError(name string, id int32, e *history.SubOrchestrationFailed) *SubOrchestrationFailedError {
	failure := failureIn(e.Failure, e.Details)
	message := messageOr(e.Reason, failure)
	return &SubOrchestrationFailedError{Name: name, TaskID: id, Message: message, Failure: failure, cause: causeOf(failure, message)}
}

// Error names the child's orchestrator and its error.
func (e *SubOrchestrationFailedError) Error() string {
	return fmt.Sprintf("sub-orchestration %q failed: %s", e.Name, e.Message)
}

// Unwrap returns the child's error.
func (e *SubOrchestrationFailedError) Unwrap() error { return e.cause }

func messageOr(reason *string, failure *history.FailureDetails) string {
	if (reason == nil || *reason == "") && failure != nil {
		return failure.ErrorMessage
	}
	return text(reason)
}

// NonDeterminismError ends an instance whose code, replayed, no longer does what
// its history says.
type NonDeterminismError struct {
	// Event is the number of the offending event in the history, from 0 on; its row
	// key is the same number in hexadecimal.
	Event int
	// EventID is the number of the decision.
	EventID int32
	// Expected is what the history says, Found what the code did.
	Expected, Found string
	// Cause is the likely reason.
	Cause string
	// Text is the whole explanation, with what to do.
	Text string
}

// Error returns the whole explanation.
func (e *NonDeterminismError) Error() string { return e.Text }

func newNonDeterminismError(d *replay.DivergenceError) *NonDeterminismError {
	return &NonDeterminismError{
		Event: d.Event, EventID: d.EventID, Expected: d.Expected, Found: d.Found, Cause: d.Cause, Text: d.Error(),
	}
}

// PanicError is a panic in an activity or orchestrator.
type PanicError struct {
	// Value is the text of what the code panicked with.
	Value string
	// Stack is where, innermost call first.
	Stack string

	cause error
}

// newPanicError is to be called by the deferred function that recovered v.
func newPanicError(v any) *PanicError {
	return fromPanic(&replay.PanicError{Value: v, Stack: replay.PanicStack()})
}

func fromPanic(p *replay.PanicError) *PanicError {
	return &PanicError{Value: fmt.Sprint(p.Value), Stack: p.Stack, cause: p.Unwrap()}
}

// Error returns the text of the value.
func (e *PanicError) Error() string { return "panic: " + e.Value }

// Unwrap returns the value if it was an error.
func (e *PanicError) Unwrap() error { return e.cause }

// InstanceError is how an instance that did not complete ended, as a client sees
// it. errors.As and errors.Is see through it, as through a [*TaskFailedError].
type InstanceError struct {
	// InstanceID and Name say which instance of which orchestrator.
	InstanceID, Name string
	// Status is Failed, Terminated or Canceled.
	Status history.Status
	// Message is the error's text or the reason of the termination.
	Message string
	// Failure describes the error, where the hub has more than its text.
	Failure *history.FailureDetails

	cause error
}

// Error names the instance, how it ended, and why.
func (e *InstanceError) Error() string {
	ended := "failed"
	switch e.Status {
	case history.Terminated:
		ended = "was terminated"
	case history.Canceled:
		ended = "was canceled"
	}
	return fmt.Sprintf("orchestration %q (instance %q) %s: %s", e.Name, e.InstanceID, ended, e.Message)
}

// Unwrap returns the orchestrator's error.
func (e *InstanceError) Unwrap() error { return e.cause }

// Is reports true for [ErrTerminated] and [ErrCanceled] where they fit.
func (e *InstanceError) Is(target error) bool {
	switch target {
	case ErrTerminated:
		return e.Status == history.Terminated
	case ErrCanceled:
		return e.Status == history.Canceled
	default:
		return false
	}
}

// RemoteError is an error as it arrived from elsewhere: from an activity, a child,
// or an orchestration that a client asks about. An application may also return one
// to choose the error type that .NET sees.
type RemoteError struct {
	// Type is the error's type: a registered name, a Go type, or the class of a
	// .NET exception.
	Type string
	// Message is the error's text.
	Message string
	// Stack is where it happened; may be empty.
	Stack string
	// NonRetriable says that a retry cannot help.
	NonRetriable bool
	// Properties are the values that came with it.
	Properties *history.Properties
	// Causes are the errors that led to it; .NET knows the first one only.
	Causes []error

	value error // what a registered type or sentinel was read into
}

// Error returns the text.
func (e *RemoteError) Error() string { return e.Message }

// Unwrap returns the registered error this one stands for, if any, and the causes.
func (e *RemoteError) Unwrap() []error {
	if e.value == nil {
		return e.Causes
	}
	return append([]error{e.value}, e.Causes...)
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }
