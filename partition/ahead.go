package partition

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

const (
	// aheadFor is how long an episode is held back from its commit for the results of activities that run ahead of it, at
	// most: a crash costs no more than that.
	aheadFor = 100 * time.Millisecond
	// aheadSlot is how much of that it keeps its slot: who has given it back waits in line for another one.
	aheadSlot = 20 * time.Millisecond
	// mostAhead is how many activities run ahead of one commit at a time. In a larger fan-out the commit is not what takes long.
	mostAhead = 8
	// aheadRoom is how many rows of an episode are kept free for what one more result brings.
	aheadRoom = 16
	// aheadBytes is how large the values may become that one commit gathers.
	aheadBytes = 256 << 10
)

// Ahead stands for the decision to run an activity until it is known whether that is committed. What such an activity does is
// seen by nobody before: its result is kept here, and it is neither sent nor put anywhere.
type Ahead struct {
	arrived chan struct{}
	valid   context.Context // ends when the decision is discarded
	revoke  context.CancelFunc

	mu        sync.Mutex
	committed bool
	result    *Result
}

// Take is given the activity's result. False means that the decision is committed: the result goes the way of all others.
func (a *Ahead) Take(r Result) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.committed {
		return false
	}
	a.result = &r
	signal(a.arrived)
	return true
}

// Committed says whether the decision stands.
func (a *Ahead) Committed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.committed
}

// Context ends when the decision is discarded: nobody wants the result then.
func (a *Ahead) Context() context.Context { return a.valid }

func (a *Ahead) collect() *Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.result
	a.result = nil
	return r
}

func (a *Ahead) commit() *Result {
	a.mu.Lock()
	a.committed = true
	a.mu.Unlock()
	return a.collect()
}

// runAhead begins the idempotent activities of an episode before its commit, and goes on with their results while they come
// soon: the episodes that follow are committed with it. Should the commit fail, all that is discarded.
func (s *session) runAhead(ep *episode) error {
	var end time.Time
	for s.beginAhead(ep) {
		if end.IsZero() {
			end = time.Now().Add(aheadFor)
		}
		results := s.awaitAhead(ep, end)
		if len(results) == 0 {
			return nil
		}
		if err := s.pass(ep, results); err != nil {
			return err
		}
	}
	return nil
}

// beginAhead begins what may run ahead, and says whether to wait for it: not if anything else waits for the commit.
func (s *session) beginAhead(ep *episode) bool {
	if !s.p.goFleet() || s.conflicts > 0 || s.p.leaving.Load() || ep.outcome != nil || ep.newGeneration || s.st.behind() {
		return false
	}
	running, others := 0, len(ep.stored) > 0
	for _, o := range ep.out {
		if o.ahead == nil && (running >= mostAhead || !s.startAhead(ep, o)) {
			others = true
			continue
		}
		running++
	}
	return running > 0 && !others && len(ep.records) <= rowsPerEpisode-aheadRoom && ep.gathered <= aheadBytes
}

func (s *session) startAhead(ep *episode, o *outgoing) bool {
	name := activityName(o)
	if !o.isActivity() || o.outboxKey != "" || !s.p.cfg.Idempotent(name, o.idempotent) || !s.p.cfg.Host.ActivityRoom(name) {
		return false
	}
	if ep.arrived == nil {
		ep.arrived = make(chan struct{}, 1)
	}
	o.ahead = &Ahead{arrived: ep.arrived}
	o.ahead.valid, o.ahead.revoke = context.WithCancel(context.Background())
	s.work.begins(o)
	if s.p.cfg.Host.OfferActivity(WorkItem{Envelope: o.envelope, Ahead: o.ahead, Promoted: func() { s.acknowledge(o, true) }}) {
		return true
	}
	o.recall()
	s.work.setUnderWay(o, false)
	return false
}

// recall takes back that an activity runs ahead.
func (o *outgoing) recall() {
	if o.ahead != nil {
		o.ahead.revoke()
		o.ahead = nil
	}
}

// awaitAhead waits for results of activities that run ahead. It ends when something else comes up for the instance.
func (s *session) awaitAhead(ep *episode, end time.Time) []*item {
	other := s.p.sessions.listen(s)
	defer s.p.sessions.unlisten(s)
	results, late := s.awaitUntil(ep, earlier(end, time.Now().Add(aheadSlot)), other)
	if !late {
		return results
	}
	<-s.p.cfg.Slots
	defer func() { s.p.cfg.Slots <- struct{}{} }()
	results, _ = s.awaitUntil(ep, end, other)
	return results
}

// awaitUntil waits for results; late means that none came in time.
func (s *session) awaitUntil(ep *episode, end time.Time, other <-chan struct{}) (results []*item, late bool) {
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	for {
		if results := ep.collect(); len(results) > 0 {
			return results, false
		}
		select {
		case <-ep.arrived:
		case <-other:
			return ep.collect(), false
		case <-timer.C:
			return nil, true
		case <-s.p.receive.Done():
			return nil, false
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// collect takes the results that have come, and with each the decision that it answers: nothing is left to be sent of it.
func (ep *episode) collect() []*item {
	var results []*item
	ep.out = slices.DeleteFunc(ep.out, func(o *outgoing) bool {
		if o.ahead == nil {
			return false
		}
		r := o.ahead.collect()
		if r == nil {
			return false
		}
		results = append(results, newItem(r.Envelope, 1, time.Time{}))
		if e, ok := r.Envelope.Message.Event.(*history.TaskCompleted); ok {
			ep.gathered += len(deref(e.Result))
		}
		return true
	})
	return results
}

// stands is called when the episode is committed: what runs ahead is an activity like others from now on.
func (s *session) stands(ctx context.Context, ep *episode) {
	for _, o := range ep.out {
		if o.ahead == nil {
			continue
		}
		r := o.ahead.commit()
		o.ahead = nil
		if r == nil || s.p.Deliver(*r) {
			continue
		}
		if err := s.sendResult(ctx, newItem(r.Envelope, 1, time.Time{}), 0); err != nil {
			s.log.Warn("a result could not be passed on; its activity runs again", keyError, err)
		}
	}
}

// discard drops what runs ahead of a commit that did not come about.
func (ep *episode) discard() {
	for _, o := range ep.out {
		o.recall()
	}
}

// listen returns a channel that tells when something comes for a session at work.
func (ss *sessions) listen(s *session) <-chan struct{} {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.nudge = make(chan struct{}, 1)
	if len(s.mailbox) > 0 || s.due.any() {
		s.nudge <- struct{}{}
	}
	return s.nudge
}

func (ss *sessions) unlisten(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.nudge = nil
}
