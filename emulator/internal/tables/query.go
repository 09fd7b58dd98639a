package tables

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Limits of "Query timeout and pagination".
const (
	maxPage      = 1000
	maxPageBytes = 4 << 20
	// scanSlice is how many rows are looked at before others get a turn.
	scanSlice = 4096
)

func readTop(r *rest.Request) (int, error) {
	if !r.Query.Has("$top") {
		return maxPage, nil
	}
	n, err := strconv.Atoi(r.Param("$top"))
	if err != nil || n < 1 {
		return 0, rest.Errorf(400, "InvalidInput", "One of the request inputs is not valid: $top must be a number from 1 on.")
	}
	return min(n, maxPage), nil
}

// Continuation tokens are a key in base64 with its length, so that any key
// fits a header; they have the look of the service's.
const tokenPrefix = "1!"

func writeToken(key string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(key))
	return fmt.Sprintf("%s%d!%s", tokenPrefix, len(text), text)
}

func readToken(r *rest.Request, name string) (string, error) {
	text := r.Param(name)
	if text == "" {
		return "", nil
	}
	rest0, ok := strings.CutPrefix(text, tokenPrefix)
	_, encoded, found := strings.Cut(rest0, "!")
	key, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || !found || err != nil {
		return "", rest.Errorf(400, "InvalidInput", "One of the request inputs is not valid: %s is no continuation token of this service.", name)
	}
	return string(key), nil
}

func (s *Store) getEntity(r *rest.Request, t target) (*rest.Response, error) {
	level, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	if !inRange(r.Identity.Keys, t.partitionKey, t.rowKey) {
		return nil, rest.ErrAuthorizationFailure
	}
	e, name, err := s.point(r.Account, t)
	if err != nil {
		return nil, err
	}
	w := writer{base: r.Base(), account: r.Account, table: name, level: level, columns: readSelect(r)}
	b := w.append(make([]byte, 0, 512), e, func(b []byte) []byte {
		return appendMember(b, "odata.metadata", w.metadata("/@Element"))
	})
	p := newResponse(200).WithBody(level.ContentType(), b)
	p.Set("Etag", odata.ETag(e.stamp))
	return p, nil
}

// point reads one entity and the table's name as it was created.
func (s *Store) point(accountName string, t target) (*entity, string, error) {
	tbl, err := s.find(accountName, t.table)
	if err != nil {
		return nil, "", err
	}
	lsn, name := tbl.lsn, tbl.name
	var e *entity
	if p, ok := tbl.partitions.Get(t.partitionKey); ok {
		p.mu.RLock()
		e, _ = p.rows.Get(t.rowKey)
		lsn = max(lsn, p.lsn)
		p.mu.RUnlock()
	}
	tbl.mu.RUnlock()
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, "", err
	}
	if e == nil {
		return nil, "", errNotFound
	}
	return e, name, nil
}

func (s *Store) query(r *rest.Request, tableName string) (*rest.Response, error) {
	level, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	q := &scan{keys: r.Identity.Keys}
	if q.filter, err = odata.ParseFilter(r.Param("$filter")); err != nil {
		return nil, err
	}
	if q.limit, err = readTop(r); err != nil {
		return nil, err
	}
	if q.at.partition, err = readToken(r, "NextPartitionKey"); err != nil {
		return nil, err
	}
	if q.at.row, err = readToken(r, "NextRowKey"); err != nil {
		return nil, err
	}
	q.begin()
	name, err := s.scan(r.Account, tableName, q)
	if err != nil {
		return nil, err
	}
	w := writer{base: r.Base(), account: r.Account, table: name, level: level, columns: readSelect(r)}
	b := make([]byte, 0, 256+256*len(q.found))
	b = append(b, '{')
	if level != odata.NoMetadata {
		b = appendMember(b, "odata.metadata", w.metadata(""))
	}
	b = append(b, `"value":[`...)
	for i, e := range q.found {
		if len(b) > maxPageBytes && i > 0 {
			q.more, q.at = true, position{e.partitionKey, e.rowKey}
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = w.append(b, e, nil)
	}
	p := newResponse(200).WithBody(level.ContentType(), append(b, "]}"...))
	if q.more {
		p.Set("X-Ms-Continuation-Nextpartitionkey", writeToken(q.at.partition))
		p.Set("X-Ms-Continuation-Nextrowkey", writeToken(q.at.row))
	}
	return p, nil
}

// position is a place in a table: the first row at or behind it is meant.
type position struct{ partition, row string }

// scan collects the matches of one page.
type scan struct {
	filter          *odata.Filter
	keys            *rest.KeyRange
	limit           int
	partitions, row odata.Range
	at              position
	found           []*entity
	// more is set when the page is full and a match is left at position at.
	more bool
	lsn  journal.LSN
}

// begin narrows the walk to the keys that the filter allows.
func (q *scan) begin() {
	q.partitions, q.row = q.filter.KeyRange("PartitionKey"), q.filter.KeyRange("RowKey")
	if ordered.CompareText(q.at.partition, q.partitions.Low) < 0 {
		q.at = position{partition: q.partitions.Low}
	}
}

// scan walks a table in slices, so that writers who add partitions get their
// turn, and waits until what was read is durable.
func (s *Store) scan(accountName, tableName string, q *scan) (name string, err error) {
	for done := false; !done; {
		t, err := s.find(accountName, tableName)
		if err != nil {
			return "", err
		}
		name = t.name
		q.lsn = max(q.lsn, t.lsn)
		done = q.slice(t)
		t.mu.RUnlock()
	}
	return name, s.env.Log.Wait(q.lsn)
}

// slice looks at up to scanSlice rows from position at on and reports whether
// the page is complete.
func (q *scan) slice(t *table) bool {
	seen := 0
	for key, p := range t.partitions.From(q.at.partition) {
		if q.partitions.HasHigh && ordered.CompareText(key, q.partitions.High) > 0 {
			return true
		}
		if key != q.at.partition {
			q.at = position{partition: key}
		}
		if seen++; seen > scanSlice {
			return false
		}
		p.mu.RLock()
		more := q.rows(p, &seen)
		p.mu.RUnlock()
		if more {
			return q.more
		}
	}
	return true
}

// rows looks at a partition's rows. It returns true when the walk must stop:
// with more set because the page is full, without because the slice is over.
func (q *scan) rows(p *partition, seen *int) bool {
	q.lsn = max(q.lsn, p.lsn)
	from := q.at.row
	if ordered.CompareText(from, q.row.Low) < 0 {
		from = q.row.Low
	}
	for rowKey, e := range p.rows.From(from) {
		if q.row.HasHigh && ordered.CompareText(rowKey, q.row.High) > 0 {
			break
		}
		if *seen++; *seen > scanSlice {
			q.at.row = rowKey
			return true
		}
		if !q.filter.Match(e) || !inRange(q.keys, e.partitionKey, e.rowKey) {
			continue
		}
		if len(q.found) == q.limit {
			q.at.row, q.more = rowKey, true
			return true
		}
		q.found = append(q.found, e)
	}
	return false
}
