package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// The error types of .NET that errors of this package travel as.
const (
	typeTaskFailed      = "DurableTask.Core.Exceptions.TaskFailedException"
	typeChildFailed     = "DurableTask.Core.Exceptions.SubOrchestrationFailedException"
	typeNonDeterminism  = "DurableTask.Core.Exceptions.NonDeterministicOrchestrationException"
	typeTimeout         = "System.TimeoutException"
	typeCanceled        = "System.OperationCanceledException"
	typePanic           = "panic"
	typeError           = "error"
	propertyValue       = "value"
	propertyMoreCauses  = "causes"
	propertyEvent       = "event"
	propertyEventID     = "eventId"
	propertyExpected    = "expected"
	propertyFound       = "found"
	propertyLikelyCause = "likelyCause"
)

// .NET's reader stops at depth 64 of the JSON of a message. A cause is one level of
// maxFailureDepth, one of several joined causes is propertyDepth levels, inside a
// property. Of joined errors no more than maxJoined are kept: a fan-out of thousands
// that fails as a whole must not become a failure of megabytes.
const (
	maxFailureDepth = 32
	propertyDepth   = 4
	maxJoined       = 16
)

// FailureOf describes an error for a history, with its causes. It returns nil for
// nil.
//
// The error type is the registered name, the .NET class that corresponds to one of
// this package's errors, or the Go type; errors that only carry text are of type
// "error". The fields of a registered error become properties. Of several joined
// causes the first becomes the inner failure, which is all that .NET knows, the
// others a property, sixteen in all.
func FailureOf(err error) *history.FailureDetails {
	if err == nil {
		return nil
	}
	f := failureOf(err, maxFailureDepth)
	var p permanentError
	if errors.As(err, &p) {
		f.IsNonRetriable = true
	}
	return f
}

// describeFailure is [replay.Definition.Failure].
func describeFailure(err error) (string, *history.FailureDetails) {
	return failureMessage(err), FailureOf(err)
}

// failureMessage is the text for the Result column. An orchestrator that returns
// the failure of a call as it is passes on the message alone, as .NET does.
func failureMessage(err error) string {
	switch e := err.(type) { //nolint:errorlint // only a failure that is passed on as it is
	case *TaskFailedError:
		return e.Message
	case *SubOrchestrationFailedError:
		return e.Message
	default:
		return err.Error()
	}
}

func failureOf(err error, depth int) *history.FailureDetails {
	f := &history.FailureDetails{ErrorMessage: err.Error()}
	properties := map[string]history.Value{}
	var causes []error
	switch e := err.(type) { //nolint:errorlint // the outermost error; its causes are described one by one
	case permanentError:
		f = failureOf(e.error, depth)
		f.IsNonRetriable = true
		return f
	case *TaskFailedError:
		f.ErrorType = typeTaskFailed
		f.ErrorMessage = fmt.Sprintf("Task '%s' (#%d) failed with an unhandled exception: %s", e.TaskName, e.TaskID, e.Message)
		f.Inner = limitDepth(e.Failure, depth-1)
		return f
	case *SubOrchestrationFailedError:
		f.ErrorType, f.ErrorMessage = typeChildFailed, e.Message
		f.Inner = limitDepth(e.Failure, depth-1)
		return f
	case *RemoteError:
		return e.failure(depth)
	case *replay.DivergenceError:
		return failureOf(newNonDeterminismError(e), depth)
	case *NonDeterminismError:
		f.ErrorType = typeNonDeterminism
		addProperties(properties, map[string]any{
			propertyEvent: e.Event, propertyEventID: e.EventID, propertyExpected: e.Expected, propertyFound: e.Found,
			propertyLikelyCause: e.Cause,
		})
	case *replay.PanicError:
		return failureOf(fromPanic(e), depth)
	case *PanicError:
		f.ErrorType, f.StackTrace = typePanic, &e.Stack
		causes = unwrap(err)
	default:
		f.ErrorType = errorType(err)
		addFields(properties, err)
		causes = unwrap(err)
	}
	addCauses(f, properties, causes, depth)
	return f
}

// addCauses attaches the causes and the properties.
func addCauses(f *history.FailureDetails, properties map[string]history.Value, causes []error, depth int) {
	if len(causes) > 0 && depth > 1 {
		f.Inner = failureOf(causes[0], depth-1)
		if causes = causes[1:min(len(causes), maxJoined)]; len(causes) > 0 && depth > propertyDepth {
			more := make([]*wireFailure, 0, len(causes))
			for _, cause := range causes {
				more = append(more, toWire(failureOf(cause, depth-propertyDepth)))
			}
			addProperties(properties, map[string]any{propertyMoreCauses: more})
		}
	}
	if len(properties) > 0 {
		f.Properties = history.NewProperties(properties)
	}
}

