package interop

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
)

// operation is a use of the hub by one side's client while a worker of the other side runs.
type operation struct {
	name string
	run  func(*pair, side)
}

var operations = []operation{
	{"start and wait", startAndWait}, {"delayed start", delayedStart}, {"events", raiseEvents}, {"terminate", terminate},
	{"suspend and resume", suspendAndResume}, {"rewind", rewindFailed}, {"purge", purgeOne}, {"start again", startAgain},
	{"large values", largeValues}, {"ids", oddIDs}, {"failures", failures},
}

// TestOperations: the client of one side does all it can on instances that a worker of the other side runs, and both
// sides show the same of them.
func TestOperations(t *testing.T) {
	t.Parallel()
	for i, client := range []side{netSide, goSide} {
		for j, style := range []durable.ErrorStyle{durable.FailureDetails, durable.SerializedExceptions} {
			mode := []leases.Mode{leases.Safe, leases.Table, leases.Legacy, leases.Safe}[2*j+i]
			p := func(t *testing.T) *pair { return newPair(t, mode, style) }
			name := fmt.Sprintf("%v client on %v worker, %v, %s", client, client.other(), mode, (&pair{style: style}).styleName())
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := p(t)
				p.worker(client.other(), "w1")
				p.open()
				for _, op := range operations {
					if style == durable.SerializedExceptions && !full() && op.name != "rewind" && op.name != "failures" {
						continue // the errors' style changes nothing else
					}
					t.Run(op.name, func(t *testing.T) {
						own := *p
						own.t = t
						op.run(&own, client)
					})
				}
				p.sameQuery()
				p.emptyQueues()
			})
		}
	}
}

// begin starts an instance with a side's client; the input is JSON, or "" for none.
func (p *pair) begin(s side, name, id, input string, more ...string) {
	p.t.Helper()
	args := append([]string{"start", "--name", name, "--id", id}, more...)
	if input != "" {
		args = append(args, "--input", input)
	}
	got := p.call(s, args...)
	if rest, ok := strings.CutPrefix(got, id+" "); !ok || len(rest) != 32 {
		p.t.Errorf("start of %q printed %q", id, got)
	}
}

// ended waits with a side's client and returns what it shows.
func (p *pair) ended(s side, id string) *shown {
	p.t.Helper()
	got, err := parseShown(p.call(s, "wait", "--id", id, "--wait", "200"))
	if err != nil || got == nil {
		p.t.Fatalf("%v waits for %q in vain: %v", s, id, err)
	}
	return got
}

// endsWith compares the end of an instance as a side's client sees it.
func (p *pair) endsWith(s side, id string, status history.Status, output string) *shown {
	p.t.Helper()
	got := p.ended(s, id)
	if got.OrchestrationStatus != status || text(got.Output) != output {
		p.t.Errorf("%v sees %q as %v with %s; want %v with %s", s, id, got.OrchestrationStatus, short(text(got.Output)), status, short(output))
	}
	return got
}

func startAndWait(p *pair, c side) {
	parallel(
		func() { p.begin(c, "HelloSequence", "hello", "") },
		func() { p.begin(c, "FanOut", "fan", "40") },
		func() { p.begin(c, "Parent", "parent", `"kid"`) },
		func() { p.begin(c, "Counter", "counter", "1") },
	)
	parallel(
		func() { p.endsWith(c, "hello", history.Completed, `["Hello Tokyo!","Hello Seattle!","Hello London!"]`) },
		func() { p.endsWith(c, "fan", history.Completed, "22140") },
		func() { p.endsWith(c, "parent", history.Completed, `"Hello kid!|Hello kid2!"`) },
		func() { p.endsWith(c, "counter", history.Completed, "9") },
	)
	p.sameState("hello", "parent:child", "counter")
	if got := p.call(netSide, "state", "--id", "no such thing"); got != "null\n[]" {
		p.t.Errorf("an unknown instance is %q for .NET", got)
	}
	if got, err := p.try(goSide, "state", "--id", "no such thing"); err == nil {
		p.t.Errorf("an unknown instance is %q for Go", got)
	}
}

// sameQuery compares what the queries of both sides show of all instances.
func (p *pair) sameQuery() {
	p.t.Helper()
	var lists [2]map[string]string
	parallel(
		func() { lists[0] = p.query(goSide) },
		func() { lists[1] = p.query(netSide) },
	)
	if len(lists[0]) < 2 || len(lists[0]) != len(lists[1]) {
		p.t.Errorf("Go finds %d instances, .NET %d", len(lists[0]), len(lists[1]))
	}
	for id, want := range lists[1] {
		if lists[0][id] != want {
			p.t.Errorf("the query shows %q as\n.NET %s\nGo   %s", id, want, lists[0][id])
		}
	}
}

