package taskhub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

// ErrDeadLetterNotFound is matched by [DeadLetterNotFoundError].
var ErrDeadLetterNotFound = errors.New("there is no such dead letter")

// DeadLetterNotFoundError reports a dead letter's id that the hub does not know.
type DeadLetterNotFoundError struct {
	Hub string
	ID  string
}

// Error names the id.
func (e *DeadLetterNotFoundError) Error() string {
	return fmt.Sprintf("there is no dead letter %q in hub %q: it may have been replayed or dropped", e.ID, e.Hub)
}

// Is makes errors.Is(err, ErrDeadLetterNotFound) true.
func (e *DeadLetterNotFoundError) Is(target error) bool { return target == ErrDeadLetterNotFound }

// DeadLetter is a message that workers tried in vain too often and have set aside: it cannot be understood, or every attempt
// at it failed or ended with its process. Its instance has failed with a text that names the dead letter. A dead letter stays
// until it is replayed or dropped, or the hub is deleted; also when its instance is purged.
type DeadLetter struct {
	// ID identifies the dead letter in its hub.
	ID string
	// Queue is the queue that the message was in, MessageID the queue service's id of it, and InsertedAt when it was put.
	Queue      string
	MessageID  string
	InsertedAt time.Time
	// Reason says why it was set aside, Attempts how often it was tried, and Deliveries how often it was received.
	Reason     string
	Attempts   int
	Deliveries int64
	// DiedAt is when it was set aside, and Worker who did.
	DiedAt time.Time
	Worker string
	// InstanceID and ExecutionID are the instance that the message was for; empty when that is not known.
	InstanceID, ExecutionID string
	// Kind is the type of the message's event, such as "TaskScheduled", and Name the activity, orchestrator or event that it
	// names; empty when that is not known.
	Kind, Name string
	// Body is the message as it was in the queue; empty in listings.
	Body string
}

// DeadLetterQuery says which dead letters are wanted. The zero value wants all.
type DeadLetterQuery struct {
	// InstanceID wants those of one instance. Defaults to any.
	InstanceID string
	// PageSize is how many a page holds at most, up to 1,000. Defaults to 1,000.
	PageSize int
}

// DeadLetterPage is a part of a listing.
type DeadLetterPage struct {
	// Letters are in the order in which the messages were put. There is at least one, unless the listing ends here.
	Letters []*DeadLetter
	// Next continues the listing; empty when it ends here. It is valid in other processes, too.
	Next string
}

// DeadLetterPage returns the part of a listing that begins at a token; the empty token is the beginning.
func (c *Client) DeadLetterPage(ctx context.Context, q DeadLetterQuery, token string) (*DeadLetterPage, error) {
	for {
		list, next, err := c.hub.tables.ListDeadLetters(ctx, q.InstanceID, token, q.PageSize)
		if err != nil {
			return nil, c.fail("list dead letters", "", err)
		}
		if len(list) == 0 && next != "" {
			token = next
			continue
		}
		page := &DeadLetterPage{Next: next, Letters: make([]*DeadLetter, len(list))}
		for i := range list {
			page.Letters[i] = deadLetterOf(&list[i])
		}
		return page, nil
	}
}

// DeadLetters iterates over the dead letters of the hub and hides the pages. Memory use is that of one page. The iteration
// ends with the first error.
func (c *Client) DeadLetters(ctx context.Context, q DeadLetterQuery) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			page, err := c.DeadLetterPage(ctx, q, token)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, l := range page.Letters {
				if !yield(l, nil) {
					return
				}
			}
			token = page.Next
		}
	}
}

// DeadLetter reads a dead letter with its body. An unknown id gives a [DeadLetterNotFoundError].
func (c *Client) DeadLetter(ctx context.Context, id string) (*DeadLetter, error) {
	const operation = "read a dead letter"
	if id == "" {
		return nil, &ArgumentError{Hub: c.hub.Name(), Operation: operation, Argument: "id", Reason: "is empty; give the id of a dead letter"}
	}
	l, err := c.hub.tables.GetDeadLetter(ctx, id)
	if err != nil {
		return nil, c.fail(operation, "", err)
	}
	if l == nil {
		return nil, fmt.Errorf("%s: %w", operation, &DeadLetterNotFoundError{Hub: c.hub.Name(), ID: id})
	}
	return deadLetterOf(l), nil
}

func deadLetterOf(l *tables.DeadLetter) *DeadLetter {
	return &DeadLetter{
		ID: l.ID(), Queue: l.Queue, MessageID: l.MessageID, InsertedAt: l.InsertedAt, Reason: l.Reason, Attempts: l.Attempts, Deliveries: l.Deliveries,
		DiedAt: l.DiedAt, Worker: l.Worker, InstanceID: l.InstanceID, ExecutionID: l.ExecutionID, Kind: l.Kind, Name: l.Name, Body: l.Body,
	}
}

// DropDeadLetter deletes a dead letter, also one that cannot be read. Its instance stays as it is. An unknown id gives a
// [DeadLetterNotFoundError].
func (c *Client) DropDeadLetter(ctx context.Context, id string) error {
	if _, err := c.DeadLetter(ctx, id); err != nil && !errors.Is(err, tables.ErrNoDeadLetter) {
		return err
	}
	if err := c.hub.tables.DeleteDeadLetter(ctx, id); err != nil {
		return c.fail("drop a dead letter", "", err)
	}
	return nil
}

