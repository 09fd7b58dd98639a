package taskhub

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
)

// WaitForCompletion waits until an instance has ended, in whatever way, and returns its state without the input. It
// looks at the status row after 20 ms at first and then less and less often, every 2 s in the end; all who wait for one
// instance in a process share these looks, and a worker in the same process makes them see the end at once.
//
// The wait ends with ctx. An unknown id gives an [InstanceNotFoundError], unless this process started it just now. The
// instance is followed through continue-as-new; a start under the same id by somebody else is followed, too, as the hub
// does not show where one run ends and the next begins.
func (c *Client) WaitForCompletion(ctx context.Context, instanceID, _ string) (*durable.Instance, error) {
	const operation = "wait"
	if err := c.checkID(operation, instanceID); err != nil {
		return nil, err
	}
	row, err := c.hub.watch.await(ctx, instanceID)
	switch {
	case errors.Is(err, ErrInstanceNotFound):
		return nil, fmt.Errorf("%s: %w", operation, err)
	case err != nil:
		return nil, c.fail(operation, instanceID, err)
	}
	return c.finished(ctx, operation, row)
}
