package tables

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// purgeAttempts bounds how often the deletion of a history is tried anew because somebody writes to it.
const purgeAttempts = 5

// Every deletion names the version that it is about: one whose answer did not come may be carried out after another attempt at it, and
// must not meet what was started under the same id since.

// PurgeInstance is [Store.PurgeRow] of the status row as it is now.
func (s *Store) PurgeInstance(ctx context.Context, instanceID string) (int, error) {
	row, err := s.GetInstance(ctx, instanceID, GetOptions{Raw: true})
	if err != nil {
		return 0, err
	}
	return s.PurgeRow(ctx, instanceID, row)
}

// PurgeRow deletes all that is stored of an instance, whatever its state: the history, the blobs of exactly this id, and at the end
// the status row that was read, so that a purge cut short can be found and repeated; nil for none. It returns how many
// History rows it deleted. An instance that is not there is no error. A status row that has become another start's meanwhile stays.
func (s *Store) PurgeRow(ctx context.Context, instanceID string, row *InstanceRow) (int, error) {
	rows, err := s.PurgeHistory(ctx, instanceID)
	if err != nil {
		return rows, err
	}
	if _, err := s.payloads.DeleteInstance(ctx, instanceID); err != nil {
		return rows, fmt.Errorf("purge: instance %q in hub %q: %w", instanceID, s.names.Hub(), err)
	}
	return rows, s.purgeStatus(ctx, instanceID, row)
}

func (s *Store) purgeStatus(ctx context.Context, instanceID string, row *InstanceRow) (err error) {
	for range purgeAttempts {
		if row == nil {
			return nil
		}
		if err = s.DeleteInstanceRow(ctx, instanceID, row.ETag); !errors.Is(err, ErrConflict) {
			break
		}
		before := row
		if row, err = s.GetInstance(ctx, instanceID, GetOptions{Raw: true}); err != nil {
			return err
		}
		if row != nil && (row.Generation != before.Generation || row.Status == history.Pending && row.ExecutionID != before.ExecutionID) {
			return nil // it was started anew
		}
	}
	if errors.Is(err, ErrRowNotFound) {
		return nil
	}
	return err
}

// DeleteInstanceRow deletes the status row, if it has the given ETag; [AnyVersion] takes any. The error matches
// [ErrConflict] when the row has changed and [ErrRowNotFound] when it is gone.
func (s *Store) DeleteInstanceRow(ctx context.Context, instanceID, etag string) error {
	match := azcore.ETag(etag)
	_, err := s.instances.DeleteEntity(ctx, layout.EscapeKey(instanceID), "", &aztables.DeleteEntityOptions{IfMatch: &match})
	return s.fail("purge", instanceID, err)
}

// PurgeHistory deletes an instance's History rows and returns how many. The sentinel goes last, or together with all
// others and only if nobody has written meanwhile: a worker that still runs the instance then meets a conflict.
func (s *Store) PurgeHistory(ctx context.Context, instanceID string) (int, error) {
	deleted := 0
	var err error
	for range purgeAttempts {
		var n int
		n, err = s.purgePages(ctx, instanceID)
		deleted += n
		if !errors.Is(err, ErrConflict) {
			return deleted, err
		}
	}
	return deleted, err
}

// HistoryKeys are the rows of one instance's history, as far as a deletion needs them.
type HistoryKeys struct {
	InstanceID string
	Rows       []RowVersion // without the sentinel
	Sentinel   string       // the sentinel's ETag, empty when there is none
}

// RowVersion is a row of History as it was read.
type RowVersion struct{ Key, ETag string }

// all are the rows, the sentinel last.
func (k HistoryKeys) all() []RowVersion {
	if k.Sentinel == "" {
		return k.Rows
	}
	return slices.Concat(k.Rows, []RowVersion{{layout.SentinelRowKey, k.Sentinel}})
}

const keyColumns = colRowKey + "," + colPartitionKey

// purgePages deletes page by page, so that memory does not grow with the history.
func (s *Store) purgePages(ctx context.Context, instanceID string) (int, error) {
	filter, columns := keyFilter(instanceID), keyColumns
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns})
	deleted := 0
	keys := HistoryKeys{InstanceID: instanceID}
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return deleted, s.fail("purge", instanceID, err)
		}
		if err := s.addKeys(&keys, page.Entities); err != nil {
			return deleted, err
		}
		if pager.More() { // the rest follows with the sentinel
			n, err := s.deleteRows(ctx, instanceID, keys.Rows)
			deleted += n
			if err != nil {
				return deleted, err
			}
			keys.Rows = keys.Rows[:0]
		}
	}
	n, err := s.PurgeKeys(ctx, keys)
	return deleted + n, err
}

