package tables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// Commit is a set of new events to be added to an instance's history.
type Commit struct {
	InstanceID  string
	ExecutionID string
	// FirstRow is the position of the first record: the number of events that the execution already has.
	FirstRow int
	Records  []Record
	// ETag is the sentinel's as last read or returned. Empty when the instance has no sentinel yet.
	ETag string
	// CommitID is written to the sentinel, so that [Store.ReadCommit] tells whether a commit whose answer was lost
	// landed. Empty leaves what is there.
	CommitID string
	// StartID is the execution id of the instance's first generation, by which a copy of its start message is known
	// after it has continued as new. Empty leaves what is there.
	StartID string
	// DeleteRowsFrom and DeleteRowsTo name rows [from, to) that an older, longer generation left behind. They are
	// deleted after the commit; when that fails they stay, which readers do not mind. To is the [History.TotalRows] of
	// before, from the number of rows of the new generation. Their blobs, and those of the rows that are replaced, are for
	// [Store.DeleteBlobs], once the status row does not refer to them any more.
	DeleteRowsFrom, DeleteRowsTo int
	// Resolve makes Commit find out by the commit id whether a commit landed whose answer was lost, instead of returning
	// an error. Only for hubs whose other writers all write commit ids.
	Resolve bool
	// Local replaces what the sentinel says of actions that are durable nowhere else. Nil leaves what is there; one
	// without ranges removes it.
	Local *Local
	// Seen replaces the messages that earlier generations consumed, unless it is nil. At most [MostSeen] are kept.
	Seen []Seen
	// CustomStatus is the custom status that the generation has from the one before it, which replaying it does not yield.
	// Nil leaves what is there, which is then another generation's.
	CustomStatus *string
	// LastStatus is the custom status that the execution ends with, so that nobody has to replay it for that. Nil leaves what
	// is there.
	LastStatus *string
	// Outbox are messages to be sent after the commit that are stored with it.
	Outbox []OutboxRow
	// OutboxSent are the keys of outbox rows whose messages were sent: the rows are deleted.
	OutboxSent []string
}

// Committed is what a commit left behind.
type Committed struct {
	// ETag is the sentinel's, for the next commit.
	ETag string
	// Rows is the number of event rows written.
	Rows int
	// Blobs are the names of the blobs written for large values.
	Blobs []string
	// InputBlob and ResultBlob name the blobs of ExecutionStarted's input and of ExecutionCompleted's result, when
	// these were large: the status row refers to them.
	InputBlob, ResultBlob string
}

// Commit writes new events in entity-group transactions whose last operation inserts or merges the sentinel under its
// ETag. One transaction takes up to 99 rows and 3.5 MiB; a longer commit takes several, and only the last one bears the
// commit id and the mark of a complete checkpoint.
//
// A sentinel that is not as expected gives an error matching [ErrConflict], and then nothing of that transaction was
// stored. After any other error the outcome is unknown: read it with [Store.ReadCommit].
func (s *Store) Commit(ctx context.Context, c Commit) (Committed, error) {
	key := layout.EscapeKey(c.InstanceID)
	room := s.rooms.get()
	defer s.rooms.put(room)
	rows, done, err := s.encode(ctx, c, key, room)
	if err != nil {
		return Committed{}, err
	}
	chunks, staged, err := s.plan(c, rows, key)
	if err != nil {
		return Committed{}, err
	}
	etag := c.ETag
	for i, chunk := range chunks {
		part := part{index: i, staged: i < staged, last: i == len(chunks)-1, room: room}
		if etag, err = s.writeChunk(ctx, c, key, chunk, etag, part); err != nil {
			return Committed{}, err
		}
	}
	done.ETag, done.Rows = etag, len(rows)
	if c.DeleteRowsTo > c.DeleteRowsFrom {
		done.ETag = s.sweep(ctx, c, key, done.ETag)
	}
	return done, nil
}

