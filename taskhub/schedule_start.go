package taskhub

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/schedules"
	"github.com/go-taskhub/taskhub/tables"
)

// ScheduleDesk returns what a worker carries out schedules with.
func (h *Hub) ScheduleDesk() *schedules.Desk { return h.desk }

// scheduleStarter starts the instances of schedules.
type scheduleStarter struct{ hub *Hub }

// StartScheduled implements [schedules.Starter]. An instance of the id is left as it is, whatever its status, so that a tick whose
// start is repeated starts nothing a second time.
func (s scheduleStarter) StartScheduled(ctx context.Context, o schedules.Order) (failure string, err error) {
	req := durable.StartRequest{
		Name: o.Orchestrator, Version: o.Version, InstanceID: o.InstanceID, Input: o.Input, Tags: o.Tags, Reuse: []history.Status{},
	}
	result, err := s.hub.client.Start(ctx, req, IfExists(ReturnExisting))
	s.hub.recorder.Tick(tickOutcome(result, err))
	switch {
	case err != nil && isHopeless(err):
		return err.Error(), nil
	case err != nil || !result.Existing:
		return "", err
	}
	row, err := s.hub.tables.GetInstance(ctx, o.InstanceID, tables.GetOptions{})
	switch {
	case err != nil:
		return "", err
	case row != nil && row.Tags[durable.TagSchedule] != o.Schedule:
		return fmt.Sprintf("instance %q exists, and the schedule has not started it; choose other ids for what is started by hand", o.InstanceID), nil
	}
	return "", nil
}

// tickOutcome is what a tick came to, as the metrics have it.
func tickOutcome(result StartResult, err error) string {
	switch {
	case err != nil:
		return "failed"
	case result.Existing:
		return "existing"
	}
	return "started"
}

// isHopeless reports a start that another attempt will not make succeed.
func isHopeless(err error) bool {
	return errors.As(err, new(*ArgumentError)) || errors.As(err, new(*InvalidInstanceIDError)) || tables.IsHopeless(err)
}

// IsRunning implements [schedules.Starter].
func (s scheduleStarter) IsRunning(ctx context.Context, instanceID string) (bool, error) {
	row, err := s.hub.tables.GetInstance(ctx, instanceID, tables.GetOptions{Raw: true})
	if err != nil || row == nil {
		return false, err
	}
	return !row.Status.IsTerminal() && row.Status != tables.StatusUnknown, nil
}
