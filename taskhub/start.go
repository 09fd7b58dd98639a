package taskhub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
)

const (
	// maxStartDelay is how long a queue keeps a message invisible at most.
	maxStartDelay = 7 * 24 * time.Hour
	// startAttempts bounds how often a start is tried anew because others write to the same instance.
	startAttempts = 8
	// settleTime is what a start gets to finish once its message is in the queue, whatever becomes of its context.
	settleTime = 30 * time.Second
)

// StartResult says what a start did.
type StartResult struct {
	durable.Started
	// Existing is true when nothing was started because there was an instance already, see [ReturnExisting]. Then
	// ExecutionID is that instance's.
	Existing bool
}

// StartOrchestration starts an instance; see [Client.Start].
func (c *Client) StartOrchestration(ctx context.Context, req durable.StartRequest) (durable.Started, error) {
	result, err := c.Start(ctx, req)
	return result.Started, err
}

// Start starts an instance, and creates the hub when it is missing. The id may have up to 100 characters, in UTF-16
// units, without / \ # ? and control characters, and may not begin with '@', which is for entities; without one it is
// made up.
//
// An instance with the same id is replaced when it has finished; otherwise the error is an [InstanceExistsError] and
// nothing is written. [durable.WithReuse] and [IfExists] change that. StartAt may be up to seven days away.
//
// The start's message is put before the status row is written, as .NET does. When the row cannot be written, the message
// is taken back. When that is not known, as when a request got no answer and may be carried out yet, the message stays and the error says
// so: the instance starts if its row appears within about a quarter of an hour, else workers drop the message.
func (c *Client) Start(ctx context.Context, req durable.StartRequest, options ...StartOption) (StartResult, error) {
	s, err := c.newStart(req, options)
	if err != nil {
		return StartResult{}, err
	}
	return s.begin(ctx)
}

// begin starts the instance, and reports that.
func (s *start) begin(ctx context.Context) (StartResult, error) {
	ctx, sending := s.c.hub.recorder.Start(ctx, s.req.Name, s.req.Version, s.req.InstanceID, s.trace)
	s.trace = sending.Context(s.trace)
	if s.event != nil {
		s.event.ParentTrace = sending.Context(nil)
	}
	result, err := s.begun(ctx)
	sending.End(result.ExecutionID, err)
	return result, err
}

// begun starts the instance, after the hub was created if need be.
func (s *start) begun(ctx context.Context) (StartResult, error) {
	c := s.c
	if err := c.hub.Ensure(ctx); err != nil {
		return StartResult{}, fmt.Errorf("start: %w", err)
	}
	result, err := s.run(ctx)
	if hubVanished(err) { // it was deleted after this process had seen it
		c.hub.forget(ctx)
		if err := c.hub.Ensure(ctx); err != nil {
			return StartResult{}, fmt.Errorf("start: %w", err)
		}
		result, err = s.run(ctx)
	}
	if err != nil {
		return StartResult{}, err
	}
	if s.event != nil {
		if err := c.send(ctx, "raise the first event", result.InstanceID, s.event); err != nil {
			return result, fmt.Errorf("the instance was started, but its first event was not raised: %w", err)
		}
	}
	return result, nil
}

func hubVanished(err error) bool {
	return errors.Is(err, ErrHubNotFound) || storage.HasCode(err, storage.CodeQueueNotFound)
}

// start is one start under way.
type start struct {
	c       *Client
	req     durable.StartRequest
	policy  ExistingPolicy
	event   *history.EventRaised
	trace   *history.TraceContext // of the caller; nil for none
	created time.Time
	row     *tables.InstanceRow // as it will be written
	fresh   bool                // the id was made up here, so nobody can have it
	trusted bool                // the id is one that an instance has
	found   *lookedUp           // what a batch knows of the instance, until it was used
}

// newStart checks everything that can be checked without asking storage.
func (c *Client) newStart(req durable.StartRequest, options []StartOption) (*start, error) {
	s := &start{c: c, req: req}
	for _, option := range slices.Concat(c.defaults, options) {
		if err := option.applyStart(s); err != nil {
			return nil, err
		}
	}
	if s.req.InstanceID == "" {
		s.req.InstanceID, s.fresh = c.hub.cfg.NewID(), true
	} else if err := layout.ValidateInstanceID(s.req.InstanceID); err != nil && !s.trusted {
		return nil, fmt.Errorf("start: hub %q: %w", c.hub.Name(), err)
	}
	return s, s.check()
}

