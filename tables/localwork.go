package tables

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// LocalWork lists instances that have something to be sent which only a Go worker can find out: those on the active list,
// and those whose history names actions that exist nowhere else or keeps messages. It stops after the given number. It reads
// through the whole History table, as there is no index of such rows.
func (s *Store) LocalWork(ctx context.Context, most int) ([]string, error) {
	var ids []string
	found := map[string]struct{}{}
	note := func(id string) bool {
		if _, known := found[id]; !known && id != "" {
			found[id] = struct{}{}
			ids = append(ids, id)
		}
		return len(ids) >= most
	}
	active := colPartitionKey + " ne " + quote(fleetPartition)
	err := s.scan(ctx, s.active, active, colInstanceID, func(row storedRow) bool { return note(row.text(colInstanceID)) })
	if err != nil || len(ids) >= most {
		return ids, err
	}
	local := "(" + colRowKey + " eq " + quote(layout.SentinelRowKey) + " and " + colLocal + " gt '') or (" +
		colRowKey + " ge " + quote(outboxPrefix) + " and " + colRowKey + " lt 'outbox.')"
	err = s.scan(ctx, s.history, local, colPartitionKey, func(row storedRow) bool { return note(layout.UnescapeKey(row.text(colPartitionKey))) })
	return ids, err
}

// scan reads the rows of a filter until the visitor has had enough.
func (s *Store) scan(ctx context.Context, table *aztables.Client, filter, columns string, enough func(storedRow) bool) error {
	options := &aztables.ListEntitiesOptions{Select: &columns}
	if filter != "" {
		options.Filter = &filter
	}
	pager := table.NewListEntitiesPager(options)
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return s.fail("look for local work", "", err)
		}
		for _, raw := range page.Entities {
			row, err := s.parse("", raw)
			if err != nil {
				return err
			}
			if enough(row) {
				return nil
			}
		}
	}
	return nil
}
