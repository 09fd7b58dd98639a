package queues

import (
	"bytes"
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
)

// Messages and work items are tried a number of times before they become dead letters.
const (
	// FreeDeliveries is how often a message is received before attempts at it are counted. Counting costs a request, and nearly
	// every message is done with at its first delivery.
	FreeDeliveries = 4
	// SuspectAfter is how many attempts make a message one that is tried apart from others, so that these are not charged with what
	// it does.
	SuspectAfter = 10
	// MostAttempts is how often a message is tried before it becomes a dead letter.
	MostAttempts = 20
)

// attemptsMember is the member that counts attempts at a message. It is the last one of the JSON object, so that it can be
// added and taken off without reading the rest. Readers that do not know it, .NET among them, skip it.
const attemptsMember = `"TaskHubAttempts":`

// SetAttempts writes into a message how often it was tried in vain and makes it visible after the delay, as
// [Queue.SetVisibility] does. The text is the message's, as [Delivery.Text] gave it; the rest of it stays as it is. Zero takes
// the count off. A text that is no JSON object cannot hold it and only gets the delay.
func (q *Queue) SetAttempts(ctx context.Context, r Receipt, text string, attempts int, delay time.Duration) (Receipt, error) {
	if _, err := plainText(text); err != nil {
		return q.SetVisibility(ctx, r, delay)
	}
	updated, err := q.update(ctx, r, q.body([]byte(noteAttempts(text, attempts))), delay)
	updated.Blob = r.Blob
	return updated, err
}

// UpdateAttempts is [Queue.Update], with a count as by [Queue.SetAttempts] written into the message.
func (q *Queue) UpdateAttempts(ctx context.Context, r Receipt, env *history.Envelope, attempts int, delay time.Duration) (Receipt, error) {
	text, blob, err := q.text(ctx, env)
	if err == nil {
		text = []byte(noteAttempts(string(text), attempts))
		err = checkSize(text)
	}
	if err != nil {
		return Receipt{}, q.explain(err, "update "+describe(env)+" in")
	}
	updated, err := q.update(ctx, r, q.body(text), delay)
	updated.Blob = blob
	return updated, err
}

// PutText puts a message with a text as [Delivery.Text] gave it, without the count of attempts. It never expires.
func (q *Queue) PutText(ctx context.Context, text string) error {
	ctx = storage.WithRequestBody(ctx, q.body([]byte(noteAttempts(text, 0))))
	_, err := q.client.EnqueueMessage(ctx, "", &azqueue.EnqueueMessageOptions{TimeToLive: new(int32(-1))})
	return q.explain(err, "put a message into")
}

// noteAttempts writes the count into a message's text, or takes it off when it is zero.
func noteAttempts(text string, attempts int) string {
	plain, err := plainText(text)
	if err != nil {
		return text
	}
	encoded := !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n\ufeff"), "{")
	had, _ := cutAttempts(plain)
	if attempts > 0 {
		inner, ok := bytes.CutSuffix(had, []byte("}"))
		if !ok {
			return text
		}
		noted := bytes.Clone(bytes.TrimRight(inner, " \t\r\n"))
		if len(noted) > 1 { // more than the opening brace
			noted = append(noted, ',')
		}
		had = append(strconv.AppendInt(append(noted, attemptsMember...), int64(attempts), 10), '}')
	} else if len(had) == len(plain) {
		return text
	}
	if encoded {
		return base64.StdEncoding.EncodeToString(had)
	}
	return string(had)
}

// largestCount bounds what is taken for a count.
const largestCount = 1_000_000

// cutAttempts takes the count off a text that is a JSON object, without the white space after it.
func cutAttempts(text []byte) (rest []byte, attempts int) {
	text = bytes.TrimRight(text, " \t\r\n")
	i := bytes.LastIndex(text, []byte(attemptsMember))
	if i < 1 {
		return text, 0
	}
	digits, ok := bytes.CutSuffix(text[i+len(attemptsMember):], []byte("}"))
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || n < 1 || n > largestCount || text[i-1] != ',' && text[i-1] != '{' {
		return text, 0
	}
	rest = bytes.Clone(text[:i])
	return append(bytes.TrimSuffix(rest, []byte(",")), '}'), n
}
