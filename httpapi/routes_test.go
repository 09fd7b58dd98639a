package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete

// TestLife takes an instance through its life over HTTP.
func TestLife(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{}).work()
	a := s.do(post, "/orchestrators/Approval/order%2042", " 600000 ").want(t, http.StatusAccepted, "{")
	links := read[checkStatus](t, a)
	query := "?taskHub=" + s.hub.Name() + "&connection=Storage"
	at := s.url + base + "/instances/order%2042"
	want := checkStatus{"order 42", at + query, at + "/raiseEvent/{eventName}" + query, at + "/terminate?reason={text}&" + query[1:], at + query,
		at + "/restart" + query, at + "/suspend?reason={text}&" + query[1:], at + "/resume?reason={text}&" + query[1:]}
	if links != want {
		t.Errorf("links %+v, want %+v", links, want)
	}
	if got := order(t, a.body); got != "id statusQueryGetUri sendEventPostUri terminatePostUri purgeHistoryDeleteUri restartPostUri suspendPostUri resumePostUri" {
		t.Errorf("order %s", got)
	}
	if a.header.Get("Location") != links.StatusQueryGetURI || a.header.Get("Retry-After") != "10" || strings.Contains(a.body, `\u0026`) {
		t.Errorf("%v %s", a.header, a.body)
	}
	s.until("order 42", history.Running)

	a = s.send(get, links.StatusQueryGetURI, "").want(t, http.StatusAccepted, `"runtimeStatus":"Running"`, `"input":600000`, `"output":null`)
	if a.header.Get("Location") != links.StatusQueryGetURI || a.header.Get("Retry-After") != "5" {
		t.Errorf("%v", a.header)
	}
	if got := order(t, a.body); got != "name instanceId runtimeStatus input customStatus output createdTime lastUpdatedTime" {
		t.Errorf("order %s", got)
	}
	if !regexp.MustCompile(`"createdTime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ","lastUpdatedTime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}$`).MatchString(a.body) {
		t.Errorf("times in %s", a.body)
	}
	s.send(get, links.StatusQueryGetURI+"&SHOWINPUT=False", "").want(t, http.StatusAccepted, `"input":null`)

	for _, op := range []struct {
		uri    string
		status history.Status
	}{{links.SuspendPostURI, history.Suspended}, {links.SuspendPostURI, history.Suspended}, {links.ResumePostURI, history.Running}, {links.ResumePostURI, history.Running}} {
		s.send(post, strings.Replace(op.uri, "{text}", "why%20not", 1), "").want(t, http.StatusAccepted)
		s.until("order 42", op.status)
	}
	s.send(post, strings.Replace(links.SendEventPostURI, "{eventName}", "Approval", 1), `"yes"`, "Content-Type", "application/json; charset=utf-8").want(t, http.StatusAccepted)
	s.until("order 42", history.Completed)
	a = s.send(get, links.StatusQueryGetURI, "").want(t, http.StatusOK, `"output":"approved: yes"`, `"customStatus":"decided"`)
	if a.header.Get("Location") != "" || a.header.Get("Retry-After") != "" {
		t.Errorf("%v", a.header)
	}
	s.send(del, links.PurgeHistoryDeleteURI, "").want(t, http.StatusOK, `{"instancesDeleted":1}`)
	s.send(get, links.StatusQueryGetURI, "").want(t, http.StatusNotFound, `{"Message":"There is no instance`)
}

