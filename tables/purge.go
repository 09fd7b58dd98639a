package tables

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// PurgeInstance deletes all that is stored of an instance, whatever its state: the history, the blobs of exactly this
// id, and at the end the status row, so that a purge cut short can be found and repeated. It returns how many History
// rows it deleted. An instance that is not there is no error.
func (s *Store) PurgeInstance(ctx context.Context, instanceID string) (int, error) {
	rows, err := s.purgeHistory(ctx, instanceID)
	if err != nil {
		return rows, err
	}
	if _, err := s.payloads.DeleteInstance(ctx, instanceID); err != nil {
		return rows, fmt.Errorf("purge: instance %q in hub %q: %w", instanceID, s.names.Hub(), err)
	}
	_, err = s.instances.DeleteEntity(ctx, layout.EscapeKey(instanceID), "", nil)
	if err = s.fail("purge", instanceID, err); err != nil && !errors.Is(err, ErrRowNotFound) {
		return rows, err
	}
	return rows, nil
}

// purgeHistory deletes page by page, so that memory does not grow with the history. The sentinel goes last: as long as
// it is there, a worker that still runs the instance notices.
func (s *Store) purgeHistory(ctx context.Context, instanceID string) (int, error) {
	key := layout.EscapeKey(instanceID)
	filter := keyFilter(instanceID)
	columns := colRowKey + "," + colPartitionKey
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns})
	deleted, guarded := 0, false
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return deleted, s.fail("purge", instanceID, err)
		}
		keys := make([]string, 0, len(page.Entities))
		for _, raw := range page.Entities {
			row, err := s.parse(instanceID, raw)
			if err != nil {
				return deleted, err
			}
			if row.key() == layout.SentinelRowKey {
				guarded = true
				continue
			}
			keys = append(keys, row.key())
		}
		if !pager.More() && guarded {
			keys = append(keys, layout.SentinelRowKey)
		}
		n, err := s.deleteRows(ctx, instanceID, key, keys)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// deleteRows deletes rows of one instance in transactions. Rows that are gone already are no error.
func (s *Store) deleteRows(ctx context.Context, instanceID, key string, rowKeys []string) (int, error) {
	deleted := 0
	for chunk := range slices.Chunk(rowKeys, maxOperations) {
		operations := make([]operation, len(chunk))
		for i, rowKey := range chunk {
			var err error
			operations[i], err = newOperation(aztables.TransactionTypeDelete, "*", edm.Entity{colPartitionKey: key, colRowKey: rowKey})
			if err != nil {
				return deleted, err
			}
		}
		_, err := s.submit(ctx, operations)
		err = s.fail("purge", instanceID, err)
		n := len(chunk)
		if errors.Is(err, ErrRowNotFound) {
			n, err = s.deleteSingly(ctx, instanceID, key, chunk)
		}
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// deleteSingly is for a transaction that failed because somebody else deletes the same rows.
func (s *Store) deleteSingly(ctx context.Context, instanceID, key string, rowKeys []string) (int, error) {
	deleted := 0
	for _, rowKey := range rowKeys {
		_, err := s.history.DeleteEntity(ctx, key, rowKey, nil)
		switch {
		case err == nil:
			deleted++
		case !storage.IsNotFound(err):
			return deleted, s.fail("purge", instanceID, err)
		}
	}
	return deleted, nil
}
