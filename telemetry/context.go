package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/history"
)

// longestState is how long a trace state may be, in characters: .NET leaves a longer one out (Tracing/DistributedTraceContext.cs).
const longestState = 513

// parse reads a stored context. It is not valid when there is none, or one that cannot be understood; .NET traces nothing then.
func parse(t *history.TraceContext) trace.SpanContext {
	if t == nil || t.TraceParent == nil {
		return trace.SpanContext{}
	}
	sc := parseParent(*t.TraceParent)
	if sc.IsValid() && t.TraceState != nil {
		if state, err := trace.ParseTraceState(*t.TraceState); err == nil {
			sc = sc.WithTraceState(state)
		}
	}
	return sc
}

// parseParent reads the value of a header traceparent, as the W3C recommendation "Trace Context" defines it.
func parseParent(text string) trace.SpanContext {
	parts := strings.SplitN(text, "-", 5)
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 || len(parts[3]) != 2 {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(parts[1])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(parts[2])
	if err != nil {
		return trace.SpanContext{}
	}
	var flags trace.TraceFlags
	if strings.ContainsAny(parts[3][1:], "13579bdf") {
		flags = trace.FlagsSampled
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: flags, Remote: true})
}

// format writes a context as .NET does (ISupportsDurableTraceContext.cs). Of the flags it knows the first.
func format(sc trace.SpanContext) *history.TraceContext {
	t := &history.TraceContext{TraceParent: history.String(parentText(sc))}
	if state := sc.TraceState().String(); state != "" && len(state) <= longestState {
		t.TraceState = &state
	}
	return t
}

func parentText(sc trace.SpanContext) string {
	flags := "-00"
	if sc.IsSampled() {
		flags = "-01"
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + flags
}

// own is the context of an orchestration's own span, which the stored context of its start names once it has begun.
func own(started *history.ExecutionStarted) trace.SpanContext {
	if started == nil {
		return trace.SpanContext{}
	}
	t := started.ParentTrace
	sc := parse(t)
	if !sc.IsValid() || t.SpanID == nil {
		return trace.SpanContext{}
	}
	id, err := trace.SpanIDFromHex(*t.SpanID)
	if err != nil {
		return trace.SpanContext{}
	}
	return sc.WithSpanID(id)
}
