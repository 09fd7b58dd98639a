package tables

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/storage"
)

// ActiveRow says that an owner of a control queue has work for an instance that only it knows of. The next owner of the
// queue finds the instance by it.
type ActiveRow struct {
	// Queue is the control queue.
	Queue string
	// Owner tells ownerships of the queue apart: it is new each time a worker acquires it.
	Owner      string
	InstanceID string
	// Attempts counts the owners that have taken the instance over without getting it any further.
	Attempts int32
	// Written is when the row was written, by the service's clock; set by [Store.ListActive] only.
	Written time.Time
	// ETag is that of the row as it was read or written; empty when it is not known.
	ETag string
}

func (r ActiveRow) key() string {
	sum := sha256.Sum256([]byte(r.InstanceID))
	return r.Owner + "-" + hex.EncodeToString(sum[:16])
}

// PutActive writes rows of one control queue, over those that are there, up to a hundred in a transaction, and notes their
// ETags in rows.
func (s *Store) PutActive(ctx context.Context, rows []ActiveRow) error {
	return s.changeActive(ctx, rows, "write the active list", func(r ActiveRow) (operation, error) {
		return newOperation(aztables.TransactionTypeInsertReplace, "", edm.Entity{
			colPartitionKey: r.Queue, colRowKey: r.key(), colInstanceID: r.InstanceID, colOwner: r.Owner, colAttempts: r.Attempts,
		})
	})
}

// DeleteActive deletes rows of one control queue, each only if it has the row's ETag, where that is known: a deletion whose answer
// did not come may be carried out after the row was written anew. Rows that are not there are no error; one that has changed gives an
// error that matches [ErrConflict], after the others were deleted.
func (s *Store) DeleteActive(ctx context.Context, rows []ActiveRow) error {
	remove := func(r ActiveRow) (operation, error) {
		return newOperation(aztables.TransactionTypeDelete, cmp.Or(r.ETag, AnyVersion), edm.Entity{colPartitionKey: r.Queue, colRowKey: r.key()})
	}
	const what = "delete from the active list"
	err := s.changeActive(ctx, rows, what, remove)
	if !errors.Is(err, ErrRowNotFound) && !errors.Is(err, ErrConflict) {
		return err
	}
	var changed error
	for i := range rows { // some are gone already, or have changed
		switch err := s.changeActive(ctx, rows[i:i+1], what, remove); {
		case errors.Is(err, ErrConflict):
			changed = err
		case err != nil && !errors.Is(err, ErrRowNotFound):
			return err
		}
	}
	return changed
}

func (s *Store) changeActive(ctx context.Context, rows []ActiveRow, what string, change func(ActiveRow) (operation, error)) error {
	for len(rows) > 0 {
		chunk := rows[:min(len(rows), maxOperations)]
		operations := make([]operation, len(chunk))
		for i, r := range chunk {
			var err error
			if operations[i], err = change(r); err != nil {
				return fmt.Errorf("%s: instance %q in hub %q: %w", what, r.InstanceID, s.names.Hub(), err)
			}
		}
		etags, err := s.transact(ctx, s.names.ActiveTable(), operations)
		if err != nil {
			return s.fail(what, "", err)
		}
		for i := range min(len(chunk), len(etags)) {
			chunk[i].ETag = etags[i]
		}
		rows = rows[len(chunk):]
	}
	return nil
}

// ListActive reads the rows of one control queue. A row that cannot be understood is left out and logged.
func (s *Store) ListActive(ctx context.Context, queue string) ([]ActiveRow, error) {
	filter := colPartitionKey + " eq " + quote(queue)
	pager := s.active.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter})
	var rows []ActiveRow
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return nil, s.fail("read the active list", "", err)
		}
		for _, raw := range page.Entities {
			row, err := s.parse("", raw)
			if err != nil {
				return nil, err
			}
			r := ActiveRow{Queue: queue, Owner: row.text(colOwner), InstanceID: row.text(colInstanceID), ETag: row.etag}
			r.Attempts, _ = row.entity[colAttempts].(int32)
			r.Written, _ = row.entity["Timestamp"].(time.Time)
			if r.InstanceID == "" || r.key() != row.key() {
				s.logger.WarnContext(ctx, "a row of the active list is not understood and is left alone", logHub, s.names.Hub(), logRow, row.key())
				continue
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

const logRow = "row"

// The row of the active table that says which kind of fleet runs the hub.
const (
	fleetPartition = "fleet"
	fleetRow       = "fleet"
)

// ReadFleet reads the kind of fleet that runs the hub. Empty when none was ever written, or the table does not exist.
func (s *Store) ReadFleet(ctx context.Context) (fleet, etag string, err error) {
	response, err := s.active.GetEntity(ctx, fleetPartition, fleetRow, nil)
	err = s.fail("read the fleet", "", err)
	if errors.Is(err, ErrRowNotFound) || errors.Is(err, ErrNoTables) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	row, err := s.parse("", response.Value)
	if err != nil {
		return "", "", err
	}
	if row.etag == "" {
		row.etag = string(response.ETag)
	}
	return row.text(colFleet), row.etag, nil
}

// WriteFleet writes the kind of fleet: over the row with the given ETag, or with an empty one as the first. An error
// that matches [ErrConflict] means that somebody else wrote it.
func (s *Store) WriteFleet(ctx context.Context, fleet, etag string) error {
	if etag == "" {
		if err := s.CreateActive(ctx); err != nil {
			return err
		}
	}
	op, err := newOperation(fleetWrite(etag), etag, edm.Entity{colPartitionKey: fleetPartition, colRowKey: fleetRow, colFleet: fleet})
	if err != nil {
		return err
	}
	_, err = s.transact(ctx, s.names.ActiveTable(), []operation{op})
	return s.fail("write the fleet", "", err)
}

func fleetWrite(etag string) aztables.TransactionType {
	if etag == "" {
		return aztables.TransactionTypeAdd
	}
	return aztables.TransactionTypeUpdateReplace
}

// CreateActive creates the table of the active list. It may exist.
func (s *Store) CreateActive(ctx context.Context) error {
	_, err := s.active.CreateTable(ctx, nil)
	if err == nil || storage.HasCode(err, storage.CodeTableAlreadyExists) {
		return nil
	}
	return fmt.Errorf("hub %q: %w", s.names.Hub(), storage.Explain(err, "create table "+s.names.ActiveTable()))
}

// DeleteActiveTable deletes the table of the active list. It may be missing.
func (s *Store) DeleteActiveTable(ctx context.Context) error {
	_, err := s.active.Delete(ctx, nil)
	if err == nil || storage.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("hub %q: %w", s.names.Hub(), storage.Explain(err, "delete table "+s.names.ActiveTable()))
}

// HasHistory tells whether any instance was ever worked on that was not purged since.
func (s *Store) HasHistory(ctx context.Context) (bool, error) {
	one, columns := int32(1), colPartitionKey
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Top: &one, Select: &columns})
	for pager.More() {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return false, s.fail("look for histories", "", err)
		}
		if len(page.Entities) > 0 {
			return true, nil
		}
	}
	return false, nil
}
