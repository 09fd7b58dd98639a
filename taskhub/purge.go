package taskhub

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/tables"
)

// PurgeOption is an option of [Client.Purge].
type PurgeOption interface{ applyPurge(*purgeOptions) }

type purgeOptions struct{ unfinished bool }

// UnfinishedOption is what [PurgeUnfinished] returns.
type UnfinishedOption struct{}

// PurgeUnfinished purges an instance that has not finished, too. A worker that runs it drops it at its next step; its
// activities run on.
func PurgeUnfinished() UnfinishedOption { return UnfinishedOption{} }

func (UnfinishedOption) applyPurge(o *purgeOptions) { o.unfinished = true }

// PurgeResult says what a purge deleted.
type PurgeResult struct {
	// Instances counts the instances that were deleted.
	Instances int
	// Rows counts the rows of their histories.
	Rows int
}

// Purge deletes all that is stored of one instance: history, large values and status. Other instances whose ids begin
// alike are not touched. An unknown id is no error and gives a result of 0 instances; what an earlier purge that was cut
// short left is deleted. An instance that has not finished gives an [InstanceNotFinishedError], unless it is an entity
// or [PurgeUnfinished] is given.
func (c *Client) Purge(ctx context.Context, instanceID string, options ...PurgeOption) (PurgeResult, error) {
	const operation = "purge"
	var o purgeOptions
	for _, option := range options {
		option.applyPurge(&o)
	}
	if err := c.checkID(operation, instanceID); err != nil {
		return PurgeResult{}, err
	}
	row, err := c.hub.tables.GetInstance(ctx, instanceID, tables.GetOptions{Raw: true})
	if err != nil {
		return PurgeResult{}, c.fail(operation, instanceID, err)
	}
	if row != nil && !o.unfinished && !row.Status.IsTerminal() && row.Status != tables.StatusUnknown && !strings.HasPrefix(instanceID, "@") {
		return PurgeResult{}, &InstanceNotFinishedError{
			Hub: c.hub.Name(), InstanceID: instanceID, Operation: operation, Status: row.Status,
			Remedy: "terminate it or wait until it has finished, or purge with PurgeUnfinished",
		}
	}
	rows, err := c.hub.tables.PurgeRow(ctx, instanceID, row)
	if err != nil {
		return PurgeResult{Rows: rows}, c.fail(operation, instanceID, fmt.Errorf("it is not complete, purge again: %w", err))
	}
	result := PurgeResult{Rows: rows}
	if row != nil || rows > 0 {
		result.Instances = 1
	}
	return result, nil
}
