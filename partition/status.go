package partition

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// status gathers what the instance's status row lacks. Changes that follow one another closely become one write.
type status struct {
	update   *tables.InstanceUpdate // nil: the row is up to date
	triggers []*hold                // messages that may go once the row is written
	terminal bool
	armed    bool
	soon     bool // it is armed for what is not to wait for long
	etag     string
	// child: the row may not exist yet. A top-level row that is missing was purged.
	child bool
	// exists: the row was there. One that is missing then was purged.
	exists bool
	// fresh: the row of a sub-orchestration is all but certain not to be there.
	fresh    bool
	owners   [2]string // execution ids of the current and of the first generation
	failures int       // writes in a row that failed
	shown    *string   // custom status as last written
	// row is what the status row holds, as far as that is known, under etag.
	row *tables.InstanceRow
}

func (st *status) dirty() bool { return st.update != nil }

// adopt takes over a row that was read.
func (st *status) adopt(row *tables.InstanceRow) { st.etag, st.exists, st.row = row.ETag, true, row }

// written notes what was written over the row that was known.
func (st *status) written(u tables.InstanceUpdate, etag string) {
	st.etag, st.exists, st.shown, st.row = etag, true, u.CustomStatus, st.row.With(u, etag)
}

// renewStatus forgets what an earlier execution has not written: its row belongs to the one that begins. Of a
// sub-orchestration not even the row is known, it may have been purged in between.
func (s *session) renewStatus(ctx context.Context, child bool) {
	old := s.status
	s.status = status{armed: old.armed}
	if !child {
		s.status.etag, s.status.exists, s.status.row = old.etag, old.exists, old.row
	}
	s.p.holds.delete(ctx, old.triggers)
}

// recordStatus brings the episode into the status row: at once when the instance has ended, otherwise soon.
// Messages whose effect shows in the row are deleted after it is written.
func (s *session) recordStatus(ctx context.Context, ep *episode, triggers []*hold) error {
	u, err := tables.CheckpointUpdate(ep.committed, ep.done, s.p.cfg.Names.Hub(), ep.customStatus, time.Now().UTC())
	if err != nil {
		return err
	}
	if s.st.behindRow != nil {
		fold(s.st.behindRow, u)
	}
	if deref(ep.customStatus) != deref(s.status.shown) && ep.outcome == nil {
		s.flushSoon()
	}
	shows := s.status.gather(u, ep.customStatus)
	s.claimRow()
	switch {
	case ep.outcome != nil:
		triggers = append(triggers, s.p.timers.remove(s.id)...)
		s.status.terminal = true
		s.status.triggers = append(s.status.triggers, triggers...)
		if s.mayFlush() {
			s.tryFlush(ctx)
		}
		return nil
	case ep.newGeneration:
		triggers = append(triggers, s.p.timers.removeBut(s.id, s.st.executionID)...)
	}
	if shows {
		s.status.triggers = append(s.status.triggers, triggers...)
	} else {
		s.p.holds.delete(ctx, triggers)
	}
	s.armFlush()
	return nil
}

// claimRow notes whose row the status is.
func (s *session) claimRow() {
	s.status.child = s.st.started.Parent != nil
	s.status.owners = [2]string{s.st.executionID, s.st.startID}
}

// slowestFlush is the longest pause between attempts to write a row.
const slowestFlush = time.Minute

// statusDelay is how long changes of a status row are gathered: longer where steps take long, as a storage or a process that is
// that busy has other things to do. What is on its way to its end anyway then often takes one write.
func (p *Partition) statusDelay() time.Duration {
	const steps = 8
	return min(max(p.cfg.StatusDelay, steps*time.Duration(p.health.stepTime.Load())), max(mostStatusDelay, p.cfg.StatusDelay))
}

// mostStatusDelay bounds how long changes are gathered where steps take long.
const mostStatusDelay = 10 * time.Second

