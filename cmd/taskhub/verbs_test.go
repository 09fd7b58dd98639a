package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// patience is how long tests wait for what must happen, on a machine that may be busy.
const patience = 150 * time.Second

// desk is a command line in front of a hub of its own.
type desk struct {
	account
	t    *testing.T
	name string
}

// newDesk makes a hub.
func newDesk(t *testing.T) *desk {
	t.Helper()
	d := newDeskWithoutHub(t)
	d.account.do(t, "hub", "create", d.name, "--partitions", "2").wantSuccess(t)
	return d
}

func newDeskWithoutHub(t *testing.T) *desk {
	t.Helper()
	return &desk{account: newAccount(testkit.Conn(t)), t: t, name: testkit.Hub(t)}
}

// do carries out a command line about the hub.
func (d *desk) do(args ...string) outcome {
	d.t.Helper()
	return d.account.do(d.t, append(args, "--hub", d.name)...)
}

// ok is do for what must succeed and say nothing on the side.
func (d *desk) ok(args ...string) outcome {
	d.t.Helper()
	o := d.do(args...)
	if o.wantSuccess(d.t); d.t.Failed() {
		d.t.Fatalf("%q failed", args)
	}
	return o
}

// hub opens the hub as a program would.
func (d *desk) hub() *taskhub.Hub {
	d.t.Helper()
	hub, err := taskhub.Open(d.t.Context(), taskhub.Config{Name: d.name, Account: testkit.Open(d.t, storage.Config{})})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = hub.Close() })
	return hub
}

// work runs a worker with the twins of the .NET peer's programs.
func (d *desk) work() *worker.Worker {
	d.t.Helper()
	hub := d.hub()
	w, err := worker.New(hub, worker.Config{MaxPoll: 200 * time.Millisecond, ID: "worker-" + d.name})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := w.Register(append(append(programs.Orchestrators(), programs.Activities()...), parentOfForever)...); err != nil {
		d.t.Fatal(err)
	}
	if err := w.Start(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			d.t.Errorf("stop the worker: %v", err)
		}
	})
	return w
}

var parentOfForever = durable.NewOrchestrator("ParentOfForever", func(ctx *durable.Context, _ durable.Void) (string, error) {
	return programs.WaitForever.Call(ctx, "").Await()
})

// get shows an instance as JSON.
func (d *desk) get(id string) instanceJSON {
	d.t.Helper()
	var in instanceJSON
	d.parse(d.ok("get", id, "-o", "json"), &in)
	return in
}

func (d *desk) parse(o outcome, into any) {
	d.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(o.out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		d.t.Fatalf("%v in\n%s", err, o.out)
	}
}

// await waits until an instance is as wanted.
func (d *desk) await(id string, as history.Status) instanceJSON {
	d.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		in := d.get(id)
		if in.RuntimeStatus == as.String() {
			return in
		}
		if time.Now().After(end) {
			d.t.Fatalf("%s is %s, not %s", id, in.RuntimeStatus, as)
		}
	}
}

var (
	anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{3})?Z`)
	anyID   = regexp.MustCompile(`[0-9a-f]{32}`)
)

// golden makes what differs from run to run the same.
func (d *desk) golden(text string) string {
	text = anyTime.ReplaceAllStringFunc(text, func(s string) string { return strings.Map(toZero, s) })
	text = anyID.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("x", len(s)) })
	text = strings.ReplaceAll(text, strings.ToLower(d.name), "hub")
	return strings.ReplaceAll(text, d.name, "Hub")
}

func toZero(r rune) rune {
	if r >= '0' && r <= '9' {
		return '0'
	}
	return r
}

func (d *desk) wantGolden(o outcome, want string) {
	d.t.Helper()
	if got := d.golden(o.out); got != strings.TrimPrefix(want, "\n") {
		d.t.Errorf("got\n%s\nwant%s", got, want)
	}
}

// The life of instances on a hub that has no worker yet: they wait, and most can be done with them.
func TestWithoutWorker(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.wantGolden(d.ok("start", "Checkout", "--id", "order-1", "--input", `{"qty":3}`), `
Started "Checkout" in hub "Hub". Instance: order-1
`)
	var started startedJSON
	d.parse(d.ok("start", "--name", "Checkout", "--id", "order-2", "--tag", "team=billing", "--tag", "empty=", "--version", "2.1", "--at", "in 2h", "-o", "json"), &started)
	if started.InstanceID != "order-2" || len(started.ExecutionID) != 32 || started.Name != "Checkout" || started.Hub != d.name || started.Existing {
		t.Errorf("%+v", started)
	}
	d.ok("start", "Refund", "--id", "refund-1")
	in := d.get("order-2")
	if in.RuntimeStatus != "Pending" || in.Version != "2.1" || in.Tags["team"] != "billing" || in.ScheduledTime == nil || string(in.Input) != "null" || string(in.Output) != "null" {
		t.Errorf("%+v", in)
	}
	d.wantGolden(d.ok("list"), `
