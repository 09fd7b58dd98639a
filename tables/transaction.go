package tables

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/jsontext"
)

const (
	// maxOperations is how many operations one entity-group transaction takes.
	maxOperations = 100
	// maxTransactionBytes is how large a transaction may become as encoded. The service takes 4 MiB.
	maxTransactionBytes = 3_500 << 10
	// operationOverhead is more than an operation costs in a transaction's body besides its row, its keys, its ETag, and
	// the table's address.
	operationOverhead = 400
)

// operation is one step of an entity-group transaction.
type operation struct {
	kind      aztables.TransactionType
	match     string // If-Match, or empty
	partition string
	row       string
	body      []byte // none for a deletion
}

func newOperation(kind aztables.TransactionType, match string, row edm.Entity) (operation, error) {
	op := operation{kind: kind, match: match}
	op.partition, _ = row[colPartitionKey].(string)
	op.row, _ = row[colRowKey].(string)
	if kind == aztables.TransactionTypeDelete {
		return op, nil
	}
	body, err := edm.Marshal(row)
	op.body = jsontext.ASCII(body)
	return op, err
}

// size is an upper bound of what the operation adds to a transaction's body.
func (s *Store) size(op operation, key string) int {
	return len(op.body) + s.overhead + len(op.match) + len(escapeKey(op.row)) + len(escapeKey(key))
}

// submit runs one entity-group transaction on the History table and returns the ETags of its operations.
func (s *Store) submit(ctx context.Context, operations []operation) ([]string, error) {
	return s.transact(ctx, s.names.HistoryTable(), operations)
}

// transact runs one entity-group transaction on a table.
func (s *Store) transact(ctx context.Context, table string, operations []operation) ([]string, error) {
	boundary, body := s.encodeTransaction(table, operations)
	return s.account.Transact(ctx, boundary, body)
}

// encodeTransaction writes the body of a transaction: a multipart message with one part, which is a multipart message with
// a part for each operation, which is an HTTP request.
func (s *Store) encodeTransaction(table string, operations []operation) (boundary string, body []byte) {
	id := strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
	boundary, changes := "batch_"+id, "changeset_"+id
	size := operationOverhead
	for _, op := range operations {
		size += s.size(op, op.partition)
	}
	body = make([]byte, 0, size)
	body = append(body, "--"+boundary+"\r\nContent-Type: multipart/mixed; boundary="+changes+"\r\n\r\n"...)
	part := "--" + changes + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	address := s.endpoint + "/" + table
	for _, op := range operations {
		body = op.append(append(body, part...), address)
	}
	return boundary, append(body, "--"+changes+"--\r\n--"+boundary+"--\r\n"...)
}

// append writes the operation's request.
func (op operation) append(body []byte, address string) []byte {
	body = append(append(append(body, op.method()...), ' '), address...)
	if op.kind != aztables.TransactionTypeAdd {
		body = append(append(body, "(PartitionKey='"...), escapeKey(op.partition)...)
		body = append(append(body, "',RowKey='"...), escapeKey(op.row)...)
		body = append(body, "')"...)
	}
	body = append(body, " HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"...)
	switch {
	case op.kind == aztables.TransactionTypeAdd:
		body = append(body, "Prefer: return-no-content\r\n"...)
	case op.match != "":
		body = append(append(append(body, "If-Match: "...), op.match...), "\r\n"...)
	}
	if op.body != nil {
		body = append(append(body, "Content-Type: application/json\r\n\r\n"...), op.body...)
	}
	return append(body, "\r\n"...)
}

// method is the operation's HTTP method. A merge or replace without If-Match inserts a missing row.
func (op operation) method() string {
	switch op.kind {
	case aztables.TransactionTypeAdd:
		return http.MethodPost
	case aztables.TransactionTypeDelete:
		return http.MethodDelete
	case aztables.TransactionTypeUpdateMerge, aztables.TransactionTypeInsertMerge:
		return http.MethodPatch
	}
	return http.MethodPut
}

// escapeKey writes a key as a text literal in an address, in which quotes are doubled.
func escapeKey(key string) string { return url.PathEscape(strings.ReplaceAll(key, "'", "''")) }

var errNoETag = errors.New("the service answered the transaction without the sentinel's ETag")

// lastETag returns the ETag of a transaction's last operation, the sentinel's.
func lastETag(etags []string, operations int) (string, error) {
	if len(etags) >= operations && etags[operations-1] != "" {
		return etags[operations-1], nil
	}
	return "", fmt.Errorf("operation %d: %w", operations, errNoETag)
}
