package tables

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// ErrHistoryReplaced is matched by errors of [Store.HistoryPage] when the instance was started anew or continued as new
// behind the first page.
var ErrHistoryReplaced = errors.New("the history was replaced while it was read; begin again")

// historyPosition is where a page of a history ended.
type historyPosition struct {
	Execution string `json:"e"`
	Row       int    `json:"n"`
}

func (p historyPosition) token() string {
	text, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseHistoryToken(token string) (p historyPosition, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.Row <= 0 {
		return p, &InvalidTokenError{Token: token}
	}
	return p, nil
}

// HistoryPage reads a part of a history, with large values: up to size events (0 stands for [MaxPageSize]), beginning
// where an earlier page ended. The empty token begins; an empty next token says that the history ends here. Events that are
// added meanwhile may be among them. An instance without history gives exists false.
func (s *Store) HistoryPage(ctx context.Context, instanceID, token string, size int) (events []history.Event, next string, exists bool, err error) {
	sentinel, err := s.ReadCommit(ctx, instanceID)
	if err != nil {
		return nil, "", false, err
	}
	at := historyPosition{Execution: sentinel.ExecutionID}
	if token != "" {
		if at, err = parseHistoryToken(token); err != nil {
			return nil, "", false, err
		}
		if sentinel.ExecutionID != at.Execution {
			return nil, "", sentinel.Exists, s.fail("read history", instanceID, ErrHistoryReplaced)
		}
	}
	if size <= 0 || size > MaxPageSize {
		size = MaxPageSize
	}
	rows, more, err := s.rowsFrom(ctx, instanceID, &at, size)
	if err != nil {
		return nil, "", false, err
	}
	if events, err = s.decodeRows(ctx, instanceID, rows); err != nil {
		return nil, "", false, err
	}
	if more {
		at.Row += len(rows)
		next = at.token()
	}
	return events, next, sentinel.Exists || len(rows) > 0, nil
}

// behindEvents is a row key behind those of all events, and before all others.
const behindEvents = "G"

// rowsFrom reads up to size rows of an execution from a position on. When there is no sentinel, the first row says which
// execution it is.
func (s *Store) rowsFrom(ctx context.Context, instanceID string, at *historyPosition, size int) (rows []storedRow, more bool, err error) {
	filter := keyFilter(instanceID) + " and " + colRowKey + " ge " + quote(layout.RowKey(at.Row)) + " and " + colRowKey + " lt " + quote(behindEvents)
	pager := s.history.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: to.Ptr(int32(size))})
	for pager.More() && len(rows) < size {
		page, err := nextPage(ctx, pager)
		if err != nil {
			return nil, false, s.fail("read history", instanceID, err)
		}
		for _, raw := range page.Entities {
			row, err := s.parse(instanceID, raw)
			if err != nil {
				return nil, false, err
			}
			ordinal, ok := layout.ParseRowKey(row.key())
			if !ok {
				continue
			}
			if at.Execution == "" {
				at.Execution = row.text(colExecutionID)
			}
			switch {
			case row.text(colExecutionID) != at.Execution:
				return rows, false, nil
			case ordinal != at.Row+len(rows):
				return nil, false, s.corrupt(instanceID, layout.RowKey(at.Row+len(rows)), "", errRowMissing)
			case len(rows) == size:
				return rows, true, nil
			}
			rows = append(rows, row)
		}
	}
	return rows, pager.More(), nil
}

// decodeRows makes events of rows, after their large values were fetched.
func (s *Store) decodeRows(ctx context.Context, instanceID string, rows []storedRow) ([]history.Event, error) {
	var blobs []download
	for _, row := range rows {
		blobs = append(blobs, blobColumns(row.entity)...)
	}
	if err := s.fetch(ctx, instanceID, blobs); err != nil {
		return nil, err
	}
	events := make([]history.Event, len(rows))
	for i, row := range rows {
		record, err := s.decode(instanceID, row)
		if err != nil {
			return nil, err
		}
		events[i] = record.Event
	}
	return events, nil
}
