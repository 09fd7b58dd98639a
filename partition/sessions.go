package partition

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// sessions are the instances of a partition that have something to do or are kept in memory.
type sessions struct {
	p *Partition

	mu      sync.Mutex
	byID    map[string]*session
	idle    *list.List // of *session, least recently used first
	waiting int        // items in mailboxes of sessions that do not rest
	closed  bool
}

func newSessions(p *Partition) *sessions {
	return &sessions{p: p, byID: map[string]*session{}, idle: list.New()}
}

// deliver puts an item into its instance's mailbox and sets the instance to work. False means that the partition
// takes nothing any more.
func (ss *sessions) deliver(it *item) bool {
	return ss.deliverTo(it.instanceID(), func() *item { return it })
}

// deliverTo is deliver for an item that is only made when the partition takes it.
func (ss *sessions) deliverTo(id string, produce func() *item) bool {
	return ss.wake(id, func(s *session) {
		it := produce()
		if _, starts := it.start(); starts {
			ss.rest(s, false) // what rests here may be waiting for just that
		}
		s.mailbox = append(s.mailbox, it)
		ss.count(s, 1)
	}, true)
}

// count keeps the number of items that wait for their turn; the caller holds mu. What rests does not count: a few
// instances that cannot go on must not keep the partition from receiving.
func (ss *sessions) count(s *session, n int) {
	if !s.resting {
		ss.waiting += n
	}
}

// rest lets a session rest, or ends its rest; the caller holds mu.
func (ss *sessions) rest(s *session, on bool) {
	ss.count(s, -len(s.mailbox))
	s.resting = on
	ss.count(s, len(s.mailbox))
	if on {
		signal(ss.p.room)
	}
}

// putBack returns items to the head of the mailbox of a session at work, so that what came first stays first.
func (ss *sessions) putBack(s *session, items []*item) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.mailbox = slices.Concat(items, s.mailbox)
	ss.count(s, len(items))
}

// postpone returns items to the head of the mailbox of a session at work and lets the session rest for a while.
func (ss *sessions) postpone(s *session, items []*item, rest time.Duration) {
	ss.putBack(s, items)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.rest(s, true)
	time.AfterFunc(rest, func() { ss.resume(s) })
}

// withhold is postpone for a session that must not begin anything yet.
func (ss *sessions) withhold(s *session, items []*item, d due, rest time.Duration) {
	ss.mu.Lock()
	s.due.add(d)
	ss.mu.Unlock()
	ss.postpone(s, items, rest)
}

func (ss *sessions) resume(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.rest(s, false)
	if !ss.closed && !s.active && (len(s.mailbox) > 0 || s.due.any()) {
		ss.activate(s)
	}
}

// activate sets a session to work; the caller holds mu.
func (ss *sessions) activate(s *session) {
	if s.idleAt != nil {
		ss.idle.Remove(s.idleAt)
		s.idleAt = nil
	}
	s.active = true
	ss.p.episodes.Go(ss.p.guarded("advancing an instance", s.run))
}

// poke sets an instance that is in memory to work.
func (ss *sessions) poke(id string, d due) {
	ss.wake(id, func(s *session) { s.due.add(d) }, false)
}

// summon sets an instance to work that another owner has left.
func (ss *sessions) summon(id string) {
	ss.wake(id, func(s *session) { s.due.add(due{load: true}) }, true)
}

// wakeLater summons an instance after a pause.
func (ss *sessions) wakeLater(id string, pause time.Duration) {
	time.AfterFunc(pause, func() { ss.summon(id) })
}

func (ss *sessions) wake(id string, change func(*session), create bool) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		return false
	}
	s := ss.byID[id]
	if s == nil {
		if !create {
			return false
		}
		s = newSession(ss.p, id)
		ss.byID[id] = s
	}
	change(s)
	if s.nudge != nil {
		signal(s.nudge)
	}
	if !s.active && !s.resting {
		ss.activate(s)
	}
	return true
}

// busy says whether anything waits for its turn or is at work.
func (ss *sessions) busy() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.waiting > 0 {
		return true
	}
	for _, s := range ss.byID {
		if s.active {
			return true
		}
	}
	return false
}

// pending is the number of items that wait for their turn.
func (ss *sessions) pending() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.waiting
}

// take hands a session its next items. With nothing to do the session goes idle and ok is false.
func (ss *sessions) take(s *session, most int) (items []*item, d due, ok bool) {
	items, d, evicted, ok := ss.takeOrSettle(s, most)
	for _, e := range evicted {
		e.drop() // outside of mu: bodies run their deferred calls
	}
	return items, d, ok
}