func (p *pair) query(s side) map[string]string {
	p.t.Helper()
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(p.call(s, "query")), &all); err != nil {
		p.t.Errorf("the query of %v: %v", s, err)
	}
	list := map[string]string{}
	for _, raw := range all {
		one, err := parseShown(string(raw))
		if err != nil {
			p.t.Errorf("the query of %v: %v", s, err)
			continue
		}
		again, _ := json.Marshal(one)
		list[one.OrchestrationInstance.InstanceId] = string(again)
	}
	return list
}

func delayedStart(p *pair, c side) {
	before := time.Now()
	p.begin(c, "Empty", "delayed", `"later"`, "--delay", "4")
	got := p.endsWith(c, "delayed", history.Completed, `"done later"`)
	at, err := time.Parse(time.RFC3339Nano, text(got.ScheduledStartTime))
	if err != nil || at.Before(before.Add(3*time.Second)) {
		p.t.Errorf("%s is when it was due to start: %v", text(got.ScheduledStartTime), err)
	}
	done, err := time.Parse(time.RFC3339Nano, got.CompletedTime)
	if err != nil || done.Before(at.Add(-time.Second)) { // .NET is up to a second early
		p.t.Errorf("due %v, done %v: %v", at, done, err)
	}
}

// TestPendingInstances: what is due later shows alike on both sides, whoever started it, version and tags included.
func TestPendingInstances(t *testing.T) {
	t.Parallel()
	p := newPair(t, leases.Safe, durable.FailureDetails)
	p.open()
	version := durable.StartRequest{
		Name: "Empty", Version: "2.0-β", InstanceID: "versioned", Input: history.String("1"), StartAt: time.Now().Add(time.Hour),
		Tags: map[string]string{"team": "blue", "<&>'": "\"é\u2028😀"},
	}
	if _, err := p.client.StartOrchestration(p.within(time.Minute), version); err != nil {
		t.Fatal(err)
	}
	p.begin(netSide, "Empty", "theirs", "", "--delay", "3600")
	p.begin(goSide, "Empty", "ours", "", "--delay", "3600")
	p.sameState("versioned", "theirs", "ours")
	got, _ := p.state(netSide, "versioned")
	if got.Version != version.Version || got.Tags["<&>'"] != version.Tags["<&>'"] || got.OrchestrationStatus != history.Pending {
		t.Errorf("%+v", got)
	}
}

func raiseEvents(p *pair, c side) {
	parallel(
		func() { p.begin(c, "EventCounter", "events", "5") },
		func() { p.begin(c, "Approval", "approval", "60000") },
		func() { p.begin(c, "CounterWithEvents", "generations", "1") },
	)
	p.await("events", history.Running)
	want := []string{}
	for i, data := range []string{`"a"`, "7", `"ü 😀 \u0000"`, `{"deep":[1,2]}`, ""} {
		args := []string{"raise", "--id", "events", "--event", fmt.Sprint("Event ", i)}
		if data != "" {
			args = append(args, "--data", data)
		}
		if i == 3 { // a .NET program that reads texts refuses an object
			args[len(args)-1] = `"4"`
		}
		p.call(c, args...)
		want = append(want, fmt.Sprint("Event ", i, ":", []string{"a", "7", "ü 😀 \x00", "4", "null"}[i]))
		p.eventually("the event is counted", func() bool {
			in, err := p.client.GetInstance(p.within(time.Minute), "events")
			return err == nil && (in.Status.IsTerminal() || text(in.CustomStatus) == quoted(fmt.Sprint(i+1, " events")))
		})
	}
	got := p.ended(c, "events")
	var output string
	if err := json.Unmarshal([]byte(text(got.Output)), &output); err != nil || output != strings.Join(want, ",") {
		p.t.Errorf("%q came of the events, want %q: %v", output, want, err)
	}
	p.await("approval", history.Running)
	p.call(c, "raise", "--id", "approval", "--event", "Approval", "--data", `"yes"`)
	p.expect("approval", history.Completed, `"approved: yes"`)
	if in := p.await("approval", history.Completed); text(in.CustomStatus) != `"decided"` {
		p.t.Errorf("its custom status is %s", text(in.CustomStatus))
	}
	// One after the other: .NET brings messages of several processes that came within a second in any order.
	generation := p.await("generations", history.Running).ExecutionID
	for i := range 3 {
		p.call(c, "raise", "--id", "generations", "--event", "E", "--data", fmt.Sprint(i))
		p.eventually("the event is taken", func() bool {
			in, err := p.client.GetStatus(p.within(time.Minute), "generations")
			if err != nil || in.ExecutionID == generation && !in.Status.IsTerminal() {
				return false
			}
			generation = in.ExecutionID
			return true
		})
	}
	p.expect("generations", history.Completed, `"E2"`)
	p.sameState("events", "generations")
}

