package queues

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/storage"
)

// MaxReceive is the most messages that the service hands out at once.
const MaxReceive = 32

// Queue is one queue of a hub. It is safe for concurrent use.
type Queue struct {
	name     string
	account  *storage.Account
	client   *azqueue.QueueClient
	payloads *payloads.Store
	base64   bool
	ascii    bool // characters beyond ASCII go as references
}

func newQueue(cfg Config, name string) *Queue {
	return &Queue{name: name, account: cfg.Account, client: cfg.Account.Queues().NewQueueClient(name), payloads: cfg.Payloads, base64: cfg.Base64, ascii: cfg.Account.Name() == emulatedAccount}
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// Receipt is the right to change a message. Every change but a deletion makes a new one.
type Receipt struct {
	ID         string // the service's id of the message
	PopReceipt string

	// Blob is the name of the blob that holds the message's content. Put and Update set it when they made one, else it is
	// empty. It plays no part in what a receipt is used for.
	Blob string
}

// Create makes the queue unless it is there.
func (q *Queue) Create(ctx context.Context) error {
	_, err := q.client.Create(ctx, nil)
	if storage.HasCode(err, storage.CodeQueueAlreadyExists) { // with other metadata
		return nil
	}
	if storage.HasCode(err, storage.CodeQueueBeingDeleted) {
		return fmt.Errorf("%w: it can be made again in a minute", q.explain(err, "create"))
	}
	return q.explain(err, "create")
}

// DeleteQueue deletes the queue with its messages; a missing one is no error.
func (q *Queue) DeleteQueue(ctx context.Context) error {
	_, err := q.client.Delete(ctx, nil)
	if storage.IsNotFound(err) {
		return nil
	}
	return q.explain(err, "delete")
}

// ApproximateCount returns about how many messages the queue has, invisible ones included.
func (q *Queue) ApproximateCount(ctx context.Context) (int, error) {
	properties, err := q.client.GetProperties(ctx, nil)
	if err != nil {
		return 0, q.explain(err, "count the messages of")
	}
	if properties.ApproximateMessagesCount == nil {
		return 0, nil
	}
	return int(*properties.ApproximateMessagesCount), nil
}

// Put sends a message. It becomes visible after the delay, rounded up to whole seconds; at once when the delay is not
// positive. It never expires. A large message is written to a blob first. A delay beyond [MaxDelay] is a [*DelayError].
func (q *Queue) Put(ctx context.Context, env *history.Envelope, delay time.Duration) (Receipt, error) {
	seconds, err := wholeSeconds(delay)
	if err != nil {
		return Receipt{}, q.explain(err, "put "+describe(env)+" into")
	}
	body, blob, err := q.encode(ctx, env)
	if err != nil {
		return Receipt{}, q.explain(err, "put "+describe(env)+" into")
	}
	query := "messagettl=-1"
	if seconds > 0 {
		query += "&visibilitytimeout=" + strconv.Itoa(int(seconds))
	}
	answer, err := q.account.CallQueue(ctx, storage.QueueCall{Method: http.MethodPost, Path: "/" + q.name + "/messages", Query: query, Body: body})
	if err != nil {
		return Receipt{}, q.explain(err, "put "+describe(env)+" into")
	}
	messages, err := parseMessages(answer)
	if err == nil && len(messages) != 1 {
		err = fmt.Errorf("%d receipts instead of one", len(messages))
	}
	if err != nil {
		return Receipt{}, q.explain(err, "read the receipt of "+describe(env)+" put into")
	}
	return Receipt{ID: messages[0].id, PopReceipt: messages[0].popReceipt, Blob: blob}, nil
}

// Update replaces a message's content and makes it visible after the delay, as Put does. A message that is gone or moved
// is [ErrMessageGone] or [ErrReceiptMoved].
func (q *Queue) Update(ctx context.Context, r Receipt, env *history.Envelope, delay time.Duration) (Receipt, error) {
	body, blob, err := q.encode(ctx, env)
	if err != nil {
		return Receipt{}, q.explain(err, "update "+describe(env)+" in")
	}
	updated, err := q.update(ctx, r, body, delay)
	updated.Blob = blob
	return updated, err
}

// SetVisibility makes a message visible after the delay, rounded up to whole seconds, and leaves its content. Errors are as
// for Update.
func (q *Queue) SetVisibility(ctx context.Context, r Receipt, delay time.Duration) (Receipt, error) {
	updated, err := q.update(ctx, r, nil, delay)
	updated.Blob = r.Blob
	return updated, err
}

func (q *Queue) update(ctx context.Context, r Receipt, body []byte, delay time.Duration) (Receipt, error) {
	seconds, err := wholeSeconds(delay)
	if err != nil {
		return Receipt{}, q.explain(err, "update message "+r.ID+" in")
	}
	answer, err := q.client.UpdateMessage(storage.WithRequestBody(ctx, body), r.ID, r.PopReceipt, "", &azqueue.UpdateMessageOptions{VisibilityTimeout: &seconds})
	if err != nil {
		return Receipt{}, q.explainReceipt(err, "update message "+r.ID+" in")
	}
	updated := Receipt{ID: r.ID}
	if answer.PopReceipt != nil {
		updated.PopReceipt = *answer.PopReceipt
	}
	return updated, nil
}

// Delete deletes a message. A missing one is no error. A message that has moved is [ErrReceiptMoved] where the service
// tells the two apart; it may also answer that the message is missing.
func (q *Queue) Delete(ctx context.Context, r Receipt) error {
	_, err := q.account.CallQueue(ctx, storage.QueueCall{
		Method: http.MethodDelete, Path: "/" + q.name + "/messages/" + url.PathEscape(r.ID), Query: "popreceipt=" + url.QueryEscape(r.PopReceipt),
	})
	if storage.IsNotFound(err) {
		return nil
	}
	return q.explainReceipt(err, "delete message "+r.ID+" from")
}

// deletesUnderWay bounds the requests that DeleteAll has under way.
const deletesUnderWay = 16

// DeleteFailure is a message that could not be deleted.
type DeleteFailure struct {
	Receipt Receipt
	Err     error // as from Delete
}

// DeleteAllError lists the messages that could not be deleted; the others are.
type DeleteAllError struct {
	Failures []DeleteFailure // in the order in which the receipts were given
}

// Error implements error.
func (e *DeleteAllError) Error() string {
	return fmt.Sprintf("%d messages could not be deleted, the first one: %v", len(e.Failures), e.Failures[0].Err)
}

// Unwrap returns the failures' errors.
func (e *DeleteAllError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f.Err
	}
	return errs
}

