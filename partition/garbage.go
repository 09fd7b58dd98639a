package partition

import (
	"context"

	"github.com/go-taskhub/taskhub/tables"
)

// sweepRows is how many rows of older generations may stay behind until the instance ends: deleting them costs a call.
const sweepRows = 64

// oldRows are the rows that older, longer generations left behind and that the episode's commit should delete.
func (s *session) oldRows(ep *episode) (from, to int) {
	rows := ep.firstRow + len(ep.records)
	left := s.st.totalRows - rows
	if left <= 0 || left < sweepRows && ep.outcome == nil {
		return 0, 0
	}
	return rows, s.st.totalRows
}

// noteBlobs keeps account of the blobs with large values of the history. Those of a generation that was replaced may go once
// the status row, which can refer to them, is written.
func (s *session) noteBlobs(ep *episode) {
	if ep.firstRow == 0 {
		s.staleBlobs = append(s.staleBlobs, s.st.blobs...)
		s.st.blobs = nil
	}
	s.st.blobs = append(s.st.blobs, ep.done.Blobs...)
}

// deleteStaleBlobs is called when the status row is up to date. What cannot be deleted stays until the instance is purged.
func (s *session) deleteStaleBlobs(ctx context.Context) {
	names := s.staleBlobs
	s.staleBlobs = nil
	if len(names) == 0 {
		return
	}
	if err := s.p.cfg.Tables.DeleteBlobs(ctx, s.id, names); err != nil && ctx.Err() == nil {
		s.log.Warn("large values of older generations stay behind", keyError, err, keyCount, len(names))
	}
}

// forgetOldRows notes that a commit has deleted what oldRows named.
func (st *state) forgetOldRows(c tables.Commit) {
	if c.DeleteRowsTo > c.DeleteRowsFrom {
		st.totalRows = st.rows
	}
}
