package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/storage"
)

const (
	// maxOperations is how many operations one entity-group transaction takes.
	maxOperations = 100
	// maxTransactionBytes is how large a transaction may become as encoded. The service takes 4 MiB.
	maxTransactionBytes = 3_500 << 10
	// operationOverhead is what an operation costs in a transaction's body besides its row: part headers, request line,
	// request headers, with room for a long endpoint.
	operationOverhead = 800
)

// operation is one step of an entity-group transaction.
type operation struct {
	kind  aztables.TransactionType
	match string // If-Match, or empty
	body  []byte
}

func newOperation(kind aztables.TransactionType, match string, row edm.Entity) (operation, error) {
	body, err := edm.Marshal(row)
	if err != nil {
		return operation{}, err
	}
	return operation{kind: kind, match: match, body: body}, nil
}

// size estimates what the operation adds to a transaction's body. The SDK encodes rows again with the HTML-safe
// escapes of encoding/json, which turn one byte into six.
func (s *Store) size(op operation, key string) int {
	size := len(op.body) + s.overhead + len(url.PathEscape(key))
	for i, c := range op.body {
		switch {
		case c == '<' || c == '>' || c == '&':
			size += len(`\u003c`) - 1
		case c == 0xE2 && (bytes.HasPrefix(op.body[i:], lineSeparator) || bytes.HasPrefix(op.body[i:], paragraphSeparator)):
			size += len(`\u2028`) - utf8.RuneLen('\u2028')
		}
	}
	return size
}

var (
	lineSeparator      = []byte("\u2028")
	paragraphSeparator = []byte("\u2029")
)

// submit runs one entity-group transaction on the History table and returns the ETags of its operations.
func (s *Store) submit(ctx context.Context, operations []operation) (*storage.ETags, error) {
	actions := make([]aztables.TransactionAction, len(operations))
	for i, op := range operations {
		actions[i] = aztables.TransactionAction{ActionType: op.kind, Entity: op.body}
		if op.match != "" {
			etag := azcore.ETag(op.match)
			actions[i].IfMatch = &etag
		}
	}
	ctx, etags := storage.CaptureETags(ctx)
	_, err := s.history.SubmitTransaction(ctx, actions, nil)
	return etags, err
}

var errNoETag = errors.New("the service answered the transaction without the sentinel's ETag")

// lastETag returns the ETag of a transaction's last operation, the sentinel's.
func lastETag(etags *storage.ETags, operations int) (string, error) {
	if etag := etags.At(operations - 1); etag != "" {
		return etag, nil
	}
	return "", fmt.Errorf("operation %d: %w", operations, errNoETag)
}