// encode turns records into operations, after their large values went to blobs. The operations last as long as the room.
func (s *Store) encode(ctx context.Context, c Commit, key string, room *encodingRoom) ([]operation, Committed, error) {
	var uploads []upload
	var done Committed
	operations := make([]operation, len(c.Records))
	for i, record := range c.Records {
		clear(room.row)
		moved, err := s.putRow(room.row, c, key, i)
		if err != nil {
			return nil, done, err
		}
		done.note(record.Event, room.row, moved)
		uploads = append(uploads, moved...)
		if operations[i], err = room.operation(aztables.TransactionTypeInsertReplace, "", room.row); err != nil {
			return nil, done, s.eventError(c, i, err)
		}
	}
	return operations, done, s.upload(ctx, c.InstanceID, uploads)
}

// putRow makes the row of a commit's record i and says what of it has to go to blobs first.
func (s *Store) putRow(row edm.Entity, c Commit, key string, i int) ([]upload, error) {
	record := c.Records[i]
	if err := history.PutRow(row, record.Event); err != nil {
		return nil, s.eventError(c, i, err)
	}
	rowKey := layout.RowKey(c.FirstRow + i)
	moved := s.offload(row, key, rowKey)
	if err := s.checkSizes(row, s.table, c.InstanceID, rowKey); err != nil {
		return nil, err
	}
	row[colPartitionKey], row[colRowKey], row[colExecutionID] = key, rowKey, c.ExecutionID
	if record.ActivityID != "" {
		row[colActivityID] = record.ActivityID
	}
	return moved, nil
}

func (s *Store) eventError(c Commit, i int, err error) error {
	return fmt.Errorf("commit: instance %q in hub %q: event %d: %w", c.InstanceID, s.names.Hub(), c.FirstRow+i, err)
}

// note remembers the blobs of a row.
func (c *Committed) note(event history.Event, row edm.Entity, moved []upload) {
	for _, m := range moved {
		c.Blobs = append(c.Blobs, m.blob)
	}
	switch event.(type) {
	case *history.ExecutionStarted:
		c.InputBlob, _ = row[colInput+blobSuffix].(string)
	case *history.ExecutionCompleted:
		c.ResultBlob, _ = row[colResult+blobSuffix].(string)
	}
}

// chunks splits rows into what one transaction each can take beside the sentinel. There is always at least one.
func (s *Store) chunks(rows []operation, key string) [][]operation {
	var all [][]operation
	start, size := 0, 0
	for i, row := range rows {
		rowSize := s.size(row, key)
		if i > start && (i-start == maxOperations-1 || size+rowSize > maxTransactionBytes) {
			all = append(all, rows[start:i:i])
			start, size = i, 0
		}
		size += rowSize
	}
	return append(all, rows[start:])
}

// plan splits a commit into transactions. Outbox rows go with the events where one transaction takes both. Otherwise they
// go before them, staged, in transactions that leave the sentinel's execution alone: they count from the moment it becomes
// the commit's.
func (s *Store) plan(c Commit, rows []operation, key string) (chunks [][]operation, staged int, err error) {
	var outbox []operation
	for _, row := range c.Outbox {
		op, err := outboxInsert(key, row)
		if err != nil {
			return nil, 0, fmt.Errorf("commit: instance %q in hub %q: outbox row %q: %w", c.InstanceID, s.names.Hub(), row.Key, err)
		}
		outbox = append(outbox, op)
	}
	for _, sent := range c.OutboxSent {
		op, err := outboxDelete(key, sent)
		if err != nil {
			return nil, 0, err
		}
		rows = append(rows, op)
	}
	all := rows
	if len(outbox) > 0 {
		all = slices.Concat(outbox, rows)
	}
	if chunks = s.chunks(all, key); len(chunks) == 1 || len(outbox) == 0 || c.ETag == "" {
		return chunks, 0, nil
	}
	before := s.chunks(outbox, key)
	return append(before, s.chunks(rows, key)...), len(before), nil
}

// part says where in a commit a transaction stands.
type part struct {
	index  int
	staged bool // it only prepares what a later part makes count
	last   bool
	room   *encodingRoom
}

// commitID is what the sentinel bears once this part landed.
func (p part) commitID(id string) string {
	if p.last || id == "" {
		return id
	}
	return id + "#" + strconv.Itoa(p.index)
}

