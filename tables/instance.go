package tables

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// StatusUnknown is the status of a row whose RuntimeStatus is absent or is no status's name; .NET reads it as -1 too.
const StatusUnknown history.Status = -1

// InstanceRow is a row of the Instances table: what clients see of an instance.
type InstanceRow struct {
	InstanceID  string
	ExecutionID string
	Name        string
	Version     *string
	// Input, Output and CustomStatus are texts, normally JSON. They are nil when there is none, and when the query
	// did not ask for them. A value kept in a blob is fetched, unless the caller asked for raw rows.
	Input, Output, CustomStatus   *string
	CreatedTime, LastUpdatedTime  time.Time
	CompletedTime, ScheduledStart *time.Time
	Status                        history.Status
	// Hub is the name of the hub as its writer spelled it.
	Hub string
	// Generation counts the client starts of this id, from 0. HasGeneration is false for rows without the column,
	// as those of sub-orchestrations are.
	Generation    int32
	HasGeneration bool
	Tags          map[string]string
	ETag          string
	// InputBlob and OutputBlob name the blobs that hold the values, or are empty.
	InputBlob, OutputBlob string
	// Problem says what of the row could not be read, such as a blob that is gone. All other fields are valid.
	Problem error

	key      string // the partition key
	tagsBlob string // the blob that holds Tags, until they are fetched
}

// GetOptions says what of a status row is wanted.
type GetOptions struct {
	// Inputs asks for the input, which the caller seldom needs and which may be large. Defaults to leaving it out.
	Inputs bool
	// Raw leaves values that are kept in blobs where they are: InputBlob and OutputBlob name them, and
	// [Store.FetchPayloads] reads them. Defaults to fetching.
	Raw bool
}

// GetInstance reads the status row of one instance. The row is nil when there is none.
func (s *Store) GetInstance(ctx context.Context, instanceID string, opts GetOptions) (*InstanceRow, error) {
	answer, err := s.getRow(ctx, s.names.InstancesTable(), instanceID, "", selection(opts.Inputs, true))
	if err = s.fail("read the status row", instanceID, err); errors.Is(err, ErrRowNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	row, err := s.decodeInstance(answer.Body, opts.Inputs)
	if err != nil {
		return nil, s.fail("read the status row", instanceID, err)
	}
	if row.ETag == "" {
		row.ETag = answer.ETag
	}
	if !opts.Raw {
		err = s.FetchPayloads(ctx, row)
	}
	return row, err
}

// InsertInstance writes the status row of an instance that has none, and returns its ETag. When there is one, the
// error matches [ErrConflict].
func (s *Store) InsertInstance(ctx context.Context, row *InstanceRow) (string, error) {
	body, err := s.encodeInstance(ctx, row)
	if err != nil {
		return "", err
	}
	etag, err := s.insertStatus(ctx, body)
	return etag, s.fail("insert the status row", row.InstanceID, err)
}

// ReplaceInstance replaces the status row that has the given ETag; columns not in row vanish. It returns the new ETag.
// When the row has changed or is gone, the error matches [ErrConflict] or [ErrRowNotFound].
func (s *Store) ReplaceInstance(ctx context.Context, row *InstanceRow, etag string) (string, error) {
	body, err := s.encodeInstance(ctx, row)
	if err != nil {
		return "", err
	}
	etag, err = s.writeStatus(ctx, http.MethodPut, row.InstanceID, body, etag)
	return etag, s.fail("replace the status row", row.InstanceID, err)
}

// encodeInstance makes the row of a client's start. A large input goes to a blob of its own unless InputBlob says that
// it is in one already.
func (s *Store) encodeInstance(ctx context.Context, row *InstanceRow) ([]byte, error) {
	entity, uploads, err := s.startRow(row)
	if err != nil {
		return nil, err
	}
	if err := s.upload(ctx, row.InstanceID, uploads); err != nil {
		return nil, err
	}
	return edm.Marshal(entity)
}

func (s *Store) startRow(row *InstanceRow) (edm.Entity, []upload, error) {
	key := layout.EscapeKey(row.InstanceID)
	tags := NullText
	if len(row.Tags) > 0 {
		var err error
		if tags, err = tagsText(history.NewTags(row.Tags)); err != nil {
			return nil, nil, err
		}
	}
	entity := edm.Entity{
		colPartitionKey: key, colRowKey: "",
		colName: row.Name, colStatus: row.Status.String(), colHub: row.Hub, colExecutionID: row.ExecutionID, colTags: tags,
		colCreated: row.CreatedTime, colUpdated: row.LastUpdatedTime,
	}
	set(entity, colVersion, row.Version)
	set(entity, colOutput, row.Output)
	set(entity, colCustomStatus, row.CustomStatus)
	set(entity, colCompleted, row.CompletedTime)
	set(entity, colScheduled, row.ScheduledStart)
	if row.HasGeneration {
		entity[colGeneration] = row.Generation
	}
	uploads := s.placeInput(entity, key, row)
	uploads = append(uploads, s.placeTags(entity, key)...)
	if err := s.checkSizes(entity, s.names.InstancesTable(), row.InstanceID, ""); err != nil {
		return nil, nil, err
	}
	return entity, uploads, nil
}

// placeInput sets the Input column of a client's start: the text, or the URL of the start message when that went to a
// blob, or the URL of a blob of its own. .NET leaves the column empty in the last case, so that its status reader shows
// no input until a worker has run; the URL is what its worker writes later, and InputBlobName is there in both.
func (s *Store) placeInput(entity edm.Entity, key string, row *InstanceRow) []upload {
	switch {
	case row.InputBlob != "":
		entity[colInput] = s.payloads.URL(row.InputBlob)
	case row.Input == nil:
	case large(*row.Input):
		blob := layout.HistoryBlobName(key, "", colInput, colInput, s.random())
		entity[colInput] = s.payloads.URL(blob)
		entity[colInput+blobSuffix] = blob
		return []upload{{blob: blob, text: *row.Input}}
	default:
		entity[colInput] = *row.Input
	}
	return nil
}

// placeTags moves large tags to a blob, as .NET does.
func (s *Store) placeTags(entity edm.Entity, key string) []upload {
	text, _ := entity[colTags].(string)
	if !large(text) {
		return nil
	}
	blob := layout.HistoryBlobName(key, "", colTags, colTags, s.random())
	entity[colTags], entity[colTags+blobSuffix] = "", blob
	return []upload{{blob: blob, text: text}}
}

// set writes a column when there is a value.
func set[T any](entity edm.Entity, column string, value *T) {
	if value != nil {
		entity[column] = *value
	}
}

// tagsText is the text of a Tags column: a JSON object, or NullText when there are none.
func tagsText(tags *history.Tags) (string, error) {
	row, err := history.EncodeRow(&history.ExecutionStarted{Tags: tags})
	if err != nil {
		return "", err
	}
	text, ok := row[colTags].(string)
	if !ok {
		return NullText, nil
	}
	return text, nil
}
