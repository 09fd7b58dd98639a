package replay

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// Definition is an orchestrator as registered.
type Definition struct {
	// Name is what histories call it.
	Name string
	// Version is the version it was registered with, normally "".
	Version string
	// Run is the orchestrator. It runs as a body and gets the serialized input.
	// A [*ContinueError] among its error's causes starts the next generation.
	Run func(s *Session, input *string) (*string, error)
	// Failure describes an error that ends the execution: the text for the
	// Result column and the details. Defaults to the error's text and Go type.
	Failure func(err error) (message string, details *history.FailureDetails)
}

// ErrorStyle is how a hub records failures. Both kinds are always understood.
type ErrorStyle uint8

const (
	// FailureDetails writes .NET's UseFailureDetails form: error type, message,
	// stack and inner failures in a column of their own.
	FailureDetails ErrorStyle = iota
	// Exceptions writes .NET's SerializeExceptions form as it is by default: the
	// error's text alone.
	Exceptions
)

// DefaultStuckAfter is how long a body may run between two calls of the API.
const DefaultStuckAfter = 10 * time.Second

// Config configures a [Session].
type Config struct {
	// Definition is the orchestrator to run. Required.
	Definition *Definition
	// Instance is the execution. Its ExecutionID defaults to the one in the
	// ExecutionStarted event.
	Instance history.Instance
	// Logger is what the orchestrator's own logger writes to. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Errors is how failures are recorded. Defaults to FailureDetails.
	Errors ErrorStyle
	// CustomStatus is the status that the generation before this one had set. Defaults
	// to none.
	CustomStatus *string
	// StuckAfter bounds the time a body runs without parking. Defaults to
	// DefaultStuckAfter.
	StuckAfter time.Duration
	// Clock drives that bound. Defaults to the system's.
	Clock Clock
}

// Session is one execution of one instance in memory. Advance, Lookup and Unload
// may be called from any goroutine, one at a time; all other methods belong to the
// bodies of the session.
type Session struct {
	mu         sync.Mutex
	def        *Definition
	logger     *slog.Logger
	clock      Clock
	stuckAfter time.Duration
	errors     ErrorStyle

	// Bodies. The channel carries the turn back: true when the body has ended.
	yield        chan bool
	current      *body
	ready        []*body
	live         []*body
	nextBody     int
	watchdog     <-chan time.Time
	stopWatchdog func()
	unloading    bool
	dead         atomic.Bool // a body is stuck; whatever comes back from it ends
	broken       error

	// The execution.
	instance  history.Instance
	started   *history.ExecutionStarted
	now       time.Time
	replaying bool
	suspended bool
	parked    []parkedEvent // arrived while suspended
	inbox     inbox
	ops       []op    // by event id
	pending   []int32 // ids of actions not in the history yet
	nextID    int32
	mainDone  bool
	outcome   *Outcome
	recorded  *Outcome
	status    *string
	markers   markers
	ids       uint64 // ids made by NewUUID so far
	consumed  int    // results and messages processed, for HistorySize
	ignored   int
	position  int // ordinal of the event being processed
}

