package tables

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/storage"
)

// DeadLetter is a message that was set aside for good, because every attempt at it failed.
type DeadLetter struct {
	// Queue is the queue that the message was in.
	Queue string
	// MessageID is the queue service's id of the message, and InsertedAt when it was put, by the service's clock. The two
	// make the letter's id, so that a message becomes one letter however often it is set aside.
	MessageID  string
	InsertedAt time.Time
	// Body is the message's text as it was in the queue. Of a large message that is a reference to its blob.
	Body string
	// Reason says why the message was set aside.
	Reason string
	// Attempts is how often it was tried; Deliveries how often it was received.
	Attempts   int
	Deliveries int64
	// DiedAt is when it was set aside, and Worker the process that did.
	DiedAt time.Time
	Worker string

	// InstanceID and ExecutionID are the instance that the message was for, as far as that is known.
	InstanceID, ExecutionID string
	// Kind is the type of its event, and Name the activity, orchestrator or event that it names, as far as these are known.
	Kind, Name string
}

// ID is the letter's id: the time at which the message was put, and the message's id.
func (d *DeadLetter) ID() string {
	return d.InsertedAt.UTC().Format("20060102T150405Z") + "-" + d.MessageID
}

// letterPartition is the partition key of all dead letters.
const letterPartition = "letters"

// mostLetterBytes is how much of a message a binary property takes; a message may need two.
const mostLetterBytes = 60 << 10

// Columns of dead letters.
const (
	colQueue      = "Queue"
	colMessageID  = "MessageId"
	colInserted   = "InsertedAt"
	colDied       = "DiedAt"
	colDeliveries = "Deliveries"
	colWorker     = "Worker"
	colKind       = "Event"
	colBody       = "Body"
	colBody1      = "Body1"
)

// letterColumns are the columns without the message itself.
const letterColumns = "PartitionKey,RowKey,Timestamp,Queue,MessageId,InsertedAt,DiedAt,Deliveries,Worker,Event,Name,Reason,Attempts,InstanceId,ExecutionId"

// PutDeadLetter stores a dead letter, over one of the same message. It creates the table when it is missing.
func (s *Store) PutDeadLetter(ctx context.Context, d DeadLetter) error {
	const what = "write a dead letter"
	op, err := newOperation(aztables.TransactionTypeInsertReplace, "", letterRow(d))
	if err != nil {
		return s.fail(what, d.InstanceID, err)
	}
	put := func() error {
		_, err := s.transact(ctx, s.names.DeadLettersTable(), []operation{op})
		return err
	}
	if err = put(); storage.HasCode(err, storage.CodeTableNotFound) {
		if err = s.createLetters(ctx); err == nil {
			err = put()
		}
	}
	return s.fail(what, d.InstanceID, err)
}

func letterRow(d DeadLetter) edm.Entity {
	body := []byte(d.Body)
	row := edm.Entity{
		colPartitionKey: letterPartition, colRowKey: d.ID(),
		colQueue: d.Queue, colMessageID: d.MessageID, colInserted: d.InsertedAt.UTC(), colDied: d.DiedAt.UTC(), colWorker: d.Worker,
		colAttempts: int32(min(d.Attempts, 1<<30)), colDeliveries: d.Deliveries, colReason: clip(d.Reason),
		colBody: body[:min(len(body), mostLetterBytes)],
	}
	if len(body) > mostLetterBytes {
		row[colBody1] = body[mostLetterBytes:]
	}
	for column, value := range map[string]string{colInstanceID: d.InstanceID, colExecutionID: d.ExecutionID, colKind: d.Kind, colName: d.Name} {
		if value != "" {
			row[column] = clip(value)
		}
	}
	return row
}

