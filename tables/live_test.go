package tables

import (
	"context"
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
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/payloads"
)

var testTime = time.Date(2026, 6, 1, 12, 34, 56, 789012300, time.UTC)

func newStore(t *testing.T) *Store {
	t.Helper()
	account := testkit.Account(t)
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Account: account, Names: names})
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Delete(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func at(event history.Event, id int32) history.Event {
	event.Common().EventID, event.Common().Timestamp = id, testTime
	return event
}

func started(instanceID, executionID string, input *string) history.Event {
	return at(&history.ExecutionStarted{
		Instance: history.Instance{InstanceID: instanceID, ExecutionID: &executionID}, Name: "Checkout", Version: history.String(""), Input: input,
		Generation: history.Int32(0),
	}, -1)
}

// firstEpisode is what an instance with one activity commits at first.
func firstEpisode(instanceID, executionID string) []Record {
	return []Record{
		{Event: at(&history.OrchestratorStarted{}, -1)},
		{Event: started(instanceID, executionID, history.String(`{"qty":3}`)), ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57"},
		{Event: at(&history.TaskScheduled{Name: "Charge", Version: history.String("")}, 0)},
		{Event: at(&history.OrchestratorCompleted{}, -1)},
	}
}

// filler makes n events that take a row each.
func filler(n int, result string) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i].Event = at(&history.TaskCompleted{TaskScheduledID: int32(i), Result: &result}, -1)
	}
	return records
}

func mustCommit(t *testing.T, s *Store, c Commit) Committed {
	t.Helper()
	done, err := s.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func mustLoad(t *testing.T, s *Store, id string) *History {
	t.Helper()
	h, err := s.LoadHistory(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func sameRecords(t *testing.T, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		x, errX := history.EncodeRow(got[i].Event)
		y, errY := history.EncodeRow(want[i].Event)
		if errX != nil || errY != nil || !edm.Equal(x, y) || got[i].ActivityID != want[i].ActivityID {
			t.Errorf("record %d is %v %q, want %v %q", i, x, got[i].ActivityID, y, want[i].ActivityID)
		}
	}
}

func TestCommitAndLoad(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, id := range []string{"order-42", "o'brien", "a/b\\c#d?e^f", "id with spaces+plus=eq&amp;é:colon|pipe", "50%", "日本😀", "tab\there", strings.Repeat("x", 100)} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			if h := mustLoad(t, s, id); h.Exists || h.ETag != "" || len(h.Records) != 0 {
				t.Fatalf("a history that nobody wrote: %+v", h)
			}
			first := Commit{InstanceID: id, ExecutionID: "e1", Records: firstEpisode(id, "e1"), CommitID: "c1"}
			done := mustCommit(t, s, first)
			h := mustLoad(t, s, id)
			sameRecords(t, h.Records, first.Records)
			if h.ETag != done.ETag || h.ETag == "" || h.ExecutionID != "e1" || h.CommitID != "c1" || h.TotalRows != 4 || !h.Exists {
				t.Errorf("loaded %+v, committed %+v", h, done)
			}

			second := Commit{InstanceID: id, ExecutionID: "e1", FirstRow: 4, Records: filler(2, `"ok"`), ETag: done.ETag}
			done = mustCommit(t, s, second)
			h = mustLoad(t, s, id)
			sameRecords(t, h.Records, append(first.Records, second.Records...))
			if h.ETag != done.ETag || h.CommitID != "c1" {
				t.Errorf("loaded %+v, committed %+v", h, done)
			}
			sentinel, err := s.ReadCommit(t.Context(), id)
			if err != nil || sentinel != (Sentinel{ExecutionID: "e1", CommitID: "c1", ETag: done.ETag, Exists: true}) {
				t.Errorf("sentinel %+v, %v", sentinel, err)
			}
		})
	}
}

