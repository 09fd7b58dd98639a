package taskhub

import (
	"context"
	"errors"

	"github.com/go-taskhub/taskhub/history"
)

// TerminateTree terminates an instance and all its unfinished sub-orchestrations, theirs included, and returns how many
// instances it told to end. Children that are started while this runs are not found; look again if that matters. Errors
// about the instance itself are those of [Client.Terminate].
func (c *Client) TerminateTree(ctx context.Context, instanceID, reason string) (int, error) {
	if err := c.Terminate(ctx, instanceID, reason); err != nil {
		return 0, err
	}
	told, seen := 1, map[string]bool{instanceID: true}
	for level := []string{instanceID}; len(level) > 0; {
		var next []string
		for _, id := range level {
			children, err := c.openChildren(ctx, id)
			if err != nil {
				return told, err
			}
			for _, child := range children {
				if seen[child] {
					continue
				}
				seen[child] = true
				next = append(next, child)
				sent, err := c.terminateChild(ctx, child, reason)
				if err != nil {
					return told, err
				}
				if sent {
					told++
				}
			}
		}
		level = next
	}
	return told, nil
}

// terminateChild terminates a child that its parent waits for. Its start may still be on the way, so that it has no
// status row yet; the message is put nevertheless, and comes after the start.
func (c *Client) terminateChild(ctx context.Context, instanceID, reason string) (bool, error) {
	err := c.Terminate(ctx, instanceID, reason)
	switch {
	case errors.Is(err, ErrInstanceFinished):
		return false, nil
	case errors.Is(err, ErrInstanceNotFound):
		err = c.send(ctx, "terminate", instanceID, &history.ExecutionTerminated{Base: clientEvent(), Input: optional(reason)})
	}
	return err == nil, err
}

// openChildren lists the sub-orchestrations that an instance has started and not heard of since.
func (c *Client) openChildren(ctx context.Context, instanceID string) ([]string, error) {
	stored, err := c.hub.tables.LoadHistory(ctx, instanceID)
	if err != nil {
		return nil, c.fail("terminate", instanceID, err)
	}
	answered := make(map[int32]bool)
	for _, record := range stored.Records {
		switch e := record.Event.(type) {
		case *history.SubOrchestrationCompleted:
			answered[e.TaskScheduledID] = true
		case *history.SubOrchestrationFailed:
			answered[e.TaskScheduledID] = true
		}
	}
	var open []string
	for _, record := range stored.Records {
		if e, ok := record.Event.(*history.SubOrchestrationCreated); ok && e.InstanceID != nil && !answered[e.EventID] {
			open = append(open, *e.InstanceID)
		}
	}
	return open, nil
}