func terminate(p *pair, c side) {
	for i, reason := range []string{"enough", "https://reason.example/?a=b&c", "ü 😀 \"quoted\""} {
		id := fmt.Sprint("ended", i)
		p.begin(c, "WaitForever", id, `"x"`)
		p.await(id, history.Running)
		p.call(c, "terminate", "--id", id, "--reason", reason)
		if i == 1 { // .NET takes an URL for the address of a blob, and cannot show the instance
			p.expect(id, history.Terminated, reason)
			p.purge(goSide, id)
			continue
		}
		p.endsWith(c, id, history.Terminated, reason)
	}
}

func suspendAndResume(p *pair, c side) {
	p.begin(c, "WaitForever", "held", `"x"`)
	p.await("held", history.Running)
	p.call(c, "suspend", "--id", "held", "--reason", "hold on")
	if in := p.await("held", history.Suspended); text(in.Output) != "hold on" {
		p.t.Errorf("suspended for %s", text(in.Output))
	}
	p.call(c, "raise", "--id", "held", "--event", "Go", "--data", `"now"`)
	p.call(c, "resume", "--id", "held", "--reason", "go on")
	p.endsWith(c, "held", history.Completed, `"Go=now"`)
	p.sameState("held")
}

// rewindFailed rewinds what fails again, and so leaves the trace of both failures.
func rewindFailed(p *pair, c side) {
	p.begin(c, "FailsHard", "again", `"boom"`)
	first := p.ended(c, "again")
	if first.OrchestrationStatus != history.Failed {
		p.t.Fatalf("it is %v", first.OrchestrationStatus)
	}
	p.call(c, "rewind", "--id", "again", "--reason", "once more")
	p.eventually("it failed again", func() bool {
		events, err := p.client.History(p.within(time.Minute), "again")
		n := 0
		for _, e := range events {
			if _, failed := e.(*history.TaskFailed); failed {
				n++
			}
		}
		return err == nil && n == 1 && len(events) > 8
	})
	second := p.ended(c, "again")
	if second.OrchestrationStatus != history.Failed || text(second.Output) != text(first.Output) {
		p.t.Errorf("after the rewind it is %v with %s", second.OrchestrationStatus, text(second.Output))
	}
	p.sameState("again")
}

func (p *pair) purge(s side, id string) {
	p.t.Helper()
	var done struct{ InstancesDeleted, RowsDeleted int }
	if err := json.Unmarshal([]byte(p.call(s, "purge", "--id", id)), &done); err != nil || done.InstancesDeleted != 1 {
		p.t.Errorf("purging %q with %v: %+v, %v", id, s, done, err)
	}
}

func purgeOne(p *pair, c side) {
	parallel(
		func() { p.begin(c, "LargeResult", "purged", "60000") },
		func() { p.begin(c, "Empty", "purged-not", `"x"`) },
	)
	p.await("purged", history.Completed)
	p.await("purged-not", history.Completed)
	p.purge(c, "purged")
	if got := p.call(netSide, "state", "--id", "purged"); got != "null\n[]" {
		p.t.Errorf("after the purge .NET sees %s", short(got))
	}
	if _, err := p.client.GetInstance(p.within(time.Minute), "purged"); err == nil {
		p.t.Error("after the purge Go sees it")
	}
	for _, name := range p.blobs("purged") {
		p.t.Errorf("the blob %s is left", name)
	}
	p.await("purged-not", history.Completed)
}

