package history

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/edm"
)

var (
	testTime  = time.Date(2026, 6, 1, 12, 34, 56, 789012000, time.UTC)
	testLater = time.Date(2026, 6, 1, 13, 0, 0, 0, time.UTC)
)

func testBase(id int32) Base { return Base{EventID: id, Timestamp: testTime} }

func testInstance() Instance {
	return Instance{InstanceID: "order-42", ExecutionID: String("aae324dcc8f943e490b37ec5e5bbf9da")}
}

const (
	tagsClass       = "System.Collections.Generic.Dictionary`2[[System.String, mscorlib],[System.String, mscorlib]]"
	propertiesClass = "System.Collections.Generic.Dictionary`2[[System.String, System.Private.CoreLib],[System.Object, System.Private.CoreLib]]"
	instanceJSON    = `{"$type":"DurableTask.Core.OrchestrationInstance","InstanceId":"order-42","ExecutionId":"aae324dcc8f943e490b37ec5e5bbf9da"}`
	instanceCell    = `{"InstanceId":"order-42","ExecutionId":"aae324dcc8f943e490b37ec5e5bbf9da"}`
	baseJSON        = `"EventId":-1,"IsPlayed":false,"Timestamp":"2026-06-01T12:34:56.789012Z"}`
)

func testTags() *Tags {
	t := NewTags(map[string]string{"team": "blue"})
	t.set("none", tagValue{isNull: true})
	t.class = String(tagsClass)
	return t
}

func testTrace() *TraceContext {
	at := testTime
	return &TraceContext{TraceParent: String("00-0af7-b7ad-01"), ID: String("00-0af7-1111-01"), SpanID: String("1111"), ActivityStartTime: &at}
}

