package replay

// Promise is a value that one day arrives. The zero value is an open promise.
// A promise belongs to the session whose bodies use it.
type Promise struct {
	done  bool
	value *string
	err   error
	subs  subList
}

// Done tells whether the promise was settled.
func (p *Promise) Done() bool { return p.done }

// Result returns what [Promise.Settle] was given.
func (p *Promise) Result() (*string, error) { return p.value, p.err }

// Settle gives the promise its value and wakes who waits, in the order they
// began to. It reports false, and changes nothing, when it already had one.
func (p *Promise) Settle(value *string, err error) bool {
	if p.done {
		return false
	}
	p.done, p.value, p.err = true, value, err
	for p.subs.first != nil {
		sub := p.subs.first
		p.subs.remove(sub)
		sub.target.settled(p)
	}
	return true
}

// OnSettle calls f when the promise is settled, at once if it already is. f runs
// between two steps of bodies and must not wait.
func (p *Promise) OnSettle(f func()) {
	if p.done {
		f()
		return
	}
	p.subs.add(&subscription{target: callback(f)})
}

// listener is told that a promise it subscribed to was settled.
type listener interface{ settled(*Promise) }

type callback func()

func (f callback) settled(*Promise) { f() }

// subscription links a listener into a promise's list. Taking one out again is
// cheap: whoever waits for the first of many leaves nothing behind on the others.
type subscription struct {
	target     listener
	prev, next *subscription
	linked     bool
}

type subList struct{ first, last *subscription }

func (l *subList) add(s *subscription) {
	s.linked = true
	s.prev, s.next = l.last, nil
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
}

func (l *subList) remove(s *subscription) {
	if !s.linked {
		return
	}
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next, s.linked = nil, nil, false
}

// Await parks the calling body until p is settled. It reports false when the
// session is being unloaded instead.
func (s *Session) Await(p *Promise) bool {
	if !s.Enter("Await") {
		return false
	}
	if p.done {
		return true
	}
	sub := subscription{target: s.current}
	p.subs.add(&sub)
	for !p.done {
		if !s.park() {
			p.subs.remove(&sub)
			return false
		}
	}
	return true
}

// countdown wakes a body once all of its promises are settled.
type countdown struct {
	body *body
	left int
}

func (c *countdown) settled(*Promise) {
	if c.left--; c.left == 0 {
		c.body.settled(nil)
	}
}

// AwaitAll parks the calling body until every promise is settled. The body is
// woken once, however many promises there are.
func (s *Session) AwaitAll(promises []*Promise) bool {
	if !s.Enter("WhenAll") {
		return false
	}
	wait := countdown{body: s.current}
	for _, p := range promises {
		if !p.done {
			wait.left++
		}
	}
	if wait.left == 0 {
		return true
	}
	subs := make([]subscription, 0, wait.left)
	for _, p := range promises {
		if !p.done {
			subs = append(subs, subscription{target: &wait})
			p.subs.add(&subs[len(subs)-1])
		}
	}
	for wait.left > 0 {
		if !s.park() {
			return false
		}
	}
	return true
}

// firstOf remembers which of several promises was settled first.
type firstOf struct {
	body   *body
	winner *Promise
}

func (f *firstOf) settled(p *Promise) {
	if f.winner == nil {
		f.winner = p
		f.body.settled(nil)
	}
}

// AwaitAny parks the calling body until one of the promises is settled and
// returns that one's index. Of those settled before the call it takes the first
// in the list, as .NET's Task.WhenAny does; afterwards the first in history. It
// returns -1 when the list is empty or the session is being unloaded.
func (s *Session) AwaitAny(promises []*Promise) int {
	if !s.Enter("WhenAny") || len(promises) == 0 {
		return -1
	}
	for i, p := range promises {
		if p.done {
			return i
		}
	}
	wait := firstOf{body: s.current}
	subs := make([]subscription, len(promises))
	for i, p := range promises {
		subs[i].target = &wait
		p.subs.add(&subs[i])
	}
	for wait.winner == nil {
		if !s.park() {
			break
		}
	}
	won := -1
	for i, p := range promises {
		p.subs.remove(&subs[i])
		if p == wait.winner && won < 0 {
			won = i
		}
	}
	return won
}

// Arrivals hands out promises in the order they are settled.
type Arrivals struct {
	s       *Session
	waiting *body
	queue   []int
	next    int
	subs    []arrival
	list    []*Promise
}

type arrival struct {
	subscription
	index int
	a     *Arrivals
}

func (r *arrival) settled(*Promise) { r.a.arrived(r.index) }

func (a *Arrivals) arrived(index int) {
	a.queue = append(a.queue, index)
	if a.waiting != nil {
		a.waiting.settled(nil)
	}
}

// NewArrivals watches promises until [Arrivals.Stop]. Those already settled come
// first, in the order of the list.
func (s *Session) NewArrivals(promises []*Promise) *Arrivals {
	a := &Arrivals{s: s, list: promises, subs: make([]arrival, len(promises)), queue: make([]int, 0, len(promises))}
	for i, p := range promises {
		if p.done {
			a.queue = append(a.queue, i)
			continue
		}
		a.subs[i].index, a.subs[i].a = i, a
		a.subs[i].target = &a.subs[i]
		p.subs.add(&a.subs[i].subscription)
	}
	return a
}

// Next parks the calling body until one more promise is settled and returns its
// index, or -1 when all were handed out or the session is being unloaded.
func (a *Arrivals) Next() int {
	if !a.s.Enter("InOrder") || a.next == len(a.list) {
		return -1
	}
	for a.next == len(a.queue) {
		a.waiting = a.s.current
		ok := a.s.park()
		a.waiting = nil
		if !ok {
			return -1
		}
	}
	a.next++
	return a.queue[a.next-1]
}

// Stop lets go of the promises that have not arrived.
func (a *Arrivals) Stop() {
	for i, p := range a.list {
		p.subs.remove(&a.subs[i].subscription)
	}
}