// clip shortens a text that says why something happened to what is worth keeping.
func clip(text string) string {
	const most = 8 << 10
	if len(text) <= most {
		return strings.ToValidUTF8(text, "\ufffd")
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}

func (s *Store) createLetters(ctx context.Context) error {
	_, err := s.letters.CreateTable(ctx, nil)
	if err == nil || storage.HasCode(err, storage.CodeTableAlreadyExists) {
		return nil
	}
	return storage.Explain(err, "create table "+s.names.DeadLettersTable())
}

// ErrNoDeadLetter is matched by errors of reading a row that is no dead letter, or not any more, as somebody has edited it.
var ErrNoDeadLetter = errors.New("this is not readable as a dead letter")

// GetDeadLetter reads a dead letter; nil means that there is none of this id.
func (s *Store) GetDeadLetter(ctx context.Context, id string) (*DeadLetter, error) {
	response, err := s.letters.GetEntity(ctx, letterPartition, id, nil)
	if storage.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.fail("read a dead letter", "", err)
	}
	return s.letterOf(response.Value)
}

// DeleteDeadLetter deletes a dead letter. A missing one is no error.
func (s *Store) DeleteDeadLetter(ctx context.Context, id string) error {
	_, err := s.letters.DeleteEntity(ctx, letterPartition, id, nil)
	if storage.IsNotFound(err) {
		return nil
	}
	return s.fail("delete a dead letter", "", err)
}

// ListDeadLetters reads one page of the hub's dead letters without their bodies, in the order in which the messages were
// put. With an instance id only those of the instance. The token continues where an earlier page ended; empty begins. A
// page may hold fewer letters than size, even none, and still not be the last: only an empty next token ends the list.
func (s *Store) ListDeadLetters(ctx context.Context, instanceID, token string, size int) (letters []DeadLetter, next string, err error) {
	at, err := parseToken(token)
	if err != nil {
		return nil, "", err
	}
	filter := colPartitionKey + " eq " + quote(letterPartition)
	if instanceID != "" {
		filter += " and " + colInstanceID + " eq " + quote(instanceID)
	}
	options := &aztables.ListEntitiesOptions{Filter: &filter, Select: to.Ptr(letterColumns), NextPartitionKey: at.Partition, NextRowKey: at.Row}
	if size > 0 {
		options.Top = to.Ptr(int32(min(size, MaxPageSize)))
	}
	page, err := nextPage(ctx, s.letters.NewListEntitiesPager(options))
	if storage.HasCode(err, storage.CodeTableNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", s.fail("list dead letters", "", err)
	}
	for _, raw := range page.Entities {
		letter, err := s.letterOf(raw)
		if err != nil {
			s.logger.WarnContext(ctx, "a dead letter cannot be read and is left out", logHub, s.names.Hub(), logError, err)
			continue
		}
		letters = append(letters, *letter)
	}
	return letters, pageToken(page.NextPartitionKey, page.NextRowKey), nil
}

// letterOf reads a row. What has another type than expected counts as missing.
func (s *Store) letterOf(raw []byte) (*DeadLetter, error) {
	entity, err := edm.Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: a row of table %s: %w", ErrNoDeadLetter, s.names.DeadLettersTable(), err)
	}
	r := columnReader{entity: entity}
	attempts, _ := r.int32(colAttempts)
	d := &DeadLetter{
		Queue: r.text(colQueue), MessageID: r.text(colMessageID), InsertedAt: r.time(colInserted), DiedAt: r.time(colDied),
		Worker: r.text(colWorker), Attempts: int(attempts), Reason: r.text(colReason), InstanceID: r.text(colInstanceID),
		ExecutionID: r.text(colExecutionID), Kind: r.text(colKind), Name: r.text(colName),
	}
	d.Deliveries, _ = entity[colDeliveries].(int64)
	for _, column := range []string{colBody, colBody1} {
		part, _ := entity[column].([]byte)
		d.Body += string(part)
	}
	if key := r.text(colRowKey); d.MessageID == "" || d.ID() != key {
		return nil, fmt.Errorf("%w: row %q of table %s; drop it", ErrNoDeadLetter, key, s.names.DeadLettersTable())
	}
	return d, nil
}
