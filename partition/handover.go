package partition

import (
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// HandOver is a message between two instances of one process that does not go through a queue.
type HandOver struct {
	Envelope *history.Envelope
	// Taken is called once: with true when the receiver has committed the message or knows it already, with false when
	// the receiver's partition was lost before. It must not block.
	Taken func(bool)
}

// handed answers for one hand-over.
type handed struct {
	once  sync.Once
	taken func(bool)
}

// handOvers are those that were not answered yet.
type handOvers struct {
	mu   sync.Mutex
	open map[*handed]struct{}
}

func (hs *handOvers) add(h *handed) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.open == nil {
		hs.open = map[*handed]struct{}{}
	}
	hs.open[h] = struct{}{}
}

func (hs *handOvers) settle(h *handed, ok bool) {
	if h == nil {
		return
	}
	hs.mu.Lock()
	delete(hs.open, h)
	hs.mu.Unlock()
	h.once.Do(func() { h.taken(ok) })
}

// lose answers what nobody has taken.
func (hs *handOvers) lose() {
	hs.mu.Lock()
	list := make([]*handed, 0, len(hs.open))
	for h := range hs.open {
		list = append(list, h)
	}
	hs.mu.Unlock()
	for _, h := range list {
		hs.settle(h, false)
	}
}

// Take accepts a message from another session of this process. False means that the partition takes nothing any more.
func (p *Partition) Take(h HandOver) bool {
	if p.receive.Err() != nil {
		return false
	}
	it := newItem(h.Envelope, 1, time.Time{})
	it.handed = &handed{taken: h.Taken}
	p.handOvers.add(it.handed)
	if p.sessions.deliver(it) {
		return true
	}
	it.handed.once.Do(func() {}) // the caller keeps it
	p.handOvers.settle(it.handed, false)
	return false
}

// taken answers the hand-overs among the items.
func (p *Partition) taken(items []*item) {
	for _, it := range items {
		p.handOvers.settle(it.handed, true)
	}
}

// copyOf copies a message as far as its receiver changes it. The sender may have to store it, or to send it, meanwhile.
func copyOf(env *history.Envelope) *history.Envelope {
	copied, message := *env, *env.Message
	switch e := message.Event.(type) {
	case *history.EventRaised:
		event := *e
		message.Event = &event
	case *history.ExecutionStarted:
		event := *e
		message.Event = &event
	case *history.SubOrchestrationCompleted:
		event := *e
		message.Event = &event
	case *history.SubOrchestrationFailed:
		event := *e
		message.Event = &event
	}
	copied.Message = &message
	return &copied
}

// acknowledge is told what became of a message that a session here handed over.
func (s *session) acknowledge(o *outgoing, ok bool) {
	if ok {
		s.work.durable(o)
	} else {
		s.work.setUnderWay(o, false)
	}
	s.p.sessions.poke(s.id, due{settle: true})
}
