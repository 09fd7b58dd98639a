package durabletest

import (
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// ScriptOption is an option of [Env.RaiseAt] and its kin.
type ScriptOption interface{ applyScript(*script) }

// ToOption is what [To] returns.
type ToOption struct{ instanceID string }

// To addresses an instance. Without it the instance is the one that [Run] is running, or before that, the one that is
// started next.
func To(instanceID string) ToOption { return ToOption{instanceID} }

func (o ToOption) applyScript(s *script) { s.to = o.instanceID }

// script is something that is to happen to an instance at a certain time.
type script struct {
	due   time.Time
	to    string // "" for the instance that is started next
	event history.Event
}

// RaiseAt raises an event some time from now, on the environment's clock. Before [Run], that is after the start. What is
// raised for an instance that does not exist or has ended is dropped, with a line in the test's log.
func (env *Env) RaiseAt(after time.Duration, name string, payload any, opts ...ScriptOption) {
	env.t.Helper()
	if strings.TrimSpace(name) == "" {
		env.t.Fatalf("durabletest: RaiseAt: the name of the event is empty")
		return
	}
	raw, err := env.serialize(payload)
	if err != nil {
		env.t.Fatalf("durabletest: RaiseAt: event %q: the value: %v", name, err)
		return
	}
	env.script("RaiseAt", after, &history.EventRaised{Name: name, Input: raw}, opts)
}

// SuspendAt suspends an instance some time from now.
func (env *Env) SuspendAt(after time.Duration, reason string, opts ...ScriptOption) {
	env.t.Helper()
	env.script("SuspendAt", after, &history.ExecutionSuspended{Reason: optional(reason)}, opts)
}

// ResumeAt lets a suspended instance go on some time from now.
func (env *Env) ResumeAt(after time.Duration, reason string, opts ...ScriptOption) {
	env.t.Helper()
	env.script("ResumeAt", after, &history.ExecutionResumed{Reason: optional(reason)}, opts)
}

// TerminateAt ends an instance some time from now. The reason becomes its output.
func (env *Env) TerminateAt(after time.Duration, reason string, opts ...ScriptOption) {
	env.t.Helper()
	env.script("TerminateAt", after, &history.ExecutionTerminated{Input: optional(reason)}, opts)
}

func (env *Env) script(call string, after time.Duration, e history.Event, opts []ScriptOption) {
	env.t.Helper()
	if after < 0 {
		env.t.Fatalf("durabletest: %s: %v ago: time does not run backwards", call, -after)
		return
	}
	s := script{due: env.now.Add(after), event: e}
	for _, opt := range opts {
		opt.applyScript(&s)
	}
	if s.to == "" && env.current != nil {
		s.to = env.current.id
	}
	if s.to == "" {
		env.scripts = append(env.scripts, s)
		return
	}
	env.send(s.due, s.to, s.event)
}

// follow addresses what was waiting for an instance to be started.
func (env *Env) follow(in *instance) {
	scripts := env.scripts
	env.scripts = nil
	for _, s := range scripts {
		env.send(s.due, in.id, s.event)
	}
}

// serialize writes a value as the hub's client does.
func (env *Env) serialize(v any) (*string, error) {
	data, err := env.converter().Marshal(v)
	if err != nil {
		return nil, err
	}
	if s := string(data); s != "null" && s != "" {
		return &s, nil
	}
	return nil, nil
}

// parse reads what serialize wrote. No text leaves the value as it is.
func (env *Env) parse(raw *string, v any) error {
	if raw == nil || *raw == "" {
		return nil
	}
	return env.converter().Unmarshal([]byte(*raw), v)
}

func (env *Env) converter() durable.Converter {
	if c := env.cfg.Environment.Converter; c != nil {
		return c
	}
	return durable.JSON()
}

// optional turns the empty text into none, as the client does.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// describe says in words what a message is.
func describe(e history.Event) string {
	if raised, ok := e.(*history.EventRaised); ok {
		return "event " + quoted([]string{raised.Name})
	}
	return e.Kind().String()
}
