package partition

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// status gathers what the instance's status row lacks. Changes that follow one another closely become one write.
type status struct {
	update   *tables.InstanceUpdate // nil: the row is up to date
	triggers []*hold                // messages that may go once the row is written
	terminal bool
	armed    bool
	etag     string
	// child: the row may not exist yet. A top-level row that is missing was purged.
	child bool
	shown *string // custom status as last written
}

func (st *status) dirty() bool { return st.update != nil }

// adopt takes over a row that was read.
func (st *status) adopt(row *tables.InstanceRow) { st.etag = row.ETag }

// recordStatus brings the episode into the status row: at once when the instance has ended, otherwise soon.
// Messages whose effect shows in the row are deleted after it is written.
func (s *session) recordStatus(ctx context.Context, ep *episode, triggers []*hold) error {
	u, err := tables.CheckpointUpdate(ep.committed, ep.done, s.p.cfg.Names.Hub(), ep.customStatus, time.Now().UTC())
	if err != nil {
		return err
	}
	shows := s.status.gather(u, ep.customStatus)
	if ep.outcome != nil {
		triggers = append(triggers, s.p.timers.remove(s.id)...)
	}
	s.status.child = s.st.started.Parent != nil
	if ep.outcome != nil {
		s.status.terminal = true
		s.status.triggers = append(s.status.triggers, triggers...)
		return s.flushStatus(ctx)
	}
	if shows {
		s.status.triggers = append(s.status.triggers, triggers...)
	} else {
		s.p.holds.delete(ctx, triggers)
	}
	s.armFlush()
	return nil
}

func (s *session) armFlush() {
	if !s.status.armed {
		s.status.armed = true
		time.AfterFunc(s.p.cfg.StatusDelay, func() { s.p.sessions.poke(s.id) })
	}
}

// gather folds the episode's columns into the outstanding update; true means that more than the time has changed.
func (st *status) gather(u tables.InstanceUpdate, customStatus *string) bool {
	shows := u.Status != nil || u.Input != nil || deref(customStatus) != deref(st.shown)
	if st.update == nil {
		st.update = &u
		return shows
	}
	fold(st.update, u)
	return shows
}

// fold lays later columns over earlier ones.
func fold(into *tables.InstanceUpdate, u tables.InstanceUpdate) {
	set(&into.ExecutionID, u.ExecutionID)
	set(&into.Name, u.Name)
	set(&into.Version, u.Version)
	set(&into.Status, u.Status)
	set(&into.CustomStatus, u.CustomStatus)
	set(&into.CreatedTime, u.CreatedTime)
	set(&into.LastUpdatedTime, u.LastUpdatedTime)
	set(&into.CompletedTime, u.CompletedTime)
	set(&into.ScheduledTime, u.ScheduledTime)
	set(&into.Generation, u.Generation)
	set(&into.Tags, u.Tags)
	if u.Input != nil || u.InputBlob != "" {
		into.Input, into.InputBlob = u.Input, u.InputBlob
	}
	if u.Output != nil || u.OutputBlob != "" {
		into.Output, into.OutputBlob = u.Output, u.OutputBlob
	}
}

func set[T any](into **T, v *T) {
	if v != nil {
		*into = v
	}
}

// flushStatus writes the outstanding update. When it cannot be written now, it stays outstanding and the triggers
// stay in their queues.
func (s *session) flushStatus(ctx context.Context) error {
	s.status.armed = false
	if s.status.update == nil {
		return nil
	}
	ended, err := s.writeStatus(ctx)
	if err != nil {
		return err
	}
	triggers, terminal := s.status.triggers, s.status.terminal
	if ended {
		s.drop()
	}
	s.status = status{etag: s.status.etag, child: s.status.child, shown: s.status.shown}
	s.p.holds.delete(ctx, triggers)
	if terminal {
		s.p.cfg.Host.InstanceEnded(s.id)
	}
	return nil
}

// writeStatus writes over the row it knows. A row changed by somebody else is read again; a row of another execution
// or a missing one ends the session here: the instance was replaced or purged.
func (s *session) writeStatus(ctx context.Context) (gone bool, err error) {
	u := *s.status.update
	for range 5 {
		if s.status.etag == "" {
			row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
			switch {
			case err != nil:
				return false, err
			case row == nil && !s.status.child:
				s.log.Info("the instance's status row is gone: it was purged")
				return true, nil
			case row == nil: // a sub-orchestration's first row
			case !s.mayReplace(row):
				s.log.Info("the instance's status row belongs to another execution; this one ends here", keyExecution, row.ExecutionID)
				return true, nil
			default:
				s.status.etag = row.ETag
			}
		}
		etag, err := s.p.cfg.Tables.MergeInstance(ctx, u, s.status.etag)
		switch {
		case err == nil:
			s.status.etag, s.status.shown = etag, u.CustomStatus
			return false, nil
		case errors.Is(err, tables.ErrRowNotFound):
			s.status.etag = ""
			if !s.status.child {
				s.log.Info("the instance's status row is gone: it was purged")
				return true, nil
			}
		case errors.Is(err, tables.ErrConflict):
			s.status.etag = ""
		default:
			return false, err
		}
	}
	return false, errors.New("the status row changed five times while it was being written")
}

// mayReplace says whether a row is this instance's to write: its own execution, an earlier generation of it, or for a
// sub-orchestration whatever an earlier run left.
func (s *session) mayReplace(row *tables.InstanceRow) bool {
	if s.status.child || s.st == nil || s.st.isExecution(row.ExecutionID) {
		return true
	}
	// The row may show a generation between the first and this one; a start that replaced us would be Pending.
	return row.Status != history.Pending
}

// repairStatus writes the end that the history knows over a row that lags.
func (s *session) repairStatus(ctx context.Context) error {
	e, at := s.st.ended, s.st.ended.Timestamp
	return s.writeEnd(ctx, tables.InstanceUpdate{
		ExecutionID: &s.st.executionID, Name: &s.st.started.Name, LastUpdatedTime: &at, CompletedTime: &at,
		Status: &e.Status, Output: tables.Output(e),
	}, tables.AnyVersion)
}

// terminatePending ends an instance that has not started. Its start, when it comes, finds the row and is dropped.
func (s *session) terminatePending(ctx context.Context, row *tables.InstanceRow, e *history.ExecutionTerminated) error {
	now, terminated := time.Now().UTC(), history.Terminated
	return s.writeEnd(ctx, tables.InstanceUpdate{
		LastUpdatedTime: &e.Timestamp, CompletedTime: &now, Status: &terminated, Output: e.Input,
	}, row.ETag)
}

func (s *session) writeEnd(ctx context.Context, u tables.InstanceUpdate, match string) error {
	u.InstanceID, u.Hub = s.id, s.p.cfg.Names.Hub()
	_, err := s.p.cfg.Tables.MergeInstance(ctx, u, match)
	switch {
	case errors.Is(err, tables.ErrRowNotFound):
		return nil // purged meanwhile
	case err != nil:
		return err
	}
	s.p.cfg.Host.InstanceEnded(s.id)
	return nil
}
