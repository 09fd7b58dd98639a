package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kind names what a fault does to an operation.
type Kind string

// The kinds of faults.
const (
	// Refuse answers with Fault.Status in the service's form. The operation is not forwarded.
	Refuse Kind = "refuse"
	// Reset resets the client's connection. The operation is not forwarded.
	Reset Kind = "reset"
	// Lost forwards the operation, and when the service answers with success, resets the client's connection instead of passing the answer on.
	// A failure is passed on.
	Lost Kind = "lost"
	// Truncate forwards the operation, passes on the head of the answer and half of its body (half of the head when there is no body), and resets
	// the client's connection.
	Truncate Kind = "truncate"
	// Delay waits for Fault.Delay, then forwards the operation.
	Delay Kind = "delay"
	// DelayAnswer forwards the operation at once and waits for Fault.Delay before it passes on the answer.
	DelayAnswer Kind = "delay-answer"
	// Hang holds the operation back until its rule is removed; then it is forwarded. A client that gives up before has sent nothing.
	Hang Kind = "hang"
	// HangAnswer forwards the operation at once and holds the answer back until its rule is removed.
	HangAnswer Kind = "hang-answer"
	// Duplicate forwards the operation twice and passes on the first answer, as a network does that delivers a request again. Of queue.put it makes
	// two copies of a message.
	Duplicate Kind = "duplicate"
)

func kinds() []Kind {
	return []Kind{Refuse, Reset, Lost, Truncate, Delay, DelayAnswer, Hang, HangAnswer, Duplicate}
}

// Fault says what happens to an operation that a rule picked.
type Fault struct {
	Kind Kind
	// Status of Refuse. Defaults to 503.
	Status int
	// Code is the error code of Refuse. Defaults to the one the service uses with the status, such as ServerBusy with 503.
	Code string
	// Delay of Delay and DelayAnswer. Defaults to one second.
	Delay time.Duration
	// RetryAfter becomes the Retry-After header of Refuse, in whole seconds. Defaults to 0, no header.
	RetryAfter time.Duration
}

// ParseFault reads the short form of a fault: a kind, or a status to refuse with ("503"), with an optional delay ("delay:250ms").
func ParseFault(text string) (Fault, error) {
	name, argument, hasArgument := strings.Cut(text, ":")
	f := Fault{Kind: Kind(name)}
	var status int
	if n, err := fmt.Sscanf(name, "%3d", &status); n == 1 && err == nil && fmt.Sprint(status) == name {
		f = Fault{Kind: Refuse, Status: status}
	}
	if hasArgument {
		d, err := time.ParseDuration(argument)
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
		f.Delay = d
	}
	return f.withDefaults()
}

func (f Fault) withDefaults() (Fault, error) {
	if !slices.Contains(kinds(), f.Kind) {
		return Fault{}, fmt.Errorf("unknown kind of fault %q: it is a status or one of %v", f.Kind, kinds())
	}
	if f.Status == 0 {
		f.Status = http.StatusServiceUnavailable
	}
	if f.Kind == Refuse && (f.Status < 400 || f.Status > 599) {
		return Fault{}, fmt.Errorf("a refusal needs a status from 400 to 599, not %d", f.Status)
	}
	if f.Code == "" {
		f.Code = codeOf(f.Status)
	}
	if f.Delay < 0 || f.RetryAfter < 0 {
		return Fault{}, fmt.Errorf("a fault's times must not be negative")
	}
	if f.Delay == 0 {
		f.Delay = time.Second
	}
	return f, nil
}

// codeOf returns the error code that storage services most often send with a status.
func codeOf(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "ServerBusy"
	case http.StatusInternalServerError:
		return "InternalError"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "OperationTimedOut"
	case http.StatusForbidden:
		return "AuthorizationFailure"
	case http.StatusNotFound:
		return "ResourceNotFound"
	case http.StatusConflict:
		return "Conflict"
	case http.StatusPreconditionFailed:
		return "ConditionNotMet"
	}
	return "InjectedFault"
}

// refusal builds the answer of Refuse: the headers and the body that the service's clients read errors from.
func refusal(f Fault, op Operation, method string, closing bool, id string, now time.Time) []byte {
	message := fmt.Sprintf("%s: a fault injected between client and service.\nRequestId:%s\nTime:%s",
		http.StatusText(f.Status), id, now.UTC().Format("2006-01-02T15:04:05.0000000Z"))
	contentType := "application/xml"
	body := `<?xml version="1.0" encoding="utf-8"?><Error><Code>` + f.Code + `</Code><Message>` + message + `</Message></Error>`
	if op.Service == Table {
		contentType = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
		body = fmt.Sprintf(`{"odata.error":{"code":%q,"message":{"lang":"en-US","value":%q}}}`, f.Code, message)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nContent-Type: %s\r\nServer: faultproxy\r\nDate: %s\r\n", f.Status, http.StatusText(f.Status), len(body),
		contentType, now.UTC().Format(http.TimeFormat))
	fmt.Fprintf(&b, "x-ms-error-code: %s\r\nx-ms-request-id: %s\r\nx-ms-version: 2021-12-02\r\n", f.Code, id)
	if f.RetryAfter > 0 {
		fmt.Fprintf(&b, "Retry-After: %d\r\n", int((f.RetryAfter+time.Second-1)/time.Second))
	}
	if closing {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	if method != http.MethodHead {
		b.WriteString(body)
	}
	return []byte(b.String())
}
