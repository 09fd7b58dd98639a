package history

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/edm"
)

func TestEnvelopeErrors(t *testing.T) {
	t.Parallel()
	start := forms(t)[1].message()
	change := func(old, with string) string {
		if !strings.Contains(start, old) {
			t.Fatalf("%s is not in the message", old)
		}
		return strings.Replace(start, old, with, 1)
	}
	failure := func(inner string) string {
		return `{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.TaskFailedEvent","FailureDetails":` + inner + `,"Timestamp":"2026-06-01T12:34:56Z"},"OrchestrationInstance":{"InstanceId":"i"}}}`
	}
	deep := func(n int) string {
		return strings.Repeat(`{"InnerFailure":`, n) + "null" + strings.Repeat(`}`, n)
	}
	if _, err := UnmarshalEnvelope([]byte(failure(deep(61)))); err != nil {
		t.Errorf("61 failures inside each other: %v", err)
	}
	tests := []struct{ name, text, field string }{
		{"empty", ``, ""},
		{"null", `null`, ""},
		{"array", `[]`, ""},
		{"no JSON", `<xml/>`, ""},
		{"trailing text", start + "x", ""},
		{"two", start + start, ""},
		{"nothing in it", `{}`, "TaskMessage"},
		{"null message", `{"TaskMessage":null,"CompressedBlobName":""}`, "TaskMessage"},
		{"other class", change(`MessageData`, `Message`), "$type"},
		{"class is a number", `{"$type":5}`, "$type"},
		{"activity id", change(`5406d369-`, `5406d369`), "ActivityId"},
		{"activity id empty", `{"ActivityId":""}`, "ActivityId"},
		{"activity id null", `{"ActivityId":null}`, "ActivityId"},
		{"message is text", `{"TaskMessage":"x"}`, "TaskMessage"},
		{"no event", `{"TaskMessage":{"OrchestrationInstance":{"InstanceId":"i"}}}`, "TaskMessage.Event"},
		{"null event", `{"TaskMessage":{"Event":null,"OrchestrationInstance":{"InstanceId":"i"}}}`, "TaskMessage.Event"},
		{"event is an array", `{"TaskMessage":{"Event":[]}}`, "TaskMessage.Event"},
		{"event without class", `{"TaskMessage":{"Event":{"EventType":5}}}`, "TaskMessage.Event.$type"},
		{"event with a bad class", `{"TaskMessage":{"Event":{"$type":null}}}`, "TaskMessage.Event.$type"},
		{"unknown event", change(`History.ExecutionStartedEvent`, `History.ExecutionFailedEvent`), "TaskMessage.Event.$type"},
		{"event of another class", change(`DurableTask.Core.History.ExecutionStartedEvent`, `System.IO.FileInfo`), "TaskMessage.Event.$type"},
		{"long class", change(`DurableTask.Core.History.ExecutionStartedEvent`, strings.Repeat("x", 5000)), "TaskMessage.Event.$type"},
		{"no timestamp", change(`,"Timestamp":"2026-06-01T12:34:56.789012Z"`, ``), "TaskMessage.Event.Timestamp"},
		{"null timestamp", change(`"Timestamp":"2026-06-01T12:34:56.789012Z"`, `"Timestamp":null`), "TaskMessage.Event.Timestamp"},
		{"timestamp is a word", change(`"Timestamp":"2026-06-01T12:34:56.789012Z"`, `"Timestamp":"yesterday"`), "TaskMessage.Event.Timestamp"},
		{"timestamp is a number", change(`"Timestamp":"2026-06-01T12:34:56.789012Z"`, `"Timestamp":5`), "TaskMessage.Event.Timestamp"},
		{"event id is text", change(`"EventId":-1`, `"EventId":"-1"`), "TaskMessage.Event.EventId"},
		{"event id has a fraction", change(`"EventId":-1`, `"EventId":-1.5`), "TaskMessage.Event.EventId"},
		{"event id is large", change(`"EventId":-1`, `"EventId":4294967296`), "TaskMessage.Event.EventId"},
		{"is played is a number", change(`"IsPlayed":false`, `"IsPlayed":0`), "TaskMessage.Event.IsPlayed"},
		{"name is a number", change(`"Name":"Checkout"`, `"Name":5`), "TaskMessage.Event.Name"},
		{"input is an object", change(`"Input":"\"a\""`, `"Input":{}`), "TaskMessage.Event.Input"},
		{"tags are text", change(`"Tags":{`, `"Tags":"","X":{`), "TaskMessage.Event.Tags"},
		{"tag is a number", change(`"team":"blue"`, `"team":5`), "TaskMessage.Event.Tags.team"},
		{"tags' class is a number", change(`"`+tagsClass+`"`, `5`), "TaskMessage.Event.Tags.$type"},
		{"generation", change(`"Generation":2`, `"Generation":true`), "TaskMessage.Event.Generation"},
		{"scheduled start", change(`"2026-06-01T13:00:00Z"`, `"2026-06-01T25:00:00Z"`), "TaskMessage.Event.ScheduledStartTime"},
		{"parent", change(`"TaskScheduleId":1`, `"TaskScheduleId":null`), "TaskMessage.Event.ParentInstance.TaskScheduleId"},
		{"parent's instance", change(`"InstanceId":"p"`, `"InstanceId":[]`), "TaskMessage.Event.ParentInstance.OrchestrationInstance.InstanceId"},
		{"trace", change(`"ActivityStartTime":"2026`, `"ActivityStartTime":"x2026`), "TaskMessage.Event.ParentTraceContext.ActivityStartTime"},
		{"start without instance", change(`"OrchestrationInstance":`+instanceJSON, `"X":null`), "TaskMessage.Event.OrchestrationInstance"},
		{"no target", `{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.GenericEvent","Timestamp":"2026-06-01T12:34:56Z"}}}`, "TaskMessage.OrchestrationInstance"},
		{"empty target", `{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.GenericEvent","Timestamp":"2026-06-01T12:34:56Z"},"OrchestrationInstance":{"InstanceId":""}}}`, "TaskMessage.OrchestrationInstance"},
		{"sequence number", change(`"SequenceNumber":7`, `"SequenceNumber":9223372036854775808`), "SequenceNumber"},
		{"episode", change(`"SequenceNumber":7`, `"Episode":"1"`), "Episode"},
		{"sender", change(`"Sender":{"InstanceId":""`, `"Sender":{"InstanceId":1`), "Sender.InstanceId"},
		{"context", change(`"OrchestrationExecutionContext":null`, `"OrchestrationExecutionContext":{"OrchestrationTags":[]}`), "TaskMessage.OrchestrationExecutionContext.OrchestrationTags"},
		{"cut", start[:strings.Index(start, `"blue"`)+3], "TaskMessage.Event.Tags.team"},
		{"failure", failure(`{"InnerFailure":{"IsNonRetriable":null}}`), "TaskMessage.Event.FailureDetails.InnerFailure.IsNonRetriable"},
		{"property", failure(`{"Properties":{"a":tru}}`), "TaskMessage.Event.FailureDetails.Properties.a"},
		{"too deep", failure(deep(62)), "TaskMessage.Event.FailureDetails" + strings.Repeat(".InnerFailure", 61)},
		{"too deep where nobody looks", `{"X":` + strings.Repeat("[", 1000), "X" + strings.Repeat("[0]", 63)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := UnmarshalEnvelope([]byte(tt.text))
			checkDecodeError(t, err, FormatMessage, tt.field)
			if e != nil {
				t.Error("there is an envelope too")
			}
		})
	}
}

