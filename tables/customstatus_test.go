package tables

import (
	"testing"

	"github.com/go-taskhub/taskhub/history"
)

// TestCustomStatusOnTheSentinel: what a generation began and ended with belongs to its execution, and later commits leave it.
func TestCustomStatusOnTheSentinel(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	etag := ""
	for i, c := range []struct {
		commit      Commit
		began, last string
	}{
		{commit: Commit{ExecutionID: "e1", Records: filler(1, "a"), LastStatus: history.String(`"end"`)}, last: `"end"`},
		{commit: Commit{ExecutionID: "e2", Records: filler(1, "b"), CustomStatus: history.String(`"a:b"`)}, began: `"a:b"`},
		{commit: Commit{ExecutionID: "e2", FirstRow: 1, Records: filler(1, "c")}, began: `"a:b"`},
		{commit: Commit{ExecutionID: "e2", FirstRow: 2, Records: filler(1, "d"), LastStatus: history.String(NullText)}, began: `"a:b"`, last: NullText},
		{commit: Commit{ExecutionID: "e3", Records: filler(1, "e")}},
	} {
		c.commit.InstanceID, c.commit.ETag = "i", etag
		done, err := s.Commit(t.Context(), c.commit)
		if err != nil {
			t.Fatal(err)
		}
		etag = done.ETag
		h, err := s.LoadHistory(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		if deref(h.CustomStatus) != c.began || deref(h.LastStatus) != c.last {
			t.Errorf("after commit %d it began with %q and ended with %q", i, deref(h.CustomStatus), deref(h.LastStatus))
		}
	}
}
