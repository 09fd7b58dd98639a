package tables

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/errgroup"
)

// MaxPageSize is how many rows the Table service returns at most in one page.
const MaxPageSize = 1000

// QueryInstances reads one page of the status rows that match a filter, in the order of the escaped instance ids. The
// token continues where an earlier page ended; empty begins. A page may hold fewer rows than pageSize, even none, and
// still not be the last: only an empty next token ends the result. A pageSize of 0 means MaxPageSize.
func (s *Store) QueryInstances(ctx context.Context, filter Filter, token string, pageSize int) (rows []InstanceRow, next string, err error) {
	if filter.impossible() {
		return nil, "", nil
	}
	raws, next, err := s.page(ctx, filter.String(), selection(filter.Inputs, filter.Outputs), token, pageSize)
	if err != nil {
		return nil, "", err
	}
	found, _, err := s.decodePage(ctx, filter, raws)
	if err != nil {
		return nil, "", err
	}
	rows = make([]InstanceRow, len(found))
	for i, row := range found {
		rows[i] = *row
	}
	return rows, next, nil
}

// decodePage decodes the rows of a page that match a filter, and returns the partition key of the page's last row.
func (s *Store) decodePage(ctx context.Context, filter Filter, raws [][]byte) (rows []*InstanceRow, last string, err error) {
	rows = make([]*InstanceRow, 0, len(raws))
	for _, raw := range raws {
		row, err := s.decodeInstance(raw, filter.Inputs)
		if err != nil {
			return nil, "", s.fail("query instances", "", err)
		}
		last = row.key
		if len(filter.Tags) > 0 {
			if err := s.fetchTags(ctx, row); err != nil {
				return nil, "", err
			}
		}
		if !filter.matches(row) {
			continue
		}
		rows = append(rows, row)
	}
	if filter.Raw {
		return rows, last, nil
	}
	return rows, last, s.fetchAll(ctx, rows)
}

// fetchAll reads the large values of rows, several at a time.
func (s *Store) fetchAll(ctx context.Context, rows []*InstanceRow) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelBlobs)
	for _, row := range rows {
		if row.InputBlob == "" && row.OutputBlob == "" && row.tagsBlob == "" {
			continue
		}
		group.Go(func() error { return s.FetchPayloads(ctx, row) })
	}
	return group.Wait()
}

// All iterates over all status rows that match a filter. Memory use is one page's, whatever their number. The
// iteration ends with the first error.
func (s *Store) All(ctx context.Context, filter Filter) iter.Seq2[*InstanceRow, error] {
	return func(yield func(*InstanceRow, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			rows, next, err := s.QueryInstances(ctx, filter, token, 0)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range rows {
				if !yield(&rows[i], nil) {
					return
				}
			}
			token = next
		}
	}
}

// page reads one page as the service gives it.
func (s *Store) page(ctx context.Context, filter string, columns *string, token string, size int) (rows [][]byte, next string, err error) {
	position, err := parseToken(token)
	if err != nil {
		return nil, "", err
	}
	options := &aztables.ListEntitiesOptions{Filter: &filter, Select: columns, NextPartitionKey: position.Partition, NextRowKey: position.Row}
	if size > 0 {
		options.Top = to.Ptr(int32(min(size, MaxPageSize)))
	}
	pager := s.instances.NewListEntitiesPager(options)
	page, err := nextPage(ctx, pager)
	if err != nil {
		return nil, "", s.fail("query instances", "", err)
	}
	return page.Entities, pageToken(page.NextPartitionKey, page.NextRowKey), nil
}

// position is where a page ended, in the service's own terms.
type position struct {
	Partition *string `json:"p,omitempty"`
	Row       *string `json:"r,omitempty"`
}

func pageToken(partition, row *string) string {
	if (partition == nil || *partition == "") && (row == nil || *row == "") {
		return ""
	}
	text, err := json.Marshal(position{Partition: partition, Row: row})
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseToken(token string) (position, error) {
	var p position
	if token == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p == (position{}) {
		return p, &InvalidTokenError{Token: token}
	}
	return p, nil
}
