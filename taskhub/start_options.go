package taskhub

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// StartOption is an option of [Client.Start] and [Client.With].
type StartOption interface{ applyStart(s *start) error }

// ExistingPolicy says what a start does when there is an instance with the same id that may not simply be replaced: by
// default one that has not finished, otherwise what [durable.WithReuse] leaves.
type ExistingPolicy int

const (
	// Fail gives an [InstanceExistsError] and writes nothing. It is the default.
	Fail ExistingPolicy = iota
	// ReturnExisting starts nothing and returns the instance that is there.
	ReturnExisting
	// Replace starts anew over the instance, which is not told; what it still does is dropped.
	Replace
	// TerminateFirst terminates the instance, waits until a worker has done so, and then starts.
	TerminateFirst
)

// String returns "fail", "return-existing", "replace" or "terminate-first".
func (p ExistingPolicy) String() string {
	switch p {
	case Fail:
		return "fail"
	case ReturnExisting:
		return "return-existing"
	case Replace:
		return "replace"
	case TerminateFirst:
		return "terminate-first"
	}
	return fmt.Sprintf("ExistingPolicy(%d)", int(p))
}

// meet deals with an instance that may not be replaced; retry means that it may be now.
func (p ExistingPolicy) meet(ctx context.Context, s *start, existing *tables.InstanceRow) (result StartResult, retry bool, err error) {
	switch p {
	case ReturnExisting:
		started := durable.Started{InstanceID: existing.InstanceID, ExecutionID: existing.ExecutionID}
		return StartResult{Started: started, Existing: true}, false, nil
	case TerminateFirst:
		if existing.Status.IsTerminal() { // kept by WithReuse
			break
		}
		err := s.c.Terminate(ctx, existing.InstanceID, "replaced by a new start")
		if err == nil {
			_, err = s.c.hub.watch.await(ctx, existing.InstanceID)
		}
		if err != nil && !errors.Is(err, ErrInstanceFinished) && !errors.Is(err, ErrInstanceNotFound) {
			return StartResult{}, false, s.c.fail("start: terminate the present instance", existing.InstanceID, err)
		}
		return StartResult{}, true, nil
	}
	return StartResult{}, false, fmt.Errorf("start: %w", &InstanceExistsError{
		Hub: s.c.hub.Name(), InstanceID: existing.InstanceID, ExecutionID: existing.ExecutionID, Status: existing.Status,
	})
}

// ExistingOption is what [IfExists] returns.
type ExistingOption struct{ policy ExistingPolicy }

// IfExists says what a start does when the instance exists already. Defaults to [Fail].
func IfExists(policy ExistingPolicy) ExistingOption { return ExistingOption{policy} }

func (o ExistingOption) applyStart(s *start) error {
	if o.policy < Fail || o.policy > TerminateFirst {
		return s.fault("policy", fmt.Sprintf("%v is not known; use Fail, ReturnExisting, Replace or TerminateFirst", o.policy))
	}
	s.policy = o.policy
	return nil
}

// FirstEventOption is what [WithFirstEvent] returns.
type FirstEventOption struct {
	name    string
	payload any
}

// WithFirstEvent raises an event right behind the start, so that the orchestrator finds it when it begins. Defaults to
// none.
func WithFirstEvent(name string, payload any) FirstEventOption {
	return FirstEventOption{name: name, payload: payload}
}

func (o FirstEventOption) applyStart(s *start) error {
	if err := s.c.checkEventName("start", s.req.InstanceID, o.name); err != nil {
		return err
	}
	text, err := s.c.text(o.payload)
	if err != nil {
		return s.fault("payload", fmt.Sprintf("of event %q cannot be serialized: %v", o.name, err))
	}
	s.event = &history.EventRaised{Base: clientEvent(), Name: o.name, Input: text}
	return nil
}