func (s *start) check() error {
	switch id := s.req.InstanceID; {
	case strings.HasPrefix(id, "@"):
		return s.fault("instance id", "begins with '@', which is for entities; choose another one")
	case s.req.Name == "":
		return s.fault("orchestrator's name", "is empty; give the name that a worker registers")
	case layout.UTF16Len(s.req.Name) > payloads.PropertyThreshold:
		return s.fault("orchestrator's name", fmt.Sprintf("is longer than %d characters", payloads.PropertyThreshold))
	case time.Until(s.req.StartAt) > maxStartDelay:
		return s.fault("time of the start", fmt.Sprintf("%s is more than seven days away, and the queue keeps nothing longer; start an orchestration that waits with a timer",
			s.req.StartAt.UTC().Format(time.RFC3339)))
	}
	for name := range s.req.Tags {
		if name == "" || name == "$type" {
			return s.fault("tag", fmt.Sprintf("%q cannot be stored; rename it", name))
		}
	}
	return nil
}

func (s *start) fault(argument, reason string) error {
	return s.c.argument("start", s.req.InstanceID, argument, reason)
}

// run follows the protocol of .NET's clients: read the row, put the message, write the row.
func (s *start) run(ctx context.Context) (StartResult, error) {
	for range startAttempts {
		existing, err := s.existing(ctx)
		if err != nil {
			return StartResult{}, err
		}
		if existing != nil && !s.mayReplace(existing.Status) {
			result, retry, err := s.policy.meet(ctx, s, existing)
			if !retry {
				return result, err
			}
			continue
		}
		result, done, err := s.put(ctx, existing)
		if done || err != nil {
			return result, err
		}
	}
	return StartResult{}, s.c.fail("start", s.req.InstanceID,
		fmt.Errorf("other clients kept starting or changing the same instance, %d times in a row; try again, or use an id of its own", startAttempts))
}

// existing reads the row of an instance with the same id. An id made up here needs no look.
func (s *start) existing(ctx context.Context) (*tables.InstanceRow, error) {
	if s.fresh {
		s.fresh = false
		return nil, nil
	}
	if found := s.found; found != nil {
		s.found = nil
		return found.row, nil
	}
	return s.read(ctx)
}

func (s *start) read(ctx context.Context) (*tables.InstanceRow, error) {
	row, err := s.c.hub.tables.GetInstance(ctx, s.req.InstanceID, tables.GetOptions{Raw: true})
	if err != nil {
		return nil, s.c.fail("start", s.req.InstanceID, err)
	}
	return row, nil
}

// mayReplace tells whether an instance in this state may be replaced.
func (s *start) mayReplace(status history.Status) bool {
	if s.policy == Replace {
		return true
	}
	if s.req.Reuse == nil {
		return status.IsTerminal() || status == tables.StatusUnknown
	}
	return slices.Contains(s.req.Reuse, status)
}

// put puts the message and writes the row. It is not done when another client was faster; then the message is gone.
func (s *start) put(ctx context.Context, existing *tables.InstanceRow) (result StartResult, done bool, err error) {
	s.prepare(existing)
	queue := s.c.hub.Queues().ControlFor(s.row.InstanceID)
	envelope, delay := s.envelope(), s.delay()
	worker := s.worker(&delay)
	sent := time.Now()
	receipt, err := queue.Put(ctx, envelope, delay)
	if err != nil {
		return StartResult{}, false, s.c.fail("start", s.row.InstanceID, err)
	}
	s.row.InputBlob = receipt.Blob
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	written, err := s.write(ctx, existing)
	if !written {
		s.takeBack(ctx, queue, receipt)
		return StartResult{}, false, err
	}
	if err != nil {
		return StartResult{}, false, err
	}
	s.c.hub.watch.remember(s.row.InstanceID)
	if worker != nil {
		s.handOver(ctx, worker, queue, LocalStart{Envelope: envelope, Receipt: receipt, LockedUntil: sent.Add(delay), Row: s.asRead()})
	} else {
		s.c.wakeFor(s.row.InstanceID)
	}
	return StartResult{Started: durable.Started{InstanceID: s.row.InstanceID, ExecutionID: s.row.ExecutionID}}, true, nil
}

// worker finds a worker in this process that takes the start as soon as its row is written. The message is put invisible then,
// which is to that worker as if it had received it: one call less, and no pause before it.
func (s *start) worker(delay *time.Duration) StartTaker {
	if *delay > 0 || s.row.Input != nil && !utf8.ValidString(*s.row.Input) { // the latter reads otherwise once it was in a queue
		return nil
	}
	taker, lock := s.c.hub.startTaker(s.partition())
	if taker != nil {
		*delay = lock
	}
	return taker
}

func (s *start) partition() int { return layout.Partition(s.row.InstanceID, s.c.hub.Partitions()) }

// handOver gives the start to the worker. One that does not take it any more leaves it to whoever owns the partition now.
func (s *start) handOver(ctx context.Context, worker StartTaker, queue *queues.Queue, local LocalStart) {
	if worker.TakeStart(s.partition(), local) {
		return
	}
	if _, err := queue.SetVisibility(ctx, local.Receipt, 0); err != nil {
		s.c.hub.cfg.Logger.WarnContext(ctx, "the message of a start could not be made visible and appears a little later",
			slog.String(keyHub, s.c.hub.Name()), slog.String(keyInstance, s.row.InstanceID), slog.Any(keyError, err))
	}
	s.c.wakeFor(s.row.InstanceID)
}