INSTANCE   ORCHESTRATOR   STATUS    CREATED                UPDATED
order-1    Checkout       Pending   0000-00-00 00:00:00Z   0000-00-00 00:00:00Z
order-2    Checkout       Pending   0000-00-00 00:00:00Z   0000-00-00 00:00:00Z
refund-1   Refund         Pending   0000-00-00 00:00:00Z   0000-00-00 00:00:00Z
`)
	d.wantGolden(d.ok("list", "-o", "wide", "--show-input", "--prefix", "order-", "--name", "Checkout"), `
INSTANCE   ORCHESTRATOR   STATUS    CREATED                UPDATED                TOOK   VERSION   GENERATION   EXECUTION                          CUSTOM STATUS   INPUT
order-1    Checkout       Pending   0000-00-00 00:00:00Z   0000-00-00 00:00:00Z   -      -         0            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   -               {"qty":3}
order-2    Checkout       Pending   0000-00-00 00:00:00Z   0000-00-00 00:00:00Z   -      2.1       0            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   -
`)
	d.wantGolden(d.ok("get", "order-1"), `
Instance       order-1
Orchestrator   Checkout
Status         Pending
Created        0000-00-00 00:00:00Z
Updated        0000-00-00 00:00:00Z
Input          {"qty":3}
`)
	d.wantGolden(d.ok("get", "--id", "order-2", "-o", "wide"), `
Instance       order-2
Orchestrator   Checkout
Version        2.1
Status         Pending
Created        0000-00-00 00:00:00Z
Due to start   0000-00-00 00:00:00Z
Updated        0000-00-00 00:00:00Z
Execution      xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
Generation     0
Tag            empty=
Tag            team=billing
`)
	d.wantGolden(d.ok("stats"), `
STATUS    INSTANCES
Pending   3
Total     3
`)
	var stats statsJSON
	d.parse(d.ok("stats", "--prefix", "refund", "-o", "json"), &stats)
	if stats.Total != 1 || len(stats.ByStatus) != 8 || stats.ByStatus["Pending"] != 1 || stats.ByStatus["Completed"] != 0 || stats.Hub != d.name {
		t.Errorf("%+v", stats)
	}
	d.wantGolden(d.ok("raise", "order-1", "Approved", "--data", `{"by":"ada"}`), "\n"+`Event "Approved" is sent to instance "order-1".`+"\n")
	d.ok("raise", "--id", "order-1", "--event-name", "Approved", "--event-data", "1")
	d.ok("suspend", "order-1", "--reason", "pause")
	d.ok("resume", "order-1")
	if o := d.do("history", "order-1"); o.status != exitOK || o.out != "" || !strings.Contains(o.err, "has not started yet") {
		t.Errorf("%+v", o)
	}
	if o := d.ok("history", "order-1", "-o", "json"); o.out != "[]\n" {
		t.Errorf("%q", o.out)
	}
	d.do("start", "Checkout", "--id", "order-1").wantError(t, exitState, `"order-1" exists`, "Pending", "--if-exists")
	d.do("rewind", "order-1").wantError(t, exitState, "only failed instances")
	d.do("purge", "order-1").wantError(t, exitState, "Pending", "--force")
	d.do("restart", "order-1", "--same-id").wantError(t, exitState, "Pending", "--new-id")
	d.do("wait", "order-1", "--timeout", "300ms").wantError(t, exitTimeout, `"order-1" has not ended within 300ms`, "Pending")
	d.parse(d.ok("start", "Checkout", "--id", "order-1", "--if-exists", "return", "-o", "json"), &started)
	if !started.Existing {
		t.Errorf("%+v", started)
	}
	d.parse(d.ok("restart", "order-1", "-o", "json"), &started)
	if again := d.get(started.InstanceID); string(again.Input) != `{
    "qty": 3
  }` && string(again.Input) != `{"qty":3}` {
		t.Errorf("%s", again.Input)
	}
	var done purgedJSON
	d.parse(d.ok("purge", started.InstanceID, "--force", "-o", "json"), &done)
	if done.Instances != 1 || done.Hub != d.name {
		t.Errorf("%+v", done)
	}
	for _, verb := range []string{"get", "wait", "history", "terminate", "suspend", "resume", "rewind", "restart", "purge", "raise"} {
		args := []string{verb, "nobody"}
		if verb == "raise" {
			args = append(args, "Event")
		}
		d.do(args...).wantError(t, exitNotFound, `there is no instance "nobody"`, d.name)
	}
}

// The life of instances that a worker runs.
func TestWithWorker(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.work()
	o := d.ok("start", "Chain", "--id", "chain", "--input", "7", "--wait", "--timeout", "2m")
	d.wantGolden(o, `
Instance       chain
Orchestrator   Chain
Status         Completed
Created        0000-00-00 00:00:00Z
Updated        0000-00-00 00:00:00Z
Completed      0000-00-00 00:00:00Z
Output         91
`)
	var in instanceJSON
	d.parse(d.ok("wait", "chain", "-o", "json"), &in)
	if in.RuntimeStatus != "Completed" || string(in.Output) != "91" || in.Input != nil || in.CompletedTime == nil {
		t.Errorf("%+v", in)
	}
	d.ok("start", "OneActivity", "--id", "one", "--input", `"you"`, "--wait")
	d.wantGolden(d.ok("history", "one"), `
