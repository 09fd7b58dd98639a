package taskhub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/tables"
)

// Client starts and manages orchestrations of a hub. Make one with [Hub.Client]. It is safe for concurrent use and
// satisfies [durable.Client].
type Client struct {
	hub      *Hub
	defaults []StartOption
}

var _ durable.Client = (*Client)(nil)

// With returns a client whose starts use further options, for the typed handles of package durable:
//
//	run, err := Checkout.Start(ctx, client.With(taskhub.IfExists(taskhub.ReturnExisting)), order, durable.WithInstanceID(id))
func (c *Client) With(options ...StartOption) *Client {
	return &Client{hub: c.hub, defaults: slices.Concat(c.defaults, options)}
}

// Hub returns the hub that the client works on.
func (c *Client) Hub() *Hub { return c.hub }

// Converter returns what turns values into texts.
func (c *Client) Converter() durable.Converter {
	if c.hub.cfg.Converter == nil {
		return durable.JSON()
	}
	return c.hub.cfg.Converter
}

// GetInstance is [Client.Get] without options.
func (c *Client) GetInstance(ctx context.Context, instanceID string) (*durable.Instance, error) {
	return c.Get(ctx, instanceID)
}

// GetOption is an option of [Client.Get].
type GetOption interface{ applyGet(*tables.GetOptions) }

// OmitInputOption is what [OmitInput] returns.
type OmitInputOption struct{}

// OmitInput leaves out the input, which saves a request when it is large.
func OmitInput() OmitInputOption { return OmitInputOption{} }

func (OmitInputOption) applyGet(o *tables.GetOptions) { o.Inputs = false }

// Get reads the state of an instance, input and output included. An unknown id gives an [InstanceNotFoundError]. When a
// large value cannot be read, the error says so and the instance is returned beside it.
func (c *Client) Get(ctx context.Context, instanceID string, options ...GetOption) (*durable.Instance, error) {
	o := tables.GetOptions{Inputs: true}
	for _, option := range options {
		option.applyGet(&o)
	}
	row, err := c.row(ctx, "get", instanceID, o)
	if err != nil {
		return nil, err
	}
	return c.finished(ctx, "get", row)
}

// GetStatus is [Client.Get] without the input, without a large output and without the details of a failure: it costs one
// small request.
func (c *Client) GetStatus(ctx context.Context, instanceID string) (*durable.Instance, error) {
	row, err := c.row(ctx, "get", instanceID, tables.GetOptions{Raw: true})
	if err != nil {
		return nil, err
	}
	if row.OutputBlob != "" {
		row.Output = nil
	}
	return &c.instance(row).Instance, nil
}

// finished makes the result of a get or wait, with the details of a failure.
func (c *Client) finished(ctx context.Context, operation string, row *tables.InstanceRow) (*durable.Instance, error) {
	i := c.instance(row)
	if row.Status == history.Failed {
		failure, err := c.hub.tables.ReadFailure(ctx, row.InstanceID, row.ExecutionID)
		if err != nil && ctx.Err() != nil {
			return nil, c.fail(operation, row.InstanceID, err)
		}
		i.Failure = failure // without it the output still has the error's text
	}
	if i.Problem != nil {
		return &i.Instance, c.fail(operation, row.InstanceID, i.Problem)
	}
	return &i.Instance, nil
}

// row reads an instance's status row; there is always one without an error.
func (c *Client) row(ctx context.Context, operation, instanceID string, options tables.GetOptions) (*tables.InstanceRow, error) {
	if err := c.checkID(operation, instanceID); err != nil {
		return nil, err
	}
	row, err := c.hub.tables.GetInstance(ctx, instanceID, options)
	if err != nil {
		return nil, c.fail(operation, instanceID, err)
	}
	if row == nil {
		return nil, fmt.Errorf("%s: %w", operation, &InstanceNotFoundError{Hub: c.hub.Name(), InstanceID: instanceID})
	}
	return row, nil
}

// maxStoredID is the longest id, in UTF-16 units, that any instance of a hub can have: a partition key of the Table
// service takes 1 KiB.
const maxStoredID = 512

// checkID refuses what cannot be the id of any instance. Ids that children and older versions have are longer and
// contain other characters than a client may choose.
func (c *Client) checkID(operation, instanceID string) error {
	switch {
	case instanceID == "":
		return &ArgumentError{Hub: c.hub.Name(), Operation: operation, Argument: "instance id", Reason: "is empty; give the id of an instance"}
	case layout.UTF16Len(layout.EscapeKey(instanceID)) > maxStoredID:
		return fmt.Errorf("%s: %w", operation, &InstanceNotFoundError{Hub: c.hub.Name(), InstanceID: instanceID})
	}
	return nil
}

// fail names operation, hub and instance, and tells a missing hub from other errors.
func (c *Client) fail(operation, instanceID string, err error) error {
	if errors.Is(err, tables.ErrNoTables) {
		return fmt.Errorf("%s: %w", operation, &HubNotFoundError{Hub: c.hub.Name(), Account: c.hub.accounts.tracking.Name()})
	}
	if instanceID == "" {
		return fmt.Errorf("%s: hub %q: %w", operation, c.hub.Name(), err)
	}
	return fmt.Errorf("%s: instance %q in hub %q: %w", operation, instanceID, c.hub.Name(), err)
}

// text serializes a payload; nil stands for null.
func (c *Client) text(payload any) (*string, error) {
	data, err := c.Converter().Marshal(payload)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	return history.String(string(data)), nil
}