func checkDecodeError(t *testing.T, err error, format Format, field string) {
	t.Helper()
	var d *DecodeError
	if !errors.As(err, &d) {
		t.Fatalf("got %v, want a *DecodeError for %s", err, field)
	}
	if d.Format != format || d.Field != field {
		t.Errorf("got %q %q (%v), want %q %q", d.Format, d.Field, err, format, field)
	}
	if errors.Unwrap(d) == nil || !strings.Contains(err.Error(), field) || len(err.Error()) > 1200 {
		t.Errorf("the text is %s", err)
	}
}

func TestRowErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		row   edm.Entity
		field string
	}{
		{"nothing", nil, "EventType"},
		{"no type", edm.Entity{"EventId": int32(1)}, "EventType"},
		{"null type", edm.Entity{"EventType": nil}, "EventType"},
		{"type is a number", edm.Entity{"EventType": int32(5)}, "EventType"},
		{"unknown type", edm.Entity{"EventType": "TaskDone"}, "EventType"},
		{"type of another case", edm.Entity{"EventType": "taskCompleted"}, "EventType"},
		{"type without a class", edm.Entity{"EventType": "ExecutionFailed"}, "EventType"},
		{"event id of 64 bits", edm.Entity{"EventType": "TaskCompleted", "EventId": int64(1)}, "EventId"},
		{"event id is text", edm.Entity{"EventType": "TaskCompleted", "EventId": "1"}, "EventId"},
		{"flag is text", edm.Entity{"EventType": "TaskCompleted", "IsPlayed": "true"}, "IsPlayed"},
		{"date is text", edm.Entity{"EventType": "TaskCompleted", "_Timestamp": "2026-06-01T12:34:56Z"}, "_Timestamp"},
		{"result is a number", edm.Entity{"EventType": "TaskCompleted", "Result": 1.5}, "Result"},
		{"result is binary", edm.Entity{"EventType": "TaskCompleted", "Result": []byte("x")}, "Result"},
		{"task id is a double", edm.Entity{"EventType": "TaskCompleted", "TaskScheduledId": 1.0}, "TaskScheduledId"},
		{"timer's date is text", edm.Entity{"EventType": "TimerFired", "FireAt": "x"}, "FireAt"},
		{"generation of 64 bits", edm.Entity{"EventType": "ExecutionStarted", "Generation": int64(1)}, "Generation"},
		{"status is a number", edm.Entity{"EventType": "ExecutionCompleted", "OrchestrationStatus": int32(1)}, "OrchestrationStatus"},
		{"unknown status", edm.Entity{"EventType": "ExecutionCompleted", "OrchestrationStatus": "Done"}, "OrchestrationStatus"},
		{"cell is no JSON", edm.Entity{"EventType": "ExecutionStarted", "ParentInstance": "x"}, "ParentInstance"},
		{"cell is no object", edm.Entity{"EventType": "ExecutionStarted", "Tags": "[]"}, "Tags"},
		{"cell is two", edm.Entity{"EventType": "ExecutionStarted", "Tags": "{}{}"}, "Tags"},
		{"in a cell", edm.Entity{"EventType": "TaskFailed", "FailureDetails": `{"InnerFailure":{"ErrorType":5}}`}, "FailureDetails.InnerFailure.ErrorType"},
		{"cell is too deep", edm.Entity{"EventType": "HistoryState", "State": strings.Repeat("[", 65) + strings.Repeat("]", 65)}, "State" + strings.Repeat("[0]", 64)},
		{"value of no type", edm.Entity{"EventType": "TaskCompleted", "Result": struct{}{}}, "Result"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := DecodeRow(tt.row)
			checkDecodeError(t, err, FormatRow, tt.field)
		})
	}
}

