package tables

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
)

// ReadFailure returns the details of the error that an execution failed with, nil when the history has none: hubs that
// serialize exceptions keep the error's text alone, in the status row.
func (s *Store) ReadFailure(ctx context.Context, instanceID, executionID string) (*history.FailureDetails, error) {
	filter := keyFilter(instanceID) + " and " + colExecutionID + " eq " + quote(executionID) +
		" and " + colEventType + " eq " + quote(history.KindExecutionCompleted.String())
	rows, err := s.queryRows(ctx, "read the failure", instanceID, filter)
	if err != nil {
		return nil, err
	}
	for i := len(rows) - 1; i >= 0; i-- {
		if err := s.fetch(ctx, instanceID, blobColumns(rows[i].entity)); err != nil {
			return nil, err
		}
		record, err := s.decode(instanceID, rows[i])
		if err != nil {
			return nil, err
		}
		if completed, ok := record.Event.(*history.ExecutionCompleted); ok {
			return completed.Failure, nil
		}
	}
	return nil, nil
}

// queryRows reads all rows of the History table that match a filter.
func (s *Store) queryRows(ctx context.Context, operation, instanceID, filter string) ([]storedRow, error) {
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter})
	var rows []storedRow
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return nil, s.fail(operation, instanceID, err)
		}
		for _, raw := range page.Entities {
			row, err := s.parse(instanceID, raw)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