#   TIME                       EVENT                   TASK   NAME          DETAIL
0   0000-00-00 00:00:00.000Z   OrchestratorStarted     -      -
1   0000-00-00 00:00:00.000Z   ExecutionStarted        -      OneActivity   "you"
2   0000-00-00 00:00:00.000Z   TaskScheduled           0      Say
3   0000-00-00 00:00:00.000Z   OrchestratorCompleted   -      -
4   0000-00-00 00:00:00.000Z   OrchestratorStarted     -      -
5   0000-00-00 00:00:00.000Z   TaskCompleted           0      Say           "Hello you!"
6   0000-00-00 00:00:00.000Z   ExecutionCompleted      1      Completed     "Hello you!"
7   0000-00-00 00:00:00.000Z   OrchestratorCompleted   -      -
`)
	events, err := history.UnmarshalExport([]byte(d.ok("history", "one", "-o", "json").out))
	if err != nil || len(events) != 8 {
		t.Errorf("%d events, %v", len(events), err)
	}

	d.ok("start", "Approval", "--id", "approval", "--input", "3600000")
	d.await("approval", history.Running)
	d.ok("suspend", "approval", "--reason", "lunch")
	d.await("approval", history.Suspended)
	d.ok("raise", "approval", "Approval", "--data", `"yes"`)
	d.ok("resume", "approval")
	if in := d.await("approval", history.Completed); string(in.Output) != `"approved: yes"` {
		t.Errorf("%s", in.Output)
	}
	d.do("raise", "approval", "Approval").wantError(t, exitState, "has finished, it is Completed")
	d.do("terminate", "approval").wantError(t, exitState, "has finished")

	d.ok("start", "WaitForever", "--id", "forever")
	d.await("forever", history.Running)
	o = d.ok("terminate", "forever", "--reason", "enough", "--wait", "--timeout", "2m")
	o.wantOut(t, "Terminated", "enough")
	if o := d.do("wait", "forever"); o.status != exitUnsuccess || !strings.Contains(o.out, "Terminated") || o.err != "taskhub: instance \"forever\" has ended as Terminated\n" {
		t.Errorf("%+v", o)
	}

	o = d.do("start", "FailsHard", "--id", "fails", "--input", `"boom"`, "--wait", "--timeout", "2m", "-o", "json")
	if o.status != exitUnsuccess {
		t.Errorf("%+v", o)
	}
	d.parse(o, &in)
	if in.RuntimeStatus != "Failed" || in.Failure == nil || !strings.Contains(in.Failure.ErrorMessage, "boom") {
		t.Errorf("%+v", in)
	}
	d.ok("rewind", "fails", "--reason", "again")
	if o := d.do("wait", "fails", "--timeout", "2m"); o.status != exitUnsuccess || !strings.Contains(o.out, "Failed") {
		t.Errorf("%+v", o)
	}
	d.ok("restart", "chain", "--same-id", "--wait", "--timeout", "2m").wantOut(t, "Completed", "91")
	if in := d.get("chain"); in.Generation != 1 {
		t.Errorf("generation %d", in.Generation)
	}
	d.wantGolden(d.ok("stats", "-o", "wide"), `
STATUS           INSTANCES   SHARE
Running          0           0.0%
Pending          0           0.0%
Suspended        0           0.0%
ContinuedAsNew   0           0.0%
Completed        3           60.0%
Failed           1           20.0%
Terminated       1           20.0%
Canceled         0           0.0%
Total            5           100.0%
`)
}

func TestTerminateTree(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.work()
	d.ok("start", "ParentOfForever", "--id", "parent")
	for end := time.Now().Add(patience); !strings.Contains(d.do("list", "--name", "WaitForever").out, "WaitForever"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is no child")
		}
	}
	var told doneJSON
	d.parse(d.ok("terminate", "parent", "--tree", "-o", "json"), &told)
	if told != (doneJSON{"parent", d.name, "terminate", 2}) {
		t.Errorf("%+v", told)
	}
}

// A hub that is not there.
func TestMissingHub(t *testing.T) {
	t.Parallel()
	d := newDeskWithoutHub(t)
	for _, args := range []string{"get x", "list", "wait x", "history x", "raise x E", "terminate x", "suspend x", "resume x", "rewind x", "restart x", "purge x", "purge-history --all", "stats", "health", "export"} {
		d.do(strings.Fields(args)...).wantError(t, exitNotFound, fmt.Sprintf("task hub %q does not exist", d.name))
	}
	d.account.do(t, "hub", "show", d.name).wantError(t, exitNotFound, fmt.Sprintf("no task hub %q", d.name))
	if o := d.do("start", "Checkout", "--id", "x"); o.status != exitOK || o.err != fmt.Sprintf("Task hub %q was not there and is created.\n", d.name) {
		t.Errorf("%+v", o)
	}
	if o := d.do("list", "--status", "failed completed"); o.status != exitOK || o.out != "" || !strings.Contains(o.err, "it has none that are Failed,Completed") {
		t.Errorf("%+v", o)
	}
}