func TestRowDefaults(t *testing.T) {
	t.Parallel()
	for k := range kinds {
		if NewEvent(Kind(k)) == nil {
			continue
		}
		e, err := DecodeRow(edm.Entity{"EventType": Kind(k).String(), "Unknown": struct{}{}, "Result": nil})
		if err != nil || e.Kind() != Kind(k) || *e.Common() != (Base{}) {
			t.Errorf("%s: %+v, %v", Kind(k), e, err)
		}
	}
	e, err := DecodeRow(edm.Entity{"EventType": "TaskFailed", "FailureDetails": "", "_Timestamp": time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil || e.(*TaskFailed).Failure != nil || !e.Common().Timestamp.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	row, err := EncodeRow(&TimerCreated{})
	if _, has := row["FireAt"]; err != nil || has {
		t.Errorf("a date that was never set is in the row: %v, %v", row, err)
	}
}

func TestExportErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, field string }{
		{"empty", ``, ""},
		{"object", `{}`, ""},
		{"null", `null`, ""},
		{"open", `[{"EventType":12}`, ""},
		{"trailing text", `[] []`, ""},
		{"null event", `[null]`, "[0]"},
		{"no type", `[{"EventType":12},{"EventId":1}]`, "[1].EventType"},
		{"type is text", `[{"EventType":"TaskCompleted"}]`, "[0].EventType"},
		{"unknown type", `[{"EventType":22}]`, "[0].EventType"},
		{"type without a class", `[{"EventType":2}]`, "[0].EventType"},
		{"member", `[{"EventType":12},{"EventType":11,"FireAt":""}]`, "[1].FireAt"},
		{"status", `[{"EventType":1,"OrchestrationStatus":8}]`, "[0].OrchestrationStatus"},
		{"status by name", `[{"EventType":1,"OrchestrationStatus":"Done"}]`, "[0].OrchestrationStatus"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := UnmarshalExport([]byte(tt.text))
			checkDecodeError(t, err, FormatExport, tt.field)
		})
	}
	if events, err := UnmarshalExport([]byte(`[]`)); err != nil || len(events) != 0 {
		t.Errorf("%v, %v", events, err)
	}
	if text, err := MarshalExport(nil); err != nil || string(text) != "[]" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	late := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	message := func(e Event) *Envelope { return &Envelope{Message: &Message{Event: e, Target: testInstance()}} }
	envelopes := map[string]*Envelope{
		"nil":      nil,
		"neither":  {},
		"no event": {Message: &Message{Target: testInstance()}},
		"target":   {Message: &Message{Event: &GenericEvent{}}},
		"id":       {ActivityID: "x", CompressedBlobName: String("b")},
		"date":     message(&TimerFired{FireAt: late}),
		"offset":   message(&EventRaised{ParentTrace: &TraceContext{ActivityStartTime: &late}}),
	}
	for name, e := range envelopes {
		if text, err := MarshalEnvelope(e); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
	events := map[string]Event{
		"nil":    nil,
		"date":   &TimerFired{FireAt: late},
		"status": &ExecutionCompleted{Status: 8},
		"cell":   &EventRaised{ParentTrace: &TraceContext{ActivityStartTime: &late}},
	}
	for name, e := range events {
		if row, err := EncodeRow(e); err == nil {
			t.Errorf("%s: %v", name, row)
		}
	}
	for _, e := range []Event{nil, &TimerFired{FireAt: late}} {
		if text, err := MarshalExport([]Event{e}); err == nil {
			t.Errorf("%s", text)
		}
	}
}

// TestDeepFailure checks that errors with many causes stay readable.
func TestDeepFailure(t *testing.T) {
	t.Parallel()
	chain := &FailureDetails{ErrorType: "last"}
	for range 200 {
		chain = &FailureDetails{ErrorType: "E", Inner: chain, Properties: NewProperties(map[string]Value{"deep": value(t, strings.Repeat("[", 60)+strings.Repeat("]", 60))})}
	}
	e := &TaskFailed{Base: testBase(-1), Failure: chain}
	text, err := MarshalEnvelope(&Envelope{Message: &Message{Event: e, Target: testInstance()}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := UnmarshalEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for f := got.Message.Event.(*TaskFailed).Failure; f != nil; f = f.Inner {
		depth++
	}
	if depth != 61 {
		t.Errorf("%d failures are left", depth)
	}
	row, err := EncodeRow(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeRow(row); err != nil {
		t.Error(err)
	}
	loop := &FailureDetails{}
	loop.Inner = loop
	if _, err := EncodeRow(&TaskFailed{Failure: loop}); err != nil {
		t.Error(err)
	}
}
