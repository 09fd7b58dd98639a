package tables

import (
	"errors"
	"testing"

	"github.com/go-taskhub/taskhub/history"
)

// A deletion whose answer did not come may be carried out after another attempt at it, and after the same row was written anew. These
// tests carry out such a late attempt.

func TestLatePurgeSparesTheNextStart(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "i"
	mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e1", Records: append(firstEpisode(id, "e1"), filler(230, "x")...)})
	etag, err := s.InsertInstance(t.Context(), pending(id, "e1"))
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := s.ScanHistoryKeys(t.Context(), id, id, 1000)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if _, err := s.PurgeInstance(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e2", Records: append(firstEpisode(id, "e2"), filler(230, "x")...)})
	if _, err := s.InsertInstance(t.Context(), pending(id, "e2")); err != nil {
		t.Fatal(err)
	}
	before := len(mustLoad(t, s, id).Records)
	if n, err := s.PurgeKeys(t.Context(), found[0]); !errors.Is(err, ErrConflict) || n != 0 {
		t.Errorf("%d rows of the next history were deleted: %v", n, err)
	}
	if err := s.DeleteInstanceRow(t.Context(), id, etag); !errors.Is(err, ErrConflict) {
		t.Errorf("the next status row: %v", err)
	}
	if after := len(mustLoad(t, s, id).Records); after != before || mustGet(t, s, id).ExecutionID != "e2" {
		t.Errorf("%d rows became %d", before, after)
	}
}

// TestPurgeOfARowThatChanges: a status that is written during the purge does not keep the row; a start does.
func TestPurgeOfARowThatChanges(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const id = "i"
	etag, err := s.InsertInstance(t.Context(), pending(id, "e1"))
	if err != nil {
		t.Fatal(err)
	}
	read := mustGet(t, s, id)
	status := history.Completed
	if _, err := s.MergeInstance(t.Context(), InstanceUpdate{InstanceID: id, Status: &status}, etag); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PurgeRow(t.Context(), id, read); err != nil || mustGet(t, s, id) != nil {
		t.Errorf("the row is still there: %v", err)
	}
	next := pending(id, "e2")
	next.Generation = read.Generation + 1
	if _, err := s.InsertInstance(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PurgeRow(t.Context(), id, read); err != nil || mustGet(t, s, id) == nil {
		t.Errorf("the next start's row is gone: %v", err)
	}
}

func TestLateDeletionFromTheActiveList(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if err := s.CreateActive(t.Context()); err != nil {
		t.Fatal(err)
	}
	row := func(id string) ActiveRow { return ActiveRow{Queue: "q-00", Owner: "o", InstanceID: id} }
	first := []ActiveRow{row("a"), row("b"), row("c")}
	if err := s.PutActive(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := s.PutActive(t.Context(), []ActiveRow{row("b")}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteActive(t.Context(), first); !errors.Is(err, ErrConflict) {
		t.Errorf("a row that was written anew: %v", err)
	}
	left, err := s.ListActive(t.Context(), "q-00")
	if err != nil || len(left) != 1 || left[0].InstanceID != "b" {
		t.Fatalf("%+v, %v", left, err)
	}
	if err := s.DeleteActive(t.Context(), left); err != nil {
		t.Error(err)
	}
	if left, err = s.ListActive(t.Context(), "q-00"); err != nil || len(left) != 0 {
		t.Errorf("%+v, %v", left, err)
	}
}
