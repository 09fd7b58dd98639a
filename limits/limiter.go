package limits

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/durable"
)

const (
	// refreshEvery is how often a limit's definition is read while it is in use: so long a change by an operator may take.
	refreshEvery = 30 * time.Second
	// mostIdleGates is how many limits and keys that are not in use are remembered, so that their next use needs no read.
	mostIdleGates = 256
	// returnFanOut bounds the calls that return what a worker has left when it stops, returnLimit their time.
	returnFanOut = 16
	returnLimit  = 3 * time.Second
)

// Config says what a Limiter works with. Fields without a default are required.
type Config struct {
	Store *Store
	// Worker is the name of the process in the table.
	Worker string
	// Activities are the limits of activities, by name. Those without any may be left out.
	Activities map[string][]durable.ActivityLimit
	// Room says how many attempts could begin in this process within a time. It must not call the limiter. Defaults to any number.
	Room func(within time.Duration) int
	// Logger defaults to discarding.
	Logger *slog.Logger

	read func() reading // for tests
}

// Limiter lets attempts at activities begin as the limits of the hub allow. It is safe for concurrent use.
type Limiter struct {
	store      *Store
	worker     string // unlike that of any other process
	activities map[string][]durable.ActivityLimit
	room       func(time.Duration) int
	log        *slog.Logger
	clock      *clock
	ctx        context.Context
	cancel     context.CancelFunc
	wake       chan struct{}
	loops      sync.WaitGroup

	mu      sync.Mutex
	rules   map[string]*rule
	gates   map[string]*gate
	lanes   map[string]*lane
	order   []*lane // the lanes with attempts that wait
	started bool    // the dispatcher
	closed  bool
}

// rule is a limit with the definition that holds, and what became of it in this process.
type rule struct {
	declared, spec durable.LimitSpec
	checked        time.Time // when the definition was last read
	begun, lapsed  int64
	waited         time.Duration
}

// New returns a limiter that does nothing yet.
func New(cfg Config) *Limiter {
	if cfg.Room == nil {
		cfg.Room = func(time.Duration) int { return 1 << 20 }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Limiter{
		store: cfg.Store, worker: cfg.Worker + "/" + newID(), activities: cfg.Activities, room: cfg.Room, log: cfg.Logger, clock: newClock(cfg.read),
		wake: make(chan struct{}, 1), rules: map[string]*rule{}, gates: map[string]*gate{}, lanes: map[string]*lane{},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	for _, list := range cfg.Activities {
		for _, limit := range list {
			l.rules[limit.Name] = &rule{declared: limit.LimitSpec, spec: limit.LimitSpec}
		}
	}
	return l
}

// newID makes a text that tells processes, and takes, apart.
func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Limited says whether an activity has limits. A nil Limiter knows of none.
func (l *Limiter) Limited(activity string) bool {
	return l != nil && len(l.activities[activity]) > 0
}

// Call is an attempt that wants to begin.
type Call struct {
	Activity string
	Instance string  // those of one instance begin in turn with those of others
	Input    *string // serialized
	// Ready is called when the attempt may begin, on a goroutine of the limiter's. It must not block.
	Ready func(*Ticket)
}

// Prepare finds out which limits and keys an attempt is under. The error is that of a key that cannot be used.
func (l *Limiter) Prepare(c Call) (*Ticket, error) {
	type place struct {
		limit durable.ActivityLimit
		key   string
	}
	var places []place
	for _, limit := range l.activities[c.Activity] {
		p := place{limit: limit}
		if limit.Key != nil {
			key, err := limit.Key(c.Input)
			if err != nil {
				return nil, err
			}
			p.key = key
		}
		places = append(places, p)
	}
	// Permits come first, and always in one order, so that no two workers wait for each other.
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.limit.Kind, b.limit.Kind), cmp.Compare(a.limit.Name, b.limit.Name))
	})
	t := &Ticket{l: l, instance: c.Instance, ready: c.Ready, state: done}
	for _, p := range places {
		t.places = append(t.places, [2]string{p.limit.Name, p.key})
	}
	return t, nil
}

