package tables

import (
	"context"
	"slices"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// MendSentinel makes the row that guards a history fit the rows of events again, which belong to the given execution: it
// inserts a missing one, and corrects one that names another execution or is not readable. With local it names the open
// actions of the execution as durable nowhere else, so that whoever loads the instance carries them out.
//
// An error that matches [ErrConflict] says that somebody else has written meanwhile.
func (s *Store) MendSentinel(ctx context.Context, instanceID, executionID string, local bool) error {
	rows, err := s.readRows(ctx, instanceID)
	if err != nil {
		return err
	}
	c := Commit{InstanceID: instanceID, ExecutionID: executionID, ETag: sentinelOf(rows).ETag, Local: NewLocal(executionID, nil, nil)}
	if local {
		c.Local = NewLocal(executionID, openActions(rows, executionID), nil)
	}
	_, err = s.Commit(ctx, c)
	return err
}

// openActions are the ids of the activities, timers and sub-orchestrations of an execution that have no answer, in ascending order.
func openActions(rows []storedRow, executionID string) (ids []int32) {
	answered := map[int32]struct{}{}
	for _, row := range rows {
		if _, ok := layout.ParseRowKey(row.key()); !ok || row.text(colExecutionID) != executionID {
			continue
		}
		switch row.text(colEventType) {
		case history.KindTaskScheduled.String(), history.KindTimerCreated.String(), history.KindSubOrchestrationCreated.String():
			if id, ok := row.entity[colEventID].(int32); ok {
				ids = append(ids, id)
			}
		default:
			for _, column := range []string{colTaskScheduledID, colTimerID} {
				if id, ok := row.entity[column].(int32); ok {
					answered[id] = struct{}{}
				}
			}
		}
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id int32) bool { _, done := answered[id]; return done })
}