// ReplayDeadLetter undoes what a dead letter did, to be called once its cause is mended: an instance that failed because of it
// is rewound, with the parents that failed because of that, the message goes back to its queue without its attempts, and the
// dead letter is deleted. A work item whose instance is rewound does not go back, since the rewind schedules the activity anew.
//
// A replay that was cut short can be repeated. An unknown id gives a [DeadLetterNotFoundError]. A work item whose instance was
// purged is not put back, as its activity would run for nobody: that gives an [InstanceNotFoundError].
func (c *Client) ReplayDeadLetter(ctx context.Context, id string) error {
	const operation = "replay a dead letter"
	l, err := c.DeadLetter(ctx, id)
	if err != nil {
		return err
	}
	queue, err := c.queueOf(ctx, l)
	if err != nil {
		return c.fail(operation, l.InstanceID, err)
	}
	if queue == c.hub.Queues().WorkItems() && l.InstanceID != "" {
		if err := c.present(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
	}
	rewound, err := c.reopen(ctx, l)
	if err != nil {
		return c.fail(operation, l.InstanceID, err)
	}
	if !rewound || queue != c.hub.Queues().WorkItems() {
		if err := queue.PutText(ctx, l.Body); err != nil {
			return c.fail(operation, l.InstanceID, err)
		}
		for i := range c.hub.Partitions() {
			if c.hub.Queues().Control(i) == queue {
				c.hub.wake(i)
			}
		}
	}
	if err := c.hub.tables.DeleteDeadLetter(ctx, id); err != nil {
		return c.fail(operation, l.InstanceID, fmt.Errorf("its message was put, but it could not be deleted; drop it: %w", err))
	}
	return nil
}

// present says whether the instance of a dead letter is there.
func (c *Client) present(ctx context.Context, l *DeadLetter) error {
	row, err := c.hub.tables.GetInstance(ctx, l.InstanceID, tables.GetOptions{Raw: true})
	switch {
	case err != nil:
		return err
	case row == nil:
		return fmt.Errorf("%w; its activity would run for nobody: drop the dead letter %s", &InstanceNotFoundError{Hub: c.hub.Name(), InstanceID: l.InstanceID}, l.ID)
	}
	return nil
}

// queueOf finds the queue that a dead letter came from.
func (c *Client) queueOf(ctx context.Context, l *DeadLetter) (*queues.Queue, error) {
	if err := c.hub.locate(ctx); err != nil {
		return nil, err
	}
	all := c.hub.Queues()
	if all.WorkItems().Name() == l.Queue {
		return all.WorkItems(), nil
	}
	for i := range all.Partitions() {
		if all.Control(i).Name() == l.Queue {
			return all.Control(i), nil
		}
	}
	return nil, fmt.Errorf("dead letter %s came from queue %s, which is none of this hub; drop it", l.ID, l.Queue)
}

// reopen lets the instance go on that failed because of a dead letter. True means that its history was rewound.
func (c *Client) reopen(ctx context.Context, l *DeadLetter) (rewound bool, err error) {
	if l.InstanceID == "" {
		return false, nil
	}
	id, err := c.oldestFailed(ctx, l)
	if err != nil || id == "" {
		return false, err
	}
	plan, err := c.hub.tables.PlanRewind(ctx, id)
	if err != nil {
		return false, err
	}
	if plan.Failed || plan.Done {
		err := c.Rewind(ctx, id, "dead letter "+l.ID+" is replayed")
		if errors.Is(err, ErrInstanceNotFailed) {
			return false, nil // somebody was faster
		}
		return err == nil, err
	}
	row, err := c.hub.tables.GetInstance(ctx, id, tables.GetOptions{Raw: true})
	if err != nil || row == nil || row.Status != history.Failed {
		return false, err
	}
	return false, c.hub.tables.SetPending(ctx, row) // it failed before it had a history
}

// oldestFailed finds the instance to rewind: the one that failed because of the dead letter, or the first of its parents that
// failed because of it. Empty when it did not fail because of it.
func (c *Client) oldestFailed(ctx context.Context, l *DeadLetter) (id string, err error) {
	parent := ""
	if env, decodeErr := history.UnmarshalEnvelope([]byte(l.Body)); decodeErr == nil && env.Message != nil {
		if e, ok := env.Message.Event.(*history.ExecutionStarted); ok && e.Parent != nil {
			parent = e.Parent.Instance.InstanceID
		}
	}
	for next, depth := l.InstanceID, 0; next != "" && depth < maxRewindDepth; depth++ {
		row, err := c.hub.tables.GetInstance(ctx, next, tables.GetOptions{})
		if err != nil {
			return "", err
		}
		if row == nil || row.Status != history.Failed || row.Output == nil || !strings.Contains(*row.Output, l.ID) {
			return id, nil
		}
		id = next
		if next = parent; next == "" {
			if next, err = c.parentOf(ctx, id); err != nil {
				return "", err
			}
		}
		parent = ""
	}
	return id, nil
}

// parentOf finds out whose sub-orchestration an instance is; empty when it is nobody's.
func (c *Client) parentOf(ctx context.Context, instanceID string) (string, error) {
	h, err := c.hub.tables.LoadHistory(ctx, instanceID)
	var corrupt *tables.CorruptHistoryError
	if errors.As(err, &corrupt) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, r := range h.Records {
		if e, ok := r.Event.(*history.ExecutionStarted); ok && e.Parent != nil {
			return e.Parent.Instance.InstanceID, nil
		}
	}
	return "", nil
}
