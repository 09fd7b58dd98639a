package taskhub

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/tables"
)

// RestartOption is an option of [Client.Restart].
type RestartOption interface{ applyRestart(*durable.StartRequest) }

// RestartIDOption is what [RestartAs] and [RestartSameID] return.
type RestartIDOption struct {
	id   string
	same bool
}

// RestartAs gives the new instance an id. Defaults to a random one.
func RestartAs(id string) RestartIDOption { return RestartIDOption{id: id} }

// RestartSameID starts the instance anew under its own id, once it has finished. Its history and state are replaced.
func RestartSameID() RestartIDOption { return RestartIDOption{same: true} }

func (o RestartIDOption) applyRestart(req *durable.StartRequest) {
	if !o.same {
		req.InstanceID = o.id
	}
}

// Restart starts an orchestration again with the name, version, input and tags of an instance, by default under a new
// id. The old instance stays as it is, unless [RestartSameID] is given.
//
// An unknown id gives an [InstanceNotFoundError], a target that exists and has not finished an [InstanceExistsError].
// Nothing is written then, nor when the input cannot be read any more.
func (c *Client) Restart(ctx context.Context, instanceID string, options ...RestartOption) (durable.Started, error) {
	const operation = "restart"
	if strings.HasPrefix(instanceID, "@") {
		return durable.Started{}, c.argument(operation, instanceID, "instance", "is an entity; entities cannot be restarted")
	}
	row, err := c.row(ctx, operation, instanceID, tables.GetOptions{Inputs: true})
	if err != nil {
		return durable.Started{}, err
	}
	if row.Problem != nil {
		return durable.Started{}, c.fail(operation, instanceID, row.Problem)
	}
	if row.Name == "" {
		return durable.Started{}, c.fail(operation, instanceID, fmt.Errorf("its status row does not name the orchestrator"))
	}
	same := durable.StartRequest{InstanceID: instanceID}
	for _, option := range options {
		option.applyRestart(&same)
	}
	req := durable.StartRequest{Name: row.Name, Input: row.Input, Tags: row.Tags}
	if len(options) > 0 {
		req.InstanceID = same.InstanceID
	}
	if row.Version != nil {
		req.Version = *row.Version
	}
	result, err := c.restart(ctx, req, instanceID)
	if err != nil {
		return durable.Started{}, fmt.Errorf("%s: %w", operation, err)
	}
	return result.Started, nil
}

// restart starts req. The id of an instance that exists may be one that a new instance could not have.
func (c *Client) restart(ctx context.Context, req durable.StartRequest, existing string) (StartResult, error) {
	s, err := c.newStart(req, []StartOption{existingID(existing)})
	if err != nil {
		return StartResult{}, err
	}
	return s.begin(ctx)
}

// existingID lets a start use the id of an instance that exists, whatever the id looks like.
type existingID string

func (id existingID) applyStart(s *start) error {
	s.trusted = s.req.InstanceID == string(id)
	return nil
}
