package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// fill starts instances whose ids begin so; they wait, as there is no worker.
func (d *desk) fill(prefix string, n int) {
	d.t.Helper()
	hub := d.hub()
	requests := make([]durable.StartRequest, n)
	for i := range requests {
		requests[i] = durable.StartRequest{Name: "Checkout", InstanceID: fmt.Sprintf("%s%04d", prefix, i), Input: history.String(fmt.Sprint(i))}
	}
	for _, result := range hub.Client().StartBatch(d.t.Context(), requests) {
		if result.Err != nil {
			d.t.Fatal(result.Err)
		}
	}
}

// finish writes a status into the rows of instances, as if a worker had ended them.
func (d *desk) finish(status history.Status, ids ...string) {
	d.t.Helper()
	hub := d.hub()
	table := hub.Account().Tables().NewClient(hub.Names().InstancesTable())
	for _, id := range ids {
		row, err := json.Marshal(map[string]any{"PartitionKey": id, "RowKey": "", "RuntimeStatus": status.String()})
		if err != nil {
			d.t.Fatal(err)
		}
		if _, err := table.UpsertEntity(d.t.Context(), row, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
			d.t.Fatal(err)
		}
	}
}

func numberedIDs(prefix string, from, to int) []string {
	var ids []string
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprintf("%s%04d", prefix, i))
	}
	return ids
}

func (d *desk) ids(o outcome) []string {
	d.t.Helper()
	var list []instanceJSON
	d.parse(o, &list)
	ids := make([]string, len(list))
	for i, in := range list {
		ids[i] = in.InstanceID
	}
	return ids
}

func TestListInParts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill("a-", 25)
	want := numberedIDs("a-", 0, 25)
	if got := d.ids(d.ok("list", "-o", "json")); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	var got []string
	args := []string{"list", "-o", "json", "--limit", "10"}
	for range 3 {
		o := d.do(args...)
		if o.status != exitOK {
			t.Fatalf("%+v", o)
		}
		part := d.ids(o)
		got = append(got, part...)
		_, token, more := strings.Cut(strings.TrimSpace(o.err), "Go on with --token ")
		if len(part) == 10 != more {
			t.Errorf("%d instances, %q", len(part), o.err)
		}
		args = []string{"list", "-o", "json", "--limit", "10", "--token", token}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if o := d.do("list", "--limit", "25"); o.status != exitOK || strings.Count(o.out, "\n") != 26 {
		t.Errorf("%+v", o)
	}
	d.do("list", "--token", "nonsense").wantError(t, exitUsage, "--token")
	if got := d.ids(d.ok("list", "-o", "json", "--until", "1h ago")); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := d.ids(d.ok("list", "-o", "json", "--since", "1h", "--instance-id-prefix", "a-001")); len(got) != 10 {
		t.Errorf("%v", got)
	}
	d.wantGolden(d.account.do(t, "__complete", "get", "--hub", d.name, "a-002"), "a-0020\tCheckout, Pending\na-0021\tCheckout, Pending\na-0022\tCheckout, Pending\na-0023\tCheckout, Pending\na-0024\tCheckout, Pending\n:4\n")
}

func TestPurgeHistory(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill("p-", 30)
	d.finish(history.Completed, numberedIDs("p-", 0, 20)...)
	d.finish(history.Failed, numberedIDs("p-", 20, 25)...)
	d.wantGolden(d.ok("purge-history", "--all", "--dry-run"), "\n"+`Would purge 25 finished instances of hub "Hub": 20 Completed, 5 Failed. Nothing was deleted.`+"\n")
	var dry dryRunJSON
	d.parse(d.ok("purge-history", "--status", "failed", "--since", "1h", "--dry-run", "-o", "json"), &dry)
	if !dry.DryRun || dry.Instances != 5 || dry.ByStatus["Failed"] != 5 || len(dry.ByStatus) != 4 || dry.Hub != d.name {
		t.Errorf("%+v", dry)
	}
	d.wantGolden(d.ok("purge-history", "--older-than", "1h"), "\n"+`Purged 0 instances of hub "Hub", with 0 rows of their histories.`+"\n")

	d.person = true
	for _, answer := range []string{"", "n\n", "no\n", "yess\n"} {
		d.in = answer
		o := d.do("purge-history", "--status", "Failed")
		if o.status != exitFailure || o.out != "" || !strings.HasSuffix(o.err, "taskhub: not confirmed; nothing was changed\n") ||
			!strings.Contains(o.err, "This purges 5 finished instances of hub \""+d.name+"\" that are Failed, and cannot be undone. Go on? [y/N] ") {
			t.Errorf("%q: %+v", answer, o)
		}
	}
	d.in = "Yes\n"
	o := d.do("purge-history", "--status", "Failed")
	if o.status != exitOK || !strings.Contains(o.out, "Purged 5 instances") {
		t.Errorf("%+v", o)
	}
	var done purgedJSON
	d.parse(d.ok("purge-history", "--all", "--yes", "-o", "json"), &done)
	if done.Instances != 20 {
		t.Errorf("%+v", done)
	}
	if got := d.ids(d.ok("list", "-o", "json")); !slices.Equal(got, numberedIDs("p-", 25, 30)) {
		t.Errorf("left: %v", got)
	}
}

