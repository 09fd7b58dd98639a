package taskhub

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/tables"
)

// oddIDs are ids that a client may choose and that some layer could spoil: keys are parts of URLs and of filters, ids
// parts of blob names.
var oddIDs = []string{
	"order 42", "a+b", "100%", "50%25", "o'brien", "''", "a:b", "a|b", "^", "^0", "a^1b", "&amp;<>", "\"quoted\"", "semi;colon,comma", "=x@y", "a@b", "~$!*()",
	"{braces}[brackets]", "`tick`", "Größe", "日本", "😀", "e\u0301", "é", "ﬁ", "\u200d", " lead", "trail ", "dot.", "..x", "-", "_", "null", "sentinel",
	"MiXeD", "mixed", "İ", "ß", strings.Repeat("x", 100), strings.Repeat("日", 100), strings.Repeat("😀", 50), "\u00a0", "%2F", "%00", "a%2fb",
}

// TestOddIDs takes instances with odd ids through all that a client does; none may disturb another.
func TestOddIDs(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	big := strings.Repeat("x", 50_000)
	inputOf := func(id string) string { return `"` + id + big + `"` }
	for _, id := range oddIDs {
		mustStart(t, h, durable.StartRequest{InstanceID: id, Name: "Name of " + id, Input: history.String(inputOf(id)), Tags: map[string]string{id: id}})
		if err := c.RaiseEvent(t.Context(), id, "Event "+id, id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	if all := ids(t, h); len(all) != len(oddIDs) {
		t.Errorf("%d instances, want %d: %q", len(all), len(oddIDs), all)
	}
	for _, id := range oddIDs {
		checkOddID(t, h, id, inputOf(id))
	}
	received := make(map[string]int)
	for i := range h.Partitions() {
		for {
			got, err := h.Queues().Control(i).Receive(t.Context(), 32, settleTime)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				break
			}
			for _, d := range got {
				if d.Err != nil {
					t.Fatal(d.Err)
				}
				id := d.Envelope.Message.Target.InstanceID
				received[id]++
				if layout.Partition(id, h.Partitions()) != i {
					t.Errorf("%q is in queue %d", id, i)
				}
				if raised, ok := d.Envelope.Message.Event.(*history.EventRaised); ok && raised.Name != "Event "+id {
					t.Errorf("%q got %q", id, raised.Name)
				}
			}
		}
	}
	for i, id := range oddIDs {
		if received[id] != 2 {
			t.Errorf("%q got %d messages", id, received[id])
		}
		if result, err := c.Purge(t.Context(), id, PurgeUnfinished()); err != nil || result.Instances != 1 || result.Rows != 3 {
			t.Errorf("purge %q: %+v, %v", id, result, err)
		}
		if _, err := c.GetStatus(t.Context(), id); !errors.Is(err, ErrInstanceNotFound) {
			t.Errorf("%q after the purge: %v", id, err)
		}
		if i%9 == 0 && i+1 < len(oddIDs) { // the others are as they were
			next := oddIDs[i+1]
			if in, err := c.Get(t.Context(), next); err != nil || *in.Input != inputOf(next) {
				t.Errorf("purging %q spoils %q: %v", id, next, err)
			}
		}
	}
	if folders, err := listFolders(t, h); err != nil || len(folders) != 0 {
		t.Errorf("left are %q, %v", folders, err)
	}
}

func checkOddID(t *testing.T, h *Hub, id, input string) {
	t.Helper()
	c := h.Client()
	in, err := c.Get(t.Context(), id)
	if err != nil || in.InstanceID != id || *in.Input != input || in.Name != "Name of "+id || in.Tags[id] != id {
		t.Errorf("get %q: %v", id, err)
		return
	}
	execution := in.ExecutionID
	_, err = h.Tables().Commit(t.Context(), tables.Commit{InstanceID: id, ExecutionID: execution, Records: []tables.Record{
		event(&history.ExecutionStarted{Instance: history.Instance{InstanceID: id, ExecutionID: &execution}, Name: in.Name, Input: &input}, -1),
		event(&history.SubOrchestrationCreated{InstanceID: &id, Name: id}, 0),
	}})
	if err != nil {
		t.Errorf("commit %q: %v", id, err)
	}
	events, err := c.History(t.Context(), id)
	if err != nil || len(events) != 2 || *events[0].(*history.ExecutionStarted).Input != input || *events[1].(*history.SubOrchestrationCreated).InstanceID != id {
		t.Errorf("history of %q: %d events, %v", id, len(events), err)
	}
	page, err := c.QueryPage(t.Context(), Query{IDPrefix: id, Name: "Name of " + id}, "")
	if err != nil || len(page.Instances) != 1 || page.Instances[0].InstanceID != id {
		t.Errorf("query %q: %+v, %v", id, page, err)
	}
	page, err = c.QueryPage(t.Context(), Query{Tags: map[string]string{id: id}}, "")
	if err != nil || !slices.ContainsFunc(page.Instances, func(i *Instance) bool { return i.InstanceID == id }) {
		t.Errorf("query the tag %q: %v", id, err)
	}
}

func TestRefusedIDs(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	for _, id := range []string{"a/b", `a\b`, "a#b", "a?b", "tab\t", "\x00", "\u0085", ".", "..", strings.Repeat("x", 101), strings.Repeat("😀", 51), "\xff", "@entity@k"} {
		before := h.Account().Counts()
		if _, err := h.Client().Start(t.Context(), durable.StartRequest{InstanceID: id, Name: "n"}); err == nil {
			t.Errorf("%q was started", id)
		}
		if made := operations(h.Account().Counts().Sub(before)); len(made) != 0 {
			t.Errorf("%q: %v", id, made)
		}
	}
}
