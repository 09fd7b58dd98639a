package replay

import (
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// Receiver waits for one external event.
type Receiver struct {
	Promise
	// Event is what arrived.
	Event *history.EventRaised

	key     string
	anyName bool
	waiting bool
}

// inbox matches external events with receivers the way Durable Functions does:
// names without regard to case, events that nobody waits for are kept first-in
// first-out, and of several receivers of one name the last one gets the event,
// so that a loop that abandons its waits is not starved by them.
type inbox struct {
	receivers map[string][]*Receiver
	anyone    []*Receiver // receivers that take whatever no other one wants
	kept      map[string][]arrived
	count     uint64
}

// arrived is a kept event; order tells which of two names came first.
type arrived struct {
	event *history.EventRaised
	order uint64
}

// eventKey is how names compare: .NET uses StringComparer.OrdinalIgnoreCase,
// which maps each character to upper case.
func eventKey(name string) string { return strings.ToUpper(name) }

func (b *inbox) deliver(e *history.EventRaised) {
	key := eventKey(e.Name)
	if stack := b.receivers[key]; len(stack) > 0 {
		r := stack[len(stack)-1]
		b.setStack(key, stack[:len(stack)-1])
		r.take(e)
		return
	}
	if n := len(b.anyone); n > 0 {
		r := b.anyone[n-1]
		b.anyone = b.anyone[:n-1]
		r.take(e)
		return
	}
	if b.kept == nil {
		b.kept = map[string][]arrived{}
	}
	b.count++
	b.kept[key] = append(b.kept[key], arrived{e, b.count})
}

func (r *Receiver) take(e *history.EventRaised) {
	r.waiting = false
	r.Event = e
	r.Settle(e.Input, nil)
}

func (b *inbox) setStack(key string, stack []*Receiver) {
	if len(stack) == 0 {
		delete(b.receivers, key)
		return
	}
	b.receivers[key] = stack
}

func (b *inbox) register(r *Receiver) {
	if key, ok := b.oldest(r); ok {
		queue := b.kept[key]
		e := queue[0].event
		if len(queue) == 1 {
			delete(b.kept, key)
		} else {
			b.kept[key] = queue[1:]
		}
		r.take(e)
		return
	}
	r.waiting = true
	if r.anyName {
		b.anyone = append(b.anyone, r)
		return
	}
	if b.receivers == nil {
		b.receivers = map[string][]*Receiver{}
	}
	b.receivers[r.key] = append(b.receivers[r.key], r)
}

// oldest returns the name under which the first event kept for r lies.
func (b *inbox) oldest(r *Receiver) (string, bool) {
	if !r.anyName {
		return r.key, len(b.kept[r.key]) > 0
	}
	found, order := "", uint64(0)
	for key, queue := range b.kept {
		if order == 0 || queue[0].order < order {
			found, order = key, queue[0].order
		}
	}
	return found, order > 0
}

func (b *inbox) cancel(r *Receiver) {
	if !r.waiting {
		return
	}
	r.waiting = false
	if r.anyName {
		b.anyone = without(b.anyone, r)
		return
	}
	b.setStack(r.key, without(b.receivers[r.key], r))
}

func without(list []*Receiver, r *Receiver) []*Receiver {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == r {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// unconsumed returns the kept events in the order they came.
func (b *inbox) unconsumed() []*history.EventRaised {
	var total int
	for _, queue := range b.kept {
		total += len(queue)
	}
	out := make([]*history.EventRaised, 0, total)
	next := Receiver{anyName: true}
	for len(b.kept) > 0 {
		key, _ := b.oldest(&next)
		out = append(out, b.kept[key][0].event)
		if b.kept[key] = b.kept[key][1:]; len(b.kept[key]) == 0 {
			delete(b.kept, key)
		}
	}
	return out
}

// Receive registers r for the next event of the name; with anyName, for the next
// event that no receiver of its own name takes. An event kept from before settles
// r at once.
func (s *Session) Receive(r *Receiver, name string, anyName bool) {
	if !s.Enter("WaitForEvent") {
		return
	}
	r.key, r.anyName = eventKey(name), anyName
	s.inbox.register(r)
}

// StopReceiving takes r out again: a later event goes to somebody else.
func (s *Session) StopReceiving(r *Receiver) { s.inbox.cancel(r) }
