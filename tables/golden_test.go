package tables

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

// recordedWrite is a line of writes.jsonl: what the .NET library sent to a table.
type recordedWrite struct {
	Table   string          `json:"table"`
	Op      string          `json:"op"`
	PK      string          `json:"pk"`
	RK      string          `json:"rk"`
	IfMatch *string         `json:"ifMatch"`
	Body    string          `json:"body"`
	Items   []recordedWrite `json:"items"`
}

func readRecording(t *testing.T, folder string) []recordedWrite {
	t.Helper()
	file, err := os.Open(testkit.Shared(t, "golden", folder, "writes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	var all []recordedWrite
	for lines.Scan() {
		var w recordedWrite
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// offlineStore encodes without storage.
func offlineStore(t *testing.T, hub string) *Store {
	t.Helper()
	account, err := storage.Open(storage.Config{ConnectionString: "UseDevelopmentStorage=true"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	names, err := layout.NewNames(hub)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Account: account, Names: names})
}

func mustUnmarshal(t *testing.T, body string) edm.Entity {
	t.Helper()
	entity, err := edm.Unmarshal([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return entity
}

// TestRowsEqualDotNet writes every recorded history, status row and start again and compares columns, types and values.
func TestRowsEqualDotNet(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"safe-exceptions", "table-details"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			writes := readRecording(t, folder)
			r := replayed{t: t, store: offlineStore(t, hubOf(writes)), pending: map[string]Commit{}, offloaded: map[string]Committed{}}
			for _, w := range writes {
				r.check(w)
			}
			t.Logf("%d transactions, %d checkpoints of status rows, %d starts", r.transactions, r.checkpoints, r.starts)
			if r.transactions < 100 || r.checkpoints < 80 || r.starts < 30 {
				t.Error("the recording holds fewer writes than expected")
			}
		})
	}
}

func hubOf(writes []recordedWrite) string {
	for _, w := range writes {
		if hub, ok := strings.CutSuffix(w.Table, "Instances"); ok {
			return hub
		}
	}
	return ""
}

type replayed struct {
	t         *testing.T
	store     *Store
	pending   map[string]Commit // events committed since the status row was written, by partition key
	offloaded map[string]Committed

	transactions, checkpoints, starts int
}

func (r *replayed) check(w recordedWrite) {
	switch {
	case len(w.Items) > 0 && w.Items[0].Op == "upsert-replace":
		r.transaction(w.Items)
	case !strings.HasSuffix(w.Table, "Instances"):
	case w.Op == "insert" || w.Op == "replace":
		r.start(w)
	case w.Op == "merge" && w.IfMatch == nil:
		r.checkpoint(w)
	}
}

// transaction encodes the events of a transaction again.
func (r *replayed) transaction(items []recordedWrite) {
	r.t.Helper()
	r.transactions++
	first, _ := layout.ParseRowKey(items[0].RK)
	c := Commit{InstanceID: layout.UnescapeKey(items[0].PK), FirstRow: first}
	want := make([]edm.Entity, 0, len(items))
	for _, item := range items {
		row := mustUnmarshal(r.t, item.Body)
		if item.RK == layout.SentinelRowKey {
			r.sentinel(c, item, row)
			continue
		}
		for column := range row { // the recording has the names of blobs, not all of their texts
			if base, ok := strings.CutSuffix(column, blobSuffix); ok {
				row[base] = strings.Repeat("x", 31_000)
			}
		}
		event, err := history.DecodeRow(row)
		if err != nil {
			r.t.Fatalf("%s %s: %v", item.PK, item.RK, err)
		}
		c.ExecutionID, _ = row[colExecutionID].(string)
		c.Records = append(c.Records, Record{Event: event})
		want = append(want, row)
	}
	var done Committed
	for i := range c.Records {
		row := edm.Entity{}
		moved, err := r.store.putRow(row, c, items[0].PK, i)
		if err != nil {
			r.t.Fatal(err)
		}
		done.note(c.Records[i].Event, row, moved)
		r.compare(row, want[i], items[i].PK+" "+items[i].RK)
	}
	r.remember(items[0].PK, c, done)
}

func (r *replayed) remember(key string, c Commit, done Committed) {
	if before, ok := r.pending[key]; ok && before.ExecutionID == c.ExecutionID {
		c.Records = append(before.Records, c.Records...)
	}
	if done.InputBlob == "" {
		done.InputBlob = r.offloaded[key].InputBlob
	}
	r.pending[key], r.offloaded[key] = c, done
}

func (r *replayed) sentinel(c Commit, item recordedWrite, row edm.Entity) {
	r.t.Helper()
	c.ExecutionID, _ = row[colExecutionID].(string)
	last, _ := row[colCheckpointComplete].(bool)
	got := sentinelRow(c, item.PK, part{last: last, room: newEncodingRoom()})
	if at, ok := row[colCheckpointTime]; ok {
		got[colCheckpointTime] = at
	}
	r.compare(got, row, item.PK+" sentinel")
	if (item.Op == "insert") != (sentinelWrite(deref(item.IfMatch)) == sentinelWrite("")) {
		r.t.Errorf("%s: the sentinel is written otherwise than by .NET's %s", item.PK, item.Op)
	}
}

// checkpoint derives the status row's columns from the events committed before it.
func (r *replayed) checkpoint(w recordedWrite) {
	r.t.Helper()
	c, ok := r.pending[w.PK]
	if !ok {
		return // the repair of a finished instance
	}
	delete(r.pending, w.PK)
	r.checkpoints++
	want := mustUnmarshal(r.t, w.Body)
	var custom *string
	if text, _ := want[colCustomStatus].(string); text != NullText {
		custom = &text
	}
	completed, _ := want[colCompleted].(time.Time)
	u, err := CheckpointUpdate(c, r.offloaded[w.PK], r.store.names.Hub(), custom, completed)
	if err != nil {
		r.t.Fatal(err)
	}
	delete(r.offloaded, w.PK)
	got, _, err := r.store.updateRow(u)
	if err != nil {
		r.t.Fatal(err)
	}
	r.compare(got, want, w.PK+" checkpoint")
}

// start writes the row of a client's start again.
func (r *replayed) start(w recordedWrite) {
	r.t.Helper()
	r.starts++
	want := mustUnmarshal(r.t, w.Body)
	row, err := r.store.decodeInstance([]byte(w.Body), true)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, large := want[colInput+blobSuffix]; large {
		row.Input, row.InputBlob = history.String(strings.Repeat("x", 31_000)), ""
		want[colInput] = "https://a blob's URL, where .NET leaves an empty text"
	} else if url, _ := want[colInput].(string); strings.HasPrefix(url, "http") {
		row.InputBlob = "start message"
	}
	got, _, err := r.store.startRow(row)
	if err != nil {
		r.t.Fatal(err)
	}
	r.compare(got, want, w.PK+" start")
}

// compare checks columns, types and values. Values that are blob names and URLs differ and are compared by column only.
func (r *replayed) compare(got, want edm.Entity, where string) {
	r.t.Helper()
	for column, value := range want {
		have, ok := got[column]
		switch {
		case !ok:
			r.t.Errorf("%s: column %s is missing", where, column)
		case edm.TypeName(have) != edm.TypeName(value):
			r.t.Errorf("%s: column %s is %s, want %s", where, column, edm.TypeName(have), edm.TypeName(value))
		case strings.HasSuffix(column, blobSuffix) || isURL(have) && isURL(value):
		case got[column+blobSuffix] != nil: // the text is in the blob
			if have != "" && !isURL(have) {
				r.t.Errorf("%s: column %s is in a blob and still here", where, column)
			}
		case !edm.EqualValue(have, value):
			r.t.Errorf("%s: column %s is %v, want %v", where, column, have, value)
		}
	}
	for column := range got {
		if _, ok := want[column]; !ok {
			r.t.Errorf("%s: column %s is one too many", where, column)
		}
	}
}

func isURL(value any) bool {
	text, _ := value.(string)
	return strings.HasPrefix(text, "http")
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
