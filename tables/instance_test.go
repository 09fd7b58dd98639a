package tables

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
)

func pending(id, executionID string) *InstanceRow {
	return &InstanceRow{
		InstanceID: id, ExecutionID: executionID, Name: "Checkout", Version: history.String(""), Input: history.String(`{"qty":3}`),
		CreatedTime: testTime, LastUpdatedTime: testTime, Status: history.Pending, Hub: "TestHub", HasGeneration: true,
	}
}

func mustGet(t *testing.T, s *Store, id string) *InstanceRow {
	t.Helper()
	row, err := s.GetInstance(t.Context(), id, GetOptions{Inputs: true})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestInstanceRow(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "o'brien/1"
	if row := mustGet(t, s, id); row != nil {
		t.Fatalf("a row that nobody wrote: %+v", row)
	}
	scheduled := testTime.Add(time.Hour)
	want := pending(id, "e1")
	want.Tags, want.ScheduledStart = map[string]string{"team": "blue", "<&>": "\"é\""}, &scheduled
	etag, err := s.InsertInstance(t.Context(), want)
	if err != nil || etag == "" {
		t.Fatal(etag, err)
	}
	got := mustGet(t, s, id)
	if got.ETag != etag || got.Problem != nil || got.InstanceID != id || got.ExecutionID != "e1" || deref(got.Input) != deref(want.Input) || deref(got.Version) != "" ||
		got.Version == nil || !got.CreatedTime.Equal(testTime) || !got.ScheduledStart.Equal(scheduled) || got.Status != history.Pending || got.CustomStatus != nil ||
		!got.HasGeneration || got.Generation != 0 || !maps.Equal(got.Tags, want.Tags) || got.CompletedTime != nil || got.Output != nil || got.Hub != "TestHub" {
		t.Errorf("read %+v", got)
	}
	lean, err := s.GetInstance(t.Context(), id, GetOptions{})
	if err != nil || lean.Input != nil || lean.ETag != etag {
		t.Errorf("without inputs %+v, %v", lean, err)
	}
	if _, err := s.InsertInstance(t.Context(), want); !errors.Is(err, ErrConflict) {
		t.Errorf("inserting twice: %v", err)
	}

	running, custom := history.Running, `"half"`
	merged, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: id, Status: &running, CustomStatus: &custom, Output: history.String("x")}, etag)
	if err != nil || merged == "" || merged == etag {
		t.Fatal(merged, err)
	}
	got = mustGet(t, s, id)
	if got.Status != history.Running || deref(got.CustomStatus) != custom || deref(got.Input) != deref(want.Input) || got.ETag != merged {
		t.Errorf("merged %+v", got)
	}
	if _, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: id, Status: &running}, etag); !errors.Is(err, ErrConflict) {
		t.Errorf("merging over a newer version: %v", err)
	}
	if _, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: "no such", Status: &running}, AnyVersion); !errors.Is(err, ErrRowNotFound) {
		t.Errorf("merging what is not there: %v", err)
	}

	again := pending(id, "e2")
	again.Generation = 1
	if _, err := s.ReplaceInstance(t.Context(), again, etag); !errors.Is(err, ErrConflict) {
		t.Errorf("replacing a newer version: %v", err)
	}
	if _, err := s.ReplaceInstance(t.Context(), again, merged); err != nil {
		t.Fatal(err)
	}
	got = mustGet(t, s, id)
	if got.ExecutionID != "e2" || got.Output != nil || got.CustomStatus != nil || got.Tags != nil || got.ScheduledStart != nil || got.Generation != 1 {
		t.Errorf("replaced %+v", got)
	}
	if _, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: "child", Status: &running}, ""); err != nil {
		t.Errorf("insert or merge: %v", err)
	}
}

