package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/sampletest"
	"github.com/go-taskhub/taskhub/taskhub"
)

const (
	path  = "/orchestrators/E4_SmsPhoneVerification"
	input = `"+4930123456,name@example.org"`
)

// verification is one that runs.
type verification struct {
	*sampletest.Program
	sampletest.Started
}

// answer raises the event with which somebody answers.
func (v verification) answer(t *testing.T, payload string) {
	t.Helper()
	address := strings.Replace(v.SendEventPostURI, "{eventName}", "SmsChallengeResponse", 1)
	if status, text := v.Do(http.MethodPost, address, payload); status != http.StatusAccepted {
		t.Fatalf("raising the event: %d %s", status, text)
	}
}

// waits waits until a verification is at a try, and makes sure that the custom status says so.
func (v verification) waits(try int) {
	want := fmt.Sprintf(`{"percentage":%d,"message":"waiting for the code, try %d of 3"}`, 20+20*try, try)
	v.Until(v.Started, func(s sampletest.State) bool { return s.RuntimeStatus == "Running" && string(s.CustomStatus) == want })
}

func TestVerification(t *testing.T) {
	t.Parallel()
	conn, name := testkit.Conn(t), testkit.Hub(t)
	p := sampletest.Run(t, run, "--conn", conn, "--hub", name)
	v := verification{p, p.Start(http.MethodPost, path, input)}
	code := p.Line("SMS to +4930123456: ")
	code = code[strings.LastIndexByte(code, ' ')+1:]
	v.waits(1)
	v.answer(t, "1")
	v.waits(2)
	v.answer(t, `"no number"`)
	v.waits(3)
	v.answer(t, code)
	if s := p.End(v.Started); s.RuntimeStatus != "Completed" || string(s.Output) != "true" || string(s.CustomStatus) != `{"percentage":100,"message":"verified"}` {
		t.Errorf("%+v", s)
	}
	checkTables(t, conn, name, v.ID)
}

// checkTables checks that the tables have the columns that Durable Functions writes, as people see them in Storage Explorer.
func checkTables(t *testing.T, conn, name, id string) {
	t.Helper()
	history := rows(t, conn, name, "History", id)
	var kinds []string
	for _, row := range history {
		if row["RowKey"] == "sentinel" {
			continue
		}
		kind, _ := row["EventType"].(string)
		kinds = append(kinds, kind)
		want := []string{"EventType", "ExecutionId", "IsPlayed", "_Timestamp"}
		switch kind {
		case "ExecutionStarted":
			want = append(want, "Input", "Name", "OrchestrationInstance")
		case "EventRaised":
			want = append(want, "Input", "Name")
		}
		wantColumns(t, row, want...)
	}
	for kind, want := range map[string]int{"ExecutionStarted": 1, "TaskScheduled": 1, "TaskCompleted": 1, "TimerCreated": 1, "EventRaised": 3, "ExecutionCompleted": 1, "TimerFired": 0} {
		if n := count(kinds, kind); n != want {
			t.Errorf("%d rows %s, want %d: %v", n, kind, want, kinds)
		}
	}
	instances := rows(t, conn, name, "Instances", id)
	if len(instances) != 1 {
		t.Fatalf("%d rows in Instances", len(instances))
	}
	wantColumns(t, instances[0], "CreatedTime", "ExecutionId", "Input", "LastUpdatedTime", "Name", "Output", "RuntimeStatus", "CustomStatus")
	if in := instances[0]; in["Name"] != "E4_SmsPhoneVerification" || in["Input"] != input || in["Output"] != "true" || in["RuntimeStatus"] != "Completed" {
		t.Errorf("%v", in)
	}
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

func wantColumns(t *testing.T, row map[string]any, columns ...string) {
	t.Helper()
	missing := slices.DeleteFunc(columns, func(c string) bool { return row[c] != nil })
	if len(missing) > 0 {
		t.Errorf("the row %v of type %v lacks %v", row["RowKey"], row["EventType"], missing)
	}
}

// rows reads the rows of an instance from one of the hub's tables.
func rows(t *testing.T, conn, name, table, id string) (all []map[string]any) {
	t.Helper()
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: name, Connection: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	for pager := hub.Account().Tables().NewClient(name + table).NewListEntitiesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, entity := range page.Entities {
			var row map[string]any
			if err := json.Unmarshal(entity, &row); err != nil {
				t.Fatal(err)
			}
			if row["PartitionKey"] == id {
				all = append(all, row)
			}
		}
	}
	return all
}

func TestTermination(t *testing.T) {
	t.Parallel()
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t))
	v := verification{p, p.Start(http.MethodPost, "/api"+path, `",name@example.org"`)}
	p.Line("Mail to name@example.org: ")
	v.waits(1)
	if status, text := p.Do(http.MethodPost, strings.Replace(v.TerminatePostURI, "{text}", "changed%20my%20mind", 1), ""); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, text)
	}
	if s := p.End(v.Started); s.RuntimeStatus != "Terminated" || string(s.Output) != `"changed my mind"` {
		t.Errorf("%+v", s)
	}
}

// TestMail checks both ends of an e-mail: one that an SMTP server takes, and one to an address that it does not know.
func TestMail(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t), "--smtp", sink.address)
	v := verification{p, p.Start(http.MethodPost, path, `"030123456,name@example.org"`)} // no SMS goes to a number without its country
	v.waits(1)
	mail := <-sink.mails
	if !strings.Contains(mail, "To: name@example.org") {
		t.Errorf("mail:\n%s", mail)
	}
	v.answer(t, mail[strings.LastIndexByte(mail, ' ')+1:])
	if s := p.End(v.Started); string(s.Output) != "true" {
		t.Errorf("%+v", s)
	}

	refused := p.Start(http.MethodPost, path, `",nobody@example.org"`)
	wantFailure(t, p.End(refused), `Orchestrator function 'E4_SmsPhoneVerification' failed: no mail reaches this address`)
}

// TestFailure checks the text of a failure in the column Output, after three attempts that are five seconds apart.
func TestFailure(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t), "--smtp", sink.address)
	started := p.Start(http.MethodPost, path, `",busy@example.org"`)
	wantFailure(t, p.End(started), `Orchestrator function 'E4_SmsPhoneVerification' failed: The activity function 'E4_SendEmailChallenge' failed: `+
		`"451 "try later"". See the function execution logs for additional details.`)
	if n := sink.busy.Load(); n < 3 {
		t.Errorf("%d attempts", n)
	}
}

func wantFailure(t *testing.T, s sampletest.State, want string) {
	t.Helper()
	var output string
	if err := json.Unmarshal(s.Output, &output); err != nil || s.RuntimeStatus != "Failed" || output != want {
		t.Errorf("%s\noutput %s\nwant   %s", s.RuntimeStatus, output, want)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t))
	for _, body := range []string{"", "+4930123456", `""`, "{}", `"` + strings.Repeat("x", 5000) + `"`} {
		if status, text := p.Do(http.MethodPost, path, body); status != http.StatusBadRequest {
			t.Errorf("%.20q: %d %s", body, status, text)
		}
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"stray"}, {"--listen", "nowhere"}, {"--conn", ""}, {"--hub", "a/b"}} {
		if err := run(t.Context(), args, t.Output()); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