// writeChunk writes one transaction and returns the sentinel's new ETag.
func (s *Store) writeChunk(ctx context.Context, c Commit, key string, rows []operation, etag string, p part) (string, error) {
	sentinel, err := p.room.operation(sentinelWrite(etag), etag, sentinelRow(c, key, p))
	if err != nil {
		return "", err
	}
	operations := slices.Concat(rows, []operation{sentinel})
	etags, err := s.submitRows(ctx, operations, c.FirstRow+p.index*maxOperations >= insertFrom)
	if err != nil {
		err = s.fail("commit history", c.InstanceID, err)
		if p.last && !c.Resolve || c.CommitID == "" || ctx.Err() != nil {
			return "", err
		}
		return s.landed(ctx, c, p, err)
	}
	newETag, err := lastETag(etags, len(operations))
	if err != nil {
		return s.landed(ctx, c, p, fmt.Errorf("commit history: instance %q in hub %q: %w", c.InstanceID, s.names.Hub(), err))
	}
	return newETag, nil
}

// insertFrom is how many rows an instance has when further ones are inserted instead of inserted or replaced, as .NET does it:
// Azurite looks for a row to replace by reading through the whole partition, and for one to insert does so half as often.
const insertFrom = 64

// submitRows runs a transaction of rows and sentinel. In a long history rows are inserted. That fails when an earlier
// generation, or an attempt of this one, has left some of them: then they are replaced.
func (s *Store) submitRows(ctx context.Context, operations []operation, long bool) ([]string, error) {
	if !long {
		return s.submit(ctx, operations)
	}
	inserts := slices.Clone(operations)
	for i := range inserts {
		if inserts[i].kind == aztables.TransactionTypeInsertReplace {
			inserts[i].kind = aztables.TransactionTypeAdd
		}
	}
	etags, err := s.submit(ctx, inserts)
	if rowExists(err, len(operations)-1) {
		return s.submit(ctx, operations)
	}
	return etags, err
}

// rowExists says whether a transaction failed because one of its rows is there, and not the sentinel.
func rowExists(err error, sentinel int) bool {
	var failed *storage.TransactionError
	return errors.As(err, &failed) && failed.Index != sentinel && storage.HasCode(err, storage.CodeEntityAlreadyExists)
}

// landed finds out whether a part whose answer is doubtful was stored; when not, the error stands.
func (s *Store) landed(ctx context.Context, c Commit, p part, doubt error) (string, error) {
	if c.CommitID == "" {
		return "", doubt
	}
	stored, err := s.ReadCommit(ctx, c.InstanceID)
	if err != nil {
		return "", errors.Join(doubt, err)
	}
	if stored.CommitID != p.commitID(c.CommitID) {
		return "", doubt
	}
	return stored.ETag, nil
}

func sentinelWrite(etag string) aztables.TransactionType {
	if etag == "" {
		return aztables.TransactionTypeAdd
	}
	return aztables.TransactionTypeUpdateMerge
}

func sentinelRow(c Commit, key string, p part) edm.Entity {
	row := p.room.row
	clear(row)
	row[colPartitionKey], row[colRowKey] = key, layout.SentinelRowKey
	if p.staged {
		return row
	}
	row[colExecutionID], row[colCheckpointComplete] = c.ExecutionID, p.last
	if c.Local != nil {
		row[colLocal] = c.Local.String() // in every part: an action must not be in the history before it is named here
	}
	if c.Seen != nil {
		for i, b := range encodeSeen(c.Seen) {
			row[seenColumns[i]] = b
		}
	}
	if c.CustomStatus != nil {
		row[colCustomStatus] = c.ExecutionID + ":" + *c.CustomStatus
	}
	if c.LastStatus != nil {
		row[colLastStatus] = c.ExecutionID + ":" + *c.LastStatus
	}
	if p.last {
		row[colCheckpointTime] = time.Now().UTC()
	}
	if id := p.commitID(c.CommitID); id != "" {
		row[colCommitID] = id
	}
	if c.StartID != "" {
		row[colStart] = c.StartID
	}
	return row
}
