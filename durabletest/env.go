package durabletest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// T is the part of testing.TB that the kit needs: *testing.T, *testing.B and *testing.F have it.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// DefaultStart is where the clock of an [Env] begins: noon in UTC on 1 January 2026, a Thursday.
var DefaultStart = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

// Defaults of [Config].
const (
	DefaultMaxGenerations = 1000
	DefaultMaxEpisodes    = 50_000
)

// Config configures an [Env].
type Config struct {
	// Start is where the clock begins. Defaults to [DefaultStart].
	Start time.Time
	// Environment has the converter and the interceptors that a worker and a client would be given. Defaults to JSON and
	// none.
	Environment durable.Environment
	// Errors is how failures are written into histories. Defaults to [durable.FailureDetails].
	Errors durable.ErrorStyle
	// Logger gets what orchestrators log. Defaults to the test's output, with times of the virtual clock; to nothing where
	// the test has no output.
	Logger *slog.Logger
	// SkipReplay leaves out the check that replays every history after every episode. Benchmarks may want that. Defaults
	// to false.
	SkipReplay bool
	// Batched delivers all that reaches an instance at one moment in one episode, as a busy worker does. Defaults to
	// false: one event, one episode, and a replay after each.
	Batched bool
	// MaxGenerations is how often one instance may continue as new. Defaults to [DefaultMaxGenerations].
	MaxGenerations int
	// MaxEpisodes is how many episodes, of all instances together, one [Run] may take. Defaults to [DefaultMaxEpisodes].
	MaxEpisodes int
	// StuckAfter is how long an orchestrator may compute or block, in real time, before it is given up. Defaults to 10 s.
	StuckAfter time.Duration
}

// Env is a task hub and its worker in memory, with a clock of its own. Time does not pass: when nothing is left to do, the
// clock jumps to whatever is due next.
//
// An Env belongs to one test and is not safe for concurrent use. Code that it runs, activities and mocks, may call it.
type Env struct {
	t   T
	cfg Config
	ctx context.Context

	now       time.Time
	queue     queue
	serial    uint64
	instances map[string]*instance
	starts    int // instance ids made up so far
	depth     int // of calls that let time pass
	inTurn    bool
	episodes  int
	problem   error // why nothing can go on
	stuck     bool  // a body could not be unloaded

	registry  registry
	behaviors map[behaviorKey]*Behavior
	scripts   []script // for the instance that is started next
	current   *instance

	calls  []*Call
	timers []*Timer
	sent   []*SentEvent

	timerOf map[decisionKey]*Timer
	sentAs  map[*history.EventRaised]*SentEvent
}

// New returns an environment with the defaults of [Config]. It is closed with the test, which then fails if an
// orchestrator left a goroutine behind.
func New(t T) *Env {
	if t != nil {
		t.Helper()
	}
	return NewWith(t, Config{})
}

// NewWith is [New] with a configuration.
func NewWith(t T, cfg Config) *Env {
	if t == nil {
		panic("durabletest: New needs the test: pass t")
	}
	t.Helper()
	env := &Env{
		t: t, cfg: withDefaults(cfg), ctx: context.Background(),
		instances: map[string]*instance{}, behaviors: map[behaviorKey]*Behavior{}, registry: newRegistry(),
		timerOf: map[decisionKey]*Timer{}, sentAs: map[*history.EventRaised]*SentEvent{},
	}
	env.now = env.cfg.Start.UTC().Truncate(tick)
	if env.cfg.Logger == nil {
		env.cfg.Logger = env.logger()
	}
	t.Cleanup(env.close)
	return env
}

// tick is the resolution of times in histories.
const tick = 100 * time.Nanosecond

func withDefaults(cfg Config) Config {
	if cfg.Start.IsZero() {
		cfg.Start = DefaultStart
	}
	if cfg.MaxGenerations <= 0 {
		cfg.MaxGenerations = DefaultMaxGenerations
	}
	if cfg.MaxEpisodes <= 0 {
		cfg.MaxEpisodes = DefaultMaxEpisodes
	}
	if cfg.StuckAfter <= 0 {
		cfg.StuckAfter = replay.DefaultStuckAfter
	}
	return cfg
}

// logger writes to the test's output.
func (env *Env) logger() *slog.Logger {
	test, ok := env.t.(interface{ Output() io.Writer })
	if !ok {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(test.Output(), &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Time(slog.TimeKey, env.now)
			}
			return a
		},
	}))
}

// Now returns the time of the environment's clock, in UTC.
func (env *Env) Now() time.Time { return env.now }

// Advance lets time pass: everything that is due within d happens, then the clock stands d later.
func (env *Env) Advance(d time.Duration) {
	env.t.Helper()
	if d < 0 {
		env.t.Fatalf("durabletest: Advance by %v: time does not run backwards", d)
		return
	}
	until := env.now.Add(d)
	if env.pass(func() bool { m := env.next(); return m != nil && !m.due.After(until) }) && env.now.Before(until) {
		env.now = until
	}
}

// Settle lets time pass until nothing is left that could happen.
func (env *Env) Settle() {
	env.t.Helper()
	env.pass(func() bool { return env.next() != nil })
}

// pass takes steps while there are any to take. It reports false after a problem.
func (env *Env) pass(more func() bool) bool {
	env.t.Helper()
	if env.inTurn {
		env.t.Fatalf("%v", errInOrchestrator)
		return false
	}
	defer env.enter()()
	first := env.episodes
	for env.problem == nil && more() {
		if env.episodes-first >= env.cfg.MaxEpisodes {
			_ = env.halt(&LimitError{What: limitEpisodes, Limit: env.cfg.MaxEpisodes})
			break
		}
		env.step()
	}
	if errors.Is(env.problem, ErrLimit) { // everything else was reported where it was found
		env.t.Errorf("%v", env.problem)
	}
	return env.problem == nil
}

// enter begins a call that lets time pass; the returned function ends it. Calls may be nested, when an activity waits for
// an instance. Between calls no orchestrator is in memory.
func (env *Env) enter() (leave func()) {
	if env.depth == 0 {
		env.problem = nil
	}
	env.depth++
	return func() {
		env.depth--
		if env.depth == 0 {
			env.unload()
		}
	}
}

func (env *Env) unload() {
	for _, in := range env.instances {
		in.unload()
	}
}

// fail fails the test: what happened is not the orchestrator's doing but a mistake in it or in the test.
func (env *Env) fail(err error) {
	env.t.Helper()
	if env.problem == nil {
		env.problem = err
		env.t.Errorf("%v", err)
	}
}

// halt stops the call that lets time pass. Whether that is a failure of the test is for the test to say.
func (env *Env) halt(err error) error {
	if env.problem == nil {
		env.problem = err
	}
	return env.problem
}

// close unloads everything and looks for what stayed.
func (env *Env) close() {
	env.t.Helper()
	env.unload()
	if env.stuck {
		return // reported already, with its stack
	}
	if left := env.leaked(); left.count > 0 {
		env.t.Errorf("durabletest: orchestrators left %d goroutines behind. An orchestrator must not use the go statement, and "+
			"its deferred functions must not block:\n%s", left.count, strings.Join(left.stacks, "\n\n"))
	}
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Interface, reflect.Map:
		return r.IsNil()
	default:
		return false
	}
}
