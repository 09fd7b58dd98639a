package limits

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// firstLead is how long before tokens become valid they are asked for, until it is known how long a call takes. mostLead bounds it.
	firstLead = 100 * time.Millisecond
	mostLead  = time.Second
	// shareEvery is the pause between two calls for more, when others wait too or there was no room here for more.
	shareEvery = 200 * time.Millisecond
	// mostGather bounds how long tokens are let gather before they are asked for: a twentieth of the shorter span.
	mostGather = 2 * time.Second
	// spread spaces attempts that come again at about the same time.
	spread = 5 * time.Millisecond
)

// tokens is the side of a rate: leases, and when each token was used.
type tokens struct {
	gate   *gate
	leases []*lease
	lead   time.Duration
}

// lease is what one call has taken: tokens that are good for one start each, not before from and not after until.
type lease struct {
	id          string
	from, until instant
	n           int
	free        int     // not given to an attempt
	out         int     // given to an attempt that has not begun
	used        int     // and have counted since
	last        instant // use
}

func (s *tokens) ready(lo, hi instant) bool { return s.valid(lo, hi) != nil }

func (s *tokens) valid(lo, hi instant) *lease {
	for _, le := range s.leases {
		if le.free > 0 && lo >= le.from && hi <= le.until {
			return le
		}
	}
	return nil
}

func (s *tokens) give() hold {
	lo, hi, _ := s.gate.l.clock.now()
	le := s.valid(lo, hi)
	if le == nil { // time has gone on since ready was asked: the attempt finds that out when it begins
		le = &lease{until: -1, free: 1}
	}
	le.free--
	le.out++
	return &token{s, le}
}

// token is one of a lease.
type token struct {
	side *tokens
	of   *lease
}

func (k *token) begin(_ *Ticket, lo, hi instant) bool {
	if lo < k.of.from || hi > k.of.until {
		return false
	}
	k.of.out--
	k.of.used++
	k.of.last = max(k.of.last, hi)
	if k.of.free == 0 && k.of.out == 0 {
		k.side.usedUp()
	}
	return true
}

// usedUp finds out anew when more can be had: what has been used counts since then, and not since the last instant at which it could
// have been.
func (s *tokens) usedUp() {
	g := s.gate
	if g.row == nil || g.trouble != "" || g.next.IsZero() {
		return
	}
	_, hi, _ := g.l.clock.now()
	row := g.row.copied()
	s.settle(row, hi)
	if next := s.nextCall(row.takes, windows(g.rule.spec), hi, false); next.Before(g.next) {
		g.next = next
		g.l.stir([]*gate{g})
	}
}

func (k *token) end(_ *Ticket, begun bool) {
	if !begun {
		k.of.out--
		k.of.free++
	}
}

// stock counts the tokens that can be given out, now or later.
func (s *tokens) stock() (n int) {
	_, hi, _ := s.gate.l.clock.now()
	for _, le := range s.leases {
		if hi <= le.until {
			n += le.free
		}
	}
	return n
}

func (s *tokens) holding() (n int) {
	for _, le := range s.leases {
		n += le.free + le.out
	}
	return n
}

func (s *tokens) validFrom(lo, hi instant) (at instant, ok bool) {
	for _, le := range s.leases {
		if le.free > 0 && le.from > lo && hi <= le.until && (!ok || le.from < at) {
			at, ok = le.from, true
		}
	}
	return at, ok
}

// over says whether a lease has tokens that nobody will use any more.
func (s *tokens) over(le *lease, hi instant) bool {
	return le.out == 0 && le.free > 0 && (hi > le.until || s.gate.l.closed || !s.gate.idle.IsZero() && time.Since(s.gate.idle) >= idleFor)
}