func value(t testing.TB, text string) Value {
	t.Helper()
	v, err := ParseValue([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func testFailure(t testing.TB) *FailureDetails {
	p := NewProperties(map[string]Value{
		"code": value(t, "7"), "list": value(t, `[1.0,{"$type":"A.B, C","x":null}]`), "none": {}, "when": value(t, `"2026-06-01T00:00:00.5000Z"`),
	})
	p.class = String(propertiesClass)
	return &FailureDetails{
		ErrorType: "My.CardException", ErrorMessage: "card\ndeclined", StackTrace: String("   at X()"), IsNonRetriable: true,
		Inner: &FailureDetails{ErrorType: "System.IO.IOException", ErrorMessage: "io"}, Properties: p,
	}
}

const (
	tagsJSON    = `{"$type":"` + tagsClass + `","team":"blue","none":null}`
	tagsCell    = `{"team":"blue","none":null}`
	traceFields = `"TraceParent":"00-0af7-b7ad-01","TraceState":null,"Id":"00-0af7-1111-01","SpanId":"1111","ActivityStartTime":"2026-06-01T12:34:56.789012+00:00"}`
	traceJSON   = `{"$type":"DurableTask.Core.Tracing.DistributedTraceContext",` + traceFields
	traceCell   = `{` + traceFields
	failureJSON = `{"$type":"DurableTask.Core.FailureDetails","ErrorType":"My.CardException","ErrorMessage":"card\ndeclined","StackTrace":"   at X()",` +
		`"InnerFailure":{"$type":"DurableTask.Core.FailureDetails","ErrorType":"System.IO.IOException","ErrorMessage":"io","StackTrace":null,"InnerFailure":null,"IsNonRetriable":false,"Properties":null},` +
		`"IsNonRetriable":true,"Properties":{"$type":"` + propertiesClass + `","code":7,"list":[1.0,{"$type":"A.B, C","x":null}],"none":null,"when":"2026-06-01T00:00:00.5000Z"}}`
	failureCell = `{"ErrorType":"My.CardException","ErrorMessage":"card\ndeclined","StackTrace":"   at X()",` +
		`"InnerFailure":{"ErrorType":"System.IO.IOException","ErrorMessage":"io","StackTrace":null,"InnerFailure":null,"IsNonRetriable":false,"Properties":null},` +
		`"IsNonRetriable":true,"Properties":{"code":7,"list":[1.0,{"x":null}],"none":null,"when":"2026-06-01T00:00:00.5000Z"}}`
)

// form is an event in its three forms. The queue form lacks the class name and
// the common members; the row lacks the common columns.
type form struct {
	event  Event
	queue  string
	row    edm.Entity
	export string // "" when it is the queue form
}

func forms(t testing.TB) []form {
	later := testLater
	parent := &ParentInstance{Name: "Shop", Instance: Instance{InstanceID: "p"}, TaskScheduleID: 1, Version: String("")}
	state := value(t, `{"$type":"DurableTask.Core.OrchestrationState","Name":"x"}`)
	const nullCell = "null"
	return []form{
		{
			event: &ExecutionStarted{Base: testBase(-1), Instance: testInstance(), Name: "Checkout"},
			queue: `"OrchestrationInstance":` + instanceJSON + `,"EventType":0,"ParentInstance":null,"Name":"Checkout","Version":null,"Input":null,"Tags":null,"Correlation":null,` +
				`"ParentTraceContext":null,"ScheduledStartTime":null,"Generation":null,"GenerateNewTrace":false,`,
			row: edm.Entity{
				"EventType": "ExecutionStarted", "OrchestrationInstance": instanceCell, "ParentInstance": nullCell, "Name": "Checkout", "Tags": nullCell,
				"ParentTraceContext": nullCell, "GenerateNewTrace": false,
			},
			export: `"OrchestrationInstance":` + instanceCell + `,"EventType":0,"ParentInstance":null,"Name":"Checkout","Version":null,"Input":null,"Tags":null,"Correlation":null,` +
				`"ParentTraceContext":null,"ScheduledStartTime":null,"Generation":null,"GenerateNewTrace":false,`,
		},
		{
			event: &ExecutionStarted{
				Base: testBase(-1), Instance: testInstance(), Parent: parent, Name: "Checkout", Version: String("1.0"), Input: String(`"a"`), Tags: testTags(),
				Correlation: String("c"), ParentTrace: testTrace(), ScheduledStart: &later, Generation: Int32(2), GenerateNewTrace: true,
			},
			queue: `"OrchestrationInstance":` + instanceJSON + `,"EventType":0,"ParentInstance":{"$type":"DurableTask.Core.ParentInstance","Name":"Shop",` +
				`"OrchestrationInstance":{"$type":"DurableTask.Core.OrchestrationInstance","InstanceId":"p","ExecutionId":null},"TaskScheduleId":1,"Version":""},` +
				`"Name":"Checkout","Version":"1.0","Input":"\"a\"","Tags":` + tagsJSON + `,"Correlation":"c","ParentTraceContext":` + traceJSON +
				`,"ScheduledStartTime":"2026-06-01T13:00:00Z","Generation":2,"GenerateNewTrace":true,`,
			row: edm.Entity{
				"EventType": "ExecutionStarted", "OrchestrationInstance": instanceCell,
				"ParentInstance": `{"Name":"Shop","OrchestrationInstance":{"InstanceId":"p","ExecutionId":null},"TaskScheduleId":1,"Version":""}`,
				"Name":           "Checkout", "Version": "1.0", "Input": `"a"`, "Tags": tagsCell, "Correlation": "c", "ParentTraceContext": traceCell,
				"ScheduledStartTime": testLater, "Generation": int32(2), "GenerateNewTrace": true,
			},
			export: `"OrchestrationInstance":` + instanceCell + `,"EventType":0,"ParentInstance":{"Name":"Shop","OrchestrationInstance":{"InstanceId":"p","ExecutionId":null},` +
				`"TaskScheduleId":1,"Version":""},"Name":"Checkout","Version":"1.0","Input":"\"a\"","Tags":` + tagsCell + `,"Correlation":"c","ParentTraceContext":` + traceCell +
				`,"ScheduledStartTime":"2026-06-01T13:00:00Z","Generation":2,"GenerateNewTrace":true,`,
		},
		{
			event:  &ExecutionCompleted{Base: testBase(-1), Status: Failed, Result: String("boom"), Failure: testFailure(t)},
			queue:  `"EventType":1,"OrchestrationStatus":3,"Result":"boom","FailureDetails":` + failureJSON + `,`,
			row:    edm.Entity{"EventType": "ExecutionCompleted", "OrchestrationStatus": "Failed", "Result": "boom", "FailureDetails": failureCell},
			export: `"EventType":1,"OrchestrationStatus":3,"Result":"boom","FailureDetails":` + failureCell + `,`,
		},
		{
			event: &ContinueAsNew{Base: testBase(-1), Status: ContinuedAsNew, Result: String("5")},
			queue: `"EventType":16,"OrchestrationStatus":2,"Result":"5","FailureDetails":null,`,
			row:   edm.Entity{"EventType": "ContinueAsNew", "OrchestrationStatus": "ContinuedAsNew", "Result": "5", "FailureDetails": nullCell},
		},
		{
			event: &ExecutionTerminated{Base: testBase(-1), Input: String("no")},
			queue: `"EventType":3,"Input":"no",`, row: edm.Entity{"EventType": "ExecutionTerminated", "Input": "no"},
		},
		{
			event: &ExecutionTerminated{Base: testBase(-1)},
			queue: `"EventType":3,"Input":null,`, row: edm.Entity{"EventType": "ExecutionTerminated"},
		},
		{
			event: &ExecutionSuspended{Base: testBase(-1), Reason: String("hold")},
			queue: `"EventType":19,"Reason":"hold",`, row: edm.Entity{"EventType": "ExecutionSuspended", "Reason": "hold"},
		},
		{
			event: &ExecutionResumed{Base: testBase(-1), Reason: String("go")},
			queue: `"EventType":20,"Reason":"go",`, row: edm.Entity{"EventType": "ExecutionResumed", "Reason": "go"},
		},
		{
			event:  &ExecutionRewound{Base: testBase(-1), Reason: String("r"), ParentExecutionID: String("pe"), InstanceID: String("i"), ParentTrace: testTrace()},
			queue:  `"EventType":21,"Reason":"r","ParentExecutionId":"pe","InstanceId":"i","ParentTraceContext":` + traceJSON + `,`,
			row:    edm.Entity{"EventType": "ExecutionRewound", "Reason": "r", "ParentExecutionId": "pe", "InstanceId": "i", "ParentTraceContext": traceCell},
			export: `"EventType":21,"Reason":"r","ParentExecutionId":"pe","InstanceId":"i","ParentTraceContext":` + traceCell + `,`,
		},
		{
			event:  &TaskScheduled{Base: testBase(-1), Name: "Charge", Version: String(""), Input: String("[1]"), ParentTrace: testTrace(), Tags: testTags()},
			queue:  `"EventType":4,"Name":"Charge","Version":"","Input":"[1]","ParentTraceContext":` + traceJSON + `,"Tags":` + tagsJSON + `,`,
			row:    edm.Entity{"EventType": "TaskScheduled", "Name": "Charge", "Version": "", "Input": "[1]", "ParentTraceContext": traceCell, "Tags": tagsCell},
			export: `"EventType":4,"Name":"Charge","Version":"","Input":"[1]","ParentTraceContext":` + traceCell + `,"Tags":` + tagsCell + `,`,
		},
		{
			event: &TaskCompleted{Base: testBase(-1), TaskScheduledID: 3, Result: String(`"ok"`)},
			queue: `"EventType":5,"TaskScheduledId":3,"Result":"\"ok\"",`, row: edm.Entity{"EventType": "TaskCompleted", "TaskScheduledId": int32(3), "Result": `"ok"`},
		},
		{
			event:  &TaskFailed{Base: testBase(-1), TaskScheduledID: 3, Reason: String("r"), Details: String(`{"$type":"System.Exception"}`), Failure: testFailure(t)},
			queue:  `"EventType":6,"TaskScheduledId":3,"Reason":"r","Details":"{\"$type\":\"System.Exception\"}","FailureDetails":` + failureJSON + `,`,
			row:    edm.Entity{"EventType": "TaskFailed", "TaskScheduledId": int32(3), "Reason": "r", "Details": `{"$type":"System.Exception"}`, "FailureDetails": failureCell},
			export: `"EventType":6,"TaskScheduledId":3,"Reason":"r","Details":"{\"$type\":\"System.Exception\"}","FailureDetails":` + failureCell + `,`,
		},
		{
			event: &SubOrchestrationCreated{
				Base: testBase(-1), Name: "Child", Version: String(""), InstanceID: String("c"), Input: String("1"), ClientSpanID: String("s"), Tags: testTags(),
			},
			queue:  `"EventType":7,"Name":"Child","Version":"","InstanceId":"c","Input":"1","ClientSpanId":"s","Tags":` + tagsJSON + `,`,
			row:    edm.Entity{"EventType": "SubOrchestrationInstanceCreated", "Name": "Child", "Version": "", "InstanceId": "c", "Input": "1", "ClientSpanId": "s", "Tags": tagsCell},
			export: `"EventType":7,"Name":"Child","Version":"","InstanceId":"c","Input":"1","ClientSpanId":"s","Tags":` + tagsCell + `,`,
		},
		{
			event: &SubOrchestrationCompleted{Base: testBase(-1), TaskScheduledID: 3},
			queue: `"EventType":8,"TaskScheduledId":3,"Result":null,`, row: edm.Entity{"EventType": "SubOrchestrationInstanceCompleted", "TaskScheduledId": int32(3)},
		},
		{
			event: &SubOrchestrationFailed{Base: testBase(-1), TaskScheduledID: 3, Reason: String("r")},
			queue: `"EventType":9,"TaskScheduledId":3,"Reason":"r","Details":null,"FailureDetails":null,`,
			row:   edm.Entity{"EventType": "SubOrchestrationInstanceFailed", "TaskScheduledId": int32(3), "Reason": "r", "FailureDetails": nullCell},
		},
		{
			event: &TimerCreated{Base: testBase(-1), FireAt: testLater},
			queue: `"EventType":10,"FireAt":"2026-06-01T13:00:00Z",`, row: edm.Entity{"EventType": "TimerCreated", "FireAt": testLater},
		},
		{
			event: &TimerFired{Base: testBase(-1), TimerID: 2, FireAt: testLater},
			queue: `"EventType":11,"TimerId":2,"FireAt":"2026-06-01T13:00:00Z",`, row: edm.Entity{"EventType": "TimerFired", "TimerId": int32(2), "FireAt": testLater},
		},
		{
			event: &OrchestratorStarted{Base: testBase(-1)},
			queue: `"EventType":12,`, row: edm.Entity{"EventType": "OrchestratorStarted"},
		},
		{
			event: &OrchestratorCompleted{Base: testBase(-1)},
			queue: `"EventType":13,`, row: edm.Entity{"EventType": "OrchestratorCompleted"},
		},
		{
			event: &EventSent{Base: testBase(-1), InstanceID: String("other"), Name: "Go", Input: String("1")},
			queue: `"EventType":14,"InstanceId":"other","Name":"Go","Input":"1",`,
			row:   edm.Entity{"EventType": "EventSent", "InstanceId": "other", "Name": "Go", "Input": "1"},
		},
		{
			event:  &EventRaised{Base: testBase(-1), Name: "Go", Input: String("1"), ParentTrace: testTrace()},
			queue:  `"EventType":15,"Name":"Go","Input":"1","ParentTraceContext":` + traceJSON + `,`,
			row:    edm.Entity{"EventType": "EventRaised", "Name": "Go", "Input": "1", "ParentTraceContext": traceCell},
			export: `"EventType":15,"Name":"Go","Input":"1","ParentTraceContext":` + traceCell + `,`,
		},
		{
			event: &GenericEvent{Base: testBase(-1), Data: String("d")},
			queue: `"Data":"d","EventType":17,`, row: edm.Entity{"EventType": "GenericEvent", "Data": "d"},
		},
		{
			event:  &HistoryState{Base: testBase(-1), State: &state},
			queue:  `"EventType":18,"State":{"$type":"DurableTask.Core.OrchestrationState","Name":"x"},`,
			row:    edm.Entity{"EventType": "HistoryState", "State": `{"Name":"x"}`},
			export: `"EventType":18,"State":{"Name":"x"},`,
		},
		{
			event: &HistoryState{Base: testBase(-1)},
			queue: `"EventType":18,"State":null,`, row: edm.Entity{"EventType": "HistoryState", "State": nullCell},
		},
	}
}

func (f form) message() string {
	return `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"5406d369-4369-4673-afae-6671a2fa1e57","TaskMessage":{"$type":"DurableTask.Core.TaskMessage","Event":{"$type":"DurableTask.Core.History.` +
		kinds[f.event.Kind()].class + `",` + f.queue + baseJSON + `,"SequenceNumber":0,"OrchestrationInstance":` + instanceJSON +
		`,"OrchestrationExecutionContext":null},"CompressedBlobName":null,"SequenceNumber":7,"Sender":{"InstanceId":"","ExecutionId":""},"SerializableTraceContext":null}`
}

func (f form) columns() edm.Entity {
	row := edm.Entity{"EventId": int32(-1), "IsPlayed": false, "_Timestamp": testTime}
	maps.Copy(row, f.row)
	return row
}

func (f form) exported() string {
	if f.export == "" {
		return `[{` + f.queue + baseJSON + `]`
	}
	return `[{` + f.export + baseJSON + `]`
}

// TestForms checks every kind of event in its three forms, both ways.
func TestForms(t *testing.T) {
	t.Parallel()
	seen := map[Kind]bool{}
	for _, f := range forms(t) {
		seen[f.event.Kind()] = true
		t.Run(f.event.Kind().String(), func(t *testing.T) {
			t.Parallel()
			e := &Envelope{
				ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57", SequenceNumber: 7, Sender: &Instance{ExecutionID: String("")},
				Message: &Message{Event: f.event, Target: testInstance()},
			}
			if text, err := MarshalEnvelope(e); err != nil || string(text) != f.message() {
				t.Errorf("message: %v\ngot  %s\nwant %s", err, text, f.message())
			}
			if got, err := UnmarshalEnvelope([]byte(f.message())); err != nil || !reflect.DeepEqual(got, e) {
				t.Errorf("message read: %v\ngot  %+v", err, got)
			}
			if row, err := EncodeRow(f.event); err != nil || !edm.Equal(row, f.columns()) {
				t.Errorf("row: %v\ngot  %v\nwant %v", err, row, f.columns())
			}
			e2, err := DecodeRow(f.columns())
			if err != nil {
				t.Fatal(err)
			}
			if row, err := EncodeRow(e2); err != nil || !edm.Equal(row, f.columns()) {
				t.Errorf("row read and written: %v\ngot  %v\nwant %v", err, row, f.columns())
			}
			if text, err := MarshalExport([]Event{f.event}); err != nil || string(text) != f.exported() {
				t.Errorf("export: %v\ngot  %s\nwant %s", err, text, f.exported())
			}
			events, err := UnmarshalExport([]byte(f.exported()))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := MarshalExport(events); err != nil || string(text) != f.exported() {
				t.Errorf("export read and written: %v\ngot  %s\nwant %s", err, text, f.exported())
			}
		})
	}
	for k := range kinds {
		if NewEvent(Kind(k)) != nil && !seen[Kind(k)] {
			t.Errorf("no form of %s", Kind(k))
		}
	}
	if len(seen) != 21 {
		t.Errorf("%d kinds", len(seen))
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	event := `"Event":{"$type":"DurableTask.Core.History.GenericEvent","Data":null,"EventType":17,` + baseJSON
	tests := []struct{ name, text string }{
		{"wrapper", `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"00000000-0000-0000-0000-000000000000","TaskMessage":null,"CompressedBlobName":"a/b.json.gz","SequenceNumber":0,"Sender":null,"SerializableTraceContext":null}`},
		{"everything", `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"00000000-0000-0000-0000-00000000000a","TaskMessage":{"$type":"DurableTask.Core.TaskMessage",` + event +
			`,"SequenceNumber":9007199254740993,"OrchestrationInstance":` + instanceJSON + `,"OrchestrationExecutionContext":{"$type":"DurableTask.Core.OrchestrationExecutionContext","OrchestrationTags":` + tagsJSON +
			`}},"CompressedBlobName":"","SequenceNumber":-9223372036854775808,"Episode":-1,"Sender":{"InstanceId":"@a@b","ExecutionId":null},"SerializableTraceContext":"x"}`},
		{"tags without class", `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"00000000-0000-0000-0000-00000000000a","TaskMessage":{"$type":"DurableTask.Core.TaskMessage",` + event +
			`,"SequenceNumber":0,"OrchestrationInstance":` + instanceJSON + `,"OrchestrationExecutionContext":{"$type":"DurableTask.Core.OrchestrationExecutionContext","OrchestrationTags":{"b":"1","a":"2"}}` +
			`},"CompressedBlobName":null,"SequenceNumber":1,"Episode":3,"Sender":{"InstanceId":"","ExecutionId":""},"SerializableTraceContext":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := UnmarshalEnvelope([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := MarshalEnvelope(e); err != nil || string(text) != tt.text {
				t.Errorf("%v\ngot  %s\nwant %s", err, text, tt.text)
			}
		})
	}
}

// TestGenerousReading holds what other writers, or other versions, may send.
func TestGenerousReading(t *testing.T) {
	t.Parallel()
	want := forms(t)[1]
	text := want.message()
	tests := map[string]string{
		"as written":          text,
		"byte order mark":     "\uFEFF" + text,
		"white space":         " " + strings.ReplaceAll(text, `,"`, ",\n\t\"") + "\r\n",
		"assemblies":          strings.NewReplacer(`StartedEvent"`, `StartedEvent, DurableTask.Core, Version=3.9.0.0"`, `MessageData"`, `MessageData, DurableTask.AzureStorage"`).Replace(text),
		"no classes":          strings.NewReplacer(`"$type":"DurableTask.Core.TaskMessage",`, ``, `"$type":"DurableTask.Core.OrchestrationInstance",`, ``, `"$type":"DurableTask.Core.ParentInstance",`, ``, `"$type":"DurableTask.AzureStorage.MessageData",`, ``).Replace(text),
		"lower case":          strings.NewReplacer(`"TaskMessage":`, `"taskMessage":`, `"Event":`, `"event":`, `"OrchestrationInstance":`, `"ORCHESTRATIONINSTANCE":`, `"Timestamp":`, `"timestamp":`, `"ActivityId":`, `"activityid":`, `"ScheduledStartTime":`, `"scheduledStartTime":`).Replace(text),
		"unknown members":     strings.NewReplacer(`"SequenceNumber":`, `"New":{"a":[1,{"InstanceId":5}]},"SequenceNumber":`, `"Correlation":`, `"ExtensionData":null,"Correlation":`).Replace(text),
		"GUID without dashes": strings.Replace(text, "5406d369-4369-4673-afae-6671a2fa1e57", "{5406D369-4369-4673-AFAE-6671A2FA1E57}", 1),
		"dates with offsets":  strings.Replace(text, "2026-06-01T13:00:00Z", "2026-06-01T15:00:00.0000000+02:00", 1),
		"no sender":           strings.Replace(text, `"Sender":{"InstanceId":"","ExecutionId":""}`, `"Sender":null`, 1),
		"other EventType":     strings.Replace(text, `"EventType":0`, `"EventType":"x"`, 1),
		"twice":               strings.Replace(text, `"Name":"Checkout"`, `"Name":"x","Name":"Checkout"`, 1),
		"classes last": strings.Replace(strings.Replace(text, `"Event":{"$type":"DurableTask.Core.History.ExecutionStartedEvent",`, `"Event":{`, 1), `"Timestamp":"2026-06-01T12:34:56.789012Z"}`,
			`"Timestamp":"2026-06-01T12:34:56.789012Z","$type":"DurableTask.Core.History.ExecutionStartedEvent"}`, 1),
		"tags with class last": strings.Replace(text, `{"$type":"`+tagsClass+`","team":"blue","none":null}`, `{"team":"blue","none":null,"$type":"`+tagsClass+`"}`, 1),
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "as written" && in == text {
				t.Fatal("the text was not changed")
			}
			e, err := UnmarshalEnvelope([]byte(in))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := MarshalEnvelope(e); err != nil || string(got) != text {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, text)
			}
		})
	}
	t.Run("minimal", func(t *testing.T) {
		t.Parallel()
		e, err := UnmarshalEnvelope([]byte(`{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.TaskCompletedEvent","Timestamp":"2026-06-01T12:34:56Z"},"OrchestrationInstance":{"InstanceId":"i"}},"Sender":{}}`))
		if err != nil {
			t.Fatal(err)
		}
		if e.ActivityID != emptyGUID || e.Message.Target.InstanceID != "i" || e.Sender == nil || e.Message.Event.(*TaskCompleted).Result != nil {
			t.Errorf("got %+v", e)
		}
	})
}

func TestTimeInOtherZones(t *testing.T) {
	t.Parallel()
	const text = `[{"EventType":15,"Name":"","Input":null,"ParentTraceContext":{"TraceParent":null,"TraceState":null,"Id":null,"SpanId":null,"ActivityStartTime":"2026-06-01T12:34:56-02:30"},"EventId":0,"IsPlayed":false,"Timestamp":"0001-01-01T00:00:00"}]`
	events, err := UnmarshalExport([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !events[0].Common().Timestamp.IsZero() {
		t.Errorf("the date that was never set is %v", events[0].Common().Timestamp)
	}
	if got, err := MarshalExport(events); err != nil || string(got) != text {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, text)
	}
	odd := testTime.In(time.FixedZone("", 3601))
	events[0].(*EventRaised).ParentTrace.ActivityStartTime = &odd
	if got, err := MarshalExport(events); err != nil || !strings.Contains(string(got), `"2026-06-01T12:34:56.789012+00:00"`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for k := Kind(0); k <= 21; k++ {
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("ParseKind(%s) = %v, %v", k, got, ok)
		}
		if e := NewEvent(k); k != KindExecutionFailed && (e == nil || e.Kind() != k) {
			t.Errorf("NewEvent(%s) = %T", k, e)
		}
	}
	for _, k := range []Kind{-1, 2, 22} {
		if NewEvent(k) != nil {
			t.Errorf("NewEvent(%d) is something", k)
		}
	}
	if s := Kind(22).String(); s != "Kind(22)" {
		t.Error(s)
	}
	if _, ok := ParseKind("executionStarted"); ok {
		t.Error("case does not matter")
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	terminal := map[Status]bool{Completed: true, Failed: true, Canceled: true, Terminated: true}
	for s := Status(0); s <= 7; s++ {
		if got, ok := ParseStatus(s.String()); !ok || got != s {
			t.Errorf("ParseStatus(%s) = %v, %v", s, got, ok)
		}
		if s.IsTerminal() != terminal[s] {
			t.Errorf("%s: IsTerminal() = %v", s, s.IsTerminal())
		}
	}
	if _, ok := ParseStatus("running"); ok {
		t.Error("case does not matter")
	}
	if s := Status(-1).String(); s != "Status(-1)" {
		t.Error(s)
	}
	e, err := UnmarshalExport([]byte(`[{"EventType":1,"OrchestrationStatus":"Terminated"}]`))
	if err != nil || e[0].(*ExecutionCompleted).Status != Terminated {
		t.Errorf("a status by name: %v", err)
	}
}