func TestCommitConflicts(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "order-1"
	first := Commit{InstanceID: id, ExecutionID: "e1", Records: firstEpisode(id, "e1"), CommitID: "c1"}
	done := mustCommit(t, s, first)
	stale := done.ETag
	mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", FirstRow: 4, Records: filler(1, "1"), ETag: done.ETag, CommitID: "c2"})

	for name, c := range map[string]Commit{
		"sentinel exists":  {InstanceID: id, ExecutionID: "e2", Records: firstEpisode(id, "e2"), CommitID: "c3"},
		"sentinel changed": {InstanceID: id, ExecutionID: "e1", FirstRow: 4, Records: filler(3, "2"), ETag: stale, CommitID: "c3"},
	} {
		_, err := s.Commit(t.Context(), c)
		var conflict *ConflictError
		if !errors.Is(err, ErrConflict) || !errors.As(err, &conflict) || conflict.InstanceID != id || conflict.Hub != s.names.Hub() {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.Commit(t.Context(), Commit{InstanceID: "purged", ExecutionID: "e1", FirstRow: 4, Records: filler(1, "2"), ETag: stale})
	if !errors.Is(err, ErrRowNotFound) {
		t.Errorf("sentinel gone: %v", err)
	}
	h := mustLoad(t, s, id)
	if len(h.Records) != 5 || h.ExecutionID != "e1" || h.CommitID != "c2" {
		t.Errorf("a refused commit left something: %+v", h)
	}
}

func TestCommitOfManyRows(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "fan-out"
	c := Commit{InstanceID: id, ExecutionID: "e1", Records: append(firstEpisode(id, "e1"), filler(1200, `"ok"`)...), CommitID: "c1"}
	done := mustCommit(t, s, c)
	if done.Rows != 1204 {
		t.Errorf("%d rows", done.Rows)
	}
	h := mustLoad(t, s, id) // more than one page
	sameRecords(t, h.Records, c.Records)
	if h.ETag != done.ETag || h.CommitID != "c1" || h.TotalRows != 1204 {
		t.Errorf("loaded %+v, committed %+v", h.ETag, done.ETag)
	}
}

func TestChunks(t *testing.T) {
	t.Parallel()
	s := offlineStore(t, "TestHub")
	tests := []struct {
		name string
		rows []Record
		want []int
	}{
		{"none", nil, []int{0}},
		{"one", filler(1, "x"), []int{1}},
		{"as many as fit", filler(99, "x"), []int{99}},
		{"one more", filler(100, "x"), []int{99, 1}},
		{"large", filler(130, strings.Repeat("x", 30_000)), []int{99, 31}},
		{"large beyond ASCII", filler(60, strings.Repeat("世", 30_000)), []int{19, 19, 19, 3}},
		{"not escaped as in HTML", filler(25, strings.Repeat("<", 30_000)), []int{25}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			operations, _, err := s.encode(t.Context(), Commit{InstanceID: "i", ExecutionID: "e", Records: test.rows}, "i", newEncodingRoom())
			if err != nil {
				t.Fatal(err)
			}
			chunks := s.chunks(operations, "i")
			got := make([]int, len(chunks))
			for i, chunk := range chunks {
				got[i] = len(chunk)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("transactions of %v rows, want %v", got, test.want)
			}
		})
	}
}

func TestLargeTransactionsAreTaken(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "large"
	c := Commit{InstanceID: id, ExecutionID: "e1", CommitID: "c1"}
	c.Records = append(c.Records, filler(100, strings.Repeat("世", 30_720))...)
	c.Records = append(c.Records, filler(30, strings.Repeat("<", 30_720))...)
	done := mustCommit(t, s, c)
	if len(done.Blobs) != 0 {
		t.Errorf("values that fit went to blobs: %v", done.Blobs)
	}
	sameRecords(t, mustLoad(t, s, id).Records, c.Records)
}

func TestLargeValues(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "odd id/1"
	big, unicodeBig := strings.Repeat("a<&>", 20_000), strings.Repeat("世", 40_000)
	c := Commit{InstanceID: id, ExecutionID: "e1", Records: []Record{
		{Event: at(&history.OrchestratorStarted{}, -1)},
		{Event: started(id, "e1", &big)},
		{Event: at(&history.TaskCompleted{TaskScheduledID: 1, Result: &unicodeBig}, -1)},
		{Event: at(&history.TaskFailed{TaskScheduledID: 2, Reason: &big, Details: &unicodeBig, Failure: &history.FailureDetails{ErrorType: "E", ErrorMessage: big}}, -1)},
		{Event: at(&history.ExecutionCompleted{Status: history.Completed, Result: &big}, 7)},
	}}
	done := mustCommit(t, s, c)
	if len(done.Blobs) != 6 || done.InputBlob == "" || done.ResultBlob == "" {
		t.Fatalf("blobs %v, input %q, result %q", done.Blobs, done.InputBlob, done.ResultBlob)
	}
	if prefix := "odd id^01/history-0000000000000001-ExecutionStarted-"; !strings.HasPrefix(done.InputBlob, prefix) || !strings.HasSuffix(done.InputBlob, "-Input.json.gz") {
		t.Errorf("the input's blob is named %q", done.InputBlob)
	}
	h := mustLoad(t, s, id)
	sameRecords(t, h.Records, c.Records)
	if len(h.Blobs) != 6 {
		t.Errorf("%d blobs in the history", len(h.Blobs))
	}

	u, err := CheckpointUpdate(c, done, s.names.Hub(), nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.MergeInstance(t.Context(), u, ""); err != nil {
		t.Fatal(err)
	}
	row, err := s.GetInstance(t.Context(), id, GetOptions{Inputs: true})
	if err != nil || row.Problem != nil {
		t.Fatal(err, row.Problem)
	}
	if deref(row.Input) != big || deref(row.Output) != big || row.InputBlob != done.InputBlob || row.OutputBlob != done.ResultBlob || row.CustomStatus != nil {
		t.Errorf("the status row's large values are not what was written")
	}
	raw, err := s.GetInstance(t.Context(), id, GetOptions{Inputs: true, Raw: true})
	if err != nil || deref(raw.Output) != s.payloads.URL(done.ResultBlob) {
		t.Errorf("raw output %q, %v", deref(raw.Output), err)
	}

	if err := s.payloads.Delete(t.Context(), done.ResultBlob); err != nil {
		t.Fatal(err)
	}
	_, err = s.LoadHistory(t.Context(), id)
	var corrupt *CorruptHistoryError
	if !errors.As(err, &corrupt) || corrupt.Column != "Result" || corrupt.RowKey != layout.RowKey(4) {
		t.Errorf("a blob is gone: %v", err)
	}
	row, err = s.GetInstance(t.Context(), id, GetOptions{Inputs: true})
	var missing *payloads.MissingError
	if err != nil || !errors.As(row.Problem, &missing) || row.Output != nil || deref(row.Input) != big || row.Status != history.Completed {
		t.Errorf("a blob is gone: %v, %v", err, row.Problem)
	}
}

func TestValuesThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "i"
	long := strings.Repeat("x", 32_769)
	for column, record := range map[string]Record{
		"InstanceId": {Event: at(&history.EventSent{InstanceID: &long, Name: "n"}, 0)},
		"Version":    {Event: at(&history.TaskScheduled{Name: "n", Version: &long}, 0)},
		"Data":       {Event: at(&history.GenericEvent{Data: &long}, -1)},
	} {
		_, err := s.Commit(t.Context(), Commit{InstanceID: id, ExecutionID: "e", Records: []Record{record}})
		var tooLarge *ValueTooLargeError
		if !errors.As(err, &tooLarge) || tooLarge.Column != column || tooLarge.Units != 32_769 {
			t.Errorf("%s: %v", column, err)
		}
	}
	_, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: id, CustomStatus: &long}, "")
	var tooLarge *ValueTooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Column != "CustomStatus" {
		t.Errorf("custom status: %v", err)
	}
	if h := mustLoad(t, s, id); h.Exists {
		t.Error("a refused commit left rows")
	}
	fits := long[:32_768]
	mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e", Records: []Record{{Event: at(&history.GenericEvent{Data: &fits}, -1)}}})
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "eternal"
	done := mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: append(firstEpisode(id, "e1"), filler(250, "x")...)})
	next := Commit{InstanceID: id, ExecutionID: "e2", Records: firstEpisode(id, "e2"), ETag: done.ETag}
	done = mustCommit(t, s, next)
	h := mustLoad(t, s, id)
	sameRecords(t, h.Records, next.Records)
	if h.ExecutionID != "e2" || h.TotalRows != 254 {
		t.Errorf("execution %q, %d rows", h.ExecutionID, h.TotalRows)
	}

	next = Commit{
		InstanceID: id, ExecutionID: "e3", Records: firstEpisode(id, "e3"), ETag: done.ETag, CommitID: "c3",
		DeleteRowsFrom: 4, DeleteRowsTo: 260, // six of them are not there
	}
	done = mustCommit(t, s, next)
	h = mustLoad(t, s, id)
	if h.TotalRows != 4 || h.ETag != done.ETag || h.ExecutionID != "e3" || h.CommitID != "c3" {
		t.Errorf("after sweeping: %+v, %+v", h, done)
	}
	done = mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e3", FirstRow: 4, Records: filler(1, "y"), ETag: done.ETag})
	if h = mustLoad(t, s, id); len(h.Records) != 5 || h.ETag != done.ETag {
		t.Errorf("%d records after the commit that followed", len(h.Records))
	}
}

