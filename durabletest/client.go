package durabletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// Client returns a client of the environment's hub, for code under test that takes one, and for tests that start several
// instances or look at one while it runs. Waiting for an instance is what lets time pass. The interceptors of the
// configuration are around it.
func (env *Env) Client() durable.Client {
	return durable.InterceptClient(&client{env}, env.cfg.Environment.Interceptors...)
}

type client struct{ env *Env }

// Converter returns the configured converter.
func (c *client) Converter() durable.Converter { return c.env.cfg.Environment.Converter }

// StartOrchestration starts an instance. Its first episode runs when time passes.
func (c *client) StartOrchestration(ctx context.Context, req durable.StartRequest) (durable.Started, error) {
	env := c.env
	if err := c.ready(ctx); err != nil {
		return durable.Started{}, err
	}
	if strings.TrimSpace(req.Name) == "" {
		return durable.Started{}, errors.New("durabletest: the name of the orchestrator to start is empty")
	}
	id := req.InstanceID
	if id == "" {
		env.starts++
		id = fmt.Sprintf("instance-%d", env.starts)
	} else if err := validID(id); err != nil {
		return durable.Started{}, err
	}
	old := env.instances[id]
	if old != nil && !mayReplace(req.Reuse, old.status()) {
		return durable.Started{}, fmt.Errorf("%w: instance %q is %v", ErrInstanceExists, id, old.status())
	}
	_, known := env.registry.orchestrator(req.Name, req.Version)
	if !known && env.mockOf(durable.KindOrchestrator, req.Name) == nil {
		return durable.Started{}, env.notRegistered(durable.KindOrchestrator, req.Name, req.Version)
	}
	in := env.create(id, executionID("start", id, stamp(env.now), fmt.Sprint(env.serial)), startedEvent(req, old), req.StartAt)
	env.follow(in)
	return durable.Started{InstanceID: id, ExecutionID: in.execution}, nil
}

func startedEvent(req durable.StartRequest, old *instance) *history.ExecutionStarted {
	e := &history.ExecutionStarted{Name: req.Name, Version: &req.Version, Input: req.Input, Generation: history.Int32(0)}
	if old != nil {
		e.Generation = history.Int32(old.generation + 1)
	}
	if len(req.Tags) > 0 {
		e.Tags = history.NewTags(req.Tags)
	}
	if !req.StartAt.IsZero() {
		at := req.StartAt.UTC().Truncate(tick)
		e.ScheduledStart = &at
	}
	return e
}

// startsAt is when the start of the instance is due.
func (in *instance) startsAt() time.Time {
	if at := in.started.ScheduledStart; at != nil {
		return *at
	}
	return in.created
}

// validID keeps to the rules of the real client.
func validID(id string) error {
	const longest = 100
	switch {
	case len([]rune(id)) > longest:
		return fmt.Errorf("durabletest: instance id %q is longer than %d characters", id, longest)
	case strings.HasPrefix(id, "@"):
		return fmt.Errorf("durabletest: instance id %q begins with '@', which is for entities", id)
	case strings.ContainsFunc(id, func(r rune) bool { return strings.ContainsRune(`/\#?`, r) || r < ' ' || r >= 0x7f && r <= 0x9f }):
		return fmt.Errorf(`durabletest: instance id %q contains / \ # ? or a control character`, id)
	default:
		return nil
	}
}

func mayReplace(reuse []history.Status, status history.Status) bool {
	if reuse == nil {
		return status.IsTerminal()
	}
	return slices.Contains(reuse, status)
}

// WaitForCompletion lets time pass until the instance has ended.
func (c *client) WaitForCompletion(ctx context.Context, instanceID, executionID string) (*durable.Instance, error) {
	c.env.t.Helper()
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	in := c.env.instances[instanceID]
	if in == nil || executionID != "" && executionID != in.first && executionID != in.execution {
		return nil, fmt.Errorf("%w: %q", ErrInstanceNotFound, instanceID)
	}
	if err := c.env.drive(ctx, in); err != nil {
		return nil, err
	}
	return in.snapshot(), nil
}

// GetInstance returns the state of an instance.
func (c *client) GetInstance(ctx context.Context, instanceID string) (*durable.Instance, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	in := c.env.instances[instanceID]
	if in == nil {
		return nil, fmt.Errorf("%w: %q", ErrInstanceNotFound, instanceID)
	}
	return in.snapshot(), nil
}

// RaiseEvent sends an event.
func (c *client) RaiseEvent(ctx context.Context, instanceID, name string, payload any) error {
	if strings.TrimSpace(name) == "" {
		return errors.New("durabletest: the name of the event is empty")
	}
	raw, err := c.env.serialize(payload)
	if err != nil {
		return fmt.Errorf("durabletest: event %q: the value: %w", name, err)
	}
	return c.send(ctx, instanceID, &history.EventRaised{Name: name, Input: raw})
}

// Terminate ends an instance from outside.
func (c *client) Terminate(ctx context.Context, instanceID, reason string) error {
	return c.send(ctx, instanceID, &history.ExecutionTerminated{Input: optional(reason)})
}

func (c *client) send(ctx context.Context, instanceID string, e history.Event) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	switch in := c.env.instances[instanceID]; {
	case in == nil:
		return fmt.Errorf("%w: %q", ErrInstanceNotFound, instanceID)
	case in.ended():
		return fmt.Errorf("%w: %q is %v", ErrInstanceFinished, instanceID, in.status())
	}
	c.env.send(c.env.now, instanceID, e)
	return nil
}

// ready tells whether a call may be made now.
func (c *client) ready(ctx context.Context) error {
	if c.env.inTurn {
		return errInOrchestrator
	}
	return ctx.Err()
}

// snapshot is the state of an instance as a client sees it.
func (in *instance) snapshot() *durable.Instance {
	s := &durable.Instance{
		InstanceID: in.id, ExecutionID: in.execution, Name: in.name(), Version: deref(in.started.Version), Status: in.status(),
		CreatedAt: in.created, LastUpdatedAt: in.updated, CompletedAt: in.completed,
		Input: in.started.Input, CustomStatus: in.custom, Tags: in.started.Tags.Map(), Generation: in.generation,
		Converter: in.env.cfg.Environment.Converter,
	}
	if at := in.started.ScheduledStart; at != nil {
		s.ScheduledStartAt = *at
	}
	if in.outcome != nil {
		s.Output, s.Failure = in.outcome.Result, in.outcome.Failure
	}
	return s
}
