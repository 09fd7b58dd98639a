package httpapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

var at = time.Date(2026, 11, 21, 1, 5, 34, 120_000_000, time.UTC)

func id(n int32) history.Base {
	return history.Base{EventID: n, Timestamp: at.Add(time.Duration(n) * 700)}
}

// TestShape has every kind of event.
func TestShape(t *testing.T) {
	t.Parallel()
	text := history.String
	answered := &history.FailureDetails{ErrorType: "T", ErrorMessage: "m", StackTrace: text("s"), IsNonRetriable: true,
		Inner: &history.FailureDetails{ErrorType: "I"}, Properties: history.NewProperties(map[string]history.Value{})}
	const noFailure = `"FailureDetails":null`
	const failure = `"FailureDetails":{"ErrorType":"T","ErrorMessage":"m","StackTrace":"s","InnerFailure":{"ErrorType":"I","ErrorMessage":"","StackTrace":null,"InnerFailure":null,"IsNonRetriable":false,"Properties":null},"IsNonRetriable":true,"Properties":{}}`
	const stamp0, none = `"Timestamp":"2026-11-21T01:05:34.1199993Z"`, `"Timestamp":"2026-11-21T01:05:34.12Z"`
	scheduled := at
	for name, test := range map[string]struct {
		events          []history.Event
		inputs, outputs bool
		want            string
	}{
		"nothing":    {nil, true, true, ``},
		"left out":   {[]history.Event{&history.OrchestratorStarted{Base: id(-1)}, &history.OrchestratorCompleted{Base: id(-1)}}, true, true, ``},
		"start":      {[]history.Event{&history.ExecutionStarted{Base: id(-1), Name: "Orch", Input: text(`{"a": "<"}`)}}, true, false, `{"EventType":"ExecutionStarted","Input":"{\"a\": \"<\"}","Correlation":null,"ParentTraceContext":null,"ScheduledStartTime":null,"Generation":null,"GenerateNewTrace":false,` + stamp0 + `,"FunctionName":"Orch"}`},
		"full start": {[]history.Event{&history.ExecutionStarted{Base: id(-1), Name: "Orch", Input: text("1"), ScheduledStart: &scheduled, Generation: new(int32), GenerateNewTrace: true, ParentTrace: &history.TraceContext{TraceParent: text("00-1")}}}, false, false, `{"EventType":"ExecutionStarted","Correlation":null,"ParentTraceContext":{"TraceParent":"00-1","TraceState":null,"Id":null,"SpanId":null,"ActivityStartTime":null},"ScheduledStartTime":"2026-11-21T01:05:34.12Z","Generation":0,"GenerateNewTrace":true,` + stamp0 + `,"FunctionName":"Orch"}`},
		"pending task": {[]history.Event{&history.TaskScheduled{Base: id(0), Name: "Act", Input: text("[1]"), Tags: history.NewTags(map[string]string{"k": "v"})}}, true, true,
			`{"EventType":"TaskScheduled","Name":"Act","Input":"[1]","ParentTraceContext":null,"Tags":{"k":"v"},` + none + `}`},
		"task": {[]history.Event{&history.TaskScheduled{Base: id(0), Name: "Act", Input: text("[1]")}, &history.TaskCompleted{Base: id(-1), TaskScheduledID: 0, Result: text(`{"r":1}`)}}, true, true,
			`{"EventType":"TaskCompleted","Result":{"r":1},` + stamp0 + `,"ScheduledTime":"2026-11-21T01:05:34.12Z","FunctionName":"Act","Input":"[1]"}`},
		"task without values": {[]history.Event{&history.TaskScheduled{Base: id(0), Name: "Act", Input: text("[1]")}, &history.TaskCompleted{Base: id(-1), TaskScheduledID: 0, Result: text(`{"r":1}`)}}, false, false,
			`{"EventType":"TaskCompleted",` + stamp0 + `,"ScheduledTime":"2026-11-21T01:05:34.12Z","FunctionName":"Act"}`},
		"failed task": {[]history.Event{&history.TaskScheduled{Base: id(0), Name: "Act"}, &history.TaskFailed{Base: id(-1), TaskScheduledID: 0, Reason: text("why"), Failure: answered}}, true, true,
			`{"EventType":"TaskFailed","Reason":"why","Details":null,` + failure + `,` + stamp0 + `,"ScheduledTime":"2026-11-21T01:05:34.12Z","FunctionName":"Act","Input":null}`},
		"answer to nothing": {[]history.Event{&history.TaskCompleted{Base: id(-1), TaskScheduledID: 9}}, true, true, `{"EventType":"TaskCompleted","Result":null,` + stamp0 + `}`},
		"pending child": {[]history.Event{&history.SubOrchestrationCreated{Base: id(0), Name: "Child", InstanceID: text("c")}}, true, true,
			`{"EventType":"SubOrchestrationInstanceCreated","Name":"Child","InstanceId":"c","Input":null,"ClientSpanId":null,"Tags":null,` + none + `}`},
		"child": {[]history.Event{&history.SubOrchestrationCreated{Base: id(0), Name: "Child", InstanceID: text("c")}, &history.SubOrchestrationCompleted{Base: id(-1), Result: text("plain text")}}, true, true,
			`{"EventType":"SubOrchestrationInstanceCompleted","Result":"plain text",` + stamp0 + `,"ScheduledTime":"2026-11-21T01:05:34.12Z","FunctionName":"Child","Input":null}`},
		"failed child": {[]history.Event{&history.SubOrchestrationCreated{Base: id(0), Name: "Child"}, &history.SubOrchestrationFailed{Base: id(-1), Reason: text("r"), Details: text("d")}}, false, true,
			`{"EventType":"SubOrchestrationInstanceFailed","Reason":"r","Details":"d",` + noFailure + `,` + stamp0 + `,"ScheduledTime":"2026-11-21T01:05:34.12Z","FunctionName":"Child"}`},
		"timer":                     {[]history.Event{&history.TimerCreated{Base: id(0), FireAt: at}, &history.TimerFired{Base: id(-1), FireAt: at}}, true, true, `{"EventType":"TimerCreated","FireAt":"2026-11-21T01:05:34.12Z",` + none + `},{"EventType":"TimerFired","FireAt":"2026-11-21T01:05:34.12Z",` + stamp0 + `}`},
		"events":                    {[]history.Event{&history.EventRaised{Base: id(-1), Name: "E", Input: text("1")}, &history.EventSent{Base: id(0), InstanceID: text("i"), Name: "E"}}, true, true, `{"EventType":"EventRaised","Name":"E","Input":"1","ParentTraceContext":null,` + stamp0 + `},{"EventType":"EventSent","InstanceId":"i","Name":"E","Input":null,` + none + `}`},
		"completion":                {[]history.Event{&history.ExecutionCompleted{Base: id(0), Status: history.Completed, Result: text("[1]")}}, true, true, `{"EventType":"ExecutionCompleted","OrchestrationStatus":"Completed","Result":[1],` + noFailure + `,` + none + `}`},
		"completion without output": {[]history.Event{&history.ExecutionCompleted{Base: id(0), Status: history.Failed, Result: text("[1]")}}, true, false, `{"EventType":"ExecutionCompleted","OrchestrationStatus":"Failed",` + noFailure + `,` + none + `}`},
		"from outside": {[]history.Event{&history.ExecutionTerminated{Base: id(0), Input: text("r")}, &history.ExecutionSuspended{Base: id(0), Reason: text("r")}, &history.ExecutionResumed{Base: id(0)}}, false, true,
			`{"EventType":"ExecutionTerminated","Input":"r",` + none + `},{"EventType":"ExecutionSuspended","Reason":"r",` + none + `},{"EventType":"ExecutionResumed","Reason":null,` + none + `}`},
		"rewind": {[]history.Event{&history.ExecutionRewound{Base: id(0), Reason: text("r")}, &history.GenericEvent{Base: id(0), Data: text("d")}}, false, true,
			`{"EventType":"ExecutionRewound","Reason":"r","ParentExecutionId":null,"InstanceId":null,"ParentTraceContext":null,` + none + `},{"Data":"d","EventType":"GenericEvent",` + none + `}`},
		"continue as new": {[]history.Event{&history.ContinueAsNew{Base: id(0), Status: history.ContinuedAsNew, Result: text("1")}}, false, true, `{"EventType":"ContinueAsNew","OrchestrationStatus":2,"Result":1,` + noFailure + `,` + none + `}`},
	} {
		var texts []string
		for _, one := range shape(test.events, test.inputs, test.outputs) {
			if !json.Valid(one) {
				t.Errorf("%s: no JSON: %s", name, one)
			}
			texts = append(texts, string(one))
		}
		if got := strings.Join(texts, ","); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": `""`, " \n": `""`, "null": "null", "1": "1", `{"a":[1,"2026-01-01T00:00:00.000Z"]}`: `{"a":[1,"2026-01-01T00:00:00.000Z"]}`,
		"plain": `"plain"`, "5 minutes": `"5 minutes"`, "undefined": `"undefined"`, "NaN": `"NaN"`, "'x'": `"'x'"`, "<&>": `"<&>"`, "\"\xff\"": `"\"` + "\ufffd" + `\""`,
	} {
		if got := string(value(&text)); got != want && strings.ReplaceAll(got, `\ufffd`, "\ufffd") != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := string(value(nil)); got != "null" {
		t.Errorf("nothing: %s", got)
	}
}

// TestHistory reads the history of a real run.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{}).work()
	s.do(post, "/orchestrators/OneActivity/x?timeout=120&pollingInterval=1", `"you"`).want(t, http.StatusOK, "Hello you!")
	times := regexp.MustCompile(`"20\d\d-[^"]*Z"`)
	events := func(query string) string {
		a := s.do(get, "/instances/x?showHistory=true"+query, "").want(t, http.StatusOK, "historyEvents")
		_, text, _ := strings.Cut(a.body, `"historyEvents":`)
		return times.ReplaceAllString(text, "T")
	}
	if got := events("&showHistoryOutput=true"); !strings.Contains(got, `{"EventType":"TaskCompleted","Result":"Hello you!","Timestamp":T,"ScheduledTime":T,"FunctionName":"Say","Input":`) ||
		!strings.HasSuffix(got, `{"EventType":"ExecutionCompleted","OrchestrationStatus":"Completed","Result":"Hello you!","FailureDetails":null,"Timestamp":T}]}`) ||
		!strings.HasPrefix(got, `[{"EventType":"ExecutionStarted","Input":"\"you\"",`) || strings.Contains(got, "EventId") || strings.Contains(got, "IsPlayed") {
		t.Errorf("%s", got)
	}
	if got := events("&showInput=false"); strings.Contains(got, "Input") || strings.Contains(got, "Result") {
		t.Errorf("%s", got)
	}
	s.put("pending", history.Pending, "")
	if a := s.do(get, "/instances/pending?showHistory=true", ""); strings.Contains(a.body, "historyEvents") {
		t.Errorf("%s", a.body)
	}
	if a := s.do(get, "/instances/x", ""); strings.Contains(a.body, "historyEvents") {
		t.Errorf("%s", a.body)
	}
	s.put("no-history", history.Running, "")
	s.do(get, "/instances/no-history?showHistory=true", "").want(t, http.StatusAccepted, `"historyEvents":[]`)
}