// Line lines the attempt up: at the head of its instance's line when it was admitted before.
func (t *Ticket) Line() {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.state != done {
		return
	}
	again := !t.since.IsZero()
	if !again {
		t.since = time.Now()
	}
	gates := make([]*gate, len(t.places))
	for i, p := range t.places {
		gates[i] = l.gate(p[0], p[1])
		if calls, _ := gates[i].line(); calls == 0 {
			gates[i].busy = time.Now()
		}
	}
	t.lane = l.lane(gates)
	t.lane.add(t, again)
	l.begin()
	l.stir(gates)
}

// begin starts the dispatcher; the caller holds mu.
func (l *Limiter) begin() {
	if !l.started && !l.closed {
		l.started = true
		l.loops.Go(l.dispatch)
	}
	l.kick()
}

func (l *Limiter) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// gate returns the place where a limit and key are kept; the caller holds mu.
func (l *Limiter) gate(limit, key string) *gate {
	id := limit + "\x00" + key
	g := l.gates[id]
	if g == nil {
		g = newGate(l, l.rules[limit], id, key)
		l.gates[id] = g
	}
	return g
}

// lane returns the lane of attempts that need the same gates; the caller holds mu.
func (l *Limiter) lane(gates []*gate) *lane {
	var id strings.Builder
	for _, g := range gates {
		id.WriteString(g.id)
		id.WriteString("\x00\x00")
	}
	la := l.lanes[id.String()]
	if la == nil {
		la = &lane{l: l, id: id.String(), gates: gates, lines: map[string]*line{}}
		l.lanes[la.id] = la
		for _, g := range gates {
			g.lanes[la] = struct{}{}
		}
	}
	return la
}

// stir lets gates look at what is to be done; the caller holds mu.
func (l *Limiter) stir(gates []*gate) {
	for _, g := range gates {
		if !g.active && !l.closed {
			g.active = true
			l.loops.Go(g.run)
			continue
		}
		select {
		case g.poke <- struct{}{}:
		default:
		}
	}
}

// dispatch gives what the gates have to the attempts that wait, in turn, until the limiter stops.
func (l *Limiter) dispatch() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		ready, wait := l.round()
		for _, t := range ready {
			t.ready(t)
		}
		timer.Reset(wait)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-l.ctx.Done():
			return
		}
	}
}

// round admits attempts, one of each lane at a time, and says after how long tokens become valid that are here already.
func (l *Limiter) round() (ready []*Ticket, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lo, hi, known := l.clock.now()
	if !known || l.closed {
		return nil, time.Hour
	}
	for more := true; more; {
		more = false
		for _, la := range slices.Clone(l.order) {
			if la.count > 0 && la.open(lo, hi) {
				ready = append(ready, la.admit())
				more = true
			}
		}
	}
	wait = time.Hour
	for _, la := range l.order {
		for _, g := range la.gates {
			if at, ok := g.side.validFrom(lo, hi); ok {
				wait = min(wait, time.Duration(max(at-lo, 1))*time.Millisecond)
			}
		}
	}
	return ready, wait
}

// forget drops a gate that is not in use, when there are many; the caller holds mu.
func (l *Limiter) forget(g *gate) {
	if len(l.gates) <= mostIdleGates {
		return
	}
	for la := range g.lanes {
		if la.count > 0 {
			return
		}
		for _, other := range la.gates {
			delete(other.lanes, la)
		}
		delete(l.lanes, la.id)
	}
	delete(l.gates, g.id)
}

