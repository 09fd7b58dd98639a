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
	"sync"

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

// encodingRoom is where the rows of one commit are encoded, one behind the other.
type encodingRoom struct {
	row  edm.Entity // of whoever encodes next
	text []byte
}

func newEncodingRoom() *encodingRoom {
	const columns, bytes = 14, 4 << 10 // of a usual row, and of a usual commit
	return &encodingRoom{row: make(edm.Entity, columns), text: make([]byte, 0, bytes)}
}

// operation is newOperation with its body in the room.
func (r *encodingRoom) operation(kind aztables.TransactionType, match string, row edm.Entity) (operation, error) {
	op := operation{kind: kind, match: match}
	op.partition, _ = row[colPartitionKey].(string)
	op.row, _ = row[colRowKey].(string)
	text, err := edm.Append(r.text, row)
	if err != nil {
		return op, err
	}
	op.body = jsontext.ASCII(text[len(r.text):len(text):len(text)])
	r.text = text
	return op, nil
}

// encodingRooms are those not in use. A room may be used again once the operations in it are part of a transaction's body,
// which is a copy.
type encodingRooms struct{ pool sync.Pool }

func (p *encodingRooms) get() *encodingRoom {
	if r, ok := p.pool.Get().(*encodingRoom); ok {
		return r
	}
	return newEncodingRoom()
}

func (p *encodingRooms) put(r *encodingRoom) {
	const most = 64 << 10 // the room of a rare large commit is not kept
	if cap(r.text) > most {
		return
	}
	clear(r.row)
	r.text = r.text[:0]
	p.pool.Put(r)
}

// size is an upper bound of what the operation adds to a transaction's body.
func (s *Store) size(op operation, key string) int {
	return len(op.body) + s.overhead + len(op.match) + len(escapeKey(op.row)) + len(escapeKey(key))
}

// submit runs one entity-group transaction on the History table and returns the ETags of its operations.
func (s *Store) submit(ctx context.Context, operations []operation) ([]string, error) {
	return s.transact(ctx, s.table, operations)
}

// transact runs one entity-group transaction on a table.
func (s *Store) transact(ctx context.Context, table string, operations []operation) ([]string, error) {
	boundary, body := s.encodeTransaction(table, operations)
	return s.account.Transact(ctx, boundary, body)
}

// encodeTransaction writes the body of a transaction: a multipart message with one part, which is a multipart message with
// a part for each operation, which is an HTTP request.
func (s *Store) encodeTransaction(table string, operations []operation) (boundary string, body []byte) {
	boundary = "batch_" + strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
	id := strings.TrimPrefix(boundary, "batch_")
	head := "--batch_" + id + "\r\nContent-Type: multipart/mixed; boundary=changeset_" + id + "\r\n\r\n"
	part := "--changeset_" + id + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	end := "--changeset_" + id + "--\r\n--batch_" + id + "--\r\n"
	address := s.endpoint + "/" + table
	size := len(head) + len(operations)*(len(part)+len(address)+operationText) + len(end)
	for _, op := range operations {
		size += len(escapeKey(op.partition)) + len(escapeKey(op.row)) + len(op.match) + len(op.body)
	}
	body = append(make([]byte, 0, size), head...)
	for _, op := range operations {
		body = op.append(append(body, part...), address)
	}
	return boundary, append(body, end...)
}

// operationText is the longest text that append writes besides address, keys, ETag and row.
const operationText = len(http.MethodDelete+" (PartitionKey='',RowKey='')"+operationHead+"Prefer: return-no-content\r\n") +
	len("Content-Type: application/json\r\n\r\n"+"\r\n")

const operationHead = " HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"

// append writes the operation's request.
func (op operation) append(body []byte, address string) []byte {
	body = append(append(append(body, op.method()...), ' '), address...)
	if op.kind != aztables.TransactionTypeAdd {
		body = append(append(body, "(PartitionKey='"...), escapeKey(op.partition)...)
		body = append(append(body, "',RowKey='"...), escapeKey(op.row)...)
		body = append(body, "')"...)
	}
	body = append(body, operationHead...)
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