func (s *tokens) due() (now bool, look time.Duration) {
	_, hi, _ := s.gate.l.clock.now()
	s.leases = slices.DeleteFunc(s.leases, func(le *lease) bool { // those that count no more, used or not
		return le.out == 0 && le.free == 0 && hi > le.until+longest(windows(s.gate.rule.spec))
	})
	for _, le := range s.leases {
		switch {
		case s.over(le, hi):
			return true, 0
		case le.free > 0 && hi <= le.until:
			look = soonest(look, min(time.Duration(le.until-hi+1)*time.Millisecond, idleFor))
		}
	}
	return false, look
}

func (s *tokens) leave() bool {
	_, hi, _ := s.gate.l.clock.now()
	return slices.ContainsFunc(s.leases, func(le *lease) bool { return s.over(le, hi) })
}

// settle writes into the row what became of leases that are used up or over: how many tokens count, and since when.
func (s *tokens) settle(row *state, hi instant) (settled []*lease, returned bool) {
	for _, le := range s.leases {
		over := s.over(le, hi)
		if le.out > 0 || le.free > 0 && !over {
			continue
		}
		le.free = 0 // whatever becomes of this write, they are not used
		settled = append(settled, le)
		i := slices.IndexFunc(row.takes, func(t take) bool { return t.ID == le.id })
		if i < 0 {
			continue
		}
		t := &row.takes[i]
		returned = returned || t.N != le.used
		t.N, t.ID = min(t.N, le.used), ""
		if le.used > 0 {
			t.Until = min(t.Until, le.last)
		}
	}
	return settled, returned
}

func (s *tokens) propose(row *state, lo, hi instant, room int) *proposal {
	g := s.gate
	spec := g.rule.spec
	ws := windows(spec)
	settled, returned := s.settle(row, hi)
	row.takes = prune(row.takes, ws, lo)
	p := &proposal{write: returned, found: func(*state) bool { return false }}
	needed := g.wanted() - s.stock()
	if g.l.closed {
		needed = 0
	}
	want := min(needed, room)
	there := left(row.takes, ws, hi+s.lead.Milliseconds())
	n := max(min(want, g.share(row, there, hi), there), 0)
	var le *lease
	if n > 0 {
		le = &lease{id: newID(), n: n, free: n, from: opens(row.takes, ws, n)}
		le.until = max(hi, le.from) + max(life(spec), 2*s.lead).Milliseconds()
		row.takes = append(row.takes, take{Until: le.until, N: n, ID: le.id})
		p.write = true
		p.found = func(stored *state) bool {
			return slices.ContainsFunc(stored.takes, func(t take) bool { return t.ID == le.id && t.N == n && t.Until == le.until })
		}
	}
	p.enough = needed <= n
	if !p.enough {
		p.next = s.nextCall(row.takes, ws, hi, there > n)
	}
	called := time.Now()
	p.stored = func() {
		took := time.Since(called)
		s.lead = min(max((7*s.lead+took*3/2)/8, mostLead/50), mostLead)
		s.leases = slices.DeleteFunc(s.leases, func(one *lease) bool { return slices.Contains(settled, one) })
		if le != nil {
			s.leases = append(s.leases, le)
		}
	}
	return p
}

// nextCall is when to ask for more.
func (s *tokens) nextCall(takes []take, ws []window, hi instant, more bool) time.Time {
	if more {
		return time.Now().Add(shareEvery/2 + rand.N(shareEvery))
	}
	gather := min(burstSpan(s.gate.rule.spec)/20, mostGather)
	wait := time.Duration(opens(takes, ws, 1)-hi)*time.Millisecond - s.lead + gather
	return time.Now().Add(max(wait, shareEvery/10))
}

func (s *tokens) capacity(within time.Duration) int {
	wait := max(time.Until(s.gate.next), 0)
	if wait > within {
		return s.stock()
	}
	spec := s.gate.rule.spec
	return s.stock() + burst(spec)*(1+int((within-wait)/burstSpan(spec)))
}

func (s *tokens) turn(before int) time.Duration {
	spec := s.gate.rule.spec
	n := burst(spec)
	return max(time.Until(s.gate.next), 0) + time.Duration(before/n)*burstSpan(spec) + min(time.Duration(before%n)*spread, burstSpan(spec))
}

func (s *tokens) stop() {}