// TestStates asks everything of instances in every state.
func TestStates(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	running := []history.Status{history.Running, history.Pending, history.Suspended, history.ContinuedAsNew}
	ended := []history.Status{history.Completed, history.Failed, history.Terminated, history.Canceled}
	for _, test := range []struct {
		method, op, body string
		states           []history.Status
		status           int
		parts            []string
	}{
		{get, "", "", running, http.StatusAccepted, []string{`"input":{"n":1}`}},
		{get, "", "", ended, http.StatusOK, []string{`"output":{"ok":true}`}},
		{get, "?returnInternalServerErrorOnFailure=true", "", []history.Status{history.Failed}, http.StatusInternalServerError, []string{`"runtimeStatus":"Failed"`}},
		{get, "?returnInternalServerErrorOnFailure=1", "", []history.Status{history.Failed}, http.StatusOK, []string{`"runtimeStatus":"Failed"`}},
		{get, "?returnInternalServerErrorOnFailure=true", "", []history.Status{history.Terminated}, http.StatusOK, []string{`"runtimeStatus":"Terminated"`}},
		{get, "", "", []history.Status{unknownStatus}, http.StatusInternalServerError, []string{`"Message":"The state`}},
		{post, "/raiseEvent/Go", "1", running, http.StatusAccepted, nil},
		{post, "/raiseEvent/Go", "", running, http.StatusAccepted, nil},
		{post, "/raiseEvent/Go", "1", ended, http.StatusGone, []string{`{"Message":"The instance has finished, it is `}},
		{post, "/raiseEvent/Go", "{", ended, http.StatusGone, []string{`"Message"`}},
		{post, "/terminate?reason=x", "", running, http.StatusAccepted, nil},
		{post, "/terminate", "", ended, http.StatusGone, []string{`"Message"`}},
		{post, "/suspend", "", running, http.StatusAccepted, nil},
		{post, "/suspend", "", ended, http.StatusGone, []string{`"Message"`}},
		{post, "/resume", "", running, http.StatusAccepted, nil},
		{post, "/resume", "", ended, http.StatusGone, []string{`"Message"`}},
		{post, "/rewind", "", append([]history.Status{history.Completed, history.Terminated, history.Canceled}, running...), http.StatusPreconditionFailed, []string{`"Instance \"`}},
		{post, "/restart?restartWithNewInstanceId=false", "", running, http.StatusConflict, []string{`"Message"`}},
		{post, "/restart", "", running, http.StatusAccepted, []string{`"id":"`}},
		{post, "/restart?restartWithNewInstanceId=false", "", ended, http.StatusAccepted, []string{`"id":"`}},
		{del, "", "", running, http.StatusPreconditionFailed, []string{`"Instance \"`}},
		{del, "", "", ended, http.StatusOK, []string{`{"instancesDeleted":1}`}},
	} {
		for _, state := range test.states {
			t.Run(fmt.Sprintf("%s%s when %s", test.method, test.op, statusName(state)), func(t *testing.T) {
				t.Parallel()
				id := fmt.Sprintf("i-%x", time.Now().UnixNano())
				s := &site{t: t, hub: s.hub, api: s.api, url: s.url}
				s.put(id, state, `{"ok":true}`)
				s.do(test.method, "/instances/"+id+test.op, test.body, "Content-Type", jsonType).want(t, test.status, test.parts...)
			})
		}
	}
}

// TestUnknown asks everything of an instance that does not exist, in hubs that do and do not exist.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*site{"hub": newSite(t, Config{}), "no hub": newSiteWithoutHub(t, Config{})} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site{t: t, hub: s.hub, api: s.api, url: s.url}
			for _, op := range []string{"/raiseEvent/Go", "/terminate", "/suspend", "/resume"} {
				s.do(post, "/instances/nobody"+op, "", "Content-Type", jsonType).want(t, http.StatusNotFound, `{"Message":"The`)
			}
			s.do(post, "/instances/nobody/raiseEvent/Go", "{", "Content-Type", "text/plain").want(t, http.StatusNotFound, `{"Message":"The`)
			s.do(get, "/instances/nobody", "").want(t, http.StatusNotFound, `{"Message":"The`)
			s.do(del, "/instances/nobody", "").want(t, http.StatusNotFound, `{"Message":"The`)
			s.do(del, "/instances/@counter@nobody", "").want(t, http.StatusOK, `{"instancesDeleted":0}`) // nobody looks whether it is there
			s.do(post, "/instances/nobody/rewind", "").want(t, http.StatusNotFound, `"There is no instance \"nobody\""`)
			s.do(post, "/instances/nobody/restart", "").want(t, http.StatusBadRequest, `{"Message":"InstanceId does not match a valid orchestration instance."}`)
			a := s.do(get, "/instances", "").want(t, http.StatusOK, "[]")
			if v, ok := a.header[headerToken]; a.body != "[]" || !ok || v[0] != "" {
				t.Errorf("%q %v", a.body, a.header)
			}
			s.do(del, "/instances?createdTimeFrom=2020-01-01", "").want(t, http.StatusNotFound)
		})
	}
}

