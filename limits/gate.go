package limits

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/storage"
)

const (
	// exchangeLimit bounds one look at a row, with all its attempts.
	exchangeLimit = 15 * time.Second
	// exchangeAttempts is how often a write is tried that others are faster with.
	exchangeAttempts = 8
	// firstPause and lastPause bound the growing pauses after failures.
	firstPause = 500 * time.Millisecond
	lastPause  = 15 * time.Second
	// idleFor is how long what is not needed is kept.
	idleFor = time.Second
	// lookEvery is how often it is looked whether attempts that wait for several limits can make use of this one.
	lookEvery = time.Second
	// reportEvery is how often a row is told who waits, and staleAfter after how long that is not believed any more.
	reportEvery = 25 * time.Second
	staleAfter  = 75 * time.Second
	// mostReported bounds the list of who waits.
	mostReported = 100
)

// gate is a limit and key as this process knows them: the row, what was taken from it, and when more can be had. All is guarded by the
// limiter's mu, but for the calls that its one goroutine makes.
type gate struct {
	l       *Limiter
	rule    *rule
	id, key string
	lanes   map[*lane]struct{}
	side    side
	poke    chan struct{}
	active  bool // its goroutine runs

	row      *state    // as last read or written; nil when that is not known
	seen     bool      // the row has been read
	next     time.Time // before that nothing more can be had
	idle     time.Time // since when nothing is wanted; zero while something is
	busy     time.Time // since when something waits, while something does
	reported time.Time // when the row was last told what waits here
	pause    time.Duration
	trouble  string
	away     []time.Time // when attempts that have left their lines come again
}

// side is what differs between the two kinds of limits. The caller holds the limiter's mu.
type side interface {
	// ready says whether an attempt can be given what it needs now, and give gives it.
	ready(lo, hi instant) bool
	give() hold
	// stock is how much is here that is not given to an attempt; some of it may become valid later.
	stock() int
	// validFrom is when something becomes valid that is here already.
	validFrom(lo, hi instant) (instant, bool)
	// due says whether the row has to be written although nothing more is wanted, and if not, when to look again; zero for never.
	due() (now bool, look time.Duration)
	// propose changes a copy of the row as this process wants it. room is how many attempts could begin here soon.
	propose(row *state, lo, hi instant, room int) *proposal
	// leave gives up what is not in use, and says whether the row has to be told.
	leave() bool
	// turn is how many attempts can begin within a time, and when the one begins that so many others are before.
	capacity(within time.Duration) int
	turn(before int) time.Duration
	holding() int
	stop()
}

// proposal is how a process wants a row to be.
type proposal struct {
	row   *state
	write bool // it is worth a call
	// stored is called when the row is as proposed.
	stored func()
	// found says whether a row, read after a write whose answer was lost, has what was proposed.
	found func(*state) bool
	// next is when more can be had.
	next time.Time
	// reports says that the row says who waits here.
	reports bool
	// enough says that with it nothing more is wanted.
	enough bool
	// look says that the row has to be read the next time: others may have given something back.
	look bool
}

func newGate(l *Limiter, r *rule, id, key string) *gate {
	g := &gate{l: l, rule: r, id: id, key: key, lanes: map[*lane]struct{}{}, poke: make(chan struct{}, 1)}
	if r.declared.Kind == durable.LimitConcurrency {
		g.side = &permits{gate: g, running: map[*Ticket]struct{}{}, mean: guessedMean}
	} else {
		g.side = &tokens{gate: g, lead: firstLead}
	}
	return g
}

// wanted is how many tokens or permits attempts here can make use of.
func (g *gate) wanted() (n int) {
	for la := range g.lanes {
		n += la.wants(g)
	}
	return n
}

// line is how many attempts wait here, and those of how many instances.
func (g *gate) line() (calls, instances int) {
	for la := range g.lanes {
		calls, instances = calls+la.count, instances+len(la.turns)
	}
	return calls, instances
}