// DeleteAll deletes messages, several at a time. It tries all of them; the error is a [*DeleteAllError].
func (q *Queue) DeleteAll(ctx context.Context, receipts []Receipt) error {
	errs := make([]error, len(receipts))
	var group errgroup.Group
	group.SetLimit(deletesUnderWay)
	for i, r := range receipts {
		group.Go(func() error {
			errs[i] = q.Delete(ctx, r)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	var failures []DeleteFailure
	for i, err := range errs {
		if err != nil {
			failures = append(failures, DeleteFailure{Receipt: receipts[i], Err: err})
		}
	}
	if failures == nil {
		return nil
	}
	return &DeleteAllError{Failures: failures}
}

// wholeSeconds rounds a delay up, so that nothing becomes visible early.
func wholeSeconds(delay time.Duration) (int32, error) {
	switch {
	case delay <= 0:
		return 0, nil
	case delay > MaxDelay:
		return 0, &DelayError{Delay: delay}
	}
	return int32((delay + time.Second - 1) / time.Second), nil
}

func (q *Queue) explain(err error, operation string) error {
	return storage.Explain(err, operation+" queue "+q.name)
}

// explainReceipt adds the errors that callers decide by.
func (q *Queue) explainReceipt(err error, operation string) error {
	explained := q.explain(err, operation)
	switch {
	case storage.HasCode(err, storage.CodePopReceiptMismatch):
		return fmt.Errorf("%w (%w)", ErrReceiptMoved, explained)
	case storage.HasCode(err, storage.CodeMessageNotFound):
		return fmt.Errorf("%w (%w)", ErrMessageGone, explained)
	}
	return explained
}

// describe names a message in errors.
func describe(env *history.Envelope) string {
	switch {
	case env == nil:
		return "no message"
	case env.Message == nil || env.Message.Event == nil:
		return "a message without event"
	}
	return fmt.Sprintf("%v for instance %q", env.Message.Event.Kind(), env.Message.Target.InstanceID)
}