// TestFaults sends what cannot be understood, and what looks like tricks.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{MaxBody: 1000})
	s.put("running", history.Running, "")
	big := `"` + strings.Repeat("x", 1000) + `"`
	long := strings.Repeat("l", 600)
	invalid := []string{`{"Message":"Invalid JSON content"}`}
	argument := []string{`"Message":"One or more of the arguments submitted is incorrect"`, `"ExceptionMessage":"`}
	for _, test := range []struct {
		method, path, body, contentType string
		status                          int
		parts                           []string
	}{
		{post, "/orchestrators/Nobody", "{", jsonType, 400, invalid},
		{post, "/orchestrators/Nobody", "1 2", jsonType, 400, invalid},
		{post, "/orchestrators/Nobody", "'x'", "", 400, invalid},
		{post, "/orchestrators/Nobody", "\"\xff\"", jsonType, 400, invalid},
		{post, "/orchestrators/Nobody", " ", jsonType, 400, invalid},
		{post, "/orchestrators/Nobody", big, jsonType, 413, []string{`"Message"`}},
		{post, "/orchestrators/Nobody", "1", "text/plain", 202, []string{`"id"`}},
		{post, "/orchestrators/Nobody/@x@y", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/a%2Fb", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/a%5Cb", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/a%23b", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/a%3Fb", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/a%00b", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/%ff", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/..", "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/" + long, "1", jsonType, 400, argument},
		{post, "/orchestrators/Nobody/running", "1", jsonType, 409, []string{`"Message":"An instance with this id exists and is Running.`}},
		{post, "/orchestrators", "1", jsonType, 404, nil},
		{post, "/orchestrators/", "1", jsonType, 404, nil},
		{post, "/orchestrators//x", "1", jsonType, 404, nil},
		{post, "/orchestrators/a/b/c", "1", jsonType, 404, nil},
		{del, "/orchestrators/Nobody", "", "", 404, nil},
		{post, "/orchestrators/Nobody/slow?timeout=1&pollingInterval=2", "1", jsonType, 400, []string{`"Message":"The total timeout 1s`}},
		{get, "/instances/slow", "", "", 202, []string{`"Pending"`}},

		{post, "/instances/running/raiseEvent/Go", "1", "text/plain", 400, []string{`{"Message":"Only application/json request content is supported"}`}},
		{post, "/instances/running/raiseEvent/Go", "1", "", 400, []string{"Only application/json"}},
		{post, "/instances/running/raiseEvent/Go", "1", "application/json; charset", 202, nil},
		{post, "/instances/running/raiseEvent/Go", "1", "APPLICATION/JSON;charset=utf-8", 202, nil},
		{post, "/instances/running/raiseEvent/Go", "{]", jsonType, 400, invalid},
		{post, "/instances/running/raiseEvent/Go", big, jsonType, 413, []string{`"Message"`}},
		{post, "/instances/running/raiseEvent", "1", jsonType, 404, nil},
		{post, "/instances/running/raiseEvent/", "1", jsonType, 404, nil},
		{post, "/instances/running/RAISEEVENT/Go", "1", jsonType, 202, nil},
		{get, "/INSTANCES/running/", "", "", 202, []string{`"Running"`}},
		{get, "/instances//running", "", "", 404, nil},
		{get, "/instances/running/terminate", "", "", 404, nil},
		{http.MethodPut, "/instances/running", "", "", 404, nil},
		{http.MethodOptions, "/instances/running", "", "", 404, nil},
		{post, "/instances/running/nothing", "", "", 404, nil},
		{post, "/instances", "", "", 404, nil},
		{get, "/nothing", "", "", 404, nil},
		{get, "/", "", "", 404, nil},
		{get, "", "", "", 404, nil},

		{get, "/instances/" + long, "", "", 404, []string{`"Message"`}},
		{get, "/instances/" + strings.Repeat("%F0%9F%98%80", 300), "", "", 404, []string{`"Message"`}},
		{get, "/instances/%F0%9F%98%80", "", "", 404, []string{`"Message"`}},
		{get, "/instances/..", "", "", 404, []string{`"Message"`}},
		{get, "/instances/.", "", "", 404, []string{`"Message"`}},
		{get, "/instances/%2e%2e%2f%2e%2e", "", "", 404, []string{`"Message"`}},
		{get, "/instances/../../x", "", "", 404, nil},
		{get, "/instances/a%2Fb", "", "", 404, []string{`"Message"`}},
		{get, "/instances/%00", "", "", 404, []string{`"Message"`}},
		{get, "/instances/%ff%fe", "", "", 404, []string{`"Message"`}},
		{get, "/instances/o'brien", "", "", 404, []string{`"Message"`}},
		{get, "/instances/x'%20or%20'1'%20eq%20'1", "", "", 404, []string{`"Message"`}},
		{del, "/instances/%ff", "", "", 404, []string{`"Message"`}},
		{del, "/instances/%00", "", "", 404, []string{`"Message"`}},
		{del, "/instances/..", "", "", 404, []string{`"Message"`}},
		{del, "/instances/%2e%2e%2frunning", "", "", 404, []string{`"Message"`}},
		{del, "/instances/%EF%BF%BF", "", "", 404, []string{`"Message"`}},
		{del, "/instances/" + long, "", "", 404, []string{`"Message"`}},
		{get, "/instances/%00%01?showHistory=true", "", "", 404, []string{`"Message"`}},
		{post, "/instances/%00/rewind", "", "", 404, []string{`"There is no instance`}},
		{post, "/instances/%ff/terminate", "", "", 404, []string{`"Message"`}},
		{post, "/instances/%ff/rewind", "", "", 404, []string{`"There is no instance`}},
		{post, "/instances/%ff/restart", "", "", 400, []string{`"Message"`}},
		{post, "/instances/@counter@x/restart", "", "", 400, argument},

		{get, "/instances?top=x&createdTimeFrom=yesterday&createdTimeTo=%&runtimeStatus=Odd&showInput=2&unknown", "", "", 200, []string{`"instanceId":"running"`}},
		{del, "/instances", "", "", 400, []string{`"Please provide value for 'createdTimeFrom'`}},
		{del, "/instances?createdTimeFrom=yesterday", "", "", 400, []string{`"Please provide`}},
		{del, "/instances?createdTimeFrom=2020-01-01&runtimeStatus=Running", "", "", 404, nil},
		{get, "/instances?taskHub=Other", "", "", 404, []string{`"Message":"Task hub \"Other\" is not served here`}},
		{get, "/instances?taskHub=%20", "", "", 200, []string{`running`}},
		{get, "/instances?connection=Other", "", "", 400, []string{`"Message":"Connection \"Other\" is not known here`}},
		{get, "/instances?connection=AzureWebJobsStorage", "", "", 200, []string{`running`}},

		{get, "/entities", "", "", 200, []string{"[]"}},
		{get, "/entities/counter?fetchState=true", "", "", 200, []string{"[]"}},
		{get, "/entities/counter/$", "", "", 404, nil},
		{get, "/entities/counter/k", "", "", 404, nil},
		{post, "/entities/counter/k?op=add", "5", jsonType, 202, nil},
		{post, "/entities/counter/k?op=add", "five", "text/plain", 202, nil},
		{post, "/entities/counter?op=add", "", "", 202, nil},
		{post, "/entities/counter/k?op=add", "{", jsonType, 400, invalid},
		{post, "/entities/counter/k?op=add", big, jsonType, 413, []string{`"Message"`}},
		{post, "/entities/", "5", jsonType, 400, []string{`"Message"`}},
		{post, "/entities/%20/k", "5", jsonType, 400, []string{`"Message"`}},
		{del, "/entities/counter/k", "", "", 202, nil},
		{del, "/entities/counter", "", "", 202, nil},
		{del, "/entities", "", "", 404, nil},
		{post, "/makeprimary", "", "", 500, []string{`"Message"`}},
		{get, "/makeprimary/", "", "", 500, []string{`"Message"`}},
	} {
		t.Run(fmt.Sprintf("%s %.60s %.10s %s", test.method, test.path, test.body, test.contentType), func(t *testing.T) {
			s := &site{t: t, hub: s.hub, api: s.api, url: s.url}
			var headers []string
			if test.contentType != "" {
				headers = []string{"Content-Type", test.contentType}
			}
			s.do(test.method, test.path, test.body, headers...).want(t, test.status, test.parts...)
		})
	}
	a := s.do(get, "/instances", "", headerToken, "no token")
	a.want(t, http.StatusBadRequest, argument...)
}

