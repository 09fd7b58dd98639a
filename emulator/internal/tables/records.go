package tables

import (
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Kinds of journal records. Each says how something is afterwards, so that
// repeating a record on a later state does no harm.
const (
	recProperties byte = iota + 1
	recTable           // a table and its policies; makes the table
	recDrop            // a table is gone
	recRows            // entities of one partition, or their absence
)

// log appends a record; in memory mode it is not even made.
func (s *Store) log(record func() []byte) journal.LSN {
	if s.env.Log == nil {
		return 0
	}
	return s.env.Log.Append(record())
}

func encodeProperties(a *account) []byte {
	w := service.Record(rest.Table, recProperties)
	w.String(a.name)
	w.Bytes(a.properties.XML())
	return w.B
}

func encodeTable(accountName string, t *table) []byte {
	w := service.Record(rest.Table, recTable)
	w.String(accountName)
	w.String(t.name)
	t.policies.Encode(w)
	return w.B
}

func encodeDrop(accountName, name string) []byte {
	w := service.Record(rest.Table, recDrop)
	w.String(accountName)
	w.String(name)
	return w.B
}

// row is an entity's state after a change; nil means that it is gone.
type row struct {
	key    string
	entity *entity
}

func encodeRows(accountName, tableName, partitionKey string, rows []row) []byte {
	w := service.Record(rest.Table, recRows)
	w.String(accountName)
	w.String(tableName)
	w.String(partitionKey)
	w.Uint(uint64(len(rows)))
	for _, row := range rows {
		w.String(row.key)
		w.Bool(row.entity != nil)
		if row.entity != nil {
			encodeEntity(w, row.entity)
		}
	}
	return w.B
}

func encodeEntity(w *codec.Writer, e *entity) {
	w.Int(int64(e.stamp))
	w.String(string(e.packed))
}

func decodeEntity(r *codec.Reader, partitionKey, rowKey string) (*entity, error) {
	e := &entity{partitionKey: partitionKey, rowKey: rowKey, stamp: rest.Ticks(r.Int()), packed: packed(r.String())}
	if !e.packed.valid() {
		return nil, codec.ErrCorrupt
	}
	return e, nil
}

// Apply implements service.Backend.
func (s *Store) Apply(r *codec.Reader) error {
	kind, accountName := r.Byte(), r.String()
	a, ok := s.accounts[accountName]
	if !ok {
		if accountName == "" {
			return codec.ErrCorrupt
		}
		return fmt.Errorf("it holds data of account %q, which is not configured", accountName)
	}
	switch kind {
	case recProperties:
		body := r.Bytes()
		if err := r.Err(); err != nil {
			return err
		}
		p, err := service.ParseProperties(body)
		if err != nil {
			return err
		}
		a.properties = p
	case recTable:
		name, policies := r.String(), service.DecodePolicies(r)
		if r.Err() != nil {
			return codec.ErrCorrupt
		}
		t, ok := a.tables.Get(strings.ToLower(name))
		if !ok {
			t = newTable(name)
			a.tables.Set(strings.ToLower(name), t)
		}
		t.name, t.policies = name, policies
	case recDrop:
		a.tables.Delete(strings.ToLower(r.String()))
	case recRows:
		if err := s.applyRows(a, r); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown table record %d", kind)
	}
	return r.Err()
}

func (s *Store) applyRows(a *account, r *codec.Reader) error {
	t, ok := a.tables.Get(strings.ToLower(r.String()))
	if !ok { // deleted by the time of the snapshot this record follows
		t = newTable("")
	}
	key := r.String()
	p, ok := t.partitions.Get(key)
	if !ok {
		p = newPartition(key)
	}
	for range r.Len() {
		rowKey := r.String()
		if !r.Bool() {
			p.rows.Delete(rowKey)
			continue
		}
		e, err := decodeEntity(r, key, rowKey)
		if err != nil {
			return err
		}
		p.rows.Set(rowKey, e)
		s.env.Clock.Seen(e.stamp)
	}
	if p.rows.Len() > 0 {
		t.partitions.Set(key, p)
	} else {
		t.partitions.Delete(key)
	}
	return nil
}

// Loaded implements service.Backend.
func (s *Store) Loaded() error { return nil }

// Snapshot implements service.Backend.
func (s *Store) Snapshot(emit func([]byte) error) error {
	for _, a := range s.accounts {
		a.mu.RLock()
		props := encodeProperties(a)
		tables := make([]*table, 0, a.tables.Len())
		for _, t := range a.tables.All {
			tables = append(tables, t)
		}
		a.mu.RUnlock()
		if err := emit(props); err != nil {
			return err
		}
		for _, t := range tables {
			if err := snapshotTable(a.name, t, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshotRows is how many entities go into one record.
const snapshotRows = 512

func snapshotTable(accountName string, t *table, emit func([]byte) error) error {
	t.mu.RLock()
	deleted, head := t.deleted, encodeTable(accountName, t)
	partitions := make([]*partition, 0, t.partitions.Len())
	for _, p := range t.partitions.All {
		partitions = append(partitions, p)
	}
	t.mu.RUnlock()
	if deleted {
		return nil
	}
	if err := emit(head); err != nil {
		return err
	}
	for _, p := range partitions {
		p.mu.RLock()
		rows := make([]row, 0, p.rows.Len())
		for key, e := range p.rows.All {
			rows = append(rows, row{key, e})
		}
		p.mu.RUnlock()
		for len(rows) > 0 {
			n := min(snapshotRows, len(rows))
			if err := emit(encodeRows(accountName, t.name, p.key, rows[:n])); err != nil {
				return err
			}
			rows = rows[n:]
		}
	}
	return nil
}
