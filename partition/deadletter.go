package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/telemetry"
)

var errNoInstance = errors.New("it names no instance")

// aloneRest is the pause before messages are tried one by one.
const aloneRest = 50 * time.Millisecond

// NewDeadLetter makes a dead letter of a message.
func NewDeadLetter(queue, worker string, d *queues.Delivery, attempts int, reason string) tables.DeadLetter {
	about := d.About()
	return tables.DeadLetter{
		Queue: queue, MessageID: d.ID, InsertedAt: d.InsertedAt, Body: d.Text, Reason: reason, Attempts: attempts, Deliveries: d.DequeueCount,
		DiedAt: time.Now().UTC(), Worker: worker, InstanceID: about.Target.InstanceID, ExecutionID: deref(about.Target.ExecutionID),
		Kind: about.Kind, Name: about.Name,
	}
}

// DeadLetterText is what an instance, or an activity, fails with whose message became a dead letter.
func DeadLetterText(l tables.DeadLetter) string {
	what := "a message"
	if l.Kind != "" {
		what = "the message " + l.Kind
	}
	return fmt.Sprintf("%s was tried %d times in vain and is now dead letter %s: %s; mend the cause and replay the dead letter", what, l.Attempts, l.ID(), l.Reason)
}

// DeadLetterError is the type of failures that name a dead letter.
const DeadLetterError = "DeadLetter"

// bury stores the letter of a message.
func (p *Partition) bury(ctx context.Context, d *queues.Delivery, attempts int, reason string) (tables.DeadLetter, error) {
	l := NewDeadLetter(p.queue.Name(), p.cfg.Worker, d, attempts, reason)
	if err := p.cfg.Tables.PutDeadLetter(ctx, l); err != nil {
		return l, err
	}
	p.cfg.Telemetry.DeadLetter(telemetry.ControlQueue)
	p.log.Error("a message was tried in vain too often and is a dead letter now; mend the cause and replay it, or drop it",
		keyLetter, l.ID(), keyInstance, l.InstanceID, keyEvent, l.Kind, keyReason, reason, keyCount, attempts)
	return l, nil
}

// undecodable sets a message aside that cannot be understood, or not be read now. To receive it is to try it, so its deliveries
// are the attempts.
func (p *Partition) undecodable(d *queues.Delivery, h *hold, why error) {
	var missing *payloads.MissingError
	if errors.As(why, &missing) {
		p.running.Go(p.guarded("looking for a message's instance", func() { p.unreadable(d, h, func() { p.setAside(d, h, why) }) }))
		return
	}
	p.setAside(d, h, why)
}

func (p *Partition) setAside(d *queues.Delivery, h *hold, why error) {
	var broken *queues.UndecodableError
	if attempts := d.DequeueCount - freeDeliveries; attempts >= mostAttempts && (errors.As(why, &broken) || errors.Is(why, errNoInstance)) {
		p.running.Go(p.guarded("giving up a message", func() { p.giveUpUndecodable(p.work, d, h, int(attempts), why) }))
		return
	}
	p.log.Error("a message cannot be decoded; it is set aside with growing delay, and becomes a dead letter in the end",
		keyMessage, d.ID, keyCount, d.DequeueCount, keyDelay, backoff(d.DequeueCount), keyError, why)
	p.giveBackLater(d.DequeueCount, h)
}

// giveUpUndecodable makes a message a dead letter that cannot be understood. The instance that it seems to be for fails.
func (p *Partition) giveUpUndecodable(ctx context.Context, d *queues.Delivery, h *hold, attempts int, why error) {
	l, err := p.bury(ctx, d, attempts, why.Error())
	if err != nil {
		p.log.Warn("a dead letter could not be written; the message stays", keyMessage, d.ID, keyError, err)
		p.holds.giveBack(ctx, []*hold{h}, backoff(d.DequeueCount))
		return
	}
	id := l.InstanceID
	if id == "" || p.home(id) != p.Index() {
		p.holds.delete(ctx, []*hold{h})
		return
	}
	var missing *payloads.MissingError
	p.sessions.wake(id, func(s *session) {
		s.letters = append(s.letters, &letter{DeadLetter: l, hold: h, contentLost: errors.As(why, &missing)})
		s.due.add(due{fail: true})
	}, true)
}

