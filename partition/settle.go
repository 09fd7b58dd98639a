package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/tables"
)

// settleWork sees to an instance's local work after a turn in a Go fleet: what could not be sent is sent, and once nothing
// is left that only this process knows, the messages go by which another owner would have found the instance.
func (s *session) settleWork(ctx context.Context) {
	w := s.work
	if s.mustLoad {
		return // what its last owner left is not known yet
	}
	if s.p.leaving.Load() {
		s.recallTimers()
	}
	if list := w.unsent(); len(list) > 0 {
		s.carryOut(ctx, list)
	}
	ready := w.idle() && !s.pendingWork() && !s.unsure
	if ready && w.outdated() && (s.status.terminal || !s.status.dirty()) && !s.bringUpToDate(ctx) {
		return
	}
	if ready && s.status.terminal && s.status.dirty() {
		s.tryFlush(ctx)
	}
	if !ready || s.status.dirty() {
		s.p.holds.delete(ctx, w.spare(false))
		return
	}
	s.p.holds.delete(ctx, w.spare(true))
	s.letGo()
	if s.st != nil && s.st.ended != nil {
		s.drop()
	}
}

// letGo says that the instance need not be found on the active list any more.
func (s *session) letGo() {
	if s.st == nil || s.st.exists() || !s.p.active.keep(s.id) {
		s.p.active.release(s.id)
	}
}

// bringUpToDate tells the history that nothing is local any more; false means that it could not, and is tried again.
func (s *session) bringUpToDate(ctx context.Context) bool {
	err := s.shrink(ctx)
	if err == nil {
		return true
	}
	s.log.Warn("what the history names as not sent could not be brought up to date; trying again", keyError, err)
	s.drop() // the next look loads it
	time.AfterFunc(resendPause, func() { s.p.sessions.poke(s.id, due{settle: true, load: true}) })
	return false
}

// recallTimers takes near timers out of the heap, to be put as messages: the partition is about to end.
func (s *session) recallTimers() {
	s.p.timers.recall(s.id)
	w := s.work
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.actions {
		if o.isTimer() {
			o.underWay, w.lying = false, true
		}
	}
}

// unknown says whether there may be work that this session has not seen yet: it was summoned and had no turn, it could not be
// loaded, or it waits to be tried.
func (s *session) unknown() bool {
	return s.mustLoad || s.unsure || s.due.load || s.p.suspects.waits(s.id)
}

// pendingWork says whether a load found work that was not taken over yet, as when nobody here hosts the orchestrator.
func (s *session) pendingWork() bool {
	return s.st != nil && s.st.exists() && (s.st.behind() || s.st.untaken != nil && (!s.st.untaken.local.Empty() || len(s.st.untaken.outbox) > 0))
}

var errNotLoaded = errors.New("the instance is not loaded")

// shrink tells the history that nothing is local any more.
func (s *session) shrink(ctx context.Context) error {
	switch {
	case s.st == nil:
		return errNotLoaded
	case !s.st.exists() || s.st.etag == "":
		s.work.abandon() // purged
		return nil
	}
	ep := &episode{firstRow: s.st.rows}
	return s.commit(ctx, ep, nil)
}

// listed makes sure that others can find the instance before it is committed what only this process knows: by a message
// that is held, or else by a row on the active list.
func (s *session) listed(ctx context.Context, found *sorted) error {
	if s.work.anchored() || s.p.active.has(s.id) {
		return nil
	}
	for _, list := range [][]*item{found.accepted, found.copies} {
		for _, it := range list {
			for _, h := range it.holds {
				if h.queue == s.p.queue {
					return nil
				}
			}
		}
	}
	if err := s.p.active.ensure(ctx, s.id); err != nil {
		return fmt.Errorf("writing the active list: %w", err)
	}
	return nil
}

// anchorOrDelete keeps the messages of applied items while they are needed to find the instance. Work items are not: their
// results are in the history.
func (s *session) anchorOrDelete(ctx context.Context, items []*item) {
	var control, other []*hold
	for _, h := range holdsOf(items) {
		if h.queue == s.p.queue {
			control = append(control, h)
		} else {
			other = append(other, h)
		}
	}
	s.p.holds.delete(ctx, other)
	s.p.holds.applied(ctx, control)
	s.work.anchor(control)
	s.p.taken(items)
}

// sweepAnchors replaces messages that have been held long by rows on the active list: a hundred rows cost one call, and
// need no renewal.
func (p *Partition) sweepAnchors(ctx context.Context) {
	tick := time.NewTicker(p.cfg.MessageLock / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.sweepOnce(ctx)
		}
	}
}

func (p *Partition) sweepOnce(ctx context.Context) {
	var ids []string
	var list []*session
	for _, s := range p.sessions.all() {
		if s.work.anchorsDue(p.cfg.MessageLock / 3) {
			ids, list = append(ids, s.id), append(list, s)
		}
	}
	if len(list) == 0 {
		return
	}
	if err := p.active.ensure(ctx, ids...); err != nil {
		return // it was logged; the messages are renewed instead
	}
	var spare []*hold
	for _, s := range list {
		spare = append(spare, p.replaceable(s.id, s.work)...)
	}
	p.holds.delete(ctx, spare)
	for _, s := range list {
		if s.work.idle() { // and may be forgotten by now, which would leave its row behind
			p.sessions.wake(s.id, func(s *session) { s.due.add(due{settle: true}) }, true)
		}
	}
}

// replaceable takes out the anchors that a row on the active list has taken the place of. While that row was written the
// session may have let go of it and have got a new anchor.
func (p *Partition) replaceable(id string, w *localWork) []*hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !p.active.has(id) {
		return nil
	}
	list := w.anchors
	w.anchors = nil
	return list
}

// anchorsDue says whether the lock of an anchor ends soon.
func (w *localWork) anchorsDue(before time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.anchors {
		if _, until := h.snapshot(); time.Until(until) < before {
			return true
		}
	}
	return false
}

// localAfter is what the sentinel must name after a commit.
func (s *session) localAfter(ep *episode, answered map[int32]struct{}) *tables.Local {
	if ep.outcome != nil {
		s.work.dropOpen()
	}
	return s.work.local(s.st.executionID, ep.out, answered)
}

// dropOpen forgets actions that nothing waits for any more: the instance ends.
func (w *localWork) dropOpen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, o := range w.actions {
		if !o.oneWay() {
			delete(w.actions, id)
		}
	}
	clear(w.elsewhere)
}
