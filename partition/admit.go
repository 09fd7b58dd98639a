package partition

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

var getStatusOnly = tables.GetOptions{}

// admit judges a start.
func (s *session) admit(ctx context.Context, it *item, e *history.ExecutionStarted) (verdict, string, error) {
	if deref(e.Instance.ExecutionID) == "" {
		return refuse, "the start names no execution id", nil
	}
	judge := s.admitTopLevel
	if e.Parent != nil {
		judge = s.admitChild
	}
	v, reason, err := judge(ctx, it, e)
	if err != nil || v != apply {
		return v, reason, err
	}
	if _, hosted := s.p.cfg.Host.Orchestrator(s.id, e.Name, deref(e.Version)); !hosted {
		s.drop()
		return park, "no worker here hosts the orchestrator " + e.Name, nil
	}
	if owes, err := s.owes(); err != nil || owes {
		if err != nil {
			return 0, "", err
		}
		return s.soon(it, "the instance's last run has still something to send")
	}
	s.renewStatus(ctx, e.Parent != nil)
	s.status.fresh = e.Parent != nil && s.st.etag == ""
	s.st.begin(e)
	return apply, "", nil
}

// owes says whether the run that a start replaces has decided to send what is not sent yet. Its history, which alone keeps
// that, goes with the new run's first commit. What a load found is sent after this turn.
func (s *session) owes() (bool, error) {
	if !s.p.goFleet() || !s.st.exists() {
		return false, nil
	}
	if s.pendingWork() {
		if err := s.ensureReplayed(); err != nil {
			return false, err
		}
		return !s.st.unhosted && s.st.ended != nil, nil // without the code it could not be sent, and would be waited for without end
	}
	return s.work.oneWay(), nil
}

// untouched says whether it is all but certain that nobody has worked on the instance: its start comes for the first
// time, and this partition has not started it before. The first commit, which inserts the sentinel, would learn
// otherwise, but only after the episode's messages were put.
func (s *session) untouched(it *item) bool {
	return s.st == nil && it.deliveries == 1 && s.conflicts == 0 && !s.p.started.has(s.id)
}

// admitTopLevel compares a client's start with the status row the client wrote after it.
func (s *session) admitTopLevel(ctx context.Context, it *item, e *history.ExecutionStarted) (verdict, string, error) {
	row := it.takeRow()
	if row == nil {
		var err error
		if row, err = s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly); err != nil {
			return 0, "", err
		}
	}
	own := row != nil && strings.EqualFold(row.ExecutionID, deref(e.Instance.ExecutionID))
	if own && row.Status == history.Pending && row.Generation == 0 && s.untouched(it) {
		s.st = &state{}
		s.status.adopt(row)
		return apply, "", nil
	}
	if err := s.ensureLoaded(ctx); err != nil {
		return 0, "", err
	}
	switch {
	case s.st.exists() && s.st.isExecution(deref(e.Instance.ExecutionID)):
		return drop, "the instance has started already", nil
	case row == nil:
		return s.awaitRow(it)
	case own && row.Status == history.Pending:
		s.status.adopt(row)
		return apply, "", nil
	case own:
		return drop, "the instance was ended or purged before it started", nil
	}
	return s.compareGenerations(it, e, row)
}

// compareGenerations judges a start whose status row belongs to another start.
func (s *session) compareGenerations(it *item, e *history.ExecutionStarted, row *tables.InstanceRow) (verdict, string, error) {
	var generation int32
	if e.Generation != nil {
		generation = *e.Generation
	}
	switch {
	case row.Generation > generation:
		return drop, "a later start has replaced it", nil
	case row.Generation == generation && row.Status == history.Pending && row.CreatedTime.Before(e.Timestamp):
		return drop, "another start of the same instance came first", nil
	}
	return s.awaitRow(it)
}

// awaitRow gives the client time to write the row; one that died in between never will.
func (s *session) awaitRow(it *item) (verdict, string, error) {
	if it.deliveries >= 10 {
		return drop, "its status row was never written: the client that started it failed half way", nil
	}
	return s.soon(it, "its status row is not written yet")
}

// admitChild compares a sub-orchestration's start with the execution the instance has, by the parent's decision.
func (s *session) admitChild(ctx context.Context, it *item, e *history.ExecutionStarted) (verdict, string, error) {
	parentExecution := deref(e.Parent.Instance.ExecutionID)
	if parentExecution != "" && strings.HasPrefix(s.id, parentExecution+":") && s.untouched(it) {
		s.st = &state{} // an id of the parent's own making: nobody else starts it
		return apply, "", nil
	}
	if err := s.ensureLoaded(ctx); err != nil {
		return 0, "", err
	}
	if s.st.exists() && (s.st.isExecution(deref(e.Instance.ExecutionID)) || s.st.startedBy(e)) {
		return drop, "the sub-orchestration has started already", s.answerCopy(ctx)
	}
	return apply, "", nil
}

// answerCopy tells the parent again how the sub-orchestration has ended. In a mixed fleet a start is sent before the decision is committed.
// If that fails, the answer may have met a parent that knew of no such decision, as when its generation was not committed either, and be
// gone; the decision that is made again sends the start again.
func (s *session) answerCopy(ctx context.Context) error {
	if s.p.goFleet() {
		return nil
	}
	o := s.answerAgain()
	if o == nil {
		return nil
	}
	if err := s.putControl(ctx, o); err != nil {
		return fmt.Errorf("answering the parent again: %w", err)
	}
	return nil
}

// isExecution says whether an execution id is that of the current or of the first generation.
func (st *state) isExecution(id string) bool {
	return strings.EqualFold(id, st.executionID) || strings.EqualFold(id, st.startID)
}

// startedBy says whether the same decision of the same parent made this execution. A parent in .NET that decided
// again, differently, restarts the child.
func (st *state) startedBy(e *history.ExecutionStarted) bool {
	p := st.started.Parent
	if p == nil || p.Instance.InstanceID != e.Parent.Instance.InstanceID || p.TaskScheduleID != e.Parent.TaskScheduleID ||
		!strings.EqualFold(deref(p.Instance.ExecutionID), deref(e.Parent.Instance.ExecutionID)) {
		return false
	}
	if !strings.EqualFold(st.startID, st.executionID) {
		return true // it has continued as new; its input is its own by now
	}
	return st.started.Name == e.Name && deref(st.started.Input) == deref(e.Input)
}
