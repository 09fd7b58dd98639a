package limits

import (
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// lane is where attempts wait that need the same gates. The instances they belong to take turns. All is guarded by the limiter's mu.
type lane struct {
	l     *Limiter
	id    string
	gates []*gate
	lines map[string]*line
	turns []*line // those of lines that are not empty, in the order of turns
	next  int
	count int
}

// line is the attempts of an instance, first come first served.
type line struct {
	instance string
	tickets  []*Ticket
}

func (la *lane) add(t *Ticket, first bool) {
	li := la.lines[t.instance]
	if li == nil {
		li = &line{instance: t.instance}
		la.lines[t.instance] = li
		la.turns = append(la.turns, li)
	}
	if first {
		li.tickets = slices.Insert(li.tickets, 0, t)
	} else {
		li.tickets = append(li.tickets, t)
	}
	if la.count++; la.count == 1 {
		la.l.order = append(la.l.order, la)
	}
	t.state = lined
}

// open says whether an attempt may begin now.
func (la *lane) open(lo, hi instant) bool {
	for _, g := range la.gates {
		if !g.side.ready(lo, hi) {
			return false
		}
	}
	return true
}

// admit takes the next attempt out of its line, with what it needs.
func (la *lane) admit() *Ticket {
	la.next %= len(la.turns)
	li := la.turns[la.next]
	t := li.tickets[0]
	la.next++
	la.remove(t)
	t.state, t.holds = admitted, t.holds[:0]
	for _, g := range la.gates {
		t.holds = append(t.holds, g.side.give())
	}
	return t
}

// remove takes an attempt out of its line.
func (la *lane) remove(t *Ticket) {
	li := la.lines[t.instance]
	i := slices.Index(li.tickets, t)
	if i == 0 {
		li.tickets[0] = nil
		li.tickets = li.tickets[1:]
	} else {
		li.tickets = slices.Delete(li.tickets, i, i+1)
	}
	if len(li.tickets) == 0 {
		delete(la.lines, li.instance)
		at := slices.Index(la.turns, li)
		la.turns = slices.Delete(la.turns, at, at+1)
		if at < la.next {
			la.next--
		}
	}
	if la.count--; la.count == 0 {
		la.l.order = slices.DeleteFunc(la.l.order, func(other *lane) bool { return other == la })
	}
}

// wants is how many tokens or permits of a gate the attempts here can make use of: none while another limit keeps them waiting anyway.
func (la *lane) wants(g *gate) int {
	n, before := la.count, true
	for _, other := range la.gates {
		if other == g {
			before = false
			continue
		}
		switch {
		case other.rule.spec.Kind == durable.LimitRate:
			if !other.soon() {
				return 0
			}
		case g.rule.spec.Kind == durable.LimitRate || before:
			n = min(n, other.side.stock())
		}
	}
	return n
}

// states of a Ticket.
const (
	lined    = iota // it waits
	admitted        // it may begin
	begun           // it has begun
	done
)

// Ticket is an attempt's place in line, and then its right to begin. It is safe for concurrent use.
type Ticket struct {
	l        *Limiter
	lane     *lane
	instance string
	ready    func(*Ticket)
	places   [][2]string // limits and keys
	since    time.Time   // when it was lined up first

	// Guarded by the limiter's mu.
	state  int
	holds  []hold
	begin  time.Time
	cancel func(error)
}

// hold is what a gate has given to an attempt.
type hold interface {
	// begin says whether the attempt may begin now, and takes note of it.
	begin(t *Ticket, lo, hi instant) bool
	// end gives back what can be used again. begun says whether the attempt has begun.
	end(t *Ticket, begun bool)
}

// Begin is called right before the attempt begins, after Ready. False means that it came too late, and has to be lined up again. cancel is called with the reason should the right to run end before the attempt.
func (t *Ticket) Begin(cancel func(error)) bool {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if t.state != admitted {
		return false
	}
	lo, hi, _ := t.l.clock.now()
	t.cancel = cancel
	for i, h := range t.holds {
		if h.begin(t, lo, hi) {
			continue
		}
		// What it has taken already counts as used; that only wastes a token.
		for j, other := range t.holds {
			other.end(t, j < i)
		}
		t.lane.gates[i].rule.lapsed++
		t.state = done
		t.l.kick()
		t.l.stir(t.lane.gates)
		return false
	}
	t.state, t.begin = begun, time.Now()
	for _, g := range t.lane.gates {
		g.rule.begun++
		g.rule.waited += t.begin.Sub(t.since)
	}
	return true
}

// End says that the attempt has ended, or that it will not begin after all. It may be called twice.
func (t *Ticket) End() {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	switch t.state {
	case lined:
		t.lane.remove(t)
	case admitted, begun:
		for _, h := range t.holds {
			h.end(t, t.state == begun)
		}
	case done:
		return
	}
	t.state, t.cancel = done, nil
	t.l.kick()
	t.l.stir(t.lane.gates)
}

const (
	// leastAway and mostAway bound how long an attempt is away that has left its line: the limit may be changed meanwhile.
	leastAway = time.Second
	mostAway  = 15 * time.Minute
)

// Yield takes the attempt out of its line, unless it is expected to begin within a time, and says after how long it should come again:
// about when its turn will be. False means that it stays, was admitted, or has left before.
func (t *Ticket) Yield(within time.Duration) (comeAgain time.Duration, yielded bool) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if t.state != lined {
		return 0, false
	}
	far := false
	for _, g := range t.lane.gates {
		after, late := g.turn(within)
		comeAgain, far = max(comeAgain, after), far || late
	}
	if !far {
		return 0, false
	}
	t.lane.remove(t)
	t.state = done
	comeAgain = min(max(comeAgain, leastAway), mostAway)
	for _, g := range t.lane.gates {
		g.away = append(g.away, time.Now().Add(comeAgain))
	}
	return comeAgain, true
}