// exported reads JSON lines.
func exported(t *testing.T, text string) (ids []string, lines []map[string]json.RawMessage) {
	t.Helper()
	scanner := bufio.NewScanner(strings.NewReader(text))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		var line map[string]json.RawMessage
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%v in %.200q", err, scanner.Text())
		}
		var id string
		if err := json.Unmarshal(line["instanceId"], &id); err != nil {
			t.Fatal(err)
		}
		ids, lines = append(ids, id), append(lines, line)
	}
	return ids, lines
}

func TestExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.work()
	d.ok("start", "Chain", "--id", "e-chain", "--input", "7", "--wait", "--timeout", "2m")
	d.ok("start", "LargeResult", "--id", "e-large", "--input", "1500000", "--wait", "--timeout", "2m", "-o", "json")
	ids, lines := exported(t, d.ok("export").out)
	if !slices.Equal(ids, []string{"e-chain", "e-large"}) {
		t.Fatalf("%v", ids)
	}
	if string(lines[0]["input"]) != "7" || string(lines[0]["output"]) != "91" || len(lines[1]["output"]) != 1500002 {
		t.Errorf("%s, %s", lines[0]["input"], lines[0]["output"])
	}
	for i, want := range []int{25, 8} {
		if events, err := history.UnmarshalExport(lines[i]["history"]); err != nil || len(events) < want/2 {
			t.Errorf("%d events, %v", len(events), err)
		}
	}
	d.screen = true
	if o := d.do("export"); o.status != exitOK || o.err != "" {
		t.Errorf("on a terminal: %+v", o.err)
	}
	o := d.do("export", "--file", filepath.Join(t.TempDir(), "x.jsonl"))
	if o.status != exitOK || !strings.Contains(o.err, "instances of 2") || !strings.HasSuffix(o.err, eraseLine) {
		t.Errorf("%+v", o)
	}
	d.screen = false
	if _, lines := exported(t, d.ok("export", "--no-history", "--prefix", "e-c").out); len(lines) != 1 || lines[0]["history"] != nil {
		t.Errorf("%v", lines)
	}
}

// An export that was cut short goes on where it was, and is the same as one in a piece.
func TestExportResumed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill("r-", 250)
	file := filepath.Join(t.TempDir(), "out.jsonl")
	whole := d.ok("export").out

	// Cut short when the first page of instances is there: what is behind the mark is thrown away.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.console.context = ctx
	go func() {
		for !exists(file + ".resume") {
			time.Sleep(time.Millisecond)
		}
		for {
			if text, err := os.ReadFile(file + ".resume"); err == nil && !bytes.Contains(text, []byte(`"instances":0`)) || ctx.Err() != nil {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	o := d.do("export", "--file", file)
	d.console.context = nil
	if o.status == exitInterrupted {
		if !strings.Contains(o.err, "interrupted; ") || !strings.Contains(o.err, "--resume") {
			t.Errorf("%+v", o)
		}
		d.do("export", "--file", file).wantError(t, exitUsage, "an export that did not end", "--resume", "--overwrite")
		d.do("export", "--file", file, "--resume", "--prefix", "x").wantError(t, exitUsage, "--resume", "another export")
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"instanceId":"half a li`); err != nil {
			t.Fatal(err)
		}
		f.Close()
		o = d.do("export", "--file", file, "--resume", "-o", "json")
		var done exportedJSON
		d.parse(o, &done)
		if done.Instances != 250 || done.Bytes != int64(len(whole)) || done.Problems != 0 || done.File != file {
			t.Errorf("%+v", done)
		}
	}
	if o.status != exitOK {
		t.Fatalf("%+v", o)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != whole {
		t.Errorf("%d bytes, want %d, %v", len(text), len(whole), err)
	}
	if exists(file + ".resume") {
		t.Error("the mark is still there")
	}
	d.do("export", "--file", file).wantError(t, exitUsage, "is there already", "--overwrite")
	d.do("export", "--file", file, "--resume").wantError(t, exitUsage, "--resume: there is no")
	d.do("export", "--file", filepath.Join(file, "below")).wantError(t, exitUsage, "--file", "cannot be written")
	d.ok("export", "--file", file, "--overwrite", "--prefix", "r-000").wantOut(t, "Exported 10 instances")
}

// One damaged history does not keep the others from being exported.
func TestExportDamaged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.work()
	for _, id := range []string{"d-1", "d-2", "d-3"} {
		d.ok("start", "OneActivity", "--id", id, "--input", `"x"`, "--wait", "--timeout", "2m")
	}
	hub := d.hub()
	table := hub.Account().Tables().NewClient(hub.Names().HistoryTable())
	row, err := json.Marshal(map[string]any{"PartitionKey": "d-2", "RowKey": "0000000000000001", "EventType": "Nonsense"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.UpsertEntity(t.Context(), row, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
		t.Fatal(err)
	}
	d.do("history", "d-2").wantError(t, exitFailure, "d-2", "0000000000000001")
	file := filepath.Join(t.TempDir(), "out.jsonl")
	o := d.do("export", "--file", file)
	if o.status != exitOK || !strings.Contains(o.out, "Exported 3 instances") || !strings.Contains(o.err, "1 instance could not be read completely") {
		t.Errorf("%+v", o)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ids, lines := exported(t, string(text))
	if !slices.Equal(ids, []string{"d-1", "d-2", "d-3"}) || string(lines[1]["history"]) != "null" || !bytes.Contains(lines[1]["problem"], []byte("0000000000000001")) || lines[0]["problem"] != nil {
		t.Errorf("%v, %s", ids, lines[1])
	}
}