func (s *Store) addKeys(keys *HistoryKeys, page [][]byte) error {
	for _, raw := range page {
		row, err := s.parse(keys.InstanceID, raw)
		if err != nil {
			return err
		}
		if row.key() == layout.SentinelRowKey {
			keys.Sentinel = row.etag
		} else {
			keys.Rows = append(keys.Rows, RowVersion{row.key(), row.etag})
		}
	}
	return nil
}

// PurgeKeys deletes the rows of a history and returns how many. When one has changed since it was read the error matches [ErrConflict];
// when all fit into one transaction, nothing is deleted then.
func (s *Store) PurgeKeys(ctx context.Context, keys HistoryKeys) (int, error) {
	return s.deleteRows(ctx, keys.InstanceID, keys.all())
}

func deletions(instanceID string, rows []RowVersion) ([]operation, error) {
	key := layout.EscapeKey(instanceID)
	operations := make([]operation, len(rows))
	for i, row := range rows {
		var err error
		operations[i], err = newOperation(aztables.TransactionTypeDelete, cmp.Or(row.ETag, AnyVersion), edm.Entity{colPartitionKey: key, colRowKey: row.Key})
		if err != nil {
			return nil, err
		}
	}
	return operations, nil
}

// deleteRows deletes rows of one instance in transactions. Rows that are gone already are no error; ones that have changed give one that
// matches [ErrConflict].
func (s *Store) deleteRows(ctx context.Context, instanceID string, rows []RowVersion) (int, error) {
	deleted := 0
	for chunk := range slices.Chunk(rows, maxOperations) {
		operations, err := deletions(instanceID, chunk)
		if err != nil {
			return deleted, err
		}
		_, err = s.submit(ctx, operations)
		err = s.fail("purge", instanceID, err)
		n := len(chunk)
		if errors.Is(err, ErrRowNotFound) {
			n, err = s.deleteSingly(ctx, instanceID, chunk)
		}
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

// deleteSingly is for a transaction that failed because somebody else deletes the same rows.
func (s *Store) deleteSingly(ctx context.Context, instanceID string, rows []RowVersion) (int, error) {
	deleted := 0
	for _, row := range rows {
		match := azcore.ETag(cmp.Or(row.ETag, AnyVersion))
		_, err := s.history.DeleteEntity(ctx, layout.EscapeKey(instanceID), row.Key, &aztables.DeleteEntityOptions{IfMatch: &match})
		switch {
		case err == nil:
			deleted++
		case !storage.IsNotFound(err):
			return deleted, s.fail("purge", instanceID, err)
		}
	}
	return deleted, nil
}

// ScanHistoryKeys reads the keys of the History rows of all instances between two ids, both included, in the order of
// the service, and gives them instance by instance. It reads up to a budget of rows; done is false when there are more.
// It serves those who delete many instances whose ids are neighbours: one request finds up to 1,000 rows.
func (s *Store) ScanHistoryKeys(ctx context.Context, first, last string, budget int) (found []HistoryKeys, done bool, err error) {
	filter := colPartitionKey + " ge " + quote(layout.EscapeKey(first)) + " and " + colPartitionKey + " le " + quote(layout.EscapeKey(last))
	columns := keyColumns
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns})
	rows := 0
	for pager.More() {
		if rows >= budget {
			return withoutLast(found), false, nil
		}
		page, err := nextPage(ctx, pager)
		if err != nil {
			return nil, false, s.fail("list history rows", "", err)
		}
		rows += len(page.Entities)
		for _, raw := range page.Entities {
			row, err := s.parse("", raw)
			if err != nil {
				return nil, false, err
			}
			found = appendKey(found, layout.UnescapeKey(row.text(colPartitionKey)), row)
		}
	}
	return found, true, nil
}

// withoutLast drops the last instance, whose rows may not all have been read.
func withoutLast(found []HistoryKeys) []HistoryKeys { return found[:max(0, len(found)-1)] }

func appendKey(found []HistoryKeys, id string, row storedRow) []HistoryKeys {
	if len(found) == 0 || found[len(found)-1].InstanceID != id {
		found = append(found, HistoryKeys{InstanceID: id})
	}
	last := &found[len(found)-1]
	if row.key() == layout.SentinelRowKey {
		last.Sentinel = row.etag
	} else {
		last.Rows = append(last.Rows, RowVersion{row.key(), row.etag})
	}
	return found
}
