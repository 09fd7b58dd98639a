package tables

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// Record is one event of a history.
type Record struct {
	Event history.Event
	// ActivityID is the id of the message that brought the event, or empty: for events that no message brought, and
	// for rows that a .NET worker wrote.
	ActivityID string
}

// History is what the History table holds of one instance.
type History struct {
	// ExecutionID is the execution that Records belong to.
	ExecutionID string
	// ETag is the sentinel's; a commit needs it. Empty when there is no sentinel.
	ETag string
	// Records are the events of the execution, oldest first.
	Records []Record
	// TotalRows counts the event rows stored, those that older generations left behind included.
	TotalRows int
	// Exists tells whether the instance has any row.
	Exists bool
	// CommitID is the id of the last commit that gave one, or empty.
	CommitID string
	// StartID is the execution id of the first generation as the last Go worker wrote it, or empty.
	StartID string
	// Blobs are the names of the blobs that hold large values of Records.
	Blobs []string
	// StaleBlobs are the names of the blobs that hold large values of rows that older generations left behind.
	StaleBlobs []string
	// Local are the actions that the last owner has not made durable elsewhere; nil for none.
	Local *Local
	// Seen are the messages that earlier generations consumed.
	Seen []Seen
	// CustomStatus is what the generation before this one had set, as the worker wrote it that began this one; or nil.
	CustomStatus *string
	// LastStatus is the custom status that the execution ended with; nil if it goes on, and when a .NET worker ended it.
	LastStatus *string
	// Outbox are messages that were decided and may not have been sent, in the order of their keys.
	Outbox []OutboxRow
}

// Sentinel is the row that guards an instance's history.
type Sentinel struct {
	ExecutionID string
	CommitID    string
	StartID     string
	ETag        string
	Exists      bool
}

var errRowMissing = errors.New("the row is missing, but later ones are there")

// stableReads bounds how often a history of several pages is read again because it changed while it was being read.
const stableReads = 5

// LoadHistory reads an instance's history. An instance without rows gives a History whose Exists is false.
//
// Rows are taken in order up to the first that belongs to another execution, as .NET does: behind it lie rows that
// earlier, longer generations left. Values kept in blobs are fetched side by side. A row that cannot be understood
// gives a [CorruptHistoryError].
func (s *Store) LoadHistory(ctx context.Context, instanceID string) (*History, error) {
	rows, err := s.readRows(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	h, events := split(rows)
	h.Records = make([]Record, len(events))
	var blobs []download
	for i, row := range events {
		if ordinal, _ := layout.ParseRowKey(row.key()); ordinal != i {
			return nil, s.corrupt(instanceID, layout.RowKey(i), "", errRowMissing)
		}
		blobs = append(blobs, blobColumns(row.entity)...)
	}
	for _, b := range blobs {
		h.Blobs = append(h.Blobs, b.blob)
	}
	if err := s.fetch(ctx, instanceID, blobs); err != nil {
		return nil, err
	}
	if err := s.extras(instanceID, rows, h); err != nil {
		return nil, err
	}
	for i, row := range events {
		if h.Records[i], err = s.decode(instanceID, row); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// extras reads what only Go workers write.
func (s *Store) extras(instanceID string, rows []storedRow, h *History) (err error) {
	for _, row := range rows {
		if row.key() == layout.SentinelRowKey {
			if h.Local, err = ParseLocal(row.text(colLocal)); err != nil {
				return s.corrupt(instanceID, row.key(), colLocal, err)
			}
			h.CustomStatus, h.LastStatus = row.ofExecution(colCustomStatus, h.ExecutionID), row.ofExecution(colLastStatus, h.ExecutionID)
			for _, column := range seenColumns {
				b, _ := row.entity[column].([]byte)
				list, err := decodeSeen(b)
				if err != nil {
					return s.corrupt(instanceID, row.key(), column, err)
				}
				h.Seen = append(h.Seen, list...)
			}
		}
		out, ok, err := outboxOf(row)
		switch {
		case err != nil:
			return s.corrupt(instanceID, row.key(), colEnvelope, err)
		case ok:
			h.Outbox = append(h.Outbox, out)
		}
	}
	return nil
}

// ReadCommit reads the sentinel alone. A writer that lost the answer of its commit learns here whether it landed.
func (s *Store) ReadCommit(ctx context.Context, instanceID string) (Sentinel, error) {
	response, err := s.getRow(ctx, s.names.HistoryTable(), instanceID, layout.SentinelRowKey, nil)
	if err = s.fail("read the sentinel", instanceID, err); errors.Is(err, ErrRowNotFound) {
		return Sentinel{}, nil
	}
	if err != nil {
		return Sentinel{}, err
	}
	row, err := s.parse(instanceID, response.Body)
	if err != nil {
		return Sentinel{}, err
	}
	if row.etag == "" {
		row.etag = response.ETag
	}
	return row.sentinel(), nil
}

// storedRow is a row as read.
type storedRow struct {
	entity edm.Entity
	etag   string
}

func (r storedRow) text(column string) string {
	text, _ := r.entity[column].(string)
	return text
}

// ofExecution is the value of a column that names the execution it is about; nil if that is another one.
func (r storedRow) ofExecution(column, executionID string) *string {
	value, ok := strings.CutPrefix(r.text(column), executionID+":")
	if !ok {
		return nil
	}
	return &value
}

func (r storedRow) key() string { return r.text(colRowKey) }

func (r storedRow) sentinel() Sentinel {
	return Sentinel{ExecutionID: r.text(colExecutionID), CommitID: r.text(colCommitID), StartID: r.text(colStart), ETag: r.etag, Exists: true}
}

// readRows reads all rows of an instance as of one instant. A page is consistent in itself; when there are more, a
// commit between two of them could pair old rows with a new sentinel, so the sentinel is read before and after.
func (s *Store) readRows(ctx context.Context, instanceID string) ([]storedRow, error) {
	var before Sentinel
	for attempt := range stableReads {
		rows, pages, err := s.readPages(ctx, instanceID, attempt == 0)
		if err != nil {
			return nil, err
		}
		if pages == 1 || attempt > 0 && sentinelOf(rows).ETag == before.ETag {
			return rows, nil
		}
		if before, err = s.ReadCommit(ctx, instanceID); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("load history: instance %q in hub %q changed while it was read, %d times in a row; is another worker running it? Try again",
		instanceID, s.names.Hub(), stableReads)
}

// readPages reads the rows of an instance and says how many pages they filled. With probe it stops at the first page
// that is not the last one.
func (s *Store) readPages(ctx context.Context, instanceID string, probe bool) ([]storedRow, int, error) {
	filter := keyFilter(instanceID)
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter})
	var rows []storedRow
	pages := 0
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return nil, 0, s.fail("load history", instanceID, err)
		}
		pages++
		if probe && pager.More() {
			return nil, pages + 1, nil
		}
		for _, raw := range page.Entities {
			row, err := s.parse(instanceID, raw)
			if err != nil {
				return nil, 0, err
			}
			rows = append(rows, row)
		}
	}
	return rows, max(pages, 1), nil
}