// soon says whether something can be had soon.
func (g *gate) soon() bool {
	return g.side.stock() > 0 || time.Until(g.next) <= lookEvery
}

// run sees to the gate until nothing is to be done.
func (g *gate) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for g.l.ctx.Err() == nil {
		act, wait, over := g.plan()
		switch {
		case over:
			return
		case act:
			g.exchange(g.l.ctx)
			g.l.kick()
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-g.poke:
		case <-g.l.ctx.Done():
			return
		}
	}
}

// plan says what to do next: to make calls, to wait, or nothing any more.
func (g *gate) plan() (act bool, wait time.Duration, over bool) {
	room := g.l.room(lookEvery) // without the lock: who is asked may be waiting for it
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	now := time.Now()
	wanted, stock := g.wanted(), g.side.stock()
	if wanted > 0 {
		g.idle = time.Time{}
	} else if g.idle.IsZero() {
		g.idle = now
	}
	blocked := g.trouble != "" && g.next.After(now) // after a failure nothing is tried for a while
	due, look := g.side.due()
	switch {
	case due && !blocked:
		return true, 0, false
	case wanted > stock && !g.next.After(now):
		if room > 0 {
			return true, 0, false
		}
		look = soonest(look, lookEvery/4)
	case wanted > stock:
		look = soonest(look, time.Until(g.next))
		if stale := refreshEvery - time.Since(g.rule.checked); !blocked && stale <= 0 {
			return true, 0, false
		} else if !blocked {
			look = soonest(look, stale)
		}
	}
	if g.shared() {
		look = soonest(look, lookEvery)
	}
	if blocked {
		look = soonest(look, time.Until(g.next))
	}
	if look == 0 {
		g.active = false
		g.l.forget(g)
		return false, 0, true
	}
	return false, max(look, time.Millisecond), false
}

// shared says whether attempts wait here that need other gates, too.
func (g *gate) shared() bool {
	for la := range g.lanes {
		if la.count > 0 && len(la.gates) > 1 {
			return true
		}
	}
	return false
}

// soonest is the shorter of two waits; zero stands for none.
func soonest(a, b time.Duration) time.Duration {
	b = max(b, time.Millisecond)
	if a == 0 {
		return b
	}
	return min(a, b)
}

// exchange gives the row what is over and takes what is wanted.
func (g *gate) exchange(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	if err := g.l.refresh(ctx, g.rule); err != nil {
		g.failed(err)
		return
	}
	var lost *proposal
	for range exchangeAttempts {
		if err := g.read(ctx, lost); err != nil {
			g.failed(err)
			return
		}
		p := g.propose()
		if p == nil {
			return
		}
		err := g.write(ctx, p)
		if err == nil {
			return
		}
		// Somebody was faster, or the answer of this very write was lost, perhaps by an attempt before the last one.
		if !errors.Is(err, errConflict) && !storage.InDoubt(err) || ctx.Err() != nil {
			g.failed(err)
			return
		}
		lost = p
		sleep(ctx, rand.N(conflictPause)+time.Millisecond)
	}
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	g.next = time.Now().Add(firstPause/2 + rand.N(firstPause))
}

const conflictPause = 30 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// read reads the row if it is not known.
func (g *gate) read(ctx context.Context, lost *proposal) error {
	g.l.mu.Lock()
	known := g.row != nil
	g.l.mu.Unlock()
	if known {
		return nil
	}
	sent := g.l.clock.read()
	row, answer, err := g.l.store.readState(ctx, g.rule.declared.Name, g.key)
	if err != nil {
		return err
	}
	g.l.clock.observe(sent, answer.Date, "")
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	if row.problem != "" {
		g.l.log.Warn("the row of a limit cannot be understood, and counts as empty", keyLimit, g.rule.declared.Name, keyKey, g.key, keyReason, row.problem)
	}
	g.row, g.seen = row, true
	if lost != nil && lost.found(row) {
		lost.stored()
	}
	return nil
}

