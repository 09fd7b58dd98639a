package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
)

// startBlobSuffix ends the name of a blob that holds a whole start message, of which the input is wanted.
const startBlobSuffix = "ExecutionStarted.json.gz"

// statusColumns are the columns of a status row without the two that may be large.
const statusColumns = "PartitionKey,RowKey,ExecutionId,Name,Version,CustomStatus,CreatedTime,LastUpdatedTime,CompletedTime," +
	"RuntimeStatus,TaskHubName,ScheduledStartTime,Generation,Tags,TagsBlobName"

// selection is the $select of a query; nil asks for all columns.
func selection(inputs, outputs bool) *string {
	columns := statusColumns
	if inputs {
		columns += ",Input,InputBlobName"
	}
	if outputs {
		columns += ",Output"
	}
	return &columns
}

// decodeInstance reads a status row. What is absent or of another type than expected becomes the zero value and is
// noted in Problem: one odd row must not hide all others from a listing.
func (s *Store) decodeInstance(raw []byte, inputs bool) (*InstanceRow, error) {
	entity, etag, err := edm.UnmarshalWithETag(raw)
	if err != nil {
		return nil, err
	}
	r := columnReader{entity: entity}
	row := &InstanceRow{
		InstanceID:      layout.UnescapeKey(r.text(colPartitionKey)),
		ExecutionID:     r.text(colExecutionID),
		Name:            r.text(colName),
		Version:         r.optional(colVersion),
		Output:          r.optional(colOutput),
		CustomStatus:    r.optional(colCustomStatus),
		CreatedTime:     r.time(colCreated),
		LastUpdatedTime: r.time(colUpdated),
		CompletedTime:   r.optionalTime(colCompleted),
		ScheduledStart:  r.optionalTime(colScheduled),
		Status:          r.status(),
		Hub:             r.text(colHub),
		ETag:            etag,
		key:             r.text(colPartitionKey),
	}
	if row.CustomStatus != nil && *row.CustomStatus == NullText {
		row.CustomStatus = nil
	}
	row.Generation, row.HasGeneration = r.int32(colGeneration)
	row.Tags = r.tags()
	row.tagsBlob = r.text(colTags + blobSuffix)
	if inputs {
		row.Input = r.optional(colInput)
		row.InputBlob = s.referred(row.Input)
		if blob := r.text(colInput + blobSuffix); blob != "" && row.InputBlob == "" && row.Input != nil && *row.Input == "" {
			row.InputBlob = blob
		}
	}
	row.OutputBlob = s.referred(row.Output)
	row.Problem = r.problem
	return row, nil
}

// referred tells which blob of this hub a value is the URL of. Any other text, URLs of other places included, is just
// text: an output may well be a URL.
func (s *Store) referred(value *string) string {
	if value == nil || !strings.HasPrefix(*value, "http") {
		return ""
	}
	blob, ok := s.payloads.NameFromURL(*value)
	if !ok {
		return ""
	}
	return blob
}

// FetchPayloads replaces blob references in Input, Output and Tags by the values. A blob that is gone or damaged is
// noted in Problem and leaves the value nil; only storage that does not answer is an error.
func (s *Store) FetchPayloads(ctx context.Context, row *InstanceRow) error {
	for _, p := range [...]struct {
		name  string
		blob  string
		value **string
	}{{"input", row.InputBlob, &row.Input}, {"output", row.OutputBlob, &row.Output}} {
		if p.blob == "" {
			continue
		}
		text, err := s.payload(ctx, p.blob)
		if s.justText(*p.value, err) {
			continue
		}
		if err := s.noteProblem(row, p.name, err); err != nil {
			return err
		}
		*p.value = text
	}
	return s.fetchTags(ctx, row)
}

// justText tells a value that looks like the address of a blob of this hub under another name of the account, when
// there is no such blob: then it is a text of the user's.
func (s *Store) justText(value *string, err error) bool {
	var missing *payloads.MissingError
	return errors.As(err, &missing) && value != nil && strings.HasPrefix(*value, "http") && !strings.HasPrefix(*value, s.payloads.URL(""))
}

