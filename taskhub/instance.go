package taskhub

import (
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/tables"
)

// Instance is one result of a query.
type Instance struct {
	durable.Instance
	// Problem says what of the instance could not be read, such as a large value whose blob is gone, or a column of an
	// unexpected type. The other fields are valid. It is nil when all is well.
	Problem error
}

func (c *Client) instance(row *tables.InstanceRow) *Instance {
	i := &Instance{Problem: row.Problem, Instance: durable.Instance{
		InstanceID: row.InstanceID, ExecutionID: row.ExecutionID, Name: row.Name, Status: row.Status,
		CreatedAt: row.CreatedTime, LastUpdatedAt: row.LastUpdatedTime,
		Input: row.Input, Output: row.Output, CustomStatus: row.CustomStatus,
		Tags: row.Tags, Generation: row.Generation, Converter: c.Converter(),
	}}
	if row.Version != nil {
		i.Version = *row.Version
	}
	if row.CompletedTime != nil {
		i.CompletedAt = *row.CompletedTime
	}
	if row.ScheduledStart != nil {
		i.ScheduledStartAt = *row.ScheduledStart
	}
	return i
}
