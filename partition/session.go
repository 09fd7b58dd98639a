package partition

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

const (
	// eventsPerEpisode keeps an episode's consumed events well inside one transaction.
	eventsPerEpisode = 64
	// conflictsInARow is how often a session reloads and tries again before its messages are set aside.
	conflictsInARow = 3
)

// session is one instance at work. Fields from st on belong to the goroutine that runs it.
type session struct {
	p   *Partition
	id  string
	log *slog.Logger

	// guarded by sessions.mu
	mailbox  []*item
	flushDue bool
	active   bool
	resting  bool // it has to wait a while before it looks at its mailbox
	idleAt   *list.Element

	st        *state // nil: nothing is known, load before use
	status    status
	conflicts int
}

func newSession(p *Partition, id string) *session {
	return &session{p: p, id: id, log: p.log.With(keyInstance, id)}
}

// run works until the mailbox is empty.
func (s *session) run() {
	for s.turn() {
	}
}

func (s *session) turn() bool {
	select {
	case s.p.cfg.Slots <- struct{}{}:
	case <-s.p.work.Done():
		s.p.sessions.mu.Lock()
		s.active = false
		s.p.sessions.mu.Unlock()
		return false
	}
	defer func() { <-s.p.cfg.Slots }()
	items, flush, ok := s.p.sessions.take(s, eventsPerEpisode)
	if !ok {
		return false
	}
	if len(items) > 0 {
		s.step(items)
	}
	if flush {
		if ctx, cancel, err := s.p.fenced(); err == nil {
			s.tryFlush(ctx)
			cancel()
		}
	}
	return true
}

// step deals with some items: it sorts out copies, runs an episode over the rest and settles their messages.
func (s *session) step(items []*item) {
	ctx, cancel, err := s.p.fenced()
	if err != nil {
		s.p.sessions.putBack(s, items) // the partition ends, and sees to what can be passed on
		return
	}
	defer cancel()
	found, err := s.apply(ctx, items)
	if err != nil {
		s.failed(ctx, items, err)
		return
	}
	s.conflicts = 0
	s.settle(ctx, found)
}

// apply runs an episode over the items. Should that panic, the instance is set aside; others go on.
func (s *session) apply(ctx context.Context, items []*item) (found *sorted, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	order(items)
	if found, err = s.sort(ctx, items); err != nil {
		return found, err
	}
	if err = s.catchUpStatus(ctx, found); err != nil {
		return found, err
	}
	return found, s.advance(ctx, found)
}

// panicError is a panic while an instance was being advanced.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("panic while the instance was advanced: %v\n%s", e.value, e.stack)
}

// advance runs an episode when there is something to apply or something to make up for.
func (s *session) advance(ctx context.Context, found *sorted) error {
	if len(found.accepted) == 0 && (s.st == nil || !s.st.behind()) {
		return nil
	}
	ep, err := s.run1(found.accepted)
	if err != nil {
		return err
	}
	if err := s.send(ctx, ep); err != nil {
		return err
	}
	if err := s.commit(ctx, ep); err != nil {
		s.releaseWork(ctx, ep)
		return err
	}
	s.dispatch(ctx, ep)
	found.progress = true
	return s.recordStatus(ctx, ep, holdsOf(found.accepted))
}

// settle deletes the messages of copies, sets aside what cannot be applied now, and looks again at results that came
// before the decision they answer.
func (s *session) settle(ctx context.Context, found *sorted) {
	s.p.holds.delete(ctx, holdsOf(found.copies))
	var again []*item
	for _, it := range found.early {
		if found.progress && it.tries < conflictsInARow {
			it.tries++
			again = append(again, it)
			continue
		}
		s.park(ctx, it, "it answers an action that the history does not have")
	}
	s.p.sessions.putBack(s, again)
	for _, pk := range found.parked {
		s.park(ctx, pk.item, pk.reason)
	}
	if len(found.waiting) > 0 {
		s.p.sessions.postpone(s, found.waiting, found.rest)
	}
	if s.st != nil && s.st.ended != nil && !s.status.dirty() {
		s.drop()
	}
}

