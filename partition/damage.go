package partition

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// looksBeforeMark is how often a history that cannot be read is looked at before its instance is marked.
const looksBeforeMark = 3

// markDamaged shows in the status row that the instance's history cannot be read, so that nobody waits for it in vain. The
// history stays as it is; when it was repaired, the next message puts the row right.
func (s *session) markDamaged(ctx context.Context, items []*item, cause error) {
	var corrupt *tables.CorruptHistoryError
	if s.damaged || !errors.As(cause, &corrupt) {
		return
	}
	looks := int64(s.p.active.attempts(s.id))
	for _, it := range items {
		looks = max(looks, it.deliveries)
	}
	if looks < looksBeforeMark {
		return
	}
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	if err == nil && row != nil && !row.Status.IsTerminal() {
		now, failed, text := time.Now().UTC(), history.Failed, corrupt.Error()
		err = s.writeEnd(ctx, tables.InstanceUpdate{LastUpdatedTime: &now, CompletedTime: &now, Status: &failed, Output: &text}, row.ETag)
	}
	if err != nil {
		s.log.Warn("the instance could not be marked as damaged", keyError, err)
		return
	}
	s.status.etag, s.damaged = "", true
}
