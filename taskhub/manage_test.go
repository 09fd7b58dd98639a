package taskhub

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/tables"
)

func event(e history.Event, id int32) tables.Record {
	*e.Common() = history.Base{EventID: id, Timestamp: now()}
	return tables.Record{Event: e}
}

// ran writes what a worker would have written of an instance: its history in episodes and its status.
func ran(t *testing.T, h *Hub, id string, status history.Status, output string, episodes ...[]tables.Record) string {
	t.Helper()
	execution := newID()
	c := tables.Commit{InstanceID: id, ExecutionID: execution}
	for i, episode := range episodes {
		c.Records = append(c.Records, event(&history.OrchestratorStarted{}, -1))
		if i == 0 {
			c.Records = append(c.Records, event(&history.ExecutionStarted{Instance: history.Instance{InstanceID: id, ExecutionID: &execution}, Name: "Checkout"}, -1))
		}
		c.Records = append(c.Records, episode...)
		c.Records = append(c.Records, event(&history.OrchestratorCompleted{}, -1))
	}
	if len(c.Records) > 0 {
		if _, err := h.Tables().Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	at := now()
	_, err := h.Tables().MergeInstance(t.Context(), tables.InstanceUpdate{
		InstanceID: id, ExecutionID: &execution, Name: history.String("Checkout"), Status: &status, Output: &output, CreatedTime: &at, LastUpdatedTime: &at,
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return execution
}

// outline prints a history: the kinds of its events, with ids and reasons.
func outline(t *testing.T, h *Hub, id string) string {
	t.Helper()
	events, err := h.Client().History(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range events {
		switch e := e.(type) {
		case *history.OrchestratorStarted, *history.OrchestratorCompleted, *history.ExecutionStarted:
		case *history.GenericEvent:
			fmt.Fprintf(&b, "-%s ", strings.TrimPrefix(deref(e.RewindReason), "Rewound: "))
		case *history.SubOrchestrationCreated:
			fmt.Fprintf(&b, "%s%s ", e.Kind(), strings.TrimPrefix(deref(e.RewindReason), "Rewound: SubOrchestrationInstanceCreated"))
		default:
			fmt.Fprintf(&b, "%s ", e.Kind())
		}
	}
	return strings.TrimSpace(b.String())
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func failed(reason string) *history.ExecutionCompleted {
	return &history.ExecutionCompleted{Status: history.Failed, Result: &reason}
}

func TestRewind(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	ctx := t.Context()

	ran(t, h, "simple", history.Failed, "boom",
		[]tables.Record{event(&history.TaskScheduled{Name: "ok"}, 0), event(&history.TaskScheduled{Name: "bad"}, 1)},
		[]tables.Record{event(&history.TaskCompleted{TaskScheduledID: 0}, -1), event(&history.TaskFailed{TaskScheduledID: 1, Reason: history.String("boom")}, -1), event(failed("boom"), 2)},
	)
	if err := c.Rewind(ctx, "simple", "try again"); err != nil {
		t.Fatal(err)
	}
	if got, want := outline(t, h, "simple"), "TaskScheduled -TaskScheduled TaskCompleted -TaskFailed -ExecutionCompleted"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	messages := received(t, h, "simple")
	if len(messages) != 1 || *messages[0].Envelope.Message.Event.(*history.GenericEvent).Data != "try again" || messages[0].Envelope.Message.Target.ExecutionID != nil {
		t.Errorf("%d messages", len(messages))
	}
	if in, err := c.GetStatus(ctx, "simple"); err != nil || in.Status != history.Pending {
		t.Errorf("%+v, %v", in, err)
	}
	if err := c.Rewind(ctx, "simple", "once more"); err != nil { // as after a rewind that was cut short
		t.Errorf("rewinding what waits to run: %v", err)
	}
	if messages := received(t, h, "simple"); len(messages) != 1 {
		t.Errorf("%d messages", len(messages))
	}

	ran(t, h, "retried", history.Failed, "boom",
		[]tables.Record{event(&history.TaskScheduled{Name: "flaky"}, 0)},
		[]tables.Record{event(&history.TaskFailed{TaskScheduledID: 0}, -1), event(&history.TimerCreated{}, 1)},
		[]tables.Record{event(&history.TimerFired{TimerID: 1}, -1), event(&history.TaskScheduled{Name: "flaky"}, 2)},
		[]tables.Record{event(&history.TaskFailed{TaskScheduledID: 2}, -1), event(failed("boom"), 3)},
	)
	if err := c.Rewind(ctx, "retried", ""); err != nil {
		t.Fatal(err)
	}
	if got, want := outline(t, h, "retried"), "TaskScheduled TaskFailed TimerCreated TimerFired -TaskScheduled -TaskFailed -ExecutionCompleted"; got != want {
		t.Errorf("%s, want %s", got, want)
	}

	for id, r := range rewindsAmongResults() {
		ran(t, h, id, history.Failed, "boom", r.episodes...)
		if err := c.Rewind(ctx, id, ""); err != nil {
			t.Fatal(err)
		}
		if got := outline(t, h, id); got != r.want {
			t.Errorf("%s:\n got %s\nwant %s", id, got, r.want)
		}
	}

	ran(t, h, "self", history.Failed, "boom", []tables.Record{event(failed("boom"), 0)})
	if err := c.Rewind(ctx, "self", ""); err != nil || outline(t, h, "self") != "-ExecutionCompleted" {
		t.Errorf("%s, %v", outline(t, h, "self"), err)
	}
	for id, status := range map[string]history.Status{"done": history.Completed, "running": history.Running, "terminated": history.Terminated, "pending": history.Pending} {
		ran(t, h, id, status, "")
		var wrong *InstanceNotFailedError
		if err := c.Rewind(ctx, id, ""); !errors.Is(err, ErrInstanceNotFailed) || !errors.As(err, &wrong) || wrong.Status != status {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := c.Rewind(ctx, "no such", ""); !errors.Is(err, ErrInstanceNotFound) {
		t.Error(err)
	}
	ran(t, h, "no history", history.Failed, "boom")
	if err := c.Rewind(ctx, "no history", ""); err == nil {
		t.Error("an instance without a history is rewound")
	}
}

type rewindCase struct {
	episodes [][]tables.Record
	want     string
}

// rewindsAmongResults are histories in which a failure came together with a result: one that was retried stays, one that nobody
// has answered goes.
func rewindsAmongResults() map[string]rewindCase {
	call := func(name, input string, id int32) tables.Record {
		return event(&history.TaskScheduled{Name: name, Input: &input}, id)
	}
	done := func(id int32) tables.Record { return event(&history.TaskCompleted{TaskScheduledID: id}, -1) }
	bad := func(id int32) tables.Record { return event(&history.TaskFailed{TaskScheduledID: id}, -1) }
	timer := func(id int32) tables.Record { return event(&history.TimerCreated{}, id) }
	fired := func(id int32) tables.Record { return event(&history.TimerFired{TimerID: id}, -1) }
	end := func(id int32) tables.Record { return event(failed("boom"), id) }
	both := []tables.Record{call("flaky", "x", 0), call("good", "x", 1)}
	return map[string]rewindCase{
		"retried with a result": {
			[][]tables.Record{both, {bad(0), done(1), timer(2)}, {fired(2), call("flaky", "x", 3)}, {done(3), call("last", "x", 4)}, {bad(4), end(5)}},
			"TaskScheduled TaskScheduled TaskFailed TaskCompleted TimerCreated TimerFired TaskScheduled TaskCompleted -TaskScheduled -TaskFailed -ExecutionCompleted",
		},
		"its retry fails with a result": {
			[][]tables.Record{both, {bad(0), timer(2)}, {fired(2), call("flaky", "x", 3)}, {bad(3), done(1), end(4)}},
			"TaskScheduled TaskScheduled TaskFailed TimerCreated TimerFired -TaskScheduled -TaskFailed TaskCompleted -ExecutionCompleted",
		},
		"the retry waits": {
			[][]tables.Record{append(both, call("last", "x", 2)), {bad(0), done(1), timer(3)}, {bad(2), end(4)}},
			"TaskScheduled TaskScheduled -TaskScheduled TaskFailed TaskCompleted TimerCreated -TaskFailed -ExecutionCompleted",
		},
		"the timer is the other one's": {
			[][]tables.Record{both, {bad(0), done(1), timer(2)}, {fired(2), call("other", "x", 3)}, {done(3), end(4)}},
			"-TaskScheduled TaskScheduled -TaskFailed TaskCompleted TimerCreated TimerFired TaskScheduled TaskCompleted -ExecutionCompleted",
		},
		"the decision is the other one's": {
			[][]tables.Record{both, {bad(0), done(1), call("other", "x", 2)}, {done(2), end(3)}},
			"-TaskScheduled TaskScheduled -TaskFailed TaskCompleted TaskScheduled TaskCompleted -ExecutionCompleted",
		},
		"it ends there and then": {
			[][]tables.Record{both, {bad(0), done(1), timer(2), end(3)}},
			"-TaskScheduled TaskScheduled -TaskFailed TaskCompleted TimerCreated -ExecutionCompleted",
		},
		"one of two is retried": {
			[][]tables.Record{append(both, call("flaky", "y", 2)), {bad(0), bad(2), done(1), timer(3)}, {fired(3), call("flaky", "y", 4)}, {done(4), end(5)}},
			"-TaskScheduled TaskScheduled TaskScheduled -TaskFailed TaskFailed TaskCompleted TimerCreated TimerFired TaskScheduled TaskCompleted -ExecutionCompleted",
		},
	}
}

func TestRewindOfSubOrchestrations(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	create := func(id string, n int32) tables.Record {
		return event(&history.SubOrchestrationCreated{Name: "Child", InstanceID: &id}, n)
	}
	ran(t, h, "parent", history.Failed, "boom",
		[]tables.Record{create("child-1", 0), create("child-2", 1), create("child-3", 2), create("child-4", 3)},
		[]tables.Record{
			event(&history.SubOrchestrationFailed{TaskScheduledID: 0}, -1), event(&history.SubOrchestrationCompleted{TaskScheduledID: 1}, -1),
			event(&history.SubOrchestrationFailed{TaskScheduledID: 2}, -1), event(&history.SubOrchestrationFailed{TaskScheduledID: 3}, -1), event(failed("boom"), 4),
		},
	)
	ran(t, h, "child-1", history.Failed, "boom", []tables.Record{create("grandchild", 0)}, []tables.Record{event(&history.SubOrchestrationFailed{TaskScheduledID: 0}, -1), event(failed("boom"), 1)})
	ran(t, h, "grandchild", history.Failed, "boom", []tables.Record{event(&history.TaskScheduled{Name: "bad"}, 0)}, []tables.Record{event(&history.TaskFailed{TaskScheduledID: 0}, -1), event(failed("boom"), 1)})
	ran(t, h, "child-2", history.Completed, "1", []tables.Record{event(&history.ExecutionCompleted{Status: history.Completed}, 0)})
	ran(t, h, "child-3", history.Terminated, "enough", []tables.Record{event(&history.ExecutionTerminated{}, -1), event(&history.ExecutionCompleted{Status: history.Terminated}, 0)})

	const created = "SubOrchestrationInstanceCreated"
	if err := c.Rewind(t.Context(), "parent", "again"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"parent": created + " " + created + " -" + created + " -" + created + " -SubOrchestrationInstanceFailed SubOrchestrationInstanceCompleted" +
			" -SubOrchestrationInstanceFailed -SubOrchestrationInstanceFailed -ExecutionCompleted",
		"child-1":    created + " -SubOrchestrationInstanceFailed -ExecutionCompleted",
		"grandchild": "-TaskScheduled -TaskFailed -ExecutionCompleted",
		"child-2":    "ExecutionCompleted",
		"child-3":    "ExecutionTerminated ExecutionCompleted",
	} {
		if got := outline(t, h, id); got != want {
			t.Errorf("%s:\n got %s\nwant %s", id, got, want)
		}
	}
	for id, want := range map[string]int{"parent": 0, "child-1": 0, "grandchild": 1, "child-2": 0, "child-3": 0} {
		in, err := c.GetStatus(t.Context(), id)
		if err != nil || (in.Status == history.Pending) != (id == "parent" || id == "child-1" || id == "grandchild") {
			t.Errorf("%s: %+v, %v", id, in, err)
		}
		if messages := received(t, h, id); len(messages) != want {
			t.Errorf("%s: %d messages", id, len(messages))
		}
	}

	// Cut short before the messages: once more, and again only the leaf is told.
	if err := c.Rewind(t.Context(), "parent", "again"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{"parent": 0, "child-1": 0, "grandchild": 1} {
		if messages := received(t, h, id); len(messages) != want {
			t.Errorf("again, %s: %d messages", id, len(messages))
		}
	}

	// Without any child to rewind, the parent starts them again.
	ran(t, h, "lonely", history.Failed, "boom", []tables.Record{create("purged", 0)}, []tables.Record{event(&history.SubOrchestrationFailed{TaskScheduledID: 0}, -1), event(failed("boom"), 1)})
	if err := c.Rewind(t.Context(), "lonely", "again"); err != nil {
		t.Fatal(err)
	}
	if got := outline(t, h, "lonely"); got != "-"+created+" -SubOrchestrationInstanceFailed -ExecutionCompleted" {
		t.Error(got)
	}
	if messages := received(t, h, "lonely"); len(messages) != 1 {
		t.Errorf("lonely: %d messages", len(messages))
	}
}

// TestRewindEditsRowsAsDotNet compares with the rows that .NET's rewind wrote in the recordings.
func TestRewindEditsRowsAsDotNet(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"safe-exceptions", "table-details"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			before, after := recordedRewind(t, folder)
			h := newHubForTest(t)
			client := h.Account().Tables().NewClient(h.Names().HistoryTable())
			for _, body := range before {
				if _, err := client.UpsertEntity(t.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
					t.Fatal(err)
				}
			}
			status := history.Failed
			if _, err := h.Tables().MergeInstance(t.Context(), tables.InstanceUpdate{InstanceID: "rewind-1", Status: &status}, ""); err != nil {
				t.Fatal(err)
			}
			if err := h.Client().Rewind(t.Context(), "rewind-1", "try again"); err != nil {
				t.Fatal(err)
			}
			if len(after) != 3 {
				t.Errorf("the recording has %d rewound rows", len(after))
			}
			for _, body := range after {
				want, err := edm.Unmarshal(body)
				if err != nil {
					t.Fatal(err)
				}
				response, err := client.GetEntity(t.Context(), "rewind-1", want["RowKey"].(string), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := edm.Unmarshal(response.Value)
				if err != nil {
					t.Fatal(err)
				}
				delete(got, edm.TimestampProperty)
				if !edm.Equal(got, want) {
					t.Errorf("row %v\n got %v\nwant %v", want["RowKey"], got, want)
				}
			}
		})
	}
}

func recordedRewind(t *testing.T, folder string) (before, after [][]byte) {
	t.Helper()
	file, err := os.Open(testkit.Shared(t, "golden", folder, "writes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	type write struct {
		Table, Op, PK, Body string
		Items               []write
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var w write
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		for _, item := range append(w.Items, w) {
			switch {
			case item.PK != "rewind-1" || !strings.HasSuffix(item.Table, "History"):
			case item.Op == "replace":
				after = append(after, []byte(item.Body))
			case len(after) == 0:
				before = append(before, []byte(item.Body))
			}
		}
	}
	return before, after
}

func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	big := `"` + strings.Repeat("i", 60_000) + `"`
	mustStart(t, h, durable.StartRequest{InstanceID: "old", Input: &big, Version: "3", Tags: map[string]string{"a": "b"}})
	if _, err := c.Restart(t.Context(), "old", RestartSameID()); !errors.Is(err, ErrInstanceExists) {
		t.Errorf("restarting a pending instance under its id: %v", err)
	}
	again, err := c.Restart(t.Context(), "old")
	if err != nil || again.InstanceID == "old" {
		t.Fatal(again, err)
	}
	named, err := c.Restart(t.Context(), "old", RestartAs("new"))
	if err != nil || named.InstanceID != "new" {
		t.Fatal(named, err)
	}
	setStatus(t, h, "old", history.Failed, "x")
	same, err := c.Restart(t.Context(), "old", RestartSameID())
	if err != nil || same.InstanceID != "old" {
		t.Fatal(same, err)
	}
	for _, id := range []string{again.InstanceID, "new", "old"} {
		in, err := c.GetInstance(t.Context(), id)
		if err != nil || *in.Input != big || in.Version != "3" || in.Tags["a"] != "b" || in.Name != "Checkout" || in.Status != history.Pending || (in.Generation == 1) != (id == "old") {
			t.Errorf("%s: %v", id, err)
		}
	}
	derived := strings.Repeat("p", 120) + ":1" // as a child's
	ran(t, h, derived, history.Completed, "")
	if _, err := c.Restart(t.Context(), derived, RestartSameID()); err != nil {
		t.Error(err)
	}
	if _, err := c.Restart(t.Context(), derived, RestartAs(strings.Repeat("q", 120))); !errors.As(err, new(*InvalidInstanceIDError)) {
		t.Error(err)
	}
	if _, err := c.Restart(t.Context(), "no such"); !errors.Is(err, ErrInstanceNotFound) {
		t.Error(err)
	}
}

func TestTerminateTree(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	create := func(id string, n int32) tables.Record {
		return event(&history.SubOrchestrationCreated{Name: "Child", InstanceID: &id}, n)
	}
	ran(t, h, "root", history.Running, "", []tables.Record{create("a", 0), create("b", 1), create("c", 2), create("unstarted", 3)},
		[]tables.Record{event(&history.SubOrchestrationCompleted{TaskScheduledID: 1}, -1)})
	ran(t, h, "a", history.Running, "", []tables.Record{create("a-1", 0)})
	ran(t, h, "a-1", history.Suspended, "", []tables.Record{})
	ran(t, h, "b", history.Completed, "", []tables.Record{})
	ran(t, h, "c", history.Failed, "", []tables.Record{}) // its answer is on the way
	told, err := h.Client().TerminateTree(t.Context(), "root", "enough")
	if err != nil || told != 4 {
		t.Errorf("%d, %v", told, err)
	}
	for id, want := range map[string]int{"root": 1, "a": 1, "a-1": 1, "b": 0, "c": 0, "unstarted": 1} {
		if messages := received(t, h, id); len(messages) != want {
			t.Errorf("%s: %d messages", id, len(messages))
		}
	}
	if _, err := h.Client().TerminateTree(t.Context(), "no such", ""); !errors.Is(err, ErrInstanceNotFound) {
		t.Error(err)
	}
}

func TestStartBatch(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	mustStart(t, h, durable.StartRequest{InstanceID: "b-3"})
	requests := make([]durable.StartRequest, 60)
	for i := range requests {
		requests[i] = durable.StartRequest{Name: "Checkout", InstanceID: fmt.Sprint("b-", i)}
	}
	requests[7].InstanceID = "a/b"
	requests[9].InstanceID = ""
	for i, result := range h.Client().StartBatch(t.Context(), requests) {
		switch i {
		case 3:
			if !errors.Is(result.Err, ErrInstanceExists) {
				t.Errorf("%d: %v", i, result.Err)
			}
		case 7:
			if !errors.As(result.Err, new(*InvalidInstanceIDError)) {
				t.Errorf("%d: %v", i, result.Err)
			}
		case 9:
			if result.Err != nil || len(result.InstanceID) != 32 {
				t.Errorf("%d: %+v", i, result)
			}
		default:
			if result.Err != nil || result.InstanceID != requests[i].InstanceID {
				t.Errorf("%d: %+v", i, result)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, result := range h.Client().StartBatch(ctx, requests[:3]) {
		if !errors.Is(result.Err, context.Canceled) {
			t.Error(result.Err)
		}
	}
}

func TestPurgeAll(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	big := strings.Repeat("x", 40_000)
	ended := []history.Status{history.Completed, history.Failed, history.Terminated, history.Canceled}
	for i := range 40 {
		result := event(&history.TaskCompleted{TaskScheduledID: 0, Result: history.String("1")}, -1)
		if i%5 == 0 {
			result = event(&history.TaskCompleted{TaskScheduledID: 0, Result: &big}, -1)
		}
		ran(t, h, fmt.Sprintf("p-%02d", i), ended[i%4], "", []tables.Record{event(&history.TaskScheduled{Name: "a"}, 0)}, []tables.Record{result})
	}
	many := make([]tables.Record, 300)
	for i := range many {
		many[i] = event(&history.TaskScheduled{Name: "a"}, int32(i))
	}
	ran(t, h, "p-07b", history.Completed, "", many)
	for _, id := range []string{"p-07a", "p-1", "@p@k"} {
		ran(t, h, id, history.Running, "", []tables.Record{event(&history.TaskScheduled{Name: "a", Input: &big}, 0)})
	}

	for _, status := range []history.Status{history.Running, history.Pending, history.Suspended, history.ContinuedAsNew} {
		if _, err := c.PurgeAll(t.Context(), PurgeFilter{Statuses: []history.Status{history.Completed, status}}); !errors.As(err, new(*ArgumentError)) {
			t.Errorf("%v: %v", status, err)
		}
	}
	var seen []int
	progress, err := c.PurgeAll(t.Context(), PurgeFilter{Statuses: ended[1:2], Progress: func(p PurgeProgress) { seen = append(seen, p.Instances) }})
	if err != nil || progress.Instances != 10 || progress.Rows != 80 || len(seen) == 0 || seen[len(seen)-1] != 10 {
		t.Errorf("%+v, %v, %v", progress, seen, err)
	}
	if progress, err = c.PurgeAll(t.Context(), PurgeFilter{CreatedTo: time.Now().Add(-time.Hour)}); err != nil || progress.Instances != 0 {
		t.Errorf("%+v, %v", progress, err)
	}
	progress, err = c.PurgeAll(t.Context(), PurgeFilter{CreatedFrom: time.Now().Add(-time.Hour), IDPrefix: "p-"})
	if err != nil || progress.Instances != 31 || progress.Failed != 0 {
		t.Errorf("%+v, %v", progress, err)
	}
	var left []string
	for i, err := range c.Query(t.Context(), Query{IncludeEntities: true}) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, i.InstanceID)
		if events, err := c.History(t.Context(), i.InstanceID); err != nil || len(events) != 4 {
			t.Errorf("%s: %d events, %v", i.InstanceID, len(events), err)
		}
	}
	if !slices.Equal(left, []string{"@p@k", "p-07a", "p-1"}) {
		t.Errorf("left are %v", left)
	}
	for _, id := range []string{"p-00", "p-07b"} {
		if stored, err := h.Tables().LoadHistory(t.Context(), id); err != nil || stored.Exists {
			t.Errorf("%s: %+v, %v", id, stored, err)
		}
	}
	found, err := listFolders(t, h)
	if err != nil || len(found) != 3 {
		t.Errorf("blobs of %v, %v", found, err)
	}
	if progress, err = c.PurgeAll(t.Context(), PurgeFilter{}); err != nil || progress.Instances != 0 {
		t.Errorf("again: %+v, %v", progress, err)
	}
}

func listFolders(t *testing.T, h *Hub) ([]string, error) {
	t.Helper()
	pager := h.Account().BlobService().NewContainerClient(h.Names().LargeMessageContainer()).NewListBlobsFlatPager(nil)
	var folders []string
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			return nil, err
		}
		for _, blob := range page.Segment.BlobItems {
			folder, _, _ := strings.Cut(*blob.Name, "/")
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	return folders, nil
}
