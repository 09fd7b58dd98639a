package limits

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

const (
	// permitLife is how long permits last that are not renewed, and renewEvery how often they are. A worker that dies keeps its
	// permits from others for so long.
	permitLife = 15 * time.Second
	renewEvery = 5 * time.Second
	// unwind is how long before their end permits count as lost, so that attempts have ended when others get them.
	unwind = 2 * time.Second
	// permitPoll is how often permits are asked for that others have.
	permitPoll = 1500 * time.Millisecond
	// handOn is how long permits are gathered that are given back because others wait.
	handOn = 500 * time.Millisecond
	// guessedMean is how long attempts are taken to run before any has.
	guessedMean = time.Second
)

// permits is the side of a limit of concurrency.
type permits struct {
	gate     *gate
	held     int // good until
	until    instant
	goal     int // how many of them may be used, for others wait, too
	reserved int // given to attempts that have not begun
	running  map[*Ticket]struct{}
	unwound  int // attempts whose permits were lost, and that have not ended
	epoch    int // moves on when permits are lost: what was given out before is worth nothing then
	renewed  time.Time
	mean     time.Duration // of how long attempts run
	given    time.Time     // when an attempt was last given one
	timer    *time.Timer
}

func (s *permits) inUse() int { return s.reserved + len(s.running) + s.unwound }
func (s *permits) stock() int { return max(min(s.held, s.goal)-s.inUse(), 0) }

// excess says whether permits are free that others wait for.
func (s *permits) excess() bool { return s.held > max(s.goal, s.inUse()) }

func (s *permits) lost(hi instant) bool { return hi > s.until-unwind.Milliseconds() }

func (s *permits) ready(_, hi instant) bool { return s.stock() > 0 && !s.lost(hi) }

func (s *permits) give() hold {
	s.reserved++
	s.given = time.Now()
	return &permit{s, s.epoch}
}

// permit is the right of one attempt to run.
type permit struct {
	side  *permits
	epoch int
}

func (k *permit) begin(t *Ticket, _, hi instant) bool {
	if k.epoch != k.side.epoch || k.side.lost(hi) {
		return false
	}
	k.side.reserved--
	k.side.running[t] = struct{}{}
	return true
}

func (k *permit) end(t *Ticket, begun bool) {
	if k.epoch != k.side.epoch {
		if begun {
			k.side.unwound--
		}
		return
	}
	if !begun {
		k.side.reserved--
		return
	}
	delete(k.side.running, t)
	if !t.begin.IsZero() {
		k.side.mean += (time.Since(t.begin) - k.side.mean) / 8
	}
}

func (s *permits) holding() int { return s.held }

func (s *permits) validFrom(_, _ instant) (instant, bool) { return 0, false }

// wasted says whether permits are here that nobody has wanted for a while.
func (s *permits) wasted() bool {
	return s.stock() > s.gate.wanted() && (!s.gate.idle.IsZero() && time.Since(s.gate.idle) >= idleFor || s.gate.l.closed)
}

func (s *permits) due() (now bool, look time.Duration) {
	if s.held == 0 {
		return false, 0
	}
	age := time.Since(s.renewed)
	if s.wasted() || age >= renewEvery || s.excess() && age >= handOn {
		return true, 0
	}
	look = renewEvery - age
	if s.stock() > 0 || s.excess() {
		look = soonest(look, handOn)
	}
	return false, look
}

func (s *permits) leave() bool { return s.held > 0 }

// propose asks for as many permits as are wanted, renews those in use and gives up the others. What is given up is not used any more
// from now on, and what is new is not used before the row says so.
func (s *permits) propose(row *state, lo, hi instant, room int) *proposal {
	g := s.gate
	wanted := g.wanted()
	if g.l.closed {
		wanted = 0
	}
	others, before := s.others(row, lo)
	row.holders = others
	s.goal = g.share(row, g.rule.spec.Max, hi)
	target := s.inUse() + min(wanted, max(room, s.stock()))
	if !s.wasted() {
		target = max(target, s.held) // what is free for a moment is kept
	}
	target = min(target, s.goal, max(g.rule.spec.Max-taken(others), 0))
	target = max(target, s.inUse())
	s.held = min(s.held, target)
	until := hi + permitLife.Milliseconds()
	if target > 0 {
		row.holders = append(row.holders, holder{Worker: g.l.worker, N: target, Until: until})
	}
	p := &proposal{
		// The row may have what this process does not know of: a write that was taken to be lost.
		write: target != before || target > s.held || target > 0 && time.Since(s.renewed) >= renewEvery,
		found: func(*state) bool { return false }, // the next write says how it is
		stored: func() {
			s.held, s.until, s.renewed = target, until, time.Now()
			s.watch()
		},
		enough: wanted <= target-s.inUse(),
	}
	if p.look = !p.enough; p.look {
		p.next = time.Now().Add(permitPoll/2 + rand.N(permitPoll/2))
	}
	return p
}

// others are the permits that other processes may still use, and before what the row says this one has.
func (s *permits) others(row *state, lo instant) (list []holder, before int) {
	for _, h := range row.holders {
		switch {
		case h.Worker == s.gate.l.worker:
			before = h.N
		case h.N > 0 && h.Until >= lo:
			list = append(list, h)
		}
	}
	return list, before
}

func taken(list []holder) (n int) {
	for _, h := range list {
		n += h.N
	}
	return n
}

// watch waits for the permits to run out.
func (s *permits) watch() {
	_, hi, _ := s.gate.l.clock.now()
	left := max(time.Duration(s.until-hi)*time.Millisecond-unwind, 0)
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.held > 0 {
		s.timer = time.AfterFunc(left+time.Millisecond, s.lapse)
	}
}

// lapse cancels what runs when the permits were not renewed in time.
func (s *permits) lapse() {
	l := s.gate.l
	l.mu.Lock()
	_, hi, _ := l.clock.now()
	if s.held == 0 || !s.lost(hi) {
		if s.held > 0 {
			s.watch()
		}
		l.mu.Unlock()
		return
	}
	var cancels []func(error)
	for t := range s.running {
		if t.cancel != nil {
			cancels = append(cancels, t.cancel)
		}
	}
	s.unwound += len(s.running)
	s.held, s.reserved, s.running = 0, 0, map[*Ticket]struct{}{}
	s.epoch++
	name := s.gate.rule.declared.Name
	l.stir([]*gate{s.gate})
	l.mu.Unlock()
	if len(cancels) > 0 {
		l.log.Error("the permits of a limit were not renewed in time; the activities that ran with them are cancelled", keyLimit, name, keyKey, s.gate.key)
	}
	for _, cancel := range cancels {
		cancel(fmt.Errorf("%w: its permit of limit %q has run out", durable.ErrActivityLost, name))
	}
}

// takes is how long a permit is gone, by what is known: attempts that have ended, and for how long nobody could begin here.
func (s *permits) takes() time.Duration {
	since := s.gate.busy
	if s.given.After(since) {
		since = s.given
	}
	return max(s.mean, time.Since(since), time.Millisecond)
}

func (s *permits) capacity(within time.Duration) int {
	return s.stock() + int(float64(s.gate.rule.spec.Max)*float64(within)/float64(s.takes()))
}

func (s *permits) turn(before int) time.Duration {
	return max(time.Duration(float64(s.takes())*float64(before)/float64(s.gate.rule.spec.Max)), permitPoll)
}

func (s *permits) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
