package partition

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// sessions are the instances of a partition that have something to do or are kept in memory.
type sessions struct {
	p *Partition

	mu      sync.Mutex
	byID    map[string]*session
	idle    *list.List // of *session, least recently used first
	waiting int        // items in mailboxes
	closed  bool
}

func newSessions(p *Partition) *sessions {
	return &sessions{p: p, byID: map[string]*session{}, idle: list.New()}
}

// deliver puts an item into its instance's mailbox and sets the instance to work. False means that the partition
// takes nothing any more.
func (ss *sessions) deliver(it *item) bool {
	return ss.wake(it.instanceID(), func(s *session) {
		s.mailbox = append(s.mailbox, it)
		ss.waiting++
	}, true)
}

// poke sets an instance to work on its overdue status row.
func (ss *sessions) poke(id string) {
	ss.wake(id, func(s *session) { s.flushDue = true }, false)
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
	if s.idleAt != nil {
		ss.idle.Remove(s.idleAt)
		s.idleAt = nil
	}
	if !s.active {
		s.active = true
		ss.p.episodes.Go(s.run)
	}
	return true
}

// pending is the number of items that wait for their turn.
func (ss *sessions) pending() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.waiting
}

// take hands a session its next items. With nothing to do the session goes idle and ok is false.
func (ss *sessions) take(s *session, most int) (items []*item, flush, ok bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed || (len(s.mailbox) == 0 && !s.flushDue) {
		ss.settle(s)
		return nil, false, false
	}
	n := min(most, len(s.mailbox))
	items, s.mailbox = s.mailbox[:n:n], s.mailbox[n:]
	if len(s.mailbox) == 0 {
		s.mailbox = nil
	}
	ss.waiting -= n
	flush, s.flushDue = s.flushDue, false
	signal(ss.p.room)
	return items, flush, true
}

// settle ends a session's turn: what is worth keeping becomes idle, the rest is forgotten.
func (ss *sessions) settle(s *session) {
	s.active = false
	if ss.closed {
		return
	}
	if !s.worthKeeping() {
		delete(ss.byID, s.id)
		return
	}
	s.idleAt = ss.idle.PushBack(s)
	ss.evict()
}

// evict unloads the least recently used idle sessions above the limit. What they had is in the history.
func (ss *sessions) evict() {
	for e := ss.idle.Front(); e != nil && ss.idle.Len() > ss.p.cfg.MaxSessions; {
		s := e.Value.(*session)
		next := e.Next()
		if !s.status.dirty() {
			ss.idle.Remove(e)
			s.idleAt = nil
			delete(ss.byID, s.id)
			s.drop()
		}
		e = next
	}
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
		if err := s.flushStatus(ctx); err != nil {
			s.log.Warn("the status row could not be written; the next owner writes it", keyError, err)
		}
	})
}

// sendResults turns results that wait in mailboxes into messages for the next owner.
func (ss *sessions) sendResults(ctx context.Context) {
	workItems := ss.p.cfg.Queues.WorkItems().Name()
	each(ss.all(), func(s *session) {
		for _, it := range s.mailbox {
			if len(it.holds) == 1 && it.holds[0].queue.Name() == workItems {
				s.sendResult(ctx, it)
			}
		}
	})
}

func (ss *sessions) unloadAll() {
	for _, s := range ss.all() {
		s.drop()
	}
}

func each[T any](list []T, do func(T)) {
	var wg sync.WaitGroup
	limit := make(chan struct{}, storageFanOut)
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

// deliverAfter puts an item back after a short time.
func (p *Partition) deliverAfter(d time.Duration, it *item) { p.timers.add(time.Now().Add(d), it) }