func unwrap(err error) []error {
	switch e := err.(type) { //nolint:errorlint // one step down the chain
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			return []error{cause}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

func (e *RemoteError) failure(depth int) *history.FailureDetails {
	f := &history.FailureDetails{ErrorType: e.Type, ErrorMessage: e.Message, IsNonRetriable: e.NonRetriable}
	if e.Type == "" {
		f.ErrorType = typeError
	}
	if e.Stack != "" {
		f.StackTrace = &e.Stack
	}
	properties := map[string]history.Value{}
	for name, value := range e.Properties.All() {
		if name != propertyMoreCauses {
			properties[name] = value
		}
	}
	addCauses(f, properties, e.Causes, depth)
	return f
}

// errorType names the type of an error that is none of this package's.
func errorType(err error) string {
	if name, ok := registeredErrors.nameOf(err); ok {
		return name
	}
	if errors.Is(err, ErrTimeout) && isLeaf(err) {
		return typeTimeout
	}
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.PkgPath() {
	case "errors", "fmt", "":
		return typeError // errors.New, fmt.Errorf, errors.Join
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	return t.PkgPath() + "." + name
}

func isLeaf(err error) bool { return len(unwrap(err)) == 0 }

// addFields makes properties of the exported fields of a registered error.
func addFields(properties map[string]history.Value, err error) {
	if !registeredErrors.hasType(err) {
		return
	}
	text, jsonErr := marshalJSON(err)
	if jsonErr != nil {
		return // its text still travels
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{propertyValue: text}
	}
	for name, raw := range fields {
		if value, err := history.ParseValue(raw); err == nil {
			properties[name] = value
		}
	}
}

func addProperties(properties map[string]history.Value, values map[string]any) {
	for name, v := range values {
		text, err := marshalJSON(v)
		if err != nil {
			continue
		}
		if value, err := history.ParseValue(text); err == nil {
			properties[name] = value
		}
	}
}

// limitDepth cuts a chain of causes.
func limitDepth(f *history.FailureDetails, depth int) *history.FailureDetails {
	if f == nil || depth <= 0 {
		return nil
	}
	c := *f
	c.Inner = limitDepth(f.Inner, depth-1)
	return &c
}

// wireFailure is a failure inside a property, with the member names of .NET.
type wireFailure struct {
	ErrorType      string
	ErrorMessage   string
	StackTrace     *string                    `json:",omitempty"`
	InnerFailure   *wireFailure               `json:",omitempty"`
	IsNonRetriable bool                       `json:",omitempty"`
	Properties     map[string]json.RawMessage `json:",omitempty"`
}

func toWire(f *history.FailureDetails) *wireFailure {
	if f == nil {
		return nil
	}
	w := &wireFailure{
		ErrorType: f.ErrorType, ErrorMessage: f.ErrorMessage, StackTrace: f.StackTrace, IsNonRetriable: f.IsNonRetriable,
		InnerFailure: toWire(f.Inner),
	}
	for name, value := range f.Properties.All() {
		if w.Properties == nil {
			w.Properties = map[string]json.RawMessage{}
		}
		w.Properties[name] = json.RawMessage(value.JSON())
	}
	return w
}

func (w *wireFailure) details(depth int) *history.FailureDetails {
	if w == nil || depth <= 0 {
		return nil
	}
	f := &history.FailureDetails{
		ErrorType: w.ErrorType, ErrorMessage: w.ErrorMessage, StackTrace: w.StackTrace, IsNonRetriable: w.IsNonRetriable,
		Inner: w.InnerFailure.details(depth - 1),
	}
	properties := map[string]history.Value{}
	for name, raw := range w.Properties {
		if value, err := history.ParseValue(raw); err == nil {
			properties[name] = value
		}
	}
	if len(properties) > 0 {
		f.Properties = history.NewProperties(properties)
	}
	return f
}

// ErrorOf turns a failure back into an error: a [*RemoteError] with its causes, one
// of this package's errors, or an error registered with [RegisterError] inside. It
// returns nil for nil.
func ErrorOf(f *history.FailureDetails) error {
	if f == nil {
		return nil
	}
	return errorOf(f, maxFailureDepth)
}

func errorOf(f *history.FailureDetails, depth int) error {
	e := &RemoteError{
		Type: f.ErrorType, Message: f.ErrorMessage, Stack: text(f.StackTrace), NonRetriable: f.IsNonRetriable,
		Properties: f.Properties,
	}
	if depth > 1 {
		if f.Inner != nil {
			e.Causes = append(e.Causes, errorOf(f.Inner, depth-1))
		}
		e.Causes = append(e.Causes, moreCauses(f.Properties, depth)...)
	}
	e.value = e.known()
	return e
}

// known returns the error of this program that e stands for.
func (e *RemoteError) known() error {
	switch e.Type {
	case typeNonDeterminism:
		d := &NonDeterminismError{Text: e.Message}
		e.property(propertyEvent, &d.Event)
		e.property(propertyEventID, &d.EventID)
		e.property(propertyExpected, &d.Expected)
		e.property(propertyFound, &d.Found)
		e.property(propertyLikelyCause, &d.Cause)
		return d
	case typePanic:
		return &PanicError{Value: strings.TrimPrefix(e.Message, "panic: "), Stack: e.Stack}
	default:
		return registeredErrors.value(e)
	}
}

func (e *RemoteError) property(name string, to any) {
	if value, ok := e.Properties.Get(name); ok {
		_ = json.Unmarshal([]byte(value.JSON()), to) // what does not fit stays zero
	}
}

func moreCauses(p *history.Properties, depth int) []error {
	value, ok := p.Get(propertyMoreCauses)
	if !ok {
		return nil
	}
	var wire []*wireFailure
	if json.Unmarshal([]byte(value.JSON()), &wire) != nil {
		return nil // the application's own property of that name
	}
	var causes []error
	for _, w := range wire[:min(len(wire), maxJoined)] {
		if f := w.details(depth - propertyDepth); f != nil {
			causes = append(causes, errorOf(f, depth-propertyDepth))
		}
	}
	return causes
}

// failureIn finds the description of a failure in either of the two places an event
// may have it.
func failureIn(failure *history.FailureDetails, details *string) *history.FailureDetails {
	if failure != nil || details == nil {
		return failure
	}
	return parseException(*details)
}

// causeOf is what the error of a failed call unwraps to.
func causeOf(f *history.FailureDetails, message string) error {
	if f == nil {
		return &RemoteError{Message: message}
	}
	return errorOf(f, maxFailureDepth)
}