// propose says how the row should be; nil when it is not worth a call.
func (g *gate) propose() *proposal {
	room := g.l.room(g.patience())
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	lo, hi, known := g.l.clock.now()
	if !known {
		g.trouble, g.next = "the storage service's answers have no date, so limits cannot be kept", time.Now().Add(lastPause)
		return nil
	}
	row := g.row.copied()
	p := g.side.propose(row, lo, hi, room)
	p.row = row
	p.reports = g.report(row, hi, p.enough)
	g.next = p.next
	if !p.write && !p.reports {
		if p.look {
			g.row = nil
		}
		g.succeeded()
		return nil
	}
	return p
}

// patience is how long what is taken now may wait to be used.
func (g *gate) patience() time.Duration {
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	if g.rule.spec.Kind == durable.LimitRate {
		return life(g.rule.spec)
	}
	return lookEvery
}

// report lets the row say what waits here, and whether that is news. Nothing waits any more once there is enough.
func (g *gate) report(row *state, now instant, enough bool) bool {
	calls, instances := g.line()
	known := len(row.waiting)
	row.waiting = slices.DeleteFunc(row.waiting, func(w waiter) bool { return w.Worker == g.l.worker || now-w.At > staleAfter.Milliseconds() })
	switch {
	case g.l.closed:
		return len(row.waiting) < known
	case calls == 0 || enough:
		return false
	}
	if len(row.waiting) < mostReported {
		row.waiting = append(row.waiting, waiter{Worker: g.l.worker, Calls: calls, Instances: instances, At: now})
	}
	return time.Since(g.reported) >= reportEvery
}

// share is this process's part of what is to be had, by the number of instances that wait here and elsewhere.
func (g *gate) share(row *state, all int, now instant) int {
	others := 0
	for _, w := range row.waiting {
		if w.Worker != g.l.worker && now-w.At <= staleAfter.Milliseconds() {
			others += max(w.Instances, 1)
		}
	}
	if others == 0 {
		return all
	}
	_, mine := g.line()
	return max((all*mine+mine+others-1)/max(mine+others, 1), 1)
}

// write stores a proposal.
func (g *gate) write(ctx context.Context, p *proposal) error {
	body, err := p.row.encode()
	if err != nil {
		return err
	}
	sent := g.l.clock.read()
	answer, err := g.l.store.put(ctx, p.row.limit, rowKey(p.row.key), p.row.etag, body)
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	if err != nil {
		g.row = nil
		return err
	}
	g.l.clock.observe(sent, answer.Date, answer.ETag)
	p.row.etag = answer.ETag
	g.row = p.row
	if p.reports {
		g.reported = time.Now()
	}
	p.stored()
	g.succeeded()
	return nil
}

func (g *gate) succeeded() {
	g.pause = 0
	if g.trouble != "" {
		g.trouble = ""
		g.l.log.Info("the row of a limit can be used again", keyLimit, g.rule.declared.Name, keyKey, g.key)
	}
}

func (g *gate) failed(err error) {
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	g.row = nil
	if g.l.ctx.Err() != nil {
		return
	}
	g.pause = min(max(2*g.pause, firstPause), lastPause)
	g.next = time.Now().Add(g.pause)
	if g.trouble == "" {
		g.l.log.Warn("the row of a limit cannot be read or written; activities under it wait", keyLimit, g.rule.declared.Name, keyKey, g.key, keyDelay, g.pause, keyError, err)
	}
	g.trouble = cmp.Or(err.Error(), "unknown")
}

// turn says after how long one more attempt can begin that leaves its line now, and whether that is late: later than within.
func (g *gate) turn(within time.Duration) (after time.Duration, late bool) {
	if !g.seen && within >= 0 {
		return 0, false
	}
	now := time.Now()
	g.away = slices.DeleteFunc(g.away, func(at time.Time) bool { return at.Before(now) })
	capacity := g.side.capacity(max(within, 0))
	if calls, _ := g.line(); within >= 0 && calls <= capacity {
		return 0, false
	}
	return g.side.turn(capacity + len(g.away)), true
}