func (s *session) armFlush() {
	if !s.status.armed {
		s.status.armed = true
		delay := min(s.p.statusDelay()<<min(s.status.failures, 10), max(slowestFlush, s.p.cfg.StatusDelay))
		time.AfterFunc(delay, func() { s.p.sessions.poke(s.id, due{flush: true}) })
	}
}

// flushSoon lets the row be written before it would be where steps take long: a custom status is there to be looked at.
func (s *session) flushSoon() {
	if !s.status.soon && s.p.statusDelay() > s.p.cfg.StatusDelay {
		s.status.soon = true
		time.AfterFunc(s.p.cfg.StatusDelay, func() { s.p.sessions.poke(s.id, due{flush: true}) })
	}
}

// tryFlush writes the row now, or later: the history says what became of the episode, so a row that cannot be written
// is no reason to do anything else again.
func (s *session) tryFlush(ctx context.Context) {
	if err := s.flushStatus(ctx); err != nil {
		s.status.failures++
		s.log.Warn("the status row could not be written; trying again", keyError, err)
		s.armFlush()
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
		s.work.abandon()
	}
	s.status = status{etag: s.status.etag, exists: s.status.exists, shown: s.status.shown, row: s.status.row}
	if terminal {
		s.p.cfg.Host.InstanceEnded(s.id, s.status.row)
	}
	s.p.holds.delete(ctx, triggers)
	s.deleteStaleBlobs(ctx)
	return nil
}

// writeStatus writes over the row it knows. A row changed by somebody else is read again; a row of another execution
// or a missing one ends the session here: the instance was replaced or purged.
func (s *session) writeStatus(ctx context.Context) (gone bool, err error) {
	u := *s.status.update
	for range 5 {
		if s.status.fresh {
			s.status.fresh = false
			etag, err := s.p.cfg.Tables.InsertUpdate(ctx, u)
			if err == nil {
				s.status.written(u, etag)
				return false, nil
			}
			if !errors.Is(err, tables.ErrConflict) {
				return false, err
			}
		}
		if s.status.etag == "" {
			row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
			switch {
			case err != nil:
				return false, err
			case row == nil && (!s.status.child || s.status.exists):
				s.log.Info("the instance's status row is gone: it was purged")
				return true, nil
			case row == nil: // a sub-orchestration's first row
				s.status.fresh = true
				continue
			case s.endedElsewhere(row, u):
				s.log.Warn("another worker has ended the instance meanwhile; what this one has of it is dropped")
				return true, nil
			case !s.mayReplace(row):
				s.log.Info("the instance's status row belongs to another execution; this one ends here", keyExecution, row.ExecutionID)
				return true, nil
			default:
				s.status.adopt(row)
			}
		}
		etag, err := s.p.cfg.Tables.MergeInstance(ctx, u, s.status.etag)
		switch {
		case err == nil:
			s.status.written(u, etag)
			return false, nil
		case errors.Is(err, tables.ErrRowNotFound), errors.Is(err, tables.ErrConflict):
			s.status.etag, s.status.row = "", nil
		default:
			return false, err
		}
	}
	return false, errors.New("the status row changed five times while it was being written")
}

// endedElsewhere says whether a row shows the end of the execution that goes on here. Then this worker was paused, has lost
// its lease and does not know yet.
func (s *session) endedElsewhere(row *tables.InstanceRow, u tables.InstanceUpdate) bool {
	return u.Status != nil && !u.Status.IsTerminal() && row.Status.IsTerminal() && strings.EqualFold(row.ExecutionID, s.status.owners[0])
}

// mayReplace says whether a row is this instance's to write: its own execution, an earlier generation of it, or for a
// sub-orchestration whatever an earlier run left.
func (s *session) mayReplace(row *tables.InstanceRow) bool {
	if s.status.child || strings.EqualFold(row.ExecutionID, s.status.owners[0]) || strings.EqualFold(row.ExecutionID, s.status.owners[1]) {
		return true
	}
	// The row may show a generation between the first and this one; a start that replaced us would be Pending.
	return row.Status != history.Pending
}

