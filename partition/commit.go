package partition

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// send puts the episode's messages. All of them are in their queues before the history says so: a .NET worker that
// takes over could not send them.
func (s *session) send(ctx context.Context, ep *episode) error {
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, o := range ep.out {
		g.Go(func() error { return s.put(ctx, o) })
	}
	if err := g.Wait(); err != nil {
		s.releaseWork(ctx, ep)
		return err
	}
	for _, o := range ep.out {
		if s.p.awaits(o) {
			s.p.expectAnswer()
		}
		switch {
		case o.isTimer() || o.held:
		case o.target == workItems:
			s.p.cfg.Host.WorkItemPut()
		default:
			s.p.cfg.Host.ControlMessagePut(o.target)
		}
	}
	return nil
}

// putControl puts a message to a control queue, and wakes an owner in this process.
func (s *session) putControl(ctx context.Context, o *outgoing) error {
	err := s.put(ctx, o)
	if err == nil {
		s.p.cfg.Host.ControlMessagePut(o.target)
	}
	return err
}

func (s *session) put(ctx context.Context, o *outgoing) error {
	var delay time.Duration
	switch {
	case o.isTimer():
		delay = max(time.Until(o.fireAt), 0)
	case o.target == workItems && s.p.cfg.Host.ActivityRoom(activityName(o)):
		o.held, delay = true, s.p.cfg.MessageLock
	}
	o.envelope.SequenceNumber = s.p.cfg.Queues.NextSequence()
	sent := time.Now()
	receipt, err := o.queue.Put(ctx, o.envelope, delay)
	if err != nil {
		return fmt.Errorf("sending %s: %w", o.envelope.Message.Event.Kind(), err)
	}
	o.receipt, o.until = receipt, sent.Add(delay)
	return nil
}

func activityName(o *outgoing) string {
	if e, ok := o.envelope.Message.Event.(*history.TaskScheduled); ok {
		return e.Name
	}
	return ""
}

// releaseWork makes work items visible whose episode was not committed here; whoever takes them finds out whether
// the decision stands.
func (s *session) releaseWork(ctx context.Context, ep *episode) {
	held := 0
	for _, o := range ep.out {
		if !o.held {
			continue
		}
		held++
		if o.receipt.ID != "" {
			_, _ = o.queue.SetVisibility(ctx, o.receipt, 0) // at worst it appears when its lock runs out
		}
	}
	if held > 0 {
		s.p.cfg.Host.ActivityRoomLeft(held)
		s.p.cfg.Host.WorkItemPut()
	}
}

// commit writes the episode's rows. After it the decisions stand.
func (s *session) commit(ctx context.Context, ep *episode, answered map[int32]struct{}) error {
	st := s.st
	if err := s.p.owned(); err != nil {
		return err // sending took longer than the lease lasts
	}
	ep.committed = tables.Commit{
		InstanceID: s.id, ExecutionID: st.executionID, StartID: st.startID,
		FirstRow: ep.firstRow, Records: ep.records, ETag: st.etag, CommitID: newCommitID(),
	}
	if ep.newGeneration {
		st.seen = st.retire()
		ep.committed.CustomStatus = ep.inherited
	}
	if ep.outcome != nil {
		ep.committed.LastStatus = ep.customStatus
	}
	if ep.firstRow == 0 && len(st.seen) > 0 {
		ep.committed.Seen = st.remembered()
	}
	if s.p.goFleet() {
		s.makeUnawaitedDurable(ctx, ep, answered)
		if err := s.commitLocal(ctx, ep, answered); err != nil {
			return err
		}
	}
	ep.committed.DeleteRowsFrom, ep.committed.DeleteRowsTo = s.oldRows(ep)
	began := time.Now()
	done, err := s.p.cfg.Tables.Commit(ctx, ep.committed)
	s.p.cfg.Telemetry.Commit(outcomeOf(err), began)
	s.p.health.took(time.Since(s.began))
	if err != nil {
		s.doubts(ep)
		return fmt.Errorf("committing: %w", err)
	}
	ep.done = done
	st.etag, st.confirmed = done.ETag, began
	s.replaces(ep.base)
	st.rows = ep.firstRow + len(ep.records)
	st.totalRows = max(st.totalRows, st.rows)
	st.forgetOldRows(ep.committed)
	s.noteBlobs(ep)
	episodes := st.episodes
	if ep.newGeneration {
		st.forgetGeneration()
		episodes = 1
	}
	for _, r := range ep.records {
		st.note(r)
	}
	st.episodes = episodes
	s.report(ep)
	s.p.started.add(s.id)
	s.p.health.committed()
	if s.p.goFleet() {
		s.noteLocal(ep, answered)
	}
	return nil
}

// commitLocal adds what only Go fleets write: the actions that will be local, and the outbox.
func (s *session) commitLocal(ctx context.Context, ep *episode, answered map[int32]struct{}) (err error) {
	c := &ep.committed
	c.Local = s.localAfter(ep, answered)
	c.OutboxSent = s.work.unneeded(ep.stored)
	c.Resolve = true
	c.Outbox, err = s.rowsOf(ctx, ep)
	return err
}

// noteLocal brings the local work up to the commit.
func (s *session) noteLocal(ep *episode, answered map[int32]struct{}) {
	s.work.begin(s.st.executionID)
	s.work.committed(ep.committed.Local, ep.committed.OutboxSent)
	s.work.nothingStaged()
	for id := range answered {
		s.work.answered(id)
	}
}

func newCommitID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// dispatch starts what the commit decided: work items that were kept run here, timers go into the heap.
func (s *session) dispatch(ctx context.Context, ep *episode) {
	var unwanted []*hold
	for _, o := range ep.out {
		switch {
		case o.isTimer():
			s.p.schedule(o)
		case o.held && !time.Now().Before(o.until):
			s.p.cfg.Host.ActivityRoomLeft(1) // its lock has run out: whoever has it by now runs it
			s.p.cfg.Host.WorkItemPut()
		case o.held && !s.p.cfg.Host.OfferActivity(WorkItem{Envelope: o.envelope, Receipt: o.receipt, LockedUntil: o.until}):
			h, _ := s.p.holds.add(o.queue, o.receipt, o.until)
			unwanted = append(unwanted, h)
		}
	}
	if len(unwanted) > 0 {
		s.p.holds.giveBack(ctx, unwanted, 0)
		s.p.cfg.Host.WorkItemPut()
	}
}

// mostTimers is how many timers may be in memory before those farther away are left to their messages.
const mostTimers = 100_000

// schedule lets a timer fire on the instant; its message, which is due on a whole second, is then deleted unread.
func (p *Partition) schedule(o *outgoing) {
	if time.Until(o.fireAt) > nearTimer && p.timers.count() >= mostTimers {
		return
	}
	h := p.holds.addUnused(o.queue, o.receipt, o.until)
	p.timers.add(o.fireAt, newItem(o.envelope, 1, time.Time{}, h))
}