// startAgain starts over an instance that has ended, and over one that runs.
func startAgain(p *pair, c side) {
	for i := range 2 {
		p.begin(c, "Empty", "twice", fmt.Sprint(i))
		p.eventually("it has run once more", func() bool {
			in, err := p.client.GetInstance(p.within(time.Minute), "twice")
			return err == nil && in.Generation == int32(i) && text(in.Output) == fmt.Sprintf(`"done %d"`, i)
		})
	}
	if got, _ := p.state(netSide, "twice"); got.Generation != 1 {
		p.t.Errorf("its generation is %d", got.Generation)
	}
	// What the peer has no verb for: a restart under the same and under a new id.
	for _, option := range []taskhub.RestartOption{taskhub.RestartSameID(), taskhub.RestartAs("thrice")} {
		started, err := p.client.Restart(p.within(time.Minute), "twice", option)
		if err != nil {
			p.t.Fatal(err)
		}
		p.expect(started.InstanceID, history.Completed, `"done 1"`)
		p.sameState(started.InstanceID)
	}
}

func largeValues(p *pair, c side) {
	const kb60 = 60_000
	input := strings.Repeat("世é😀<\u2028", kb60/12)
	units := kb60 / 12 * 6
	parallel(
		func() { p.begin(c, "LargeInput", "large-input", quoted(input)) },
		func() { p.begin(c, "LargeResult", "large-output", fmt.Sprint(kb60)) },
		func() { p.begin(c, "WaitForever", "large-event", `"x"`) },
	)
	p.endsWith(c, "large-input", history.Completed, fmt.Sprint(units))
	p.expect("large-output", history.Completed, quoted(strings.Repeat("r", kb60)))
	p.await("large-event", history.Running)
	p.call(c, "raise", "--id", "large-event", "--event", "Go", "--data", quoted(input))
	got := p.ended(c, "large-event")
	var output string
	if err := json.Unmarshal([]byte(text(got.Output)), &output); err != nil || output != "Go="+input {
		p.t.Errorf("%s came of the large event: %v", short(output), err)
	}
	p.sameState("large-input", "large-output", "large-event")
	in, err := p.client.GetInstance(p.within(time.Minute), "large-input")
	if err != nil {
		p.t.Fatal(err)
	}
	if got, err := durable.Input[string](in); err != nil || got != input {
		p.t.Errorf("the input came back as %s: %v", short(got), err)
	}
}

// ids are what people use as instance ids, and may.
var ids = []string{
	"with spaces", "a+b=c&d", "50%", "%20", "it's", "a:b", "a|b", "😀 日本 é", "Case", strings.Repeat("x", 100), strings.Repeat("😀", 50),
	"^", "~`!@$*()-_[]{};,.<>\"",
}

func oddIDs(p *pair, c side) {
	steps := func(do func(id string)) {
		var list []func()
		for _, id := range ids {
			list = append(list, func() { do(id) })
		}
		for len(list) > 0 { // a few processes at a time
			n := min(4, len(list))
			parallel(list[:n]...)
			list = list[n:]
		}
	}
	steps(func(id string) { p.begin(c, "Parent", id, quoted(id)) })
	steps(func(id string) {
		p.expect(id, history.Completed, quoted("Hello "+id+"!|Hello "+id+"2!"))
		p.expect(id+":child", history.Completed, quoted("Hello "+id+"2!"))
	})
	if full() {
		steps(func(id string) { p.sameState(id, id+":child") })
	}
	p.sameState(ids[0]+":child", ids[7]) // the statuses of all are compared at the end
	// An instance that differs in case only is another one. It comes later: .NET's memory confuses the two while both are there.
	p.begin(c, "OneActivity", "case", `"small"`)
	p.expect("case", history.Completed, `"Hello small!"`)
	p.expect("Case", history.Completed, `"Hello Case!|Hello Case2!"`)
}

func failures(p *pair, c side) {
	parallel(
		func() { p.begin(c, "ThrowsSelf", "throws", `"bad"`) },
		func() { p.begin(c, "ParentOfFailing", "catches", `"boom"`) },
		func() { p.begin(c, "Retries", "retries", `"k"`) },
		func() { p.begin(c, "SubRetries", "subretries", `"s"`) },
		func() { p.begin(c, "FailsNested", "nested", `"n"`) },
	)
	throws, nested := "orchestrator said no: bad", "outer n"
	if p.style == durable.FailureDetails {
		throws, nested = "System.ArgumentException: "+throws, "System.InvalidOperationException: "+nested
	}
	p.endsWith(c, "throws", history.Failed, throws)
	p.expect("nested", history.Failed, nested)
	p.expect("catches", history.Completed, `"caught: activity failed: boom"`)
	p.expect("retries", history.Completed, `"ok after 3"`)
	p.expect("subretries", history.Completed, `"gave up: SubOrchestrationFailedException"`)
	p.sameState("catches", "nested")
}