// noteLoaded remembers what a status row would show that is as new as the history.
func (s *session) noteLoaded(h *tables.History) error {
	if !s.st.exists() {
		return nil
	}
	c := tables.Commit{InstanceID: s.id, ExecutionID: h.ExecutionID, Records: h.Records}
	u, err := tables.CheckpointUpdate(c, tables.Committed{}, s.p.cfg.Names.Hub(), nil, s.st.last)
	if err != nil {
		return err
	}
	u.CustomStatus = nil // not in the history
	s.st.behindRow = &u
	return nil
}

// catchUpStatus puts the status row right after an owner, or an episode here, that committed and did not come to write it.
// The messages that were applied then come again, and are kept until the row is written.
func (s *session) catchUpStatus(ctx context.Context, found *sorted, takenOver bool) error {
	if len(found.copies) == 0 && !takenOver || s.st == nil || s.st.behindRow == nil {
		return nil
	}
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	if err != nil {
		return err
	}
	u := *s.st.behindRow
	s.st.behindRow = nil
	s.claimRow()
	switch {
	case row == nil && !s.status.child || row != nil && !s.mayReplace(row): // purged or replaced
		return nil
	case row == nil:
	case strings.EqualFold(row.ExecutionID, s.st.executionID):
		if (u.Status == nil || row.Status == *u.Status) && !s.shownBefore(row) {
			return nil
		}
		u.Input = nil // who made the row wrote it
	}
	if s.st.statusKnown && s.st.customStatus != nil {
		u.CustomStatus = s.st.customStatus
	}
	if row != nil {
		s.status.adopt(row)
	}
	s.status.gather(u, s.status.shown)
	if !s.p.goFleet() {
		s.p.holds.applied(ctx, holdsOf(found.copies))
		s.status.triggers = append(s.status.triggers, holdsOf(found.copies)...)
		found.copies = nil
	}
	if s.st.ended != nil {
		s.status.terminal = true
		if s.mayFlush() {
			s.tryFlush(ctx)
		}
		return nil
	}
	s.armFlush()
	return nil
}

// shownBefore says whether a row shows a custom status that the history goes beyond. The row of an instance that has ended was
// written at once with its end and its custom status.
func (s *session) shownBefore(row *tables.InstanceRow) bool {
	set := s.st.customStatus
	if !s.st.statusKnown || set == nil || s.st.ended != nil {
		return false
	}
	if *set == tables.NullText {
		return row.CustomStatus != nil
	}
	return *set != deref(row.CustomStatus)
}

// divergence is why the code does not fit the history; nil if it does.
func divergence(turn *replay.Turn) error {
	var d *replay.DivergenceError
	if turn.Outcome != nil && errors.As(turn.Outcome.Err, &d) {
		return d
	}
	return nil
}

// terminatePending ends an instance that has not started. Its start, when it comes, finds the row and is dropped.
func (s *session) terminatePending(ctx context.Context, row *tables.InstanceRow, e *history.ExecutionTerminated) error {
	now, terminated := time.Now().UTC(), history.Terminated
	return s.writeEnd(ctx, tables.InstanceUpdate{
		LastUpdatedTime: &e.Timestamp, CompletedTime: &now, Status: &terminated, Output: e.Input,
	}, row.ETag)
}

// writeEnd writes a row that has the given ETag, or with none one that is not there: a request that arrives late must not write
// over what is newer.
func (s *session) writeEnd(ctx context.Context, u tables.InstanceUpdate, match string) error {
	u.InstanceID, u.Hub = s.id, s.p.cfg.Names.Hub()
	var err error
	if match == "" {
		_, err = s.p.cfg.Tables.InsertUpdate(ctx, u)
	} else {
		_, err = s.p.cfg.Tables.MergeInstance(ctx, u, match)
	}
	switch {
	case errors.Is(err, tables.ErrRowNotFound):
		return nil // purged meanwhile
	case err != nil:
		return err
	}
	s.p.cfg.Host.InstanceEnded(s.id, nil)
	return nil
}
