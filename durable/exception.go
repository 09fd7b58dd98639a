package durable

import (
	"encoding/json"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// parseException reads a serialized .NET exception, as the Details of a failed task
// hold it where a hub serializes exceptions with details: the JSON that Newtonsoft
// writes for an ISerializable, with $type or ClassName, Message, InnerException and
// whatever the class adds. Text that is none gives nil.
func parseException(details string) *history.FailureDetails {
	if !strings.HasPrefix(strings.TrimSpace(details), "{") {
		return nil
	}
	return parseExceptionObject([]byte(details), maxFailureDepth)
}

// exceptionMembers are those every exception has; what else there is becomes a
// property.
var exceptionMembers = map[string]bool{
	"$type": true, "ClassName": true, "Message": true, "Data": true, "InnerException": true, "InnerExceptions": true,
	"HelpURL": true, "StackTraceString": true, "RemoteStackTraceString": true, "RemoteStackIndex": true,
	"ExceptionMethod": true, "HResult": true, "Source": true, "WatsonBuckets": true,
}

func parseExceptionObject(raw []byte, depth int) *history.FailureDetails {
	if depth == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil
	}
	str := func(name string) string {
		var s string
		_ = json.Unmarshal(members[name], &s) // null, absent and other types count as ""
		return s
	}
	f := &history.FailureDetails{ErrorType: str("ClassName"), ErrorMessage: str("Message")}
	if f.ErrorType == "" {
		f.ErrorType, _, _ = strings.Cut(str("$type"), ",")
	}
	if f.ErrorType == "" {
		return nil
	}
	if stack := str("StackTraceString"); stack != "" {
		f.StackTrace = &stack
	}
	f.Inner = parseExceptionObject(members["InnerException"], depth-1)
	properties := map[string]history.Value{}
	for name, value := range members {
		if exceptionMembers[name] {
			continue
		}
		if v, err := history.ParseValue(value); err == nil {
			properties[name] = v
		}
	}
	if len(properties) > 0 {
		f.Properties = history.NewProperties(properties)
	}
	return f
}

// wireException is the part of a serialized exception that .NET needs to make an
// exception of it again.
type wireException struct {
	Type                   string         `json:"$type"`
	ClassName              string         `json:"ClassName"`
	Message                string         `json:"Message"`
	Data                   *struct{}      `json:"Data"`
	InnerException         *wireException `json:"InnerException"`
	HelpURL                *string        `json:"HelpURL"`
	StackTraceString       *string        `json:"StackTraceString"`
	RemoteStackTraceString *string        `json:"RemoteStackTraceString"`
	RemoteStackIndex       int            `json:"RemoteStackIndex"`
	ExceptionMethod        *string        `json:"ExceptionMethod"`
	HResult                int            `json:"HResult"`
	Source                 *string        `json:"Source"`
	WatsonBuckets          *string        `json:"WatsonBuckets"`

	properties *history.Properties
}

// corE_Exception is the HResult of a plain System.Exception.
const plainHResult = -2146233088

func toException(f *history.FailureDetails, depth int) *wireException {
	if f == nil || depth == 0 {
		return nil
	}
	// A class that .NET does not know could not be read there, nor could anything
	// around it: what is not a system exception travels as a plain one that keeps
	// the real name where this package looks first.
	class := f.ErrorType
	if !strings.HasPrefix(class, "System.") {
		class = "System.Exception"
	}
	return &wireException{
		Type: class, ClassName: f.ErrorType, Message: f.ErrorMessage, StackTraceString: f.StackTrace, HResult: plainHResult,
		InnerException: toException(f.Inner, depth-1), properties: f.Properties,
	}
}

// MarshalJSON writes the members and then the properties.
func (w *wireException) MarshalJSON() ([]byte, error) {
	type plain wireException
	text, err := marshalJSON((*plain)(w))
	if err != nil {
		return nil, err
	}
	for name, value := range w.properties.All() {
		if exceptionMembers[name] {
			continue
		}
		key, err := marshalJSON(name)
		if err != nil {
			return nil, err
		}
		text = append(text[:len(text)-1], ',')
		text = append(text, key...)
		text = append(text, ':')
		text = append(text, value.JSON()...)
		text = append(text, '}')
	}
	return text, nil
}

// ExceptionOf returns the error as a serialized .NET exception, the form Details
// have in a hub that serializes exceptions with their details. By default such hubs
// leave Details out, and so should who writes to one.
func ExceptionOf(err error) (string, error) {
	text, jsonErr := marshalJSON(toException(FailureOf(err), maxFailureDepth))
	return string(text), jsonErr
}