// NewSession returns a session that has seen no event yet. It must be unloaded in the
// end, else the goroutines of its bodies stay for ever.
func NewSession(cfg Config) *Session {
	s := &Session{
		def: cfg.Definition, logger: cfg.Logger, clock: cfg.Clock, stuckAfter: cfg.StuckAfter, errors: cfg.Errors,
		instance: cfg.Instance, status: cfg.CustomStatus, yield: make(chan bool, 1), replaying: true,
		// Room for a few actions, so that the stacks of bodies need not grow for them.
		ops: make([]op, 0, 2), pending: make([]int32, 0, 2),
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.clock == nil {
		s.clock = systemClock{}
	}
	if s.stuckAfter <= 0 {
		s.stuckAfter = DefaultStuckAfter
	}
	return s
}

// Turn is what came of one call of Advance.
type Turn struct {
	// Actions are the decisions that the history does not have yet, markers
	// first, then by ascending id. From here on they count as committed.
	Actions []Action
	// Committed are, on the first call only, the actions that the history has and
	// that a new owner may have to carry out again: the open ones, and the one-way
	// ones, which have no answer that could tell. By ascending id.
	Committed []Action
	// CustomStatus is the orchestrator's own status as JSON, nil when never set.
	CustomStatus *string
	// Outcome is set once the execution has ended.
	Outcome *Outcome
	// Recorded is the end that the history already holds, nil while it runs. An
	// instance with one has ended, whatever Outcome says about today's code.
	Recorded *Outcome
	// Suspended tells that the execution is suspended: decisions are withheld and
	// events are parked until it is resumed.
	Suspended bool
	// IgnoredDuplicates counts answers that nothing waited for: late, repeated, or
	// for an unknown action.
	IgnoredDuplicates int
}

// Outcome is the end of an execution.
type Outcome struct {
	// EventID is the id of the ExecutionCompleted event.
	EventID int32
	// Status is Completed, Failed, Terminated or ContinuedAsNew.
	Status history.Status
	// Result is the serialized output, the error's text, or the reason of the
	// termination.
	Result *string
	// Failure describes the error; nil with [Exceptions].
	Failure *history.FailureDetails
	// Err is the error that ended the execution, nil unless it failed here.
	Err error
	// NewInput is the input of the next generation.
	NewInput *string
	// NewVersion is the version of the next generation, nil for the same.
	NewVersion *string
	// Carry are the events that arrived and were not consumed, in order. They
	// belong into the history of the next generation, after its ExecutionStarted.
	Carry []*history.EventRaised
	// CarrySuspend is set when the execution was suspended in the very episode in
	// which it continued as new. It belongs before Carry.
	CarrySuspend *history.ExecutionSuspended

	drop bool // unconsumed events are not wanted
}

// Event returns the ExecutionCompleted event, without a timestamp.
func (o *Outcome) Event() *history.ExecutionCompleted {
	return &history.ExecutionCompleted{
		Base: history.Base{EventID: o.EventID}, Status: o.Status, Result: o.Result, Failure: o.Failure,
	}
}

// ErrUnloaded is returned by Advance after Unload.
var ErrUnloaded = errors.New("replay: the session was unloaded")

// Advance processes events. committed are events of the history, during which the
// orchestrator sees itself replaying; fresh are those of the new episode, beginning
// with an OrchestratorStarted. On a live session committed is nil.
//
// A non-nil error means that nothing can be said: the body is stuck
// ([*StuckError]) or the session was unloaded. Everything else, non-determinism
// included, is an outcome.
func (s *Session) Advance(committed, fresh []history.Event) (*Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return nil, s.broken
	case s.unloading && s.outcome == nil:
		return nil, ErrUnloaded
	}
	defer s.restWatchdog()
	loading := len(committed) > 0
	s.ignored = 0
	s.markers.learn(committed)
	s.replaying = true
	s.play(committed)
	s.replaying = false
	s.play(fresh)
	if s.broken != nil {
		return nil, s.broken
	}
	turn := s.turn(loading)
	if s.outcome != nil {
		s.unload() // nothing can wake the bodies any more
	}
	return turn, nil
}

func (s *Session) play(events []history.Event) {
	for _, e := range events {
		if s.broken != nil {
			return
		}
		s.process(e)
		s.runReady()
		s.position++
	}
}

// turn collects what the bodies decided.
func (s *Session) turn(loading bool) *Turn {
	t := &Turn{
		CustomStatus: s.status, Outcome: s.outcome, Recorded: s.recorded, Suspended: s.suspended && s.outcome == nil,
		IgnoredDuplicates: s.ignored,
	}
	if loading {
		t.Committed = s.redrivable()
	}
	if t.Suspended {
		return t
	}
	if s.outcome != nil && s.outcome.diverged() {
		return t // what diverging code decided must not happen
	}
	t.Actions = s.markers.drain()
	for _, id := range s.pending {
		o := &s.ops[id]
		if o.confirmed {
			continue
		}
		t.Actions = append(t.Actions, o.give())
		o.confirmed = true
	}
	s.pending = s.pending[:0]
	return t
}

// redrivable lists the confirmed actions a new owner may have to repeat, and then
// forgets them: a live session never repeats anything.
func (s *Session) redrivable() []Action {
	var out []Action
	for i := range s.ops {
		o := &s.ops[i]
		if !o.confirmed || o.given {
			continue
		}
		if a := o.give(); !o.done || o.oneWay {
			out = append(out, a)
		}
	}
	return out
}

// Lookup tells what the session knows of the action with an id: the kind of its
// created event, how far it has got and, for a timer, when it is due.
func (s *Session) Lookup(id int32) (kind history.Kind, state ActionState, fireAt time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil || id < 0 || int(id) >= len(s.ops) {
		return 0, Unknown, time.Time{}
	}
	o := &s.ops[id]
	if o.done {
		return o.kind, Done, o.fireAt()
	}
	return o.kind, Open, o.fireAt()
}
