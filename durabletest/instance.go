package durabletest

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// instance is one orchestration. Its history is the truth; the session can be loaded from it at any time.
type instance struct {
	env        *Env
	id         string
	execution  string // of the current generation
	first      string // of the first generation
	generation int32  // starts under the id before this one
	continued  int    // how often it has continued as new
	started    *history.ExecutionStarted
	definition *replay.Definition
	mock       *Behavior // instead of a definition
	mockErr    error     // what the mock fails with, whatever its function says
	startCall  *Call     // of the parent; nil for an instance that a client started

	rows      []history.Event
	decisions map[int32]replay.Action // of this generation
	session   *replay.Session
	checked   int // rows at the last replay

	inherited *string // the custom status of the generation before
	custom    *string
	statuses  []StatusChange
	begun     bool
	suspended bool
	created   time.Time
	completed time.Time
	updated   time.Time
	outcome   *replay.Outcome
	halted    bool // goes no further: a limit was reached, or a body is stuck
}

func (in *instance) name() string { return in.started.Name }

func (in *instance) ended() bool { return in.outcome != nil }

// over tells that nothing reaches the instance any more.
func (in *instance) over() bool { return in.ended() || in.halted }

func (in *instance) self() history.Instance {
	return history.Instance{InstanceID: in.id, ExecutionID: history.String(in.execution)}
}

func (in *instance) status() history.Status {
	switch {
	case in.outcome != nil:
		return in.outcome.Status
	case !in.begun:
		return history.Pending
	case in.suspended:
		return history.Suspended
	default:
		return history.Running
	}
}

// create adds an instance in place of an earlier one of the same id. It begins when its start is delivered.
func (env *Env) create(id, execution string, started *history.ExecutionStarted, startAt time.Time) *instance {
	in := &instance{
		env: env, id: id, execution: execution, first: execution, started: started,
		decisions: map[int32]replay.Action{}, created: env.now, updated: env.now,
	}
	if old := env.instances[id]; old != nil {
		old.unload()
		in.generation = old.generation + 1
	}
	started.Base = history.Base{EventID: -1, Timestamp: env.now}
	started.Instance = in.self()
	env.instances[id] = in
	in.definition, _ = env.registry.orchestrator(started.Name, deref(started.Version))
	b := env.behavior(durable.KindOrchestrator, started.Name)
	if in.mockErr = b.nextFailure(); in.mockErr != nil || b.mocked != nil {
		in.mock = b
	}
	m := &message{due: startAt, to: id, execution: execution, event: started}
	if in.mock != nil {
		m.event, m.run = nil, func() { in.beginMock() }
	}
	env.put(m)
	return in
}

// newSession returns a session that has seen nothing yet.
func (in *instance) newSession() *replay.Session {
	return replay.NewSession(replay.Config{
		Definition: in.definition, Instance: in.self(), Logger: in.env.cfg.Logger, Errors: in.env.cfg.Errors,
		CustomStatus: in.inherited, StuckAfter: in.env.cfg.StuckAfter,
	})
}

// advance feeds events to a session. While it does, orchestrator code runs.
func (in *instance) advance(s *replay.Session, committed, fresh []history.Event) (turn *replay.Turn, err error) {
	env := in.env
	env.inTurn = true
	defer func() { env.inTurn = false }()
	env.labeled(func() { turn, err = s.Advance(committed, fresh) })
	if err != nil {
		env.stuck, in.halted = true, true
		env.fail(err)
	}
	return turn, err
}

// load returns the session that belongs to the history, nil after a problem.
func (in *instance) load() *replay.Session {
	if in.session != nil || in.over() || in.env.problem != nil {
		return in.session
	}
	in.session = in.newSession()
	if len(in.rows) == 0 {
		return in.session
	}
	turn, err := in.advance(in.session, in.rows, nil)
	if err != nil {
		return nil
	}
	if d := in.compare(turn, nil); d != nil {
		in.diverged(d)
		return nil
	}
	return in.session
}

func (in *instance) unload() {
	if in.session != nil {
		in.session.Unload()
		in.session = nil
	}
}

// executionID derives the id of an execution, so that every run of a test has the same ids.
func executionID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	const size = 16
	return hex.EncodeToString(h.Sum(nil)[:size])
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }
