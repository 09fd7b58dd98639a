package durable

import (
	"context"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// Client is what [Orchestrator.Start] and [Run] need of a hub. The client of package
// taskhub is one.
type Client interface {
	// StartOrchestration starts an instance.
	StartOrchestration(ctx context.Context, req StartRequest) (Started, error)
	// WaitForCompletion waits until the instance has ended. With an execution id it
	// follows that execution and those that continue it.
	WaitForCompletion(ctx context.Context, instanceID, executionID string) (*Instance, error)
	// GetInstance returns the state of an instance.
	GetInstance(ctx context.Context, instanceID string) (*Instance, error)
	// RaiseEvent sends an event to an instance.
	RaiseEvent(ctx context.Context, instanceID, name string, payload any) error
	// Terminate ends an instance from outside. The reason becomes its output.
	Terminate(ctx context.Context, instanceID, reason string) error
	// Converter serializes payloads. nil means JSON.
	Converter() Converter
}

// StartRequest says what to start.
type StartRequest struct {
	// Name is the orchestrator. Required.
	Name string
	// Version is the version to start. Defaults to "".
	Version string
	// InstanceID is the id of the instance. Defaults to a random one.
	InstanceID string
	// Input is the serialized input; nil for null.
	Input *string
	// Tags are set on the instance and inherited by children. Defaults to none.
	Tags map[string]string
	// StartAt delays the start. Defaults to now.
	StartAt time.Time
	// Reuse lists the statuses in which an existing instance of the same id may be
	// replaced; empty and not nil means in none. Defaults to those that have ended.
	Reuse []history.Status
}

// Started says what was started.
type Started struct {
	// InstanceID is the id of the instance.
	InstanceID string
	// ExecutionID is the id of its first execution.
	ExecutionID string
}

// RaiseEvent sends an event to an instance through any client.
func RaiseEvent[T any](ctx context.Context, c Client, instanceID, name string, payload T) error {
	return c.RaiseEvent(ctx, instanceID, name, payload)
}

// ClientOperation names a call of a client.
type ClientOperation string

// The calls that interceptors see.
const (
	OperationStart     ClientOperation = "start"
	OperationWait      ClientOperation = "wait"
	OperationGet       ClientOperation = "get"
	OperationRaise     ClientOperation = "raise"
	OperationTerminate ClientOperation = "terminate"
)

// ClientCall is one call of a client, on its way through interceptors. Which members
// are set depends on the operation. What an interceptor changes before it calls next
// is what is sent.
type ClientCall struct {
	// Operation says which call it is.
	Operation ClientOperation
	// InstanceID is the instance; of a start only if the caller chose it.
	InstanceID string
	// ExecutionID is the execution to wait for.
	ExecutionID string
	// Start is what to start.
	Start *StartRequest
	// Started is what was started, once next has returned.
	Started Started
	// Instance is the state of the instance, once next has returned.
	Instance *Instance
	// EventName and Payload are the event to raise.
	EventName string
	Payload   any
	// Reason is why to terminate.
	Reason string
}

// InterceptClient returns a client whose calls pass through the interceptors, the
// first one outermost.
func InterceptClient(c Client, interceptors ...Interceptor) Client {
	if len(interceptors) == 0 {
		return c
	}
	i := &interceptedClient{Client: c}
	i.handle = i.call
	for n := len(interceptors) - 1; n >= 0; n-- {
		i.handle = interceptors[n].Client(i.handle)
	}
	return i
}

type interceptedClient struct {
	Client
	handle ClientHandler
}

// call makes the call that has come through the interceptors.
func (i *interceptedClient) call(ctx context.Context, c *ClientCall) (err error) {
	switch c.Operation {
	case OperationStart:
		c.Started, err = i.Client.StartOrchestration(ctx, *c.Start)
	case OperationWait:
		c.Instance, err = i.Client.WaitForCompletion(ctx, c.InstanceID, c.ExecutionID)
	case OperationGet:
		c.Instance, err = i.Client.GetInstance(ctx, c.InstanceID)
	case OperationRaise:
		err = i.Client.RaiseEvent(ctx, c.InstanceID, c.EventName, c.Payload)
	case OperationTerminate:
		err = i.Client.Terminate(ctx, c.InstanceID, c.Reason)
	}
	return err
}

func (i *interceptedClient) StartOrchestration(ctx context.Context, req StartRequest) (Started, error) {
	c := &ClientCall{Operation: OperationStart, InstanceID: req.InstanceID, Start: &req}
	err := i.handle(ctx, c)
	return c.Started, err
}

func (i *interceptedClient) WaitForCompletion(ctx context.Context, instanceID, executionID string) (*Instance, error) {
	c := &ClientCall{Operation: OperationWait, InstanceID: instanceID, ExecutionID: executionID}
	err := i.handle(ctx, c)
	return c.Instance, err
}

func (i *interceptedClient) GetInstance(ctx context.Context, instanceID string) (*Instance, error) {
	c := &ClientCall{Operation: OperationGet, InstanceID: instanceID}
	err := i.handle(ctx, c)
	return c.Instance, err
}

func (i *interceptedClient) RaiseEvent(ctx context.Context, instanceID, name string, payload any) error {
	return i.handle(ctx, &ClientCall{Operation: OperationRaise, InstanceID: instanceID, EventName: name, Payload: payload})
}

func (i *interceptedClient) Terminate(ctx context.Context, instanceID, reason string) error {
	return i.handle(ctx, &ClientCall{Operation: OperationTerminate, InstanceID: instanceID, Reason: reason})
}