// letter is a dead letter whose instance has not failed yet.
type letter struct {
	tables.DeadLetter
	hold        *hold
	contentLost bool // most often with an instance that was purged, whose id may be another one's now
}

// failForLetters fails the instance for the messages that were given up.
func (s *session) failForLetters(ctx context.Context) {
	s.p.sessions.mu.Lock()
	list := s.letters
	s.letters = nil
	s.p.sessions.mu.Unlock()
	for _, l := range list {
		if err := s.failFor(ctx, l.DeadLetter, l.contentLost); err != nil {
			s.drop()
			s.log.Warn("the instance of a dead letter could not be failed; the message stays, and is given up again", keyLetter, l.ID(), keyError, err)
			s.p.holds.giveBack(ctx, []*hold{l.hold}, backoff(l.Deliveries))
			continue
		}
		s.p.holds.delete(ctx, []*hold{l.hold})
	}
}

// giveUp makes an item's message a dead letter. With fails its instance fails. When that cannot be done the message is set
// aside as it is, and given up at its next delivery.
func (s *session) giveUp(ctx context.Context, it *item, reason string, fails bool) {
	t := it.tally()
	l, err := s.p.bury(ctx, t.delivery, int(t.failed.Load()), reason)
	if err == nil && fails {
		if e, ok := it.start(); ok {
			err = s.failStart(ctx, l, e)
		} else {
			err = s.failFor(ctx, l, false)
		}
		if err != nil {
			s.drop()
		}
	}
	if err != nil {
		s.log.Warn("a message could not be given up; it stays, and is given up later", keyError, err)
		s.p.holds.giveBack(ctx, it.holds, backoff(it.deliveries))
		return
	}
	s.p.holds.delete(ctx, it.holds)
	s.p.taken([]*item{it})
}

// failFor fails the instance that a dead letter was for, if it is the execution that the letter means, and goes on. Where the letter
// names none, its time decides; as clocks differ a little, one whose content was lost must be younger than the run beyond doubt, and
// any other must not be older beyond doubt.
func (s *session) failFor(ctx context.Context, l tables.DeadLetter, contentLost bool) error {
	slack := clockSlack
	if contentLost {
		slack = -clockSlack
	}
	if l.Kind == history.KindExecutionStarted.String() {
		return s.failPending(ctx, l.ExecutionID, DeadLetterText(l))
	}
	s.drop()
	if err := s.ensureLoaded(ctx); err != nil {
		return ignoreDamage(err) // that shows in its status
	}
	switch {
	case !s.st.exists() || s.st.ended != nil:
		return nil
	case l.ExecutionID != "" && !strings.EqualFold(l.ExecutionID, s.st.executionID):
		return nil
	case l.ExecutionID == "" && l.InsertedAt.Add(slack).Before(s.st.started.Timestamp):
		return nil // it was for an earlier run
	}
	return s.fail(ctx, DeadLetterError, DeadLetterText(l))
}

// clockSlack is how much the queue service's clock, which counts in seconds, and those of workers may differ.
const clockSlack = time.Minute

func ignoreDamage(err error) error {
	if ofTheInstance(err) {
		return nil
	}
	return err
}

// fail ends the instance, of which nothing but the history is known.
func (s *session) fail(ctx context.Context, kind, text string) error {
	s.log.Error("the instance is failed", keyReason, text)
	ep := &episode{now: s.st.episodeTime(nil), firstRow: s.st.rows, base: s.st.executionID}
	ep.addMarker(&history.OrchestratorStarted{})
	s.end(ep, failure(s.st.nextID(), kind, text))
	ep.addMarker(&history.OrchestratorCompleted{})
	s.st.untaken, s.st.past = nil, nil
	err := s.take(ctx, ep, &sorted{}, nil)
	if err == nil {
		s.unsure, s.damaged = false, false
	}
	return err
}