// TestRowsThatWereLeft: a long history grows over rows that an earlier, longer generation has left.
func TestRowsThatWereLeft(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "eternal"
	first := append(firstEpisode(id, "e1"), filler(146, "old")...)
	done := mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: first})
	second := append(firstEpisode(id, "e2"), filler(76, "new")...)
	done = mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e2", Records: second, ETag: done.ETag})
	more := Commit{InstanceID: id, ExecutionID: "e2", FirstRow: 80, Records: filler(20, "newer"), ETag: done.ETag, CommitID: "c"}
	done = mustCommit(t, s, more)
	h := mustLoad(t, s, id)
	sameRecords(t, h.Records, slices.Concat(second, more.Records))
	if h.ETag != done.ETag || h.TotalRows != 150 {
		t.Errorf("%d rows, ETag %q instead of %q", h.TotalRows, h.ETag, done.ETag)
	}
	if _, err := s.Commit(t.Context(), more); !errors.Is(err, ErrConflict) {
		t.Errorf("the same once more, from the same state: %v", err)
	}
	more.FirstRow = 200
	if _, err := s.Commit(t.Context(), more); !errors.Is(err, ErrConflict) {
		t.Errorf("other rows, from the same state: %v", err)
	}
	sameRecords(t, mustLoad(t, s, id).Records, h.Records)
}

func TestOvertakenWriterSweepsNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "eternal"
	done := mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: append(firstEpisode(id, "e1"), filler(20, "x")...), CommitID: "c1"})
	mine := Commit{InstanceID: id, ExecutionID: "e1", CommitID: "c1", DeleteRowsFrom: 4, DeleteRowsTo: 24}
	theirs := mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", FirstRow: 24, Records: filler(1, "y"), ETag: done.ETag, CommitID: "c2"})
	if etag := s.sweep(t.Context(), mine, id, done.ETag); etag != done.ETag {
		t.Errorf("the overtaken writer now holds %q", etag)
	}
	if h := mustLoad(t, s, id); h.TotalRows != 25 || h.ETag != theirs.ETag {
		t.Errorf("%d rows are left", h.TotalRows)
	}
}

func TestCorruptHistories(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put := func(t *testing.T, row edm.Entity) {
		t.Helper()
		body, err := edm.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.history.UpsertEntity(t.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
			t.Fatal(err)
		}
	}
	row := func(id string, ordinal int, with edm.Entity) edm.Entity {
		e := edm.Entity{colPartitionKey: id, colRowKey: layout.RowKey(ordinal), colExecutionID: "e1", colEventType: "TaskCompleted", colEventID: int32(-1), "TaskScheduledId": int32(0), "_Timestamp": testTime, "IsPlayed": true}
		maps.Copy(e, with)
		return e
	}
	for name, test := range map[string]struct {
		ordinal int
		row     edm.Entity
		column  string
	}{
		"mistyped":    {2, edm.Entity{"TaskScheduledId": int64(5)}, "TaskScheduledId"},
		"text date":   {2, edm.Entity{"_Timestamp": "yesterday"}, "_Timestamp"},
		"unknown":     {2, edm.Entity{colEventType: "Surprise"}, colEventType},
		"no type":     {2, edm.Entity{colEventType: nil}, colEventType},
		"gap":         {5, nil, ""},
		"truncated":   {2, edm.Entity{"Result": "", "ResultBlobName": "nowhere/history-x.json.gz"}, "Result"},
		"broken JSON": {2, edm.Entity{colEventType: "TaskFailed", "FailureDetails": "{"}, "FailureDetails"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "corrupt " + name
			mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: firstEpisode(id, "e1")[:2]})
			put(t, row(id, test.ordinal, test.row))
			_, err := s.LoadHistory(t.Context(), id)
			var corrupt *CorruptHistoryError
			if !errors.As(err, &corrupt) || corrupt.Column != test.column || corrupt.InstanceID != id || corrupt.RowKey != layout.RowKey(2) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("unknown columns and rows of others", func(t *testing.T) {
		t.Parallel()
		const id = "foreign"
		mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: firstEpisode(id, "e1")})
		put(t, row(id, 4, edm.Entity{"FromTheFuture": 1.5, "Blob": []byte{1}}))
		put(t, edm.Entity{colPartitionKey: id, colRowKey: "outbox-1", "Envelope": []byte("x")})
		if h := mustLoad(t, s, id); len(h.Records) != 5 || h.TotalRows != 5 {
			t.Errorf("%d records, %d rows", len(h.Records), h.TotalRows)
		}
	})
	t.Run("no sentinel", func(t *testing.T) {
		t.Parallel()
		const id = "unguarded"
		put(t, row(id, 0, nil))
		put(t, row(id, 1, nil))
		h := mustLoad(t, s, id)
		if len(h.Records) != 2 || h.ETag != "" || h.ExecutionID != "e1" || !h.Exists {
			t.Errorf("%+v", h)
		}
		mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", FirstRow: 2, Records: filler(1, "x"), ETag: h.ETag})
	})
}

