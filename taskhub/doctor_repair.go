package taskhub

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// failLost shows an instance as failed whose history is gone.
func (h *Hub) failLost(ctx context.Context, v *tables.Surveyed) error {
	return h.failWith(ctx, v, "HistoryLost: the history of the instance was deleted while it ran")
}

// failWith shows an instance as failed that cannot go on.
func (h *Hub) failWith(ctx context.Context, v *tables.Surveyed, output string) error {
	failed, at := history.Failed, now()
	return h.mergeStatus(ctx, v, tables.InstanceUpdate{Status: &failed, CompletedTime: &at, LastUpdatedTime: &at, Output: &output})
}

func (h *Hub) mergeStatus(ctx context.Context, v *tables.Surveyed, u tables.InstanceUpdate) error {
	u.InstanceID, u.Hub = v.InstanceID, h.Name()
	_, err := h.tables.MergeInstance(ctx, u, v.RowETag)
	if errors.Is(err, tables.ErrConflict) || errors.Is(err, tables.ErrRowNotFound) {
		return errors.Join(ErrChanged, err)
	}
	if err == nil {
		h.Notify(v.InstanceID)
	}
	return err
}

// writeStatus writes the status that the history has.
func (h *Hub) writeStatus(ctx context.Context, v *tables.Surveyed) error {
	u, err := h.statusOf(ctx, v)
	if err != nil {
		return err
	}
	u.CustomStatus, u.Input = nil, nil // the one is not in the history, the other is there already
	return h.mergeStatus(ctx, v, u)
}

// statusOf is the status row that the history has.
func (h *Hub) statusOf(ctx context.Context, v *tables.Surveyed) (tables.InstanceUpdate, error) {
	loaded, err := h.tables.LoadHistory(ctx, v.InstanceID)
	if err != nil {
		return tables.InstanceUpdate{}, err
	}
	last := time.Time{}
	for _, r := range loaded.Records {
		if at := r.Event.Common().Timestamp; at.After(last) {
			last = at
		}
	}
	c := tables.Commit{InstanceID: v.InstanceID, ExecutionID: loaded.ExecutionID, Records: loaded.Records}
	return tables.CheckpointUpdate(c, tables.Committed{}, h.Name(), nil, last)
}

// startAgain puts the start message of an instance once more.
func (h *Hub) startAgain(ctx context.Context, v *tables.Surveyed) error {
	row, err := h.tables.GetInstance(ctx, v.InstanceID, tables.GetOptions{Inputs: true})
	if err != nil {
		return err
	}
	if row == nil || row.ETag != v.RowETag {
		return ErrChanged
	}
	if row.Problem != nil {
		return row.Problem // without its input it must not start
	}
	s := &start{c: h.client, row: row, created: row.CreatedTime}
	_, err = h.Queues().ControlFor(v.InstanceID).Put(ctx, s.envelope(), s.delay())
	if err == nil {
		h.client.wakeFor(v.InstanceID)
	}
	return err
}

func (h *Hub) purgeSurveyed(ctx context.Context, v *tables.Surveyed) error {
	_, err := h.tables.PurgeInstance(ctx, v.InstanceID)
	return err
}

// doctor is the owner of rows that a repair puts on the active list: no worker has it, so every owner takes them over.
const doctor = "00000000T000000-doctor"

// listActive puts an instance on the active list.
func (h *Hub) listActive(ctx context.Context, v *tables.Surveyed) error {
	queue := h.Queues().ControlFor(v.InstanceID).Name()
	return h.tables.PutActive(ctx, []tables.ActiveRow{{Queue: queue, Owner: doctor, InstanceID: v.InstanceID}})
}

// dropActive deletes a row of the active list, if nothing is left to do for its instance still.
func (h *Hub) dropActive(ctx context.Context, r tables.ActiveRow, v *tables.Surveyed) error {
	present, err := h.tables.SurveyInstance(ctx, r.InstanceID)
	if err != nil {
		return err
	}
	gone := !present.HasRow && !present.HasHistory && !present.HasSentinel && !present.Outbox
	if v == nil && !gone || v != nil && *present != *v {
		return ErrChanged
	}
	return h.tables.DeleteActive(ctx, []tables.ActiveRow{r})
}

// dropBlobs deletes the large values of an instance that still does not exist.
func (h *Hub) dropBlobs(ctx context.Context, id string) error {
	present, err := h.tables.SurveyInstance(ctx, id)
	if err != nil {
		return err
	}
	if *present != (tables.Surveyed{InstanceID: id}) {
		return ErrChanged
	}
	_, err = h.payloads.DeleteInstance(ctx, id)
	return err
}
