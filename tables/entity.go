package tables

import (
	"context"
	"net/http"
	"net/url"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/internal/jsontext"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// entityPath is the address of one row, behind the endpoint.
func entityPath(table, partition, row string) string {
	return "/" + table + "(PartitionKey='" + escapeKey(partition) + "',RowKey='" + escapeKey(row) + "')"
}

// getRow reads the row of an instance by its keys: a single read, where a filter that names both keys is a query, which
// costs several times as much. No columns ask for all.
func (s *Store) getRow(ctx context.Context, table, instanceID, row string, columns *string) (storage.TableAnswer, error) {
	key := layout.EscapeKey(instanceID)
	if !utf8.ValidString(instanceID) || !isKey(key) {
		return storage.TableAnswer{}, ErrRowNotFound
	}
	call := storage.TableCall{Method: http.MethodGet, Path: entityPath(table, key, row)}
	if columns != nil {
		call.Query = "$select=" + url.QueryEscape(*columns)
	}
	return s.account.CallTable(ctx, call)
}

// maxKey is how many UTF-16 units a key takes, by the Table service's limit of 1 KiB.
const maxKey = 512

// isKey says whether a key is not too long for a row. Services differ in how they refuse to look for others. No text has more
// UTF-16 units than bytes.
func isKey(key string) bool { return len(key) <= maxKey || len(utf16.Encode([]rune(key))) <= maxKey }

// insertStatus inserts a status row and returns its ETag.
func (s *Store) insertStatus(ctx context.Context, body []byte) (string, error) {
	answer, err := s.account.CallTable(ctx, storage.TableCall{
		Method: http.MethodPost, Path: "/" + s.names.InstancesTable(), Body: jsontext.ASCII(body),
	})
	return answer.ETag, err
}

// writeStatus merges or replaces a status row and returns its ETag. Without a match a missing row is inserted.
func (s *Store) writeStatus(ctx context.Context, method, instanceID string, body []byte, match string) (string, error) {
	answer, err := s.account.CallTable(ctx, storage.TableCall{
		Method: method, Path: entityPath(s.names.InstancesTable(), layout.EscapeKey(instanceID), ""), Match: match, Body: jsontext.ASCII(body),
	})
	return answer.ETag, err
}