func TestNoTables(t *testing.T) {
	t.Parallel()
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Account: testkit.Account(t), Names: names})
	_, errGet := s.GetInstance(t.Context(), "i", GetOptions{})
	_, errLoad := s.LoadHistory(t.Context(), "i")
	_, errSentinel := s.ReadCommit(t.Context(), "i")
	_, _, errQuery := s.QueryInstances(t.Context(), Filter{}, "", 0)
	_, errCommit := s.Commit(t.Context(), Commit{InstanceID: "i", ExecutionID: "e", Records: filler(1, "x")})
	_, errInsert := s.InsertInstance(t.Context(), pending("i", "e"))
	_, errPurge := s.PurgeInstance(t.Context(), "i")
	for name, err := range map[string]error{
		"get": errGet, "load": errLoad, "sentinel": errSentinel, "query": errQuery, "commit": errCommit, "insert": errInsert, "purge": errPurge,
	} {
		if !errors.Is(err, ErrNoTables) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
}

// TestBlobsOfAGeneration deletes the large values of a generation that is over, and nothing else.
func TestBlobsOfAGeneration(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id, neighbour = "eter/nal", "eter/nal/2"
	big := strings.Repeat("x", 40_000)
	old := append(firstEpisode(id, "e1"), filler(6, "x")...)
	old[1] = Record{Event: started(id, "e1", &big)}
	old[8] = Record{Event: at(&history.TaskCompleted{Result: &big}, -1)}
	done := mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: old})
	theirs := mustCommit(t, s, Commit{InstanceID: neighbour, ExecutionID: "e1", Records: old})
	loaded := mustLoad(t, s, id)
	if len(done.Blobs) != 2 || len(loaded.Blobs) != 2 || len(loaded.StaleBlobs) != 0 {
		t.Fatalf("blobs %v, loaded %v, stale %v", done.Blobs, loaded.Blobs, loaded.StaleBlobs)
	}
	next := firstEpisode(id, "e2")
	next[1] = Record{Event: started(id, "e2", &big)}
	after := mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e2", Records: next, ETag: done.ETag})
	if h := mustLoad(t, s, id); len(h.StaleBlobs) != 1 || h.StaleBlobs[0] != done.Blobs[1] || len(h.Blobs) != 1 {
		t.Errorf("stale are %v, current %v", h.StaleBlobs, h.Blobs)
	}
	for range 2 { // again does not matter
		if err := s.DeleteBlobs(t.Context(), id, append(loaded.Blobs, theirs.Blobs...)); err != nil {
			t.Fatal(err)
		}
	}
	for blob, kept := range map[string]bool{done.Blobs[0]: false, done.Blobs[1]: false, after.Blobs[0]: true, theirs.Blobs[0]: true, theirs.Blobs[1]: true} {
		_, err := s.payloads.Read(t.Context(), blob)
		if kept != (err == nil) {
			t.Errorf("%s: %v", blob, err)
		}
	}
	if h := mustLoad(t, s, id); h.ExecutionID != "e2" || len(h.Records) != 4 {
		t.Errorf("%+v", h)
	}
}