// fetchTags reads tags that are kept in a blob.
func (s *Store) fetchTags(ctx context.Context, row *InstanceRow) error {
	if row.tagsBlob == "" {
		return nil
	}
	text, err := s.payloads.Read(ctx, row.tagsBlob)
	if err == nil {
		row.Tags, err = parseTags(string(text))
	}
	row.tagsBlob = ""
	return s.noteProblem(row, "tags", err)
}

// noteProblem keeps in the row what no retry repairs and returns all other errors.
func (s *Store) noteProblem(row *InstanceRow, what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s of instance %q in hub %q: %w", what, row.InstanceID, s.names.Hub(), err)
	if !damaged(err) {
		return err
	}
	row.Problem = errors.Join(row.Problem, err)
	return nil
}

// payload reads a value from its blob; when that is a start message, the value is the message's input.
func (s *Store) payload(ctx context.Context, blob string) (*string, error) {
	if !strings.HasSuffix(blob, startBlobSuffix) {
		text, err := s.payloads.ReadString(ctx, blob)
		if err != nil {
			return nil, err
		}
		return &text, nil
	}
	text, err := s.payloads.Read(ctx, blob)
	if err != nil {
		return nil, err
	}
	envelope, err := history.UnmarshalEnvelope(text)
	if err != nil {
		return nil, &payloadError{where: "blob " + blob, err: err}
	}
	if envelope.Message != nil {
		if started, ok := envelope.Message.Event.(*history.ExecutionStarted); ok {
			return started.Input, nil
		}
	}
	return nil, &payloadError{where: "blob " + blob, err: errors.New("it holds no start of an orchestration")}
}

// payloadError reports a value that is not what the place it comes from says.
type payloadError struct {
	where string
	err   error
}

func (e *payloadError) Error() string { return fmt.Sprintf("%s is not readable: %v", e.where, e.err) }

func (e *payloadError) Unwrap() error { return e.err }

// columnReader reads columns leniently and remembers the first that was of a wrong type.
type columnReader struct {
	entity  edm.Entity
	problem error
}

func (r *columnReader) odd(column string) {
	if r.problem == nil {
		r.problem = fmt.Errorf("column %s of the status row is of type %s, which is not expected there", column, edm.TypeName(r.entity[column]))
	}
}

func (r *columnReader) optional(column string) *string {
	switch v := r.entity[column].(type) {
	case nil:
	case string:
		return &v
	default:
		r.odd(column)
	}
	return nil
}

func (r *columnReader) text(column string) string {
	if v := r.optional(column); v != nil {
		return *v
	}
	return ""
}

func (r *columnReader) optionalTime(column string) *time.Time {
	switch v := r.entity[column].(type) {
	case nil:
	case time.Time:
		utc := v.UTC()
		return &utc
	default:
		r.odd(column)
	}
	return nil
}

func (r *columnReader) time(column string) time.Time {
	if v := r.optionalTime(column); v != nil {
		return *v
	}
	return time.Time{}
}

func (r *columnReader) int32(column string) (int32, bool) {
	switch v := r.entity[column].(type) {
	case nil:
	case int32:
		return v, true
	default:
		r.odd(column)
	}
	return 0, false
}

func (r *columnReader) status() history.Status {
	status, ok := history.ParseStatus(r.text(colStatus))
	if !ok {
		return StatusUnknown
	}
	return status
}

func (r *columnReader) tags() map[string]string {
	tags, err := parseTags(r.text(colTags))
	if err != nil && r.problem == nil {
		r.problem = err
	}
	return tags
}

// parseTags reads a JSON object of texts, in which "$type" is the serializer's and no tag.
func parseTags(text string) (map[string]string, error) {
	if text == "" || text == NullText {
		return nil, nil
	}
	var tags map[string]string
	if err := json.Unmarshal([]byte(text), &tags); err != nil {
		return nil, &payloadError{where: "column " + colTags, err: err}
	}
	delete(tags, "$type")
	if len(tags) == 0 {
		return nil, nil
	}
	return tags, nil
}