// failed decides what becomes of items whose episode could not be finished. The session is dropped in any case: what
// storage has is the truth, and the next look loads it.
func (s *session) failed(ctx context.Context, items []*item, err error) {
	s.drop()
	if s.p.work.Err() != nil {
		s.p.sessions.putBack(s, items)
		return
	}
	s.conflicts++
	most := conflictsInARow
	if errors.Is(err, tables.ErrConflict) {
		most *= 2
	}
	if s.conflicts <= most && !isHopeless(err) {
		s.log.Warn("the episode was not committed; loading the instance again", keyError, err)
		s.p.sessions.postpone(s, items, 50*time.Millisecond<<s.conflicts)
		return
	}
	s.conflicts = 0
	s.log.Error("the instance cannot be advanced; its messages are set aside with growing delay", keyError, err)
	for _, it := range items {
		s.park(ctx, it, err.Error())
	}
}

// isHopeless says whether trying again at once would do harm, or no good.
func isHopeless(err error) bool {
	var stuck *replay.StuckError
	var panicked *panicError
	var corrupt *tables.CorruptHistoryError
	var large *tables.ValueTooLargeError
	return errors.As(err, &stuck) || errors.As(err, &panicked) || errors.As(err, &corrupt) || errors.As(err, &large)
}

// park gives a message back to the queue with a delay that grows with its deliveries. A result that came straight from
// its activity becomes a message: its work item must not come back, or the activity would run again and again.
func (s *session) park(ctx context.Context, it *item, reason string) {
	delay := backoff(it.deliveries)
	s.log.Warn("a message cannot be applied now and is set aside",
		keyEvent, it.event.Kind().String(), keyReason, reason, keyDelay, delay, keyCount, it.deliveries)
	if !s.p.isResult(it) {
		s.p.holds.giveBack(ctx, it.holds, delay)
		return
	}
	if err := s.sendResult(ctx, it, delay); err != nil {
		s.log.Warn("a result could not be set aside; it waits in memory", keyError, err)
		s.p.sessions.postpone(s, []*item{it}, delay)
	}
}

// sendResult lets an activity's outcome travel as a message, and deletes the work item it came from.
func (s *session) sendResult(ctx context.Context, it *item, delay time.Duration) error {
	it.envelope.SequenceNumber = s.p.cfg.Queues.NextSequence()
	if _, err := s.p.queue.Put(ctx, it.envelope, delay); err != nil {
		return err
	}
	s.p.holds.delete(ctx, it.holds)
	return nil
}

// drop forgets everything in memory.
func (s *session) drop() {
	if s.st != nil && s.st.replay != nil {
		s.st.replay.Unload()
	}
	s.st = nil
}

// worthKeeping says whether an idle session saves a load later.
func (s *session) worthKeeping() bool {
	return s.status.dirty() || s.st != nil && s.st.started != nil && s.st.ended == nil
}

// ensureLoaded brings the state in from storage when it is not known.
func (s *session) ensureLoaded(ctx context.Context) error {
	if s.st != nil {
		return nil
	}
	h, err := s.p.cfg.Tables.LoadHistory(ctx, s.id)
	if err != nil {
		return err
	}
	s.st = stateOf(h)
	return s.noteLoaded(h)
}

// ensureReplayed replays what is committed, so that open actions are known.
func (s *session) ensureReplayed() error {
	st := s.st
	if st.replay != nil || st.started == nil || st.ended != nil || len(st.past) == 0 {
		return nil
	}
	def, ok := s.p.cfg.Host.Orchestrator(st.started.Name, deref(st.started.Version))
	st.unhosted = !ok
	if !ok {
		return nil
	}
	turn, err := s.newReplay(def).Advance(st.past, nil)
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	st.past = nil
	st.pending, st.pendingOutcome = turn.Actions, turn.Outcome
	s.remember(turn)
	return nil
}

func (s *session) newReplay(def *replay.Definition) *replay.Session {
	s.st.replay = replay.NewSession(replay.Config{
		Definition: def,
		Instance:   history.Instance{InstanceID: s.id, ExecutionID: history.String(s.st.executionID)},
		Logger:     s.log.With(keyExecution, s.st.executionID),
		Errors:     s.p.cfg.Errors,
		StuckAfter: s.p.cfg.StuckAfter,
	})
	return s.st.replay
}
