package tables

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
)

const (
	// maxColumnUnits is the longest string the Table service takes: 64 KiB of UTF-16.
	maxColumnUnits = 32 * 1024
	// parallelBlobs bounds how many blobs one load or one commit reads or writes at a time.
	parallelBlobs = 16
)

// large tells whether .NET would keep a value in a blob: more than 60 KiB of UTF-16.
func large(text string) bool {
	return len(text) > payloads.PropertyThreshold && layout.UTF16Len(text) > payloads.PropertyThreshold
}

// upload is one value on its way from a column to a blob.
type upload struct {
	blob string
	text string
}

// offload moves the large values of a History row to blobs still to be written: the column becomes the empty string
// and a column ending in BlobName holds the name.
func (s *Store) offload(row edm.Entity, key, rowKey string) []upload {
	var moved []upload
	kind, _ := row[colEventType].(string)
	for _, column := range offloadable {
		text, ok := row[column].(string)
		if !ok || !large(text) {
			continue
		}
		blob := layout.HistoryBlobName(key, rowKey, kind, column, s.random())
		moved = append(moved, upload{blob: blob, text: text})
		row[column] = ""
		row[column+blobSuffix] = blob
	}
	return moved
}

// checkSizes finds a value that neither fits its column nor may go to a blob.
func (s *Store) checkSizes(row edm.Entity, table, instanceID, rowKey string) error {
	for column, value := range row {
		text, ok := value.(string)
		if !ok || len(text) <= maxColumnUnits {
			continue
		}
		if units := layout.UTF16Len(text); units > maxColumnUnits {
			return &ValueTooLargeError{
				Hub: s.names.Hub(), InstanceID: instanceID, Table: table, RowKey: rowKey, Column: column, Units: units, Limit: maxColumnUnits,
			}
		}
	}
	return nil
}

// upload writes blobs side by side.
func (s *Store) upload(ctx context.Context, instanceID string, blobs []upload) error {
	if len(blobs) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelBlobs)
	for _, b := range blobs {
		group.Go(func() error { return s.payloads.WriteString(ctx, b.blob, b.text) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("write a large value of instance %q in hub %q: %w", instanceID, s.names.Hub(), err)
	}
	return nil
}

// download is one value on its way from a blob back to its column.
type download struct {
	row    edm.Entity
	column string
	blob   string
}

// blobColumns lists the values of a History row that are kept in blobs.
func blobColumns(row edm.Entity) []download {
	var found []download
	for _, column := range offloadable {
		if blob, ok := row[column+blobSuffix].(string); ok && blob != "" {
			found = append(found, download{row: row, column: column, blob: blob})
		}
	}
	return found
}

// unnamedBlob finds a column without a value whose blob is named by something that is no text.
func unnamedBlob(row edm.Entity) (column string, found bool) {
	for _, column := range offloadable {
		name, given := row[column+blobSuffix]
		if _, isText := name.(string); !given || isText {
			continue
		}
		if value, _ := row[column].(string); value == "" {
			return column + blobSuffix, true
		}
	}
	return "", false
}

// fetch reads blobs side by side and puts their texts into the columns.
func (s *Store) fetch(ctx context.Context, instanceID string, blobs []download) error {
	if len(blobs) == 0 {
		return nil
	}
	texts := make([]string, len(blobs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelBlobs)
	for i, b := range blobs {
		group.Go(func() error {
			var err error
			if texts[i], err = s.payloads.ReadString(ctx, b.blob); err != nil {
				return s.blobError(instanceID, b, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, b := range blobs { // rows share no goroutine, but several values may belong to one row
		b.row[b.column] = texts[i]
		delete(b.row, b.column+blobSuffix)
	}
	return nil
}

// blobError tells a blob that is gone or damaged, which no retry repairs, from storage that did not answer.
func (s *Store) blobError(instanceID string, b download, err error) error {
	if damaged(err) {
		rowKey, _ := b.row[colRowKey].(string)
		return &CorruptHistoryError{Hub: s.names.Hub(), InstanceID: instanceID, RowKey: rowKey, Column: b.column, Err: err}
	}
	return fmt.Errorf("read a large value of instance %q in hub %q: %w", instanceID, s.names.Hub(), err)
}

// damaged tells errors that no retry repairs.
func damaged(err error) bool {
	var missing *payloads.MissingError
	var corrupt *payloads.CorruptError
	var unreadable *payloadError
	return errors.As(err, &missing) || errors.As(err, &corrupt) || errors.As(err, &unreadable)
}
