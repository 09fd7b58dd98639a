package replay

import (
	"slices"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// Receiver waits for one external event.
type Receiver struct {
	// To is settled with the event's value.
	To *Promise
	// Event is what arrived.
	Event *history.EventRaised

	name    string // as the code wrote it
	key     string
	anyName bool
}

// inbox matches external events with receivers the way Durable Functions does:
// names without regard to case, events that nobody waits for are kept first-in
// first-out, and of several receivers of one name the last one gets the event,
// so that a loop that abandons its waits is not starved by them.
type inbox struct {
	receivers []*Receiver // in the order they were registered
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
	if i := b.receiverOf(key); i >= 0 {
		r := b.receivers[i]
		b.receivers = slices.Delete(b.receivers, i, i+1)
		r.take(e)
		return
	}
	if b.kept == nil {
		b.kept = map[string][]arrived{}
	}
	b.count++
	b.kept[key] = append(b.kept[key], arrived{e, b.count})
}

// receiverOf finds who gets an event: the last receiver of its name, else the last
// one that takes any, else nobody. There are few receivers, and the last is the one
// wanted nearly always.
func (b *inbox) receiverOf(key string) int {
	anyone := -1
	for i := len(b.receivers) - 1; i >= 0; i-- {
		switch r := b.receivers[i]; {
		case !r.anyName && r.key == key:
			return i
		case r.anyName && anyone < 0:
			anyone = i
		}
	}
	return anyone
}

func (r *Receiver) take(e *history.EventRaised) {
	r.Event = e
	r.To.Settle(e.Input, nil)
}

func (b *inbox) register(r *Receiver) {
	if len(b.kept) == 0 || !b.takeKept(r) {
		b.receivers = append(b.receivers, r)
	}
}

// takeKept gives r the first event kept for it, if there is one.
func (b *inbox) takeKept(r *Receiver) bool {
	key, ok := b.oldest(r)
	if !ok {
		return false
	}
	queue := b.kept[key]
	e := queue[0].event
	if len(queue) == 1 {
		delete(b.kept, key)
	} else {
		b.kept[key] = queue[1:]
	}
	r.take(e)
	return true
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
	for i := len(b.receivers) - 1; i >= 0; i-- {
		if b.receivers[i] == r {
			b.receivers = slices.Delete(b.receivers, i, i+1)
			return
		}
	}
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
	r.name, r.key, r.anyName = name, eventKey(name), anyName
	s.inbox.register(r)
}

// StopReceiving takes r out again: a later event goes to somebody else.
func (s *Session) StopReceiving(r *Receiver) { s.inbox.cancel(r) }
