package durable

import (
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/internal/replay"
)

var errEventName = errors.New("durable: the name of an event is empty")

// WaitForEvent returns a task that is done when an event of the name arrives.
//
// Names match without regard to case. Events that nobody waits for are kept and
// handed out first-in first-out. If several tasks wait for one name, the one made
// last gets the next event, so that a loop that abandons its waits still works.
// This is what Durable Functions does.
func WaitForEvent[T any](ctx *Context, name string, opts ...EventOption) *Task[T] {
	t, ok := newTask[T](ctx, subject{"event", name}, "WaitForEvent")
	if !ok {
		return t
	}
	if strings.TrimSpace(name) == "" {
		return t.fail(errEventName)
	}
	receive(&t.future, name, false, opts)
	return t
}

// ReceivedEvent is an event whose name is not known beforehand.
type ReceivedEvent struct {
	// Name is the event's name as it was sent.
	Name string
	// Payload is the serialized value; nil for null.
	Payload *string

	env *environment
}

// Decode reads the event's value into the variable v points to.
func (e ReceivedEvent) Decode(v any) error {
	env := e.env
	if env == nil {
		env = defaultEnvironment
	}
	if err := unmarshal(env.converter, e.Payload, v); err != nil {
		return &PayloadError{Subject: subject{"event", e.Name}.String(), What: "the value", Err: err}
	}
	return nil
}

// WaitForAnyEvent returns a task that is done when an event arrives for whose name
// no other task waits.
func WaitForAnyEvent(ctx *Context, opts ...EventOption) *Task[ReceivedEvent] {
	t, ok := newTask[ReceivedEvent](ctx, subject{"event", "*"}, "WaitForAnyEvent")
	if !ok {
		return t
	}
	r := receive(&t.future, "", true, opts)
	t.read = func() (ReceivedEvent, error) {
		return ReceivedEvent{Name: r.Event.Name, Payload: r.Event.Input, env: t.future.env}, nil
	}
	return t
}

// receive registers a task for an event. The timer of a time-out comes first and is
// set even if an event is already there: that is how Durable Functions numbers them.
func receive(f *future, name string, anyName bool, opts []EventOption) *replay.Receiver {
	r := &replay.Receiver{To: &f.promise}
	f.undo = func() { f.s.StopReceiving(r) }
	if len(opts) > 0 {
		f.expire(opts)
	}
	f.s.Receive(r, name, anyName)
	return r
}

// expire sets the time-out of a wait for an event.
func (f *future) expire(opts []EventOption) {
	var o eventOptions
	for _, opt := range opts {
		opt.applyEvent(&o)
	}
	if !o.hasTimeout {
		return
	}
	deadline := startTimer(f.s, f.s.Now().Add(o.timeout), func() {
		f.undo()
		f.promise.Settle(nil, &TimeoutError{Subject: f.subject.String(), After: o.timeout})
	})
	f.promise.OnSettle(deadline.stop)
}

// Events yields the events of a name as they come, each once, and waits in between.
// The error is that of an event whose value does not fit the type, or [ErrCanceled],
// after which the stream ends. Leaving the loop leaves later events for others.
func Events[T any](ctx *Context, name string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			value, err := WaitForEvent[T](ctx, name).Await()
			if errors.Is(err, errUnloading) {
				return
			}
			var payload *PayloadError
			last := err != nil && !errors.As(err, &payload)
			if !yield(value, err) || last {
				return
			}
		}
	}
}

// SendEvent raises an event for another instance of the hub. It is sent once the
// orchestrator waits or ends; whether the instance exists is not known.
func SendEvent[T any](ctx *Context, instanceID, name string, payload T) error {
	if !ctx.s.Enter("SendEvent") {
		return errUnloading
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(name) == "":
		return errEventName
	case strings.TrimSpace(instanceID) == "":
		return errors.New("durable: SendEvent needs the id of the receiving instance")
	}
	raw, err := marshal(ctx.env.converter, payload)
	if err != nil {
		return &PayloadError{Subject: subject{"event", name}.String(), What: "the value", Err: err}
	}
	ctx.s.Decide(&replay.SendEvent{InstanceID: instanceID, Name: name, Input: raw}, nil)
	return nil
}

type eventOptions struct {
	timeout    time.Duration
	hasTimeout bool
}
