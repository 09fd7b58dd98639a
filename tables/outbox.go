package tables

import (
	"errors"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
)

// MostOutboxBytes is how large the message of an outbox row may be: what a binary property takes, less a reserve.
const MostOutboxBytes = 60 << 10

// OutboxRow is a message that an instance has decided to send and that no replay could yield again, such as one of a
// generation that has ended. It is stored with the decision and deleted once it was sent.
type OutboxRow struct {
	// Key tells the rows of one instance apart and orders them. It must not change when the decision is made again.
	Key string
	// Envelope is the message as it goes to the queue.
	Envelope []byte
}

// outboxPrefix begins the row keys. They sort behind the rows of events, where .NET does not look.
const outboxPrefix = "outbox-"

func outboxInsert(key string, row OutboxRow) (operation, error) {
	return newOperation(aztables.TransactionTypeInsertReplace, "", edm.Entity{
		colPartitionKey: key, colRowKey: outboxPrefix + row.Key, colEnvelope: row.Envelope,
	})
}

func outboxDelete(key, rowKey string) (operation, error) {
	return newOperation(aztables.TransactionTypeDelete, "*", edm.Entity{colPartitionKey: key, colRowKey: outboxPrefix + rowKey})
}

// outboxOf reads the row, if it is one of the outbox.
func outboxOf(row storedRow) (OutboxRow, bool, error) {
	key, ok := strings.CutPrefix(row.key(), outboxPrefix)
	if !ok {
		return OutboxRow{}, false, nil
	}
	body, ok := row.entity[colEnvelope].([]byte)
	if !ok {
		return OutboxRow{}, true, errors.New("it is not binary")
	}
	return OutboxRow{Key: key, Envelope: body}, true, nil
}
