package replay

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// body is one goroutine of user code: the orchestrator itself or a coroutine.
type body struct {
	id     int
	s      *Session
	run    func()
	resume chan struct{} // one value lets the body go on, closing it ends the body
	slot   int           // index in Session.live
	ready  bool
	turn   atomic.Uint32
	// gone is closed when the body's goroutine ends that was given up; nil for all others.
	gone chan struct{}
}

// Who has the turn of a body. A running body gives it back, unless the session
// has meanwhile given the body up; both sides settle that by compare-and-swap.
const (
	turnRunning uint32 = iota
	turnReturned
	turnLost
)

// settled makes the body ready to run. It is what wakes a parked body.
func (b *body) settled(*Promise) { b.s.makeReady(b) }

// Go starts another body. It runs after the ones already waiting for their turn,
// when the caller parks.
func (s *Session) Go(run func()) {
	b := &body{id: s.nextBody, s: s, run: run}
	s.nextBody++
	s.makeReady(b)
}

// makeReady puts b into the queue of bodies that can run, which is a binary heap
// by id: whatever woke them, ready bodies resume in the order they were started.
func (s *Session) makeReady(b *body) {
	if b.ready {
		return
	}
	b.ready = true
	s.ready = append(s.ready, b)
	for i := len(s.ready) - 1; i > 0; {
		parent := (i - 1) / 2
		if s.ready[parent].id <= s.ready[i].id {
			break
		}
		s.ready[parent], s.ready[i] = s.ready[i], s.ready[parent]
		i = parent
	}
}

func (s *Session) takeReady() *body {
	b := s.ready[0]
	last := len(s.ready) - 1
	s.ready[0] = s.ready[last]
	s.ready[last] = nil
	s.ready = s.ready[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if s.ready[child].id < s.ready[least].id {
				least = child
			}
		}
		if least == i {
			break
		}
		s.ready[least], s.ready[i] = s.ready[i], s.ready[least]
		i = least
	}
	b.ready = false
	return b
}

// runReady runs bodies until all of them wait for something.
func (s *Session) runReady() {
	for len(s.ready) > 0 && s.outcome == nil && s.broken == nil {
		s.handOver(s.takeReady())
	}
}

// handOver lets b run until it parks or ends.
func (s *Session) handOver(b *body) {
	s.current = b
	b.turn.Store(turnRunning)
	if b.resume == nil {
		b.resume = make(chan struct{}, 1)
		b.slot = len(s.live)
		s.live = append(s.live, b)
		go bodyMain(b)
	} else {
		b.resume <- struct{}{}
	}
	s.awaitTurn(b)
	s.current = nil
}

// awaitTurn waits for the turn to come back from b, but not for ever: a body gets
// at least the bound and, because one timer serves all of them, at most twice that.
func (s *Session) awaitTurn(b *body) {
	own := s.watchdog == nil
	for {
		if s.watchdog == nil {
			s.watchdog, s.stopWatchdog = s.clock.NewTimer(s.stuckAfter)
		}
		select {
		case ended := <-s.yield:
			s.tookBack(b, ended)
			return
		case <-s.watchdog:
			s.watchdog = nil
		}
		if b.gone = make(chan struct{}); own && b.turn.CompareAndSwap(turnRunning, turnLost) {
			s.declareStuck(b)
			return
		}
		own = true
	}
}

func (s *Session) tookBack(b *body, ended bool) {
	if !ended {
		return
	}
	last := len(s.live) - 1
	s.live[b.slot] = s.live[last]
	s.live[b.slot].slot = b.slot
	s.live[last] = nil
	s.live = s.live[:last]
}

// restWatchdog stops the timer between calls of Advance.
func (s *Session) restWatchdog() {
	if s.watchdog != nil {
		s.stopWatchdog()
		s.watchdog, s.stopWatchdog = nil, nil // a parked session keeps no timer
	}
}

// bodyMain is the goroutine of one body. It is a function of its own, with the
// body as its only argument, so that a dump of all goroutines shows whose it is.
//
//go:noinline
func bodyMain(b *body) {
	debug.SetPanicOnFault(true) // see onBody
	returned := false
	defer func() {
		failure := recover()
		if !b.turn.CompareAndSwap(turnRunning, turnReturned) {
			close(b.gone) // given up: nobody waits for the turn any more
			return
		}
		switch {
		case b.s.unloading:
			// Whatever defers did while unwinding no longer counts.
		case failure != nil:
			b.s.crash(&PanicError{Value: failure, Stack: PanicStack()})
		case !returned:
			b.s.crash(&PanicError{Value: "the goroutine was ended with runtime.Goexit", Stack: PanicStack()})
		}
		b.s.yield <- true
	}()
	b.run()
	returned = true
}

