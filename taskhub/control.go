package taskhub

import (
	"context"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/tables"
)

// RaiseEvent sends an event to an instance that has not finished. Names are compared without regard to case by the
// orchestrator; the payload is serialized by the hub's converter before anything is sent. Instances that have not
// started yet get the event once they do.
//
// An unknown id gives an [InstanceNotFoundError], a finished instance an [InstanceFinishedError]; then nothing is sent.
func (c *Client) RaiseEvent(ctx context.Context, instanceID, name string, payload any) error {
	const operation = "raise event"
	text, err := c.text(payload)
	if err != nil {
		return c.argument(operation, instanceID, "payload", fmt.Sprintf("of event %q cannot be serialized: %v", name, err))
	}
	return c.raise(ctx, operation, instanceID, name, text)
}

// RaiseEventText is [Client.RaiseEvent] with a payload that is serialized already; nil stands for null.
func (c *Client) RaiseEventText(ctx context.Context, instanceID, name string, payload *string) error {
	return c.raise(ctx, "raise event", instanceID, name, payload)
}

func (c *Client) raise(ctx context.Context, operation, instanceID, name string, payload *string) error {
	if err := c.checkEventName(operation, instanceID, name); err != nil {
		return err
	}
	ctx, sending := c.hub.recorder.Raise(ctx, name, instanceID)
	event := &history.EventRaised{Base: clientEvent(), Name: name, Input: payload, ParentTrace: sending.Context(nil)}
	err := c.control(ctx, operation, instanceID, event)
	sending.End("", err)
	return err
}

func (c *Client) checkEventName(operation, instanceID, name string) error {
	if name == "" {
		return c.argument(operation, instanceID, "event name", "is empty; give the name that the orchestrator waits for")
	}
	return nil
}

// Terminate ends an instance from outside: its code is not told and its activities run on, but nothing of it is used
// any more. The reason becomes the output. Children are not terminated, see [Client.TerminateTree]. An instance whose
// start is scheduled never starts.
//
// An unknown id gives an [InstanceNotFoundError], a finished instance an [InstanceFinishedError]; then nothing is sent.
func (c *Client) Terminate(ctx context.Context, instanceID, reason string) error {
	return c.control(ctx, "terminate", instanceID, &history.ExecutionTerminated{Base: clientEvent(), Input: optional(reason)})
}

// Suspend makes an instance stop where it waits. What arrives meanwhile is kept until [Client.Resume]; activities that
// run already go on. Suspending twice is harmless. Errors are those of [Client.Terminate].
func (c *Client) Suspend(ctx context.Context, instanceID, reason string) error {
	return c.control(ctx, "suspend", instanceID, &history.ExecutionSuspended{Base: clientEvent(), Reason: optional(reason)})
}

// Resume lets a suspended instance go on. Resuming one that is not suspended is harmless. Errors are those of
// [Client.Terminate].
func (c *Client) Resume(ctx context.Context, instanceID, reason string) error {
	return c.control(ctx, "resume", instanceID, &history.ExecutionResumed{Base: clientEvent(), Reason: optional(reason)})
}

// control sends an event to an instance that exists and has not finished.
func (c *Client) control(ctx context.Context, operation, instanceID string, event history.Event) error {
	row, err := c.row(ctx, operation, instanceID, tables.GetOptions{Raw: true})
	if err != nil {
		return err
	}
	if row.Status.IsTerminal() {
		return &InstanceFinishedError{Hub: c.hub.Name(), InstanceID: instanceID, Operation: operation, Status: row.Status}
	}
	return c.send(ctx, operation, instanceID, event)
}

// send puts a client's message for whichever execution of an instance is current.
func (c *Client) send(ctx context.Context, operation, instanceID string, event history.Event) error {
	if err := c.hub.locate(ctx); err != nil {
		return c.fail(operation, instanceID, err)
	}
	envelope := c.envelope(history.Instance{InstanceID: instanceID}, event)
	if _, err := c.hub.Queues().ControlFor(instanceID).Put(ctx, envelope, 0); err != nil {
		return c.fail(operation, instanceID, err)
	}
	c.wakeFor(instanceID)
	return nil
}

// envelope wraps an event as .NET's clients do: no sender, a random message id.
func (c *Client) envelope(target history.Instance, event history.Event) *history.Envelope {
	return &history.Envelope{
		ActivityID:     dashed(c.hub.cfg.NewID()),
		Message:        &history.Message{Event: event, Target: target},
		SequenceNumber: c.hub.Queues().NextSequence(),
		Sender:         &history.Instance{ExecutionID: history.String("")},
	}
}

func (c *Client) wakeFor(instanceID string) {
	c.hub.wake(layout.Partition(instanceID, c.hub.Partitions()))
}

// clientEvent is what all events of clients have in common.
func clientEvent() history.Base { return history.Base{EventID: -1, Timestamp: now()} }

// now is the time with .NET's resolution, so that what is written equals what is read.
func now() time.Time { return time.Now().UTC().Truncate(100 * time.Nanosecond) }

// optional turns the empty text into none.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (c *Client) argument(operation, instanceID, argument, reason string) error {
	return &ArgumentError{Hub: c.hub.Name(), InstanceID: instanceID, Operation: operation, Argument: argument, Reason: reason}
}