func (ss *sessions) takeOrSettle(s *session, most int) (items []*item, d due, evicted []*session, ok bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed || s.resting || (len(s.mailbox) == 0 && !s.due.any()) {
		return nil, due{}, ss.settle(s), false
	}
	n := s.together(min(most, len(s.mailbox)))
	items, s.mailbox = s.mailbox[:n:n], s.mailbox[n:]
	if len(s.mailbox) == 0 {
		s.mailbox = nil
	}
	ss.waiting -= n
	d, s.due = s.due, due{}
	signal(ss.p.room)
	return items, d, nil, true
}

// settle ends a session's turn: what is worth keeping becomes idle, the rest is forgotten. It returns the sessions that
// have to make room, to be unloaded by the caller.
func (ss *sessions) settle(s *session) []*session {
	s.active = false
	if ss.closed || len(s.mailbox) > 0 {
		return nil // it rests
	}
	s.alone = false
	if !s.worthKeeping() {
		delete(ss.byID, s.id)
		return nil
	}
	s.idleAt = ss.idle.PushBack(s)
	return ss.evict(mostLooks)
}

// mostLooks is how many idle sessions are looked at to find some that can be taken out, at the end of a turn.
const mostLooks = 256

// evict takes out the least recently used idle sessions above the limit, of as many as may be looked at. What they had is in
// the history.
func (ss *sessions) evict(looks int) (evicted []*session) {
	for e := ss.idle.Front(); e != nil && looks > 0 && ss.idle.Len() > ss.p.mostIdle(); {
		s := e.Value.(*session)
		next := e.Next()
		looks--
		if !s.status.dirty() && !s.hasWork() && !s.mustLoad {
			ss.idle.Remove(e)
			s.idleAt = nil
			delete(ss.byID, s.id)
			evicted = append(evicted, s)
		}
		e = next
	}
	return evicted
}

func (ss *sessions) close() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.closed = true
}

// all is used once no session runs any more.
func (ss *sessions) all() []*session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	list := make([]*session, 0, len(ss.byID))
	for _, s := range ss.byID {
		list = append(list, s)
	}
	return list
}

// flushStatuses writes every status row that is behind.
func (ss *sessions) flushStatuses(ctx context.Context) {
	each(ss.all(), func(s *session) {
		if !s.mayFlush() {
			return
		}
		if err := s.flushStatus(ctx); err != nil {
			s.log.Warn("the status row could not be written; the next owner writes it", keyError, err)
		}
	})
}

// settleLast lets go of the messages and rows of instances that nothing is left to do for.
func (ss *sessions) settleLast(ctx context.Context) {
	if !ss.p.goFleet() {
		return
	}
	each(ss.all(), func(s *session) {
		if s.unknown() {
			return
		}
		if s.work.outdated() {
			if err := s.shrink(ctx); err != nil {
				s.log.Warn("what the history names as not sent could not be brought up to date; the next owner sends it again", keyError, err)
				return
			}
		}
		if s.work.idle() && !s.status.dirty() && !s.pendingWork() {
			ss.p.holds.delete(ctx, s.work.spare(true))
			s.letGo()
		}
	})
}

// sendResults turns results that wait in mailboxes into messages for the next owner.
func (ss *sessions) sendResults(ctx context.Context) {
	each(ss.all(), func(s *session) {
		for _, it := range s.mailbox {
			if !ss.p.isResult(it) {
				continue
			}
			if err := s.sendResult(ctx, it, 0); err != nil {
				s.log.Warn("a result could not be passed on; its activity runs again", keyError, err)
			}
		}
	})
}

func (ss *sessions) unloadAll() {
	for _, s := range ss.all() {
		s.drop()
	}
}

// each does something that waits for storage, several side by side.
func each[T any](list []T, do func(T)) {
	switch len(list) {
	case 0:
		return
	case 1:
		do(list[0])
		return
	}
	var wg sync.WaitGroup
	limit := make(chan struct{}, min(len(list), storageFanOut))
	for _, v := range list {
		limit <- struct{}{}
		wg.Go(func() { defer func() { <-limit }(); do(v) })
	}
	wg.Wait()
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// timerDue is called by the heap of near timers.
func (p *Partition) timerDue(it *item) { p.sessions.deliver(it) }

// isResult tells results that an activity of this process left here from messages of the control queue.
func (p *Partition) isResult(it *item) bool {
	if len(it.holds) == 1 {
		return it.holds[0].queue == p.cfg.Queues.WorkItems()
	}
	_, timer := it.event.(*history.TimerFired)
	return len(it.holds) == 0 && it.handed == nil && !timer
}