func (s *Store) parse(instanceID string, raw []byte) (storedRow, error) {
	entity, etag, err := edm.UnmarshalWithETag(raw)
	if err != nil {
		return storedRow{}, s.corrupt(instanceID, "", "", err)
	}
	return storedRow{entity: entity, etag: etag}, nil
}

func sentinelOf(rows []storedRow) Sentinel {
	for _, row := range rows {
		if row.key() == layout.SentinelRowKey {
			return row.sentinel()
		}
	}
	return Sentinel{}
}

// split finds the rows of the stored execution among all rows.
func split(rows []storedRow) (*History, []storedRow) {
	sentinel := sentinelOf(rows)
	h := &History{ExecutionID: sentinel.ExecutionID, ETag: sentinel.ETag, CommitID: sentinel.CommitID, StartID: sentinel.StartID, Exists: len(rows) > 0}
	var events []storedRow
	ended := false
	for _, row := range rows {
		if _, ok := layout.ParseRowKey(row.key()); !ok {
			continue
		}
		h.TotalRows++
		if h.ExecutionID == "" {
			h.ExecutionID = row.text(colExecutionID)
		}
		ended = ended || row.text(colExecutionID) != h.ExecutionID
		if !ended {
			events = append(events, row)
			continue
		}
		for _, b := range blobColumns(row.entity) {
			h.StaleBlobs = append(h.StaleBlobs, b.blob)
		}
	}
	return h, events
}

func (s *Store) decode(instanceID string, row storedRow) (Record, error) {
	if column, found := unnamedBlob(row.entity); found {
		return Record{}, s.corrupt(instanceID, row.key(), column, errors.New("is not the name of a blob"))
	}
	event, err := history.DecodeRow(row.entity)
	if err != nil {
		column := ""
		var decoding *history.DecodeError
		if errors.As(err, &decoding) {
			column = decoding.Field
		}
		return Record{}, s.corrupt(instanceID, row.key(), column, err)
	}
	return Record{Event: event, ActivityID: row.text(colActivityID)}, nil
}

func (s *Store) corrupt(instanceID, rowKey, column string, err error) error {
	return &CorruptHistoryError{Hub: s.names.Hub(), InstanceID: instanceID, RowKey: rowKey, Column: column, Err: err}
}