// TestOddIDs starts and manages instances with every kind of character by their links.
func TestOddIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	for _, id := range []string{"plain", "a b", "a+b", "50%", "50%25", "x&y=z;w", "o'brien", "é😀日本", "a:b@c", "...", "~!*()_-", strings.Repeat("é", 100)} {
		s := &site{t: t, hub: s.hub, api: s.api, url: s.url}
		a := s.do(post, "/orchestrators/Nobody/"+encode(id), "").want(t, http.StatusAccepted, "{")
		links := read[checkStatus](t, a)
		if links.ID != id {
			t.Errorf("id %q, want %q", links.ID, id)
		}
		got := read[statusBody](t, s.send(get, links.StatusQueryGetURI, "").want(t, http.StatusAccepted, "{"))
		if got.InstanceID != id || string(got.Input) != "null" {
			t.Errorf("%+v, want %q", got, id)
		}
		s.send(post, strings.Replace(links.TerminatePostURI, "{text}", "50%25%20&%20more;now", 1), "").want(t, http.StatusAccepted)
	}
	s.do(get, "/instances/a+b", "").want(t, http.StatusAccepted, `"instanceId":"a+b"`)
}

// TestList reads lists page by page, with filters.
func TestList(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	for i := range 5 {
		s.put(fmt.Sprintf("a-%d", i), history.Running, "")
	}
	s.put("b-done", history.Completed, `"out"`)
	s.put("b-failed", history.Failed, "plain text")
	all := func(query string) string {
		var ids []string
		token := ""
		for {
			a := s.do(get, "/instances/?"+query, "", headerToken, token).want(t, http.StatusOK, "[")
			page := read[[]statusBody](t, a)
			for _, in := range page {
				ids = append(ids, in.InstanceID)
			}
			token = a.header.Get(headerToken)
			if token == "" {
				return strings.Join(ids, " ")
			}
			if strings.Contains(query, "top=2") && len(page) > 2 {
				t.Errorf("page of %d", len(page))
			}
		}
	}
	everything := "a-0 a-1 a-2 a-3 a-4 b-done b-failed"
	now := time.Now().UTC()
	for query, want := range map[string]string{
		"":                               everything,
		"top=2":                          everything,
		"top=0":                          everything,
		"top=100000":                     everything,
		"instanceIdPrefix=b-":            "b-done b-failed",
		"INSTANCEIDPREFIX=b-d":           "b-done",
		"runtimeStatus=Completed":        "b-done",
		"runtimeStatus=Completed,Failed": "b-done b-failed",
		"runtimeStatus=Completed&runtimeStatus=3":                     "b-done b-failed",
		"runtimeStatus=completed":                                     everything,
		"runtimeStatus=Completed,Odd":                                 "b-done",
		"runtimeStatus=Unknown":                                       "",
		"createdTimeFrom=" + now.Add(-time.Hour).Format(time.RFC3339): everything,
		"createdTimeTo=" + now.Add(-time.Hour).Format(time.RFC3339):   "",
		"createdTimeFrom=2999-01-01":                                  "",
		"top=2&runtimeStatus=Running&instanceIdPrefix=a-":             "a-0 a-1 a-2 a-3 a-4",
	} {
		if got := all(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	s.do(get, "/instances?instanceIdPrefix=b-", "").want(t, http.StatusOK, `"output":"out"`, `"output":"plain text"`, `"input":{"n":1}`)
	s.do(get, "/instances?instanceIdPrefix=b-&showInput=false", "").want(t, http.StatusOK, `"input":null`)
}

// TestPurgeMany deletes what has finished and nothing else.
func TestPurgeMany(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	s.put("running", history.Running, "")
	s.put("done", history.Completed, "1")
	s.put("failed", history.Failed, "1")
	s.put("ended", history.Terminated, "1")
	from := "/instances?createdTimeFrom=2020-01-01T00:00:00.000Z"
	s.do(del, from+"&createdTimeTo=2020-01-02", "").want(t, http.StatusNotFound)
	for _, none := range []string{"Running,Pending", "completed", "Odd", "12"} { // what is misspelled deletes nothing
		s.do(del, from+"&runtimeStatus="+none, "").want(t, http.StatusNotFound)
	}
	s.do(del, from+"&runtimeStatus=Failed,Running", "").want(t, http.StatusOK, `{"instancesDeleted":1}`)
	s.do(del, from+"&runtimeStatus=%20,", "").want(t, http.StatusOK, `{"instancesDeleted":2}`)
	s.do(del, from, "").want(t, http.StatusNotFound)
	s.do(get, "/instances/running", "").want(t, http.StatusAccepted, "Running")
}

// TestTrace passes on the trace that a start belongs to.
func TestTrace(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{}).work()
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for i, test := range []struct {
		headers []string
		want    string
	}{
		{[]string{"traceparent", good, "tracestate", "a=1"}, `"ParentTraceContext":{"TraceParent":"` + good + `","TraceState":"a=1","Id":null,"SpanId":null,"ActivityStartTime":null}`},
		{[]string{"Traceparent", good}, `"ParentTraceContext":{"TraceParent":"` + good + `","TraceState":null,`},
		{[]string{"traceparent", good, "tracestate", strings.Repeat("x", 600)}, `"TraceState":null,`},
		{[]string{"traceparent", "01-" + good[3:] + "-more"}, `"TraceParent":"01-` + good[3:] + `-more"`},
		{[]string{"traceparent", strings.ToUpper(good)}, `"ParentTraceContext":null`},
		{[]string{"traceparent", good + "-more"}, `"ParentTraceContext":null`},
		{[]string{"traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"}, `"ParentTraceContext":null`},
		{[]string{"traceparent", "ff" + good[2:]}, `"ParentTraceContext":null`},
		{[]string{"traceparent", "nonsense", "tracestate", "a=1"}, `"ParentTraceContext":null`},
	} {
		id := fmt.Sprintf("traced-%d", i)
		s.do(post, "/orchestrators/Empty/"+id+"?timeout=120&pollingInterval=1", `"x"`, test.headers...).want(t, http.StatusOK, "done x")
		s.do(get, "/instances/"+id+"?showHistory=true", "").want(t, http.StatusOK, test.want)
	}
}

// TestWait starts and waits.
func TestWait(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{}).work()
	const wait = "?timeout=120&pollingInterval=0.5"
	if a := s.do(post, "/orchestrators/HelloSequence"+wait, "").want(t, http.StatusOK, ""); a.body != `["Hello Tokyo!","Hello Seattle!","Hello London!"]` {
		t.Errorf("body %s", a.body)
	}
	s.do(get, "/orchestrators/HelloSequence/by-get"+wait, "").want(t, http.StatusOK, `["Hello Tokyo!"`)
	a := s.do(post, "/orchestrators/ThrowsSelf/bad"+wait+"&returnInternalServerErrorOnFailure=true", `"no"`)
	a.want(t, http.StatusOK, `"runtimeStatus":"Failed"`, `"input":"no"`, "orchestrator said no: no")
	s.do(post, "/orchestrators/ThrowsSelf/bad"+wait, `"again"`).want(t, http.StatusOK, "said no: again") // over one that has finished

	s.do(post, "/orchestrators/Approval/w?timeout=0.2&pollingInterval=0.1", "600000").want(t, http.StatusAccepted, `"id":"w"`)
	s.do(post, "/orchestrators/Approval?timeout=0&pollingInterval=0", "600000").want(t, http.StatusAccepted, `"id"`)
	for _, query := range []string{"?timeout=1", "?pollingInterval=1", "?timeout=x&pollingInterval=1", "?timeout=-1&pollingInterval=1", "?timeout=NaN&pollingInterval=1"} {
		s.do(post, "/orchestrators/Approval"+query, "600000").want(t, http.StatusAccepted, `"id"`)
	}
	ended := make(chan answer, 1)
	go func() { ended <- s.do(post, "/orchestrators/Approval/ended"+wait, "600000") }()
	for s.do(get, "/instances/ended", "").status != http.StatusAccepted {
		time.Sleep(10 * time.Millisecond)
	}
	s.do(post, "/instances/ended/terminate?reason=5%20minutes", "").want(t, http.StatusAccepted)
	(<-ended).want(t, http.StatusOK, `"runtimeStatus":"Terminated"`, `"output":"5 minutes"`)

	a = s.do(post, "/instances/bad/restart"+wait+"&restartWithNewInstanceId=FALSE", "")
	a.want(t, http.StatusOK, `"runtimeStatus":"Failed"`, `"instanceId":"bad"`)
	a = s.do(post, "/instances/bad/restart", "").want(t, http.StatusAccepted, "{")
	if id := read[checkStatus](t, a).ID; !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("id %q", id)
	}
	s.do(post, "/orchestrators/LargeResult/large"+wait, "100000").want(t, http.StatusOK, strings.Repeat("r", 100000))
	s.do(get, "/instances/large", "").want(t, http.StatusOK, strings.Repeat("r", 100000))
}

