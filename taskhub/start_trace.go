package taskhub

import (
	"encoding/hex"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// TraceOption is what [WithTrace] returns.
type TraceOption struct{ parent, state string }

// WithTrace makes the instance part of a trace of its caller: the two values are those of the W3C headers traceparent and
// tracestate, of which the second may be empty. They are stored with the start, as .NET's clients do, and workers that
// trace begin their spans below. Defaults to none.
func WithTrace(traceParent, traceState string) TraceOption {
	return TraceOption{parent: traceParent, state: traceState}
}

func (o TraceOption) applyStart(s *start) error {
	if !ValidTraceParent(o.parent) {
		return s.fault("trace", "has a traceparent that is not one; give the header's value as W3C defines it, or leave it out")
	}
	s.trace = &history.TraceContext{TraceParent: &o.parent, TraceState: optional(o.state)}
	return nil
}

// ValidTraceParent tells whether a text is the value of a header traceparent, as the W3C recommendation "Trace Context"
// defines it: version, trace id, parent id and flags in lower-case hex digits, the ids not all zeros.
func ValidTraceParent(text string) bool {
	const version, trace, parent, flags = 2, 32, 16, 2
	parts := strings.Split(text, "-")
	if len(parts) < 4 || parts[0] == "00" && len(parts) != 4 || parts[0] == "ff" {
		return false
	}
	for i, length := range []int{version, trace, parent, flags} {
		if _, err := hex.DecodeString(parts[i]); err != nil || len(parts[i]) != length || strings.ToLower(parts[i]) != parts[i] {
			return false
		}
	}
	return strings.Trim(parts[1], "0") != "" && strings.Trim(parts[2], "0") != ""
}
