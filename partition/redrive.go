package partition

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// redrive takes over what the last owner left: it returns the actions that have to be begun or sent again, once what is
// missing in the history is committed. Actions that are under way here stay as they are, and those that the items at
// hand answer need nothing.
func (s *session) redrive(answered map[int32]struct{}) ([]*outgoing, error) {
	st := s.st
	if st == nil || st.untaken == nil {
		return nil, nil
	}
	if !st.exists() {
		s.work.abandon() // it was purged
		st.untaken = nil
		return nil, nil
	}
	if err := s.ensureReplayed(); err != nil {
		return nil, err
	}
	if st.unhosted {
		return nil, nil // it stays to be found until somebody hosts it
	}
	h := st.untaken
	st.untaken = nil
	if !s.p.goFleet() {
		s.reviveTimers()
		return nil, nil
	}
	s.work.begin(st.executionID)
	s.work.loaded(h.local)
	s.reconcile()
	list, err := s.unsentOf(s.work.stored(h.outbox, st.staged(h.outbox)))
	if err != nil {
		return nil, err
	}
	for _, a := range st.redo {
		id := a.ActionID()
		_, done := answered[id]
		switch o := s.redo(a, h.created[id]); {
		case o == nil || done || s.work.knows(id):
		case st.ended != nil && !o.oneWay():
		case h.local.Has(st.executionID, id):
			list = append(list, o)
		case !o.oneWay():
			s.work.durableFromStart(id)
			s.revive(o)
		}
	}
	if o := s.answerAgain(); o != nil && !s.work.knows(o.id) {
		list = append(list, o)
	}
	st.redo = nil
	s.work.add(list...)
	return list, nil
}

// untaken is what a load found that concerns the redrive.
type untaken struct {
	local   *tables.Local
	outbox  []tables.OutboxRow
	created map[int32]time.Time // when actions were decided
}

// redo makes the message of a committed action as it was made first. When a timer fires is what the history says, even
// if the code has changed its mind since.
func (s *session) redo(a replay.Action, at time.Time) *outgoing {
	if t, ok := a.(*replay.CreateTimer); ok {
		if committed, open := s.st.timers[t.ID]; open {
			a = &replay.CreateTimer{ID: t.ID, FireAt: committed}
		}
	}
	return s.message(&episode{now: at}, a, a.Event())
}

// revive lets a timer fire on the instant although its message was put by somebody else.
func (s *session) revive(o *outgoing) {
	if o.isTimer() && s.p.timers.count() < mostTimers && !s.p.timers.has(s.id, s.st.executionID, o.id) {
		s.p.timers.add(o.fireAt, newItem(o.envelope, 1, time.Time{}))
	}
}

func (s *session) reviveTimers() {
	for _, a := range s.st.redo {
		if _, timer := a.(*replay.CreateTimer); timer && s.st.ended == nil {
			s.revive(s.redo(a, s.st.last))
		}
	}
	s.st.redo = nil
}

// answerAgain tells the parent once more how a sub-orchestration ended.
func (s *session) answerAgain() *outgoing {
	e := s.st.ended
	if e == nil || e.Status == history.ContinuedAsNew {
		return nil
	}
	out := &replay.Outcome{EventID: e.EventID, Status: e.Status, Result: e.Result, Failure: e.Failure}
	return s.answerToParent(&episode{now: e.Timestamp}, out)
}

// reconcile lets go of actions that the loaded history has an answer to.
func (s *session) reconcile() {
	w := s.work
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, o := range w.actions {
		if o.answer || o.oneWay() {
			continue
		}
		if s.st.replay == nil || s.st.ended != nil {
			delete(w.actions, id)
			continue
		}
		if _, is, _ := s.st.replay.Lookup(id); is != replay.Open {
			delete(w.actions, id)
		}
	}
}

// stored brings the outbox up to the rows that a load found, and returns those that this process has not sent and is not
// sending. A row that is gone was deleted by a commit whose answer was lost, and must not be deleted again.
// Staged ones are deleted unsent, unless the next commit writes them again.
func (w *localWork) stored(rows []tables.OutboxRow, staged []string) []tables.OutboxRow {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.staged = staged
	there := make(map[string]struct{}, len(rows))
	for _, row := range rows {
		there[row.Key] = struct{}{}
	}
	gone := func(key string) bool { _, ok := there[key]; return !ok }
	w.sent = slices.DeleteFunc(w.sent, gone)
	maps.DeleteFunc(w.outbox, func(key string, _ *outgoing) bool { return gone(key) })
	for _, key := range slices.Concat(w.sent, staged) {
		delete(there, key)
	}
	for key := range w.outbox {
		delete(there, key)
	}
	return slices.DeleteFunc(slices.Clone(rows), func(row tables.OutboxRow) bool { return gone(row.Key) })
}

// has says whether the heap holds a timer of an execution.
func (t *timers) has(instanceID, executionID string, id int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := range t.byInstance[instanceID] {
		if e, ok := d.item.event.(*history.TimerFired); ok && e.TimerID == id && strings.EqualFold(d.item.executionID(), executionID) {
			return true
		}
	}
	return false
}