// refresh reads the definition that holds, if that was not done of late.
func (l *Limiter) refresh(ctx context.Context, r *rule) error {
	l.mu.Lock()
	fresh := !r.checked.IsZero() && time.Since(r.checked) < refreshEvery
	l.mu.Unlock()
	if fresh {
		return nil
	}
	sent := l.clock.read()
	d, answer, err := l.store.definition(ctx, r.declared.Name)
	l.clock.observe(sent, answer.Date, "")
	if errors.Is(err, ErrNotFound) { // somebody has deleted it
		if d, err = l.store.Declare(ctx, r.declared, time.Now().UTC()); err == nil {
			sent = l.clock.read()
			_, answer, err = l.store.definition(ctx, r.declared.Name)
			l.clock.observe(sent, answer.Date, "")
		}
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.checked = time.Now()
	spec := d.Spec()
	switch {
	case d.Problem != "" || spec.Kind != r.declared.Kind:
		l.log.Warn("the hub's definition of a limit cannot be used; the code's, or the last one that could be, holds", keyLimit, r.declared.Name, keyReason, cmp.Or(d.Problem, "it is of another kind"))
	case spec != r.spec:
		l.log.Info("the definition of a limit has changed", keyLimit, spec.Name, keyDefinition, spec.String())
		r.spec = spec
		for _, g := range l.gates {
			if g.rule == r {
				g.next = time.Time{}
				if g.active {
					l.stir([]*gate{g})
				}
			}
		}
	}
	return nil
}

// Stop ends the limiter: attempts that wait stay where they are and are never admitted, and what this process has left is returned.
// Permits of attempts that run are given back by no one; they end by themselves. It may be called twice.
func (l *Limiter) Stop(ctx context.Context) {
	if l == nil {
		return
	}
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.loops.Wait()
	if closed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, returnLimit)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(returnFanOut)
	for _, g := range l.leavers() {
		group.Go(func() error {
			g.exchange(ctx)
			return nil
		})
	}
	_ = group.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gates {
		g.side.stop()
	}
}

// leavers are the gates that have something to return, or whose row says that attempts wait here.
func (l *Limiter) leavers() (list []*gate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gates {
		if g.side.leave() || time.Since(g.reported) < staleAfter {
			list = append(list, g)
		}
	}
	return list
}

// Waiting is how many attempts wait.
func (l *Limiter) Waiting() (n int) {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, la := range l.order {
		n += la.count
	}
	return n
}

// Stats is what a limit does in this process.
type Stats struct {
	// Limit is the definition that holds.
	Limit durable.LimitSpec
	// Keys is how many keys are in use or were of late; 1 for a limit without keys.
	Keys int
	// Waiting is how many attempts wait, and Instances those of how many instances.
	Waiting, Instances int
	// Holding is how many tokens or permits are here, in use or not.
	Holding int
	// Begun counts the attempts that the limit has let begin.
	Begun int64
	// Lapsed counts those that were admitted but came to begin too late, and had to wait again.
	Lapsed int64
	// Waited is how long all that have begun waited, in sum.
	Waited time.Duration
	// Next is when more can be taken at the earliest; zero while nothing waits for that.
	Next time.Time
	// Problem says why the table cannot be used at present.
	Problem string
}

// Stats returns what each limit does in this process, by name. It makes no request.
func (l *Limiter) Stats() []Stats {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	byRule := map[*rule]*Stats{}
	list := make([]Stats, 0, len(l.rules))
	for _, r := range l.rules {
		list = append(list, Stats{Limit: r.spec, Begun: r.begun, Lapsed: r.lapsed, Waited: r.waited})
	}
	slices.SortFunc(list, func(a, b Stats) int { return cmp.Compare(a.Limit.Name, b.Limit.Name) })
	for i := range list {
		byRule[l.rules[list[i].Limit.Name]] = &list[i]
	}
	for _, g := range l.gates {
		s := byRule[g.rule]
		calls, instances := g.line()
		s.Keys++
		s.Waiting, s.Instances, s.Holding = s.Waiting+calls, s.Instances+instances, s.Holding+g.side.holding()
		if calls > 0 && !g.next.IsZero() && (s.Next.IsZero() || g.next.Before(s.Next)) {
			s.Next = g.next.UTC()
		}
		if g.trouble != "" {
			s.Problem = g.trouble
		}
	}
	return list
}

// Attribute keys of log records.
const (
	keyDefinition = "definition"
	keyDelay      = "delay"
	keyError      = "error"
	keyKey        = "key"
	keyLimit      = "limit"
	keyReason     = "reason"
)