// TestRewind lets a failed instance run again.
func TestRewind(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{}).work()
	s.do(post, "/orchestrators/FailsHard/f?timeout=120&pollingInterval=1", `"boom"`).want(t, http.StatusOK, "Failed")
	s.do(post, "/instances/f/rewind?reason=again", "").want(t, http.StatusAccepted)
	s.until("f", history.Failed)
	s.do(get, "/instances/f?showHistory=true", "").want(t, http.StatusOK, `"EventType":"GenericEvent"`)
}

// TestLimits: waits are cut, and what takes too long is given up.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{MaxWait: 50 * time.Millisecond})
	s.do(post, "/orchestrators/Nobody/x?timeout=1e300&pollingInterval=1", "").want(t, http.StatusAccepted, `"id":"x"`)

	hurried := newSite(t, Config{Timeout: time.Nanosecond})
	hurried.do(get, "/instances/x", "").want(t, http.StatusServiceUnavailable, "took too long")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, body := explain(fmt.Errorf("secret: %w", ctx.Err())); status != http.StatusInternalServerError || body.Message != messageInternal || body.ExceptionMessage != "" {
		t.Errorf("%d %+v", status, body)
	}
}

// TestDamaged shows what can be read of an instance.
func TestDamaged(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{}).work()
	s.do(post, "/orchestrators/LargeResult/large?timeout=120&pollingInterval=1", "100000").want(t, http.StatusOK, "rrr")
	if _, err := s.hub.Payloads().DeleteInstance(t.Context(), "large"); err != nil {
		t.Fatal(err)
	}
	if a := s.do(get, "/instances/large", "").want(t, http.StatusInternalServerError, "{"); a.body != `{"Message":"`+messageDamaged+`"}` {
		t.Errorf("%s", a.body)
	}
	s.do(get, "/instances", "").want(t, http.StatusOK, `"instanceId":"large","runtimeStatus":"Completed","input":100000,"customStatus":null,"output":null`)
	s.put("odd", unknownStatus, "1")
	s.do(get, "/instances", "").want(t, http.StatusOK, `"runtimeStatus":"Unknown"`)
}

func TestPanics(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	s.api.client = nil
	s.do(get, "/instances/x", "").want(t, http.StatusInternalServerError, `{"Message":"Something went wrong while processing your request"}`)
}