func failure(eventID int32, kind, text string) *replay.Outcome {
	return &replay.Outcome{
		EventID: eventID, Status: history.Failed, Result: &text,
		Failure: &history.FailureDetails{ErrorType: kind, ErrorMessage: text, IsNonRetriable: true},
	}
}

// failStart fails an instance that could not be started. Its history stays as it is; a parent is told.
func (s *session) failStart(ctx context.Context, l tables.DeadLetter, e *history.ExecutionStarted) error {
	text := DeadLetterText(l)
	s.drop()
	if err := s.ensureLoaded(ctx); err == nil && s.st.exists() && s.st.isExecution(deref(e.Instance.ExecutionID)) {
		if s.st.ended != nil {
			return nil
		}
		return s.fail(ctx, DeadLetterError, text)
	} else if ignoreDamage(err) != nil {
		return err
	}
	s.drop()
	if e.Parent == nil {
		return s.failPending(ctx, deref(e.Instance.ExecutionID), text)
	}
	return s.failChild(ctx, e, text)
}

// failPending fails a top-level instance that has not started.
func (s *session) failPending(ctx context.Context, executionID, text string) error {
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	if err != nil || row == nil || row.Status != history.Pending || executionID == "" || !strings.EqualFold(row.ExecutionID, executionID) {
		return err
	}
	s.log.Error("the instance is failed before it started", keyReason, text)
	now, failed, output := time.Now().UTC(), history.Failed, DeadLetterError+": "+text
	return s.writeEnd(ctx, tables.InstanceUpdate{LastUpdatedTime: &now, CompletedTime: &now, Status: &failed, Output: &output}, row.ETag)
}

// failChild tells the parent of a sub-orchestration that could not be started, and shows it in a status row.
func (s *session) failChild(ctx context.Context, e *history.ExecutionStarted, text string) error {
	s.log.Error("the sub-orchestration is failed before it started", keyReason, text)
	s.st = &state{}
	s.st.begin(e)
	defer s.drop()
	now := time.Now().UTC()
	answer := s.answerToParent(&episode{now: now}, failure(0, DeadLetterError, text))
	if answer != nil {
		if err := s.putControl(ctx, answer); err != nil {
			return err
		}
	}
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	if err != nil {
		return err
	}
	match := "" // there is none
	if row != nil {
		match = row.ETag
	}
	failed, output := history.Failed, DeadLetterError+": "+text
	return s.writeEnd(ctx, tables.InstanceUpdate{
		ExecutionID: e.Instance.ExecutionID, Name: &e.Name, Version: e.Version, CreatedTime: &e.Timestamp, LastUpdatedTime: &now, CompletedTime: &now,
		Status: &failed, Output: &output,
	}, match)
}

// parkEarly sets an answer aside to an action that the history does not have. The action may still be committed, by a .NET
// worker or when the instance is resumed; otherwise the answer belongs to a decision that never came about.
func (s *session) parkEarly(ctx context.Context, it *item) {
	const reason = "it answers an action that the history does not have"
	if s.st == nil || s.st.replay == nil || s.st.replay.Waiting().Suspended {
		s.park(ctx, it, reason)
		return
	}
	s.charge(ctx, it, reason, false)
}

// putOff postpones items at which no attempt could be noted.
func (s *session) putOff(items []*item, err error) {
	switch {
	case s.p.work.Err() != nil:
		s.p.sessions.putBack(s, items)
	case len(items) > 0:
		s.log.Warn("the attempt at a message could not be noted; it is made later", keyError, err)
		s.p.sessions.postpone(s, items, resendPause)
	}
}

// loadPause is the pause before an instance is loaded once more that its last owner left.
func (s *session) loadPause(hopeless bool) time.Duration {
	if hopeless {
		return backoff(int64(s.p.active.attempts(s.id)))
	}
	return max(time.Second, resendPause<<min(s.conflicts, 10))
}