func TestTextThatLooksLikeAnAddress(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	own := s.payloads.URL("order-1/history-x.json.gz")
	for i, text := range []string{
		"http://x", "urn:foo", "https://example.com/a/b.json.gz", "http://127.0.0.1:1/devstoreaccount1/other-largemessages/x",
		strings.Replace(own, "-largemessages/", "-other/", 1), "http://[broken", "https://", "http", strings.Replace(own, "http:", "ftp:", 1), own + "%zz",
	} {
		id := fmt.Sprint("text-", i)
		row := pending(id, "e")
		row.Input, row.Output = &text, &text
		if _, err := s.InsertInstance(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		got := mustGet(t, s, id)
		if deref(got.Input) != text || deref(got.Output) != text || got.Problem != nil {
			t.Errorf("%q became %q, %q, %v", text, deref(got.Input), deref(got.Output), got.Problem)
		}
	}
}

func TestLargeInputOfAStart(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	row := pending("big", "e")
	big, tags := strings.Repeat("x", 40_000), map[string]string{"t": strings.Repeat("y", 40_000)}
	row.Input, row.Tags = &big, tags
	if _, err := s.InsertInstance(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	got := mustGet(t, s, "big")
	if deref(got.Input) != big || !maps.Equal(got.Tags, tags) || got.Problem != nil {
		t.Errorf("input of %d, tags of %d, %v", len(deref(got.Input)), len(got.Tags["t"]), got.Problem)
	}

	envelope := &history.Envelope{
		ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57", Sender: &history.Instance{ExecutionID: history.String("")},
		Message: &history.Message{Event: started("big-2", "e", &big), Target: history.Instance{InstanceID: "big-2", ExecutionID: history.String("e")}},
	}
	text, err := history.MarshalEnvelope(envelope)
	if err != nil {
		t.Fatal(err)
	}
	row = pending("big-2", "e")
	row.Input, row.InputBlob = &big, "big-2/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz"
	if err := s.payloads.Write(t.Context(), row.InputBlob, text); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InsertInstance(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if got := mustGet(t, s, "big-2"); deref(got.Input) != big || got.InputBlob != row.InputBlob {
		t.Errorf("input of %d from %q", len(deref(got.Input)), got.InputBlob)
	}
	if err := s.payloads.Write(t.Context(), row.InputBlob, []byte("no message")); err != nil {
		t.Fatal(err)
	}
	if got := mustGet(t, s, "big-2"); got.Input != nil || got.Problem == nil || got.Name != "Checkout" {
		t.Errorf("a blob that is no message: %v, %v", got.Input, got.Problem)
	}
}

func TestInputAsDotNetLeavesIt(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	blob := "order^0/history--Input-1EC0862C-Input.json.gz"
	if err := s.payloads.Write(t.Context(), blob, []byte("the input")); err != nil {
		t.Fatal(err)
	}
	insert(t, s, edm.Entity{colPartitionKey: "order^0", colRowKey: "", colInput: "", "InputBlobName": blob, colStatus: "Pending"})
	if got := mustGet(t, s, "order/"); deref(got.Input) != "the input" || got.Problem != nil {
		t.Errorf("input %q, %v", deref(got.Input), got.Problem)
	}
}

func insert(t *testing.T, s *Store, row edm.Entity) {
	t.Helper()
	body, err := edm.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.instances.UpsertEntity(t.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
		t.Fatal(err)
	}
}

func TestOddRowsDoNotHideOthers(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	insert(t, s, edm.Entity{colPartitionKey: "a", colRowKey: "", colGeneration: int64(3), colName: "Odd", colStatus: "Completed"})
	insert(t, s, edm.Entity{colPartitionKey: "b", colRowKey: "", colCreated: "yesterday", colTags: "[", colStatus: "Dreaming", "Extra": 1.5})
	insert(t, s, edm.Entity{colPartitionKey: "c", colRowKey: ""})
	insert(t, s, edm.Entity{colPartitionKey: "d", colRowKey: "", colTags: `{"$type":"Dictionary","team":"blue"}`, colStatus: "Running"})
	rows, next, err := s.QueryInstances(t.Context(), Filter{Inputs: true, Outputs: true}, "", 0)
	if err != nil || next != "" || len(rows) != 4 {
		t.Fatal(len(rows), next, err)
	}
	if rows[0].Problem == nil || rows[0].Name != "Odd" || rows[0].Status != history.Completed {
		t.Errorf("a: %+v", rows[0])
	}
	if rows[1].Problem == nil || rows[1].Status != StatusUnknown {
		t.Errorf("b: %+v", rows[1])
	}
	if rows[2].Problem != nil || rows[2].Status != StatusUnknown {
		t.Errorf("c: %+v", rows[2])
	}
	if rows[3].Problem != nil || !maps.Equal(rows[3].Tags, map[string]string{"team": "blue"}) {
		t.Errorf("d: %+v", rows[3])
	}
}

func TestQueryInstances(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	statuses := []history.Status{history.Running, history.Completed, history.Failed}
	for i := range 12 {
		row := pending(fmt.Sprintf("order-%02d", i), "e")
		row.Status, row.CreatedTime, row.Output = statuses[i%3], testTime.Add(time.Duration(i)*time.Minute), history.String("out")
		row.Tags = map[string]string{"shard": fmt.Sprint(i % 2)}
		if i >= 6 {
			row.Name = "It's other"
		}
		if _, err := s.InsertInstance(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"@counter@k", "Order-1", "orderly", "z/1", "ordeé"} {
		if _, err := s.InsertInstance(t.Context(), pending(id, "e")); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(f Filter) string {
		t.Helper()
		var found []string
		for row, err := range s.All(t.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, row.InstanceID)
		}
		slices.Sort(found)
		return strings.ReplaceAll(strings.Join(found, " "), "order-", "")
	}
	for _, test := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"everything", Filter{}, "@counter@k Order-1 00 01 02 03 04 05 06 07 08 09 10 11 orderly ordeé z/1"},
		{"no entities", Filter{ExcludeEntities: true}, "Order-1 00 01 02 03 04 05 06 07 08 09 10 11 orderly ordeé z/1"},
		{"prefix", Filter{IDPrefix: "order-1"}, "10 11"},
		{"prefix with escapes", Filter{IDPrefix: "z/"}, "z/1"},
		{"entities of a name", Filter{IDPrefix: "@counter@"}, "@counter@k"},
		{"one", Filter{InstanceID: "order-07"}, "07"},
		{"statuses", Filter{IDPrefix: "order-", Statuses: statuses[1:]}, "01 02 04 05 07 08 10 11"},
		{"name", Filter{Name: "It's other", Statuses: statuses[:1]}, "06 09"},
		{"time", Filter{CreatedFrom: testTime.Add(3 * time.Minute), CreatedTo: testTime.Add(5 * time.Minute)}, "03 04 05"},
		{"tags", Filter{Tags: map[string]string{"shard": "1"}, CreatedTo: testTime.Add(4 * time.Minute)}, "01 03"},
		{"hubs", Filter{Hubs: []string{"elsewhere"}}, ""},
		{"range", Filter{within: keyRange{from: "order-03", before: "order-05"}}, "03 04"},
		{"nothing", Filter{IDPrefix: "@", ExcludeEntities: true}, ""},
	} {
		if got := ids(test.filter); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}

	var paged []string
	token, pages := "", 0
	for first := true; first || token != ""; first = false {
		rows, next, err := s.QueryInstances(t.Context(), Filter{IDPrefix: "order-", Inputs: true}, token, 5)
		if err != nil || len(rows) > 5 {
			t.Fatal(len(rows), err)
		}
		for _, row := range rows {
			if row.Output != nil || row.Input == nil {
				t.Errorf("columns that were not asked for: %+v", row)
			}
			paged = append(paged, row.InstanceID)
		}
		token, pages = next, pages+1
	}
	if len(paged) != 12 || pages < 3 || !slices.IsSorted(paged) {
		t.Errorf("%d pages with %v", pages, paged)
	}

	counts, err := s.CountInstances(t.Context(), Filter{IDPrefix: "order-", Tags: map[string]string{"shard": "0"}}, 1)
	if want := map[history.Status]int{history.Running: 2, history.Completed: 2, history.Failed: 2}; err != nil || !maps.Equal(counts, want) {
		t.Errorf("counts %v, %v", counts, err)
	}
	if _, _, err := s.QueryInstances(t.Context(), Filter{}, "no token", 0); !errors.As(err, new(*InvalidTokenError)) {
		t.Errorf("a token made up: %v", err)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	big := strings.Repeat("x", 40_000)
	ids := []string{"order-1", "order-10", "order-1/x", "order-1^0x"}
	for _, id := range ids {
		c := Commit{InstanceID: id, ExecutionID: "e1", Records: append(firstEpisode(id, "e1"), filler(230, "x")...)}
		c.Records = append(c.Records, filler(1, big)...)
		mustCommit(t, s, c)
		if err := s.payloads.Write(t.Context(), id+"/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.InsertInstance(t.Context(), pending(id, "e1")); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range ids {
		rows, err := s.PurgeInstance(t.Context(), id)
		if err != nil || rows != 236 {
			t.Fatalf("%s: %d rows, %v", id, rows, err)
		}
		if h := mustLoad(t, s, id); h.Exists || mustGet(t, s, id) != nil {
			t.Errorf("%s is still there", id)
		}
		for _, other := range ids[i+1:] {
			if h := mustLoad(t, s, other); len(h.Records) != 235 || mustGet(t, s, other) == nil {
				t.Errorf("%s lost something", other)
			}
		}
		if rows, err := s.PurgeInstance(t.Context(), id); err != nil || rows != 0 {
			t.Errorf("purging %s again: %d rows, %v", id, rows, err)
		}
	}
}

// TestOddIDs: rows are found by their keys, which stand in the request's address, whatever the id.
func TestOddIDs(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ids := []string{"order-42", "o'brien", "''", "a/b\\c#d?e^f", "id with spaces+plus=eq&amp;é:colon|pipe", "50%", "50%25", "%2F", "日本😀", "tab\there", "a,b;c(d)[e]{f}", "~!@$*\"<>`", ".", "..", "x.", strings.Repeat("é", 100)}
	for _, id := range ids {
		row := &InstanceRow{InstanceID: id, ExecutionID: "e", Name: id, CreatedTime: testTime, LastUpdatedTime: testTime}
		if _, err := s.InsertInstance(t.Context(), row); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range ids {
		row, err := s.GetInstance(t.Context(), id, GetOptions{})
		if err != nil || row == nil || row.InstanceID != id || row.Name != id || row.ETag == "" {
			t.Errorf("%q: %+v, %v", id, row, err)
			continue
		}
		name := "merged " + id
		etag, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: id, Name: &name}, row.ETag)
		if err != nil {
			t.Errorf("%q: %v", id, err)
		}
		if row, err = s.GetInstance(t.Context(), id, GetOptions{}); err != nil || row.Name != name || row.ETag != etag {
			t.Errorf("%q: %+v with %s, %v", id, row, etag, err)
		}
		if none, err := s.GetInstance(t.Context(), id+"?", GetOptions{}); none != nil || err != nil {
			t.Errorf("%q: %+v, %v", id+"?", none, err)
		}
	}
	for _, id := range []string{"\xff\xfe", strings.Repeat("é", 600), strings.Repeat("/", 300)} { // no row can have these keys
		if none, err := s.GetInstance(t.Context(), id, GetOptions{}); none != nil || err != nil {
			t.Errorf("%.10q: %+v, %v", id, none, err)
		}
	}
}