// park gives the turn back until the body is made ready. It reports false while
// the session is being unloaded: then nothing is worth waiting for.
func (s *Session) park() bool {
	if s.unloading {
		return false
	}
	b := s.current
	if !b.turn.CompareAndSwap(turnRunning, turnReturned) {
		runtime.Goexit()
	}
	s.yield <- false
	if _, ok := <-b.resume; !ok {
		runtime.Goexit()
	}
	return true
}

// Unload ends all bodies and waits for their goroutines. Their deferred calls
// run; what those ask of the session does nothing. A body that blocks outside the
// session is given up after the bound of [Config.StuckAfter]. Unload may be called
// more than once.
func (s *Session) Unload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unload()
}

func (s *Session) unload() {
	s.unloading = true
	s.ready = nil
	// The youngest first: coroutines end before the orchestrator that uses them.
	live := slices.SortedFunc(slices.Values(s.live), func(a, b *body) int { return b.id - a.id })
	for _, b := range live {
		lost := b.turn.Load() == turnLost
		if !lost {
			s.current = b
			b.turn.Store(turnRunning)
		}
		close(b.resume)
		if !lost { // a lost body ends by itself as soon as it asks for anything
			s.awaitTurn(b)
			s.current = nil
		}
	}
	s.live = nil
	s.restWatchdog()
}

// onBody tells whether the calling goroutine is a body of some session. Go has no
// goroutine identity, but it has one flag per goroutine that can be read and that
// a new goroutine does not inherit: panic-on-fault. Bodies set it, nobody else
// should.
func onBody() bool {
	was := debug.SetPanicOnFault(true)
	if !was {
		debug.SetPanicOnFault(false)
	}
	return was
}

// Enter begins a call of the session's API from user code. It panics when the
// caller is not a running body, and reports false while the session is being
// unloaded: deferred functions then find that nothing they ask for happens.
func (s *Session) Enter(call string) bool {
	if !onBody() {
		refuse(call)
	}
	if s.dead.Load() {
		runtime.Goexit() // a body that was given up as stuck has come back
	}
	if s.current == nil {
		refuse(call)
	}
	return !s.unloading
}

func refuse(call string) {
	panic("durable: " + call + " was called from outside its orchestrator. Tasks and contexts may only be used by the " +
		"orchestrator function they belong to and by coroutines started with durable.Go, never from a goroutine started " +
		"with the go statement, from an activity, or after the orchestrator has ended.")
}

// PanicError is the error of a body that panicked.
type PanicError struct {
	// Value is what the code panicked with.
	Value any
	// Stack is where, innermost call first.
	Stack string
}

// Error returns the text of the value.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Unwrap returns the value if it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// PanicStack is the stack of a recovered panic, to be called by the deferred
// function that recovered it.
func PanicStack() string {
	text := string(debug.Stack())
	if _, after, ok := strings.Cut(text, "\npanic("); ok {
		if _, after, ok = strings.Cut(after, "\n\t"); ok {
			_, after, _ = strings.Cut(after, "\n")
			return strings.TrimSpace(after)
		}
	}
	return strings.TrimSpace(text)
}

// StuckError says that a body neither parked nor ended in time. The session
// cannot be used again.
type StuckError struct {
	// InstanceID and Orchestrator name the execution.
	InstanceID, Orchestrator string
	// After is how long the body was waited for.
	After time.Duration
	// Stack is what the body was doing.
	Stack string

	gone <-chan struct{}
}

// Gone is closed when the body has ended after all. Until then it takes up a goroutine, and perhaps a processor: nothing can end it.
func (e *StuckError) Gone() <-chan struct{} { return e.gone }

// Error names the likely cause and holds the stack.
func (e *StuckError) Error() string {
	return fmt.Sprintf("orchestrator %q (instance %q) has blocked outside the durable API for %v; an orchestrator must not "+
		"do I/O, sleep, lock or use channels itself, do that in an activity:\n%s", e.Orchestrator, e.InstanceID, e.After, e.Stack)
}

func (s *Session) declareStuck(b *body) {
	s.dead.Store(true)
	s.broken = &StuckError{
		InstanceID: s.instance.InstanceID, Orchestrator: s.def.Name, After: s.stuckAfter, Stack: bodyStack(b), gone: b.gone,
	}
}

// bodyStack finds the stack of b in a dump of all goroutines by the argument of
// bodyMain.
func bodyStack(b *body) string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	mark := fmt.Sprintf("replay.bodyMain(%p", b)
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, mark) {
			return stack
		}
	}
	return "(the stack could not be found)"
}

// Clock makes the timers of the watchdog over bodies.
type Clock interface {
	// NewTimer returns a channel that receives after d, and a function that
	// releases the timer.
	NewTimer(d time.Duration) (<-chan time.Time, func())
}

type systemClock struct{}

// NewTimer does not use a timer's own channel: waiting on one costs more than
// handing the turn over does.
func (systemClock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	c := make(chan time.Time, 1)
	t := time.AfterFunc(d, func() { c <- time.Time{} })
	return c, func() { t.Stop() }
}
