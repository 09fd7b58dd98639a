package durabletest

import (
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// Result is what became of an instance.
type Result[O any] struct {
	// Output is what the orchestrator returned; the zero value unless it completed.
	Output O
	// Err is why it did not complete: a [*durable.InstanceError], as [durable.Run.Wait] returns it, with the
	// orchestrator's error inside; or what kept it from ending: a [*StalledError], a [*LimitError], a
	// [*NotRegisteredError].
	Err error
	// Status is how far it got.
	Status history.Status
	// CustomStatus is its own status as JSON; "" when it set none.
	CustomStatus string
	// CustomStatuses is every change of the custom status, in order.
	CustomStatuses []StatusChange
	// InstanceID and ExecutionID identify the instance and its last generation.
	InstanceID, ExecutionID string
	// Generations is 1, and one more each time it continued as new.
	Generations int
	// StartedAt and EndedAt are times of the environment's clock, Elapsed what lies between them. Of an instance that has
	// not ended, EndedAt is the present.
	StartedAt, EndedAt time.Time
	Elapsed            time.Duration
	// History is the history of the last generation, exported as the hub's client does it: what [Replay] reads.
	History []byte
}

// StatusChange is a custom status.
type StatusChange struct {
	// At is when it was set.
	At time.Time
	// Value is the status as JSON; "" when it was taken back.
	Value string

	env *Env
}

// Decode reads the status into the variable v points to.
func (s StatusChange) Decode(v any) error { return s.env.parse(optional(s.Value), v) }

// Run starts an orchestrator and lets time pass until it has ended and nothing more is due at that moment. The
// orchestrator need not be registered; what it calls must be registered or mocked.
//
// The options are those of a start: [durable.WithInstanceID], [durable.WithTags], [durable.WithVersion],
// [durable.WithStartAt]. Without an id the instances are "instance-1" and so on.
//
// However the orchestration ends, its result says so. A call of what is neither registered nor mocked, an orchestrator
// that is not deterministic and one that blocks fail the test as well.
func Run[I, O any](env *Env, orchestrator *durable.Orchestrator[I, O], input I, opts ...durable.StartOption) *Result[O] {
	env.t.Helper()
	if orchestrator == nil {
		env.t.Fatalf("durabletest: Run: the orchestrator is nil; pass what durable.NewOrchestrator returned")
		return &Result[O]{Err: durable.ErrInvalidDefinition}
	}
	if err := env.adopt(orchestrator); err != nil {
		env.t.Fatalf("durabletest: Run: %v", err)
		return &Result[O]{Err: err}
	}
	run, err := orchestrator.Start(env.ctx, env.Client(), input, opts...)
	switch {
	case errors.Is(err, ErrNotRegistered):
		env.t.Errorf("%v", err)
		return &Result[O]{Err: err, Status: history.Pending}
	case err != nil:
		env.t.Fatalf("durabletest: Run: %v", err)
		return &Result[O]{Err: err}
	}
	in := env.instances[run.InstanceID()]
	outer := env.current
	env.current = in
	defer func() { env.current = outer }()
	return resultOf[O](in, env.drive(env.ctx, in))
}

// Inspect returns what has become of an instance so far, also of a child or of one that a client started. Output has the
// type that the orchestrator returns. It is nil when there is no such instance.
func Inspect[O any](env *Env, instanceID string) *Result[O] {
	in := env.instances[instanceID]
	if in == nil {
		return nil
	}
	return resultOf[O](in, nil)
}

func resultOf[O any](in *instance, err error) *Result[O] {
	env := in.env
	r := &Result[O]{
		Err: err, Status: in.status(), CustomStatus: deref(in.custom), CustomStatuses: in.statuses, InstanceID: in.id, ExecutionID: in.execution,
		Generations: in.continued + 1, StartedAt: in.created, EndedAt: env.now,
	}
	if in.ended() {
		r.EndedAt = in.completed
	}
	r.Elapsed = r.EndedAt.Sub(r.StartedAt)
	if in.ended() && err == nil {
		r.Output, r.Err = durable.Output[O](in.snapshot())
	}
	export, exportErr := history.MarshalExport(in.rows)
	if exportErr != nil {
		r.Err = errors.Join(r.Err, exportErr)
	}
	r.History = export
	return r
}
