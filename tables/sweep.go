package tables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
)

const (
	logInstance = "instance_id"
	logHub      = "hub"
	logError    = "error"
)

// DeleteBlobs deletes blobs of an instance whose generation is over: [History.Blobs] and [History.StaleBlobs] as loaded,
// and [Committed.Blobs] of the commits since. It is to be called after the next generation was committed and the status
// row written, as that may refer to the input or the output of the old one. Blobs that are gone are no error; names that
// are not of this instance are left alone.
func (s *Store) DeleteBlobs(ctx context.Context, instanceID string, names []string) error {
	own := make([]string, 0, len(names))
	for _, name := range names {
		if file, ok := strings.CutPrefix(name, layout.EscapeKey(instanceID)+"/"); ok && !strings.Contains(file, "/") {
			own = append(own, name)
		} else if file, ok := strings.CutPrefix(name, instanceID+"/"); ok && !strings.Contains(file, "/") {
			own = append(own, name)
		}
	}
	if err := s.payloads.DeleteAll(ctx, own); err != nil {
		return fmt.Errorf("delete large values of an older generation: instance %q in hub %q: %w", instanceID, s.names.Hub(), err)
	}
	return nil
}

// sweep deletes the rows that an older generation left behind. Every transaction moves the sentinel under its ETag, so
// that a writer that was overtaken deletes nothing of its successor. It returns the sentinel's ETag as far as known;
// when that is out of date the next commit meets a conflict and its caller loads the history again.
func (s *Store) sweep(ctx context.Context, c Commit, key, etag string) string {
	rows := rowRange(c.DeleteRowsFrom, c.DeleteRowsTo)
	for asked := false; len(rows) > 0; {
		chunk := rows[:min(len(rows), maxOperations-1)]
		newETag, err := s.sweepChunk(ctx, c, key, chunk, etag)
		switch {
		case err == nil:
			etag, rows = newETag, rows[len(chunk):]
			continue
		case errors.Is(err, ErrRowNotFound) && !asked: // some are gone already: delete those that are there
			asked = true
			if rows, err = s.eventRows(ctx, c.InstanceID, layout.RowKey(c.DeleteRowsFrom), layout.RowKey(c.DeleteRowsTo)); err == nil {
				continue
			}
		}
		s.logger.WarnContext(ctx, "rows of an older generation stay behind",
			slog.String(logHub, s.names.Hub()), slog.String(logInstance, c.InstanceID), slog.Any(logError, err))
		return s.refresh(ctx, c, etag)
	}
	return etag
}

func (s *Store) sweepChunk(ctx context.Context, c Commit, key string, rows []string, etag string) (string, error) {
	operations := make([]operation, 0, len(rows)+1)
	for _, rowKey := range rows {
		op, err := newOperation(aztables.TransactionTypeDelete, "*", edm.Entity{colPartitionKey: key, colRowKey: rowKey})
		if err != nil {
			return "", err
		}
		operations = append(operations, op)
	}
	sentinel, err := newOperation(aztables.TransactionTypeUpdateMerge, etag, edm.Entity{
		colPartitionKey: key, colRowKey: layout.SentinelRowKey, colExecutionID: c.ExecutionID,
	})
	if err != nil {
		return "", err
	}
	operations = append(operations, sentinel)
	etags, err := s.submit(ctx, operations)
	if err != nil {
		return "", s.fail("delete rows of an older generation", c.InstanceID, err)
	}
	return lastETag(etags, len(operations))
}

// refresh reads the sentinel after a transaction whose outcome is unknown. Its ETag is taken only when the sentinel
// still bears this writer's commit.
func (s *Store) refresh(ctx context.Context, c Commit, etag string) string {
	if c.CommitID == "" {
		return etag
	}
	if stored, err := s.ReadCommit(ctx, c.InstanceID); err == nil && stored.CommitID == c.CommitID {
		return stored.ETag
	}
	return etag
}

func rowRange(from, to int) []string {
	keys := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		keys = append(keys, layout.RowKey(i))
	}
	return keys
}

// eventRows lists the row keys of an instance's History rows in [from, before).
func (s *Store) eventRows(ctx context.Context, instanceID, from, before string) ([]string, error) {
	filter := keyFilter(instanceID) + " and " + colRowKey + " ge " + quote(from) + " and " + colRowKey + " lt " + quote(before)
	columns := colRowKey + "," + colPartitionKey
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns})
	var keys []string
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return nil, s.fail("list history rows", instanceID, err)
		}
		for _, raw := range page.Entities {
			row, err := s.parse(instanceID, raw)
			if err != nil {
				return nil, err
			}
			keys = append(keys, row.key())
		}
	}
	return keys, nil
}
