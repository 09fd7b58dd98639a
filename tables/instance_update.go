package tables

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// InstanceUpdate names the columns of a status row to be written; nil fields leave what is there.
type InstanceUpdate struct {
	InstanceID  string // which row; required
	ExecutionID *string
	Name        *string
	Version     *string
	Status      *history.Status
	// Input and Output are texts; what is too large for a column goes to a blob and the column holds its URL.
	Input, Output *string
	// InputBlob and OutputBlob name blobs that hold the value already; then Input or Output is not looked at.
	InputBlob, OutputBlob string
	// CustomStatus is the column's text. NullText says that there is none.
	CustomStatus                                               *string
	CreatedTime, LastUpdatedTime, CompletedTime, ScheduledTime *time.Time
	Generation                                                 *int32
	// Tags is the column's text: a JSON object. NullText says that there are none.
	Tags *string
	// Hub is the hub's name; workers write it with every checkpoint. Empty leaves what is there.
	Hub string
}

// AnyVersion as the match of [Store.MergeInstance] wants the row to be there, in whatever version.
const AnyVersion = "*"

// MergeInstance writes some columns of a status row and returns its new ETag. With an empty match a missing row is
// inserted; with [AnyVersion] it must exist; otherwise it must have that ETag. The error matches [ErrConflict] when the
// row has changed and [ErrRowNotFound] when it is gone.
func (s *Store) MergeInstance(ctx context.Context, update InstanceUpdate, match string) (string, error) {
	body, err := s.encodeUpdate(ctx, update)
	if err != nil {
		return "", err
	}
	etag, err := s.writeStatus(ctx, http.MethodPatch, update.InstanceID, body, match)
	return etag, s.fail("write the status row", update.InstanceID, err)
}

// InsertUpdate writes a status row that should not be there yet, with the columns of an update, and returns its ETag. When
// there is one, the error matches [ErrConflict].
func (s *Store) InsertUpdate(ctx context.Context, update InstanceUpdate) (string, error) {
	body, err := s.encodeUpdate(ctx, update)
	if err != nil {
		return "", err
	}
	etag, err := s.insertStatus(ctx, body)
	return etag, s.fail("insert the status row", update.InstanceID, err)
}

func (s *Store) encodeUpdate(ctx context.Context, u InstanceUpdate) ([]byte, error) {
	entity, uploads, err := s.updateRow(u)
	if err != nil {
		return nil, err
	}
	if err := s.upload(ctx, u.InstanceID, uploads); err != nil {
		return nil, err
	}
	return edm.Marshal(entity)
}

func (s *Store) updateRow(u InstanceUpdate) (edm.Entity, []upload, error) {
	key := layout.EscapeKey(u.InstanceID)
	entity := edm.Entity{colPartitionKey: key, colRowKey: ""}
	set(entity, colExecutionID, u.ExecutionID)
	set(entity, colName, u.Name)
	set(entity, colVersion, u.Version)
	set(entity, colCustomStatus, u.CustomStatus)
	set(entity, colCreated, u.CreatedTime)
	set(entity, colUpdated, u.LastUpdatedTime)
	set(entity, colCompleted, u.CompletedTime)
	set(entity, colScheduled, u.ScheduledTime)
	set(entity, colGeneration, u.Generation)
	set(entity, colTags, u.Tags)
	if u.Status != nil {
		entity[colStatus] = u.Status.String()
	}
	if u.Hub != "" {
		entity[colHub] = u.Hub
	}
	uploads := s.placeValue(entity, key, colInput, u.Input, u.InputBlob)
	uploads = append(uploads, s.placeValue(entity, key, colOutput, u.Output, u.OutputBlob)...)
	uploads = append(uploads, s.placeTags(entity, key)...)
	if err := s.checkSizes(entity, s.names.InstancesTable(), u.InstanceID, ""); err != nil {
		return nil, nil, err
	}
	return entity, uploads, nil
}

// placeValue sets Input or Output: the text, or the URL of the blob that holds it.
func (s *Store) placeValue(entity edm.Entity, key, column string, text *string, blob string) []upload {
	switch {
	case blob != "":
		entity[column] = s.payloads.URL(blob)
	case text == nil:
	case large(*text):
		name := layout.HistoryBlobName(key, "", column, column, s.random())
		entity[column] = s.payloads.URL(name)
		return []upload{{blob: name, text: *text}}
	default:
		entity[column] = *text
	}
	return nil
}

// CheckpointUpdate derives from a commit what a worker writes to the status row with it: the same columns as
// DurableTask.AzureStorage 2.9. customStatus is nil when the orchestrator set none; now becomes the time of completion.
func CheckpointUpdate(c Commit, done Committed, hub string, customStatus *string, now time.Time) (InstanceUpdate, error) {
	if customStatus == nil {
		customStatus = history.String(NullText)
	}
	u := InstanceUpdate{InstanceID: c.InstanceID, ExecutionID: &c.ExecutionID, Hub: hub, CustomStatus: customStatus}
	for _, record := range c.Records {
		updated := record.Event.Common().Timestamp
		u.LastUpdatedTime = &updated
		if err := u.apply(record.Event, done, now); err != nil {
			return u, fmt.Errorf("status of instance %q: %w", c.InstanceID, err)
		}
	}
	return u, nil
}

// apply adds what one event changes. Later events win.
func (u *InstanceUpdate) apply(event history.Event, done Committed, now time.Time) error {
	switch e := event.(type) {
	case *history.ExecutionStarted:
		tags, err := tagsText(e.Tags)
		if err != nil {
			return err
		}
		created := e.Timestamp
		u.Name, u.Version, u.Input, u.InputBlob = &e.Name, e.Version, e.Input, done.InputBlob
		u.CreatedTime, u.ScheduledTime, u.Generation, u.Tags = &created, e.ScheduledStart, e.Generation, &tags
		u.setStatus(history.Running)
	case *history.ExecutionCompleted:
		u.Output, u.OutputBlob = Output(e), done.ResultBlob
		if e.Failure != nil {
			u.OutputBlob = ""
		}
		u.CompletedTime = &now
		u.setStatus(e.Status)
	case *history.ExecutionTerminated:
		u.Output, u.OutputBlob = e.Input, ""
		u.CompletedTime = &now
		u.setStatus(history.Terminated)
	case *history.ExecutionSuspended:
		u.Output, u.OutputBlob = e.Reason, ""
		u.setStatus(history.Suspended)
	case *history.ExecutionResumed:
		u.Output, u.OutputBlob = e.Reason, ""
		u.setStatus(history.Running)
	}
	return nil
}

func (u *InstanceUpdate) setStatus(status history.Status) { u.Status = &status }

// Output is what the status row shows as the outcome of an execution: the result, or for a failure with details
// "ErrorType: ErrorMessage".
func Output(completed *history.ExecutionCompleted) *string {
	if completed.Failure != nil {
		return history.String(completed.Failure.ErrorType + ": " + completed.Failure.ErrorMessage)
	}
	return completed.Result
}
