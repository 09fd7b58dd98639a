package durable

import "context"

// Run is a handle on a started instance whose output is of type O.
type Run[O any] struct {
	client                  Client
	instanceID, executionID string
}

// GetRun returns a handle on an instance that was started before.
func GetRun[O any](c Client, instanceID string) *Run[O] {
	return &Run[O]{client: c, instanceID: instanceID}
}

// InstanceID returns the id of the instance.
func (r *Run[O]) InstanceID() string { return r.instanceID }

// ExecutionID returns the id of the first execution; "" from [GetRun].
func (r *Run[O]) ExecutionID() string { return r.executionID }

// Wait waits until the instance has ended and returns its output. The error is an
// [*InstanceError] if it failed or was terminated.
func (r *Run[O]) Wait(ctx context.Context) (O, error) {
	var zero O
	in, err := r.client.WaitForCompletion(ctx, r.instanceID, r.executionID)
	if err != nil {
		return zero, err
	}
	if in.Converter == nil {
		in.Converter = r.client.Converter()
	}
	return Output[O](in)
}

// Status returns the state of the instance.
func (r *Run[O]) Status(ctx context.Context) (*Instance, error) {
	in, err := r.client.GetInstance(ctx, r.instanceID)
	if err == nil && in != nil && in.Converter == nil {
		in.Converter = r.client.Converter()
	}
	return in, err
}

// RaiseEvent sends an event to the instance.
func (r *Run[O]) RaiseEvent(ctx context.Context, name string, payload any) error {
	return r.client.RaiseEvent(ctx, r.instanceID, name, payload)
}

// Terminate ends the instance from outside. Its code is not told; the reason becomes
// its output.
func (r *Run[O]) Terminate(ctx context.Context, reason string) error {
	return r.client.Terminate(ctx, r.instanceID, reason)
}