// asRead is the row as a worker would read it.
func (s *start) asRead() *tables.InstanceRow {
	row := *s.row
	row.Input, row.InputBlob = nil, ""
	return &row
}

// prepare makes the row to be written over the existing one, if there is one.
func (s *start) prepare(existing *tables.InstanceRow) {
	s.created = now()
	s.row = &tables.InstanceRow{
		InstanceID: s.req.InstanceID, ExecutionID: s.c.hub.cfg.NewID(), Name: s.req.Name, Version: &s.req.Version, Input: s.req.Input,
		CreatedTime: s.created, Status: history.Pending, Hub: s.c.hub.Name(), HasGeneration: true, Tags: s.req.Tags,
	}
	if existing != nil {
		s.row.Generation = existing.Generation + 1
	}
	if !s.req.StartAt.IsZero() {
		at := s.req.StartAt.UTC().Truncate(100 * time.Nanosecond)
		s.row.ScheduledStart = &at
	}
}

func (s *start) delay() time.Duration {
	if s.row.ScheduledStart == nil {
		return 0
	}
	return max(0, time.Until(*s.row.ScheduledStart))
}

func (s *start) envelope() *history.Envelope {
	target := history.Instance{InstanceID: s.row.InstanceID, ExecutionID: &s.row.ExecutionID}
	started := &history.ExecutionStarted{
		Base: history.Base{EventID: -1, Timestamp: s.created}, Instance: target,
		Name: s.row.Name, Version: s.row.Version, Input: s.row.Input, ScheduledStart: s.row.ScheduledStart, Generation: &s.row.Generation,
		ParentTrace: s.trace,
	}
	if len(s.row.Tags) > 0 {
		started.Tags = history.NewTags(s.row.Tags)
	}
	return s.c.envelope(target, started)
}

// write writes the row. written is false when the message has to be taken back; then a nil error means that another
// client was faster and the start has to be decided anew.
func (s *start) write(ctx context.Context, existing *tables.InstanceRow) (written bool, err error) {
	ctx, unanswered := storage.WithUnanswered(ctx)
	for range startAttempts {
		s.row.LastUpdatedTime = now()
		if existing == nil {
			s.row.ETag, err = s.c.hub.tables.InsertInstance(ctx, s.row)
		} else {
			s.row.ETag, err = s.c.hub.tables.ReplaceInstance(ctx, s.row, existing.ETag)
		}
		if err == nil {
			return true, nil
		}
		moved := errors.Is(err, tables.ErrConflict) || errors.Is(err, tables.ErrRowNotFound)
		if !moved && !storage.InDoubt(err) && !unanswered.Any() {
			return false, s.c.fail("start", s.row.InstanceID, err)
		}
		present, readErr := s.read(ctx)
		switch {
		case readErr != nil:
			return true, s.inDoubt(errors.Join(err, readErr))
		case present != nil && present.ExecutionID == s.row.ExecutionID: // the answer was lost, not the write
			s.row.ETag = present.ETag
			return true, nil
		case !moved && unanswered.Any(): // it may be carried out later, and would wait for its message for ever
			return true, s.inDoubt(err)
		case !moved:
			return false, s.c.fail("start", s.row.InstanceID, err)
		case !sameRun(existing, present) || present != nil && !s.mayReplace(present.Status):
			return false, nil
		}
		existing = present
	}
	return false, nil
}

func (s *start) inDoubt(err error) error {
	return s.c.fail("start", s.row.InstanceID, fmt.Errorf("it is not known whether the instance was started; look for it before trying again: %w", err))
}

// sameRun tells whether a row was only updated since it was read, and not started anew or purged.
func sameRun(before, now *tables.InstanceRow) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	return before.ExecutionID == now.ExecutionID && before.Generation == now.Generation
}

// takeBack deletes a start's message. When a worker has received it already, the worker finds that it has no row.
func (s *start) takeBack(ctx context.Context, queue *queues.Queue, receipt queues.Receipt) {
	if err := queue.Delete(ctx, receipt); err != nil {
		s.c.hub.cfg.Logger.WarnContext(ctx, "the message of a start that did not happen stays in its queue; a worker will drop it",
			slog.String(keyHub, s.c.hub.Name()), slog.String(keyInstance, s.row.InstanceID), slog.Any(keyError, err))
		return
	}
	if s.row.InputBlob == "" {
		return
	}
	if err := s.c.hub.payloads.Delete(ctx, s.row.InputBlob); err != nil {
		s.c.hub.cfg.Logger.WarnContext(ctx, "the payload of a start that did not happen stays behind",
			slog.String(keyHub, s.c.hub.Name()), slog.String(keyInstance, s.row.InstanceID), slog.Any(keyError, err))
	}
}
