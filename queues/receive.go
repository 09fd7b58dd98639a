package queues

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
)

// Delivery is a message as received.
type Delivery struct {
	ID           string    // the service's id of the message
	PopReceipt   string    // the right to change it; empty for peeked messages
	DequeueCount int64     // how often it was received, this time included
	InsertedAt   time.Time // when it was put, by the service's clock, in whole seconds
	VisibleAt    time.Time // when it becomes visible again, by the service's clock, in whole seconds; zero for peeked messages

	// Size is the length of the message's JSON in bytes, decompressed if it was in a blob.
	Size int
	// Blob is the name of the blob that held the message's content, empty when it was in the message itself.
	Blob string
	// Envelope is the message. It is nil when Err is set.
	Envelope *history.Envelope
	// Err says why there is no Envelope. It is an [*UndecodableError] when the message cannot be understood, which will
	// not change; any other error means that its blob could not be read this time.
	Err error
	// Attempts is how often the message was tried in vain, as far as that was counted: see [Queue.SetAttempts].
	Attempts int
	// Text is the message as it is in the queue: JSON or Base64, for a large message the wrapper that names the blob.
	Text string
}

// Lag is how long the message had been due at an instant: since it was put, or since its timer or start was to come. A message
// that was delivered before has none, as it was put off on purpose. The clocks are the service's and the caller's.
func (d *Delivery) Lag(now time.Time) time.Duration {
	due := d.InsertedAt
	if d.DequeueCount > 1 || due.IsZero() {
		return 0
	}
	if d.Envelope != nil && d.Envelope.Message != nil {
		switch e := d.Envelope.Message.Event.(type) {
		case *history.TimerFired:
			due = later(due, e.FireAt)
		case *history.ExecutionStarted:
			if e.ScheduledStart != nil {
				due = later(due, *e.ScheduledStart)
			}
		}
	}
	return max(now.Sub(due), 0)
}

// OldestLag is the longest lag of a batch.
func OldestLag(batch []*Delivery, now time.Time) (lag time.Duration) {
	for _, d := range batch {
		lag = max(lag, d.Lag(now))
	}
	return lag
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Receipt returns the right to change the message.
func (d *Delivery) Receipt() Receipt {
	return Receipt{ID: d.ID, PopReceipt: d.PopReceipt, Blob: d.Blob}
}

// Receive takes up to limit messages (at most [MaxReceive]) that nobody else will see for the given time, which is rounded up
// to whole seconds and at least one. It decodes them and reads the blobs of large ones. One that cannot be decoded is
// among them with its Err set. They are sorted as .NET does: by the time they were put, then by SequenceNumber. There
// may be none.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]*Delivery, error) {
	seconds, err := wholeSeconds(visibility)
	if err != nil {
		return nil, q.explain(err, "receive from")
	}
	seconds = max(seconds, 1)
	var answer []byte
	_, err = q.client.DequeueMessages(storage.WithResponseBody(ctx, &answer), &azqueue.DequeueMessagesOptions{
		NumberOfMessages: new(batchSize(limit)), VisibilityTimeout: &seconds,
	})
	if err != nil {
		return nil, q.explain(err, "receive from")
	}
	return q.deliver(ctx, answer, "receive from")
}

// Peek returns up to n messages (at most [MaxReceive]) from the head of the queue, as Receive does, without taking them.
func (q *Queue) Peek(ctx context.Context, n int) ([]*Delivery, error) {
	var answer []byte
	_, err := q.client.PeekMessages(storage.WithResponseBody(ctx, &answer), &azqueue.PeekMessagesOptions{NumberOfMessages: new(batchSize(n))})
	if err != nil {
		return nil, q.explain(err, "peek at")
	}
	return q.deliver(ctx, answer, "peek at")
}

func batchSize(n int) int32 { return int32(min(max(n, 1), MaxReceive)) }

// decodersUnderWay bounds the blobs that are read at the same time.
const decodersUnderWay = 16

func (q *Queue) deliver(ctx context.Context, answer []byte, operation string) ([]*Delivery, error) {
	messages, err := parseMessages(answer)
	if err != nil {
		return nil, q.explain(err, operation)
	}
	deliveries := make([]*Delivery, len(messages))
	var group errgroup.Group
	group.SetLimit(decodersUnderWay)
	for i, m := range messages {
		d := &Delivery{
			ID: m.id, PopReceipt: m.popReceipt, DequeueCount: m.dequeueCount,
			InsertedAt: m.insertedAt, VisibleAt: m.visibleAt, Text: m.text,
		}
		deliveries[i] = d
		group.Go(func() error {
			q.decode(ctx, d)
			return nil
		})
	}
	_ = group.Wait() // failures are in the deliveries
	slices.SortStableFunc(deliveries, inOrder)
	return deliveries, nil
}

func inOrder(a, b *Delivery) int {
	return cmp.Or(a.InsertedAt.Compare(b.InsertedAt), cmp.Compare(a.sequence(), b.sequence()))
}

func (d *Delivery) sequence() int64 {
	if d.Envelope == nil {
		return 0
	}
	return d.Envelope.SequenceNumber
}

// decode fills in what the message means.
func (q *Queue) decode(ctx context.Context, d *Delivery) {
	text, env, err := q.open(ctx, d)
	d.Size = len(text)
	if err == nil {
		d.Envelope = env
		return
	}
	if isPermanent(err) {
		d.Err = &UndecodableError{Queue: q.name, MessageID: d.ID, Blob: d.Blob, Err: err}
		return
	}
	d.Err = fmt.Errorf("message %s in queue %s: %w", d.ID, q.name, err)
}

func (q *Queue) open(ctx context.Context, d *Delivery) ([]byte, *history.Envelope, error) {
	text, err := plainText(d.Text)
	if err != nil {
		return []byte(d.Text), nil, err
	}
	_, d.Attempts = cutAttempts(text)
	env, err := history.UnmarshalEnvelope(text)
	if err != nil || env.CompressedBlobName == nil || *env.CompressedBlobName == "" {
		return text, env, err
	}
	d.Blob = *env.CompressedBlobName
	if text, err = q.payloads.Read(ctx, d.Blob); err != nil {
		return nil, nil, err
	}
	if env, err = history.UnmarshalEnvelope(text); err == nil && env.Message == nil {
		err = errNested
	}
	return text, env, err
}

// plainText undoes Base64, which is recognised by its not beginning like a JSON object.
func plainText(text string) ([]byte, error) {
	trimmed := bytes.TrimLeft([]byte(text), " \t\r\n\ufeff")
	if bytes.HasPrefix(trimmed, []byte("{")) {
		return trimmed, nil
	}
	decoded, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(trimmed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotText, err)
	}
	decoded = bytes.TrimLeft(decoded, " \t\r\n\ufeff")
	if !bytes.HasPrefix(decoded, []byte("{")) {
		return nil, errNotText
	}
	return decoded, nil
}
