package durabletest

import (
	"container/heap"
	"context"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// message is something that will happen: an event that reaches an instance, or whatever run does.
type message struct {
	due    time.Time
	serial uint64 // of two messages due at one moment, the one put first comes first
	to     string
	// execution is the one that asked for the answer; "" for events from elsewhere, which go to the current execution.
	execution string
	event     history.Event
	run       func()
	index     int // in the queue
}

// queue is a heap of messages.
type queue []*message

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if c := q[i].due.Compare(q[j].due); c != 0 {
		return c < 0
	}
	return q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	m := x.(*message)
	m.index = len(*q)
	*q = append(*q, m)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	last := len(old) - 1
	m := old[last]
	old[last] = nil
	*q = old[:last]
	return m
}

// put adds a message.
func (env *Env) put(m *message) {
	env.serial++
	m.serial = env.serial
	if m.due.Before(env.now) {
		m.due = env.now
	}
	heap.Push(&env.queue, m)
}

// send addresses an event to whichever execution of an instance is current when it is due.
func (env *Env) send(due time.Time, to string, e history.Event) {
	*e.Common() = history.Base{EventID: -1, Timestamp: due}
	env.put(&message{due: due, to: to, event: e})
}

// next returns what happens next, without letting it happen. Answers that nobody waits for any more, such as those of
// canceled timers, are dropped on the way: they must not move the clock.
func (env *Env) next() *message {
	for len(env.queue) > 0 && env.problem == nil {
		m := env.queue[0]
		if !env.stale(m) {
			return m
		}
		heap.Remove(&env.queue, m.index)
	}
	return nil
}

func (env *Env) stale(m *message) bool {
	if m.execution == "" {
		return false
	}
	in := env.instances[m.to]
	if in == nil || in.over() || in.execution != m.execution {
		return true
	}
	id, ok := history.Answers(m.event)
	return ok && !in.awaits(id)
}

// step lets happen what is due next.
func (env *Env) step() bool {
	m := env.next()
	if m == nil {
		return false
	}
	heap.Remove(&env.queue, m.index)
	if m.due.After(env.now) {
		env.now = m.due
	}
	if m.run != nil {
		m.run()
	} else {
		env.deliver(m)
	}
	return true
}

// dueNow tells whether more happens at this moment.
func (env *Env) dueNow() bool {
	m := env.next()
	return m != nil && !m.due.After(env.now)
}

// drive lets time pass until an instance has ended and nothing more is due at that moment.
func (env *Env) drive(ctx context.Context, in *instance) error {
	env.t.Helper()
	if env.inTurn {
		return errInOrchestrator
	}
	defer env.enter()()
	first := env.episodes
	for {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case env.problem != nil:
			return env.problem
		case in.ended() && !env.dueNow():
			return env.problem
		case env.episodes-first >= env.cfg.MaxEpisodes:
			return env.halt(&LimitError{
				What: limitEpisodes, Limit: env.cfg.MaxEpisodes, InstanceID: in.id, Orchestrator: in.name(), Waits: env.waits(in, 0),
			})
		}
		if !env.step() && env.problem == nil {
			return env.stalled(in)
		}
	}
}

// deliver gives an event to its instance, in an episode of its own or together with what else has come.
func (env *Env) deliver(m *message) {
	in := env.instances[m.to]
	switch {
	case in == nil:
		env.drop(m, "there is no such instance")
	case in.over():
		env.drop(m, "the instance has ended")
	case in.mock != nil:
		in.deliverToMock(m)
	case !in.begun && m.event.Kind() != history.KindExecutionStarted:
		in.deliverEarly(m)
	default:
		in.episode(env.batch(m))
	}
}

// batch returns the events that an episode takes.
func (env *Env) batch(m *message) []history.Event {
	events := []history.Event{env.accept(m)}
	if !env.cfg.Batched {
		return events
	}
	var others []*message
	for len(env.queue) > 0 && !env.queue[0].due.After(env.now) {
		o := heap.Pop(&env.queue).(*message)
		switch {
		case o.run != nil || o.to != m.to:
			others = append(others, o)
		case !env.stale(o):
			events = append(events, env.accept(o))
		}
	}
	for _, o := range others {
		heap.Push(&env.queue, o)
	}
	return events
}

// accept notes that a message reaches its instance.
func (env *Env) accept(m *message) history.Event {
	switch e := m.event.(type) {
	case *history.TimerFired:
		if t := env.timerOf[decisionKey{m.execution, e.TimerID}]; t != nil {
			t.FiredAt = env.now
		}
	case *history.EventRaised:
		if s := env.sentAs[e]; s != nil {
			s.Delivered = true
		}
	}
	return m.event
}

// decisionKey names a decision of an execution.
type decisionKey struct {
	execution string
	id        int32
}

func (env *Env) drop(m *message, why string) {
	if m.execution == "" {
		env.t.Logf("durabletest: at %s %s for instance %q was dropped: %s", stamp(env.now), describe(m.event), m.to, why)
	}
}

// awaits tells whether the answer to a decision would be taken.
func (in *instance) awaits(id int32) bool {
	s := in.load()
	if s == nil {
		return false
	}
	_, state, _ := s.Lookup(id)
	return state == replay.Open
}
