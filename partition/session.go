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
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/telemetry"
)

// eventsPerEpisode keeps an episode's consumed events well inside one transaction.
func (p *Partition) eventsPerEpisode() int {
	if p.goFleet() {
		return rowsPerEpisode - 10
	}
	return 64
}

const (
	// conflictsInARow is how often a session reloads and tries again before its messages are set aside.
	conflictsInARow = 3
)

// session is one instance at work. Fields from st on belong to the goroutine that runs it.
type session struct {
	p   *Partition
	id  string
	log *slog.Logger

	// guarded by sessions.mu
	mailbox []*item
	due     due
	active  bool
	resting bool // it has to wait a while before it looks at its mailbox
	idleAt  *list.Element
	nudge   chan struct{} // told when something comes for it; nil while nobody waits for that

	st        *state // nil: nothing is known, load before use
	status    status
	conflicts int
	// staleBlobs hold large values of generations that are over.
	staleBlobs []string

	alone    bool      // messages are tried one by one, as one of several is to blame for a failure
	blame    string    // what the last failure was that lay with a message or the instance
	letters  []*letter // messages for the instance that could not be understood; guarded by sessions.mu
	damaged  bool      // the status row says that the history cannot be read
	mustLoad bool      // another owner has left it, and it could not be loaded yet
	began    time.Time // when the turn did, before it waited for its slot
	unsure   bool      // the last step failed: what there is to do shows when the next one has loaded the instance
	replaced []string  // the last executions that this owner has seen replaced

	trail *telemetry.Trail // follows what is committed, for its spans; nil without traces
	doubt *doubt           // a commit that failed, and may be there nevertheless; nil for none

	work *localWork // shared with whoever answers for hand-overs; empty in a mixed fleet
}

// due says what a session has to do besides its mailbox.
type due struct {
	flush  bool // the status row is to be written
	settle bool // local work may have ended, or has to be sent again
	load   bool // the instance was taken over: load it and carry out what its last owner left
	fail   bool // messages for it were given up
}

func (d due) any() bool { return d != due{} }

func (d *due) add(more due) {
	d.flush, d.settle, d.load, d.fail = d.flush || more.flush, d.settle || more.settle, d.load || more.load, d.fail || more.fail
}

func newSession(p *Partition, id string) *session {
	return &session{p: p, id: id, log: p.log.With(keyInstance, id), work: newLocalWork()}
}

// run works until the mailbox is empty.
func (s *session) run() {
	deepen(0)
	for s.turn() {
	}
}

// deepen makes the goroutine's stack as large as a turn needs it. Otherwise it is doubled several times on the way down to the
// storage, and copied with all frames each time, which shows in profiles.
//
//go:noinline
func deepen(at uint8) byte {
	var frame [13 << 10]byte
	return frame[at]
}

func (s *session) turn() bool {
	s.began = time.Now()
	select {
	case s.p.cfg.Slots <- struct{}{}:
	case <-s.p.work.Done():
		s.p.sessions.mu.Lock()
		s.active = false
		s.p.sessions.mu.Unlock()
		return false
	}
	defer func() { <-s.p.cfg.Slots }()
	items, due, ok := s.p.sessions.take(s, s.p.eventsPerEpisode())
	if !ok {
		return false
	}
	if s.p.suspects.waits(s.id) {
		s.p.sessions.withhold(s, items, due, time.Second)
		return true
	}
	s.mustLoad = s.mustLoad || due.load
	if len(items) > 0 || s.mustLoad {
		if done, ok := s.apart(items); ok {
			s.step(items, s.mustLoad)
			done()
		}
	}
	ctx, err := s.p.fenced()
	if err != nil {
		return true
	}
	if due.flush && s.mayFlush() {
		s.tryFlush(ctx)
	}
	if due.fail {
		s.failForLetters(ctx)
	}
	if s.p.goFleet() {
		s.settleWork(ctx)
	}
	return true
}

// mayFlush: in a Go fleet the end shows only once nothing is left to be sent and the history says so, as nobody looks after
// an instance that has ended, and whoever sees the end may purge it.
func (s *session) mayFlush() bool {
	return !s.p.goFleet() || !s.status.terminal || s.work.idle() && !s.work.outdated() && !s.pendingWork()
}

// step deals with some items: it sorts out copies, runs an episode over the rest and settles their messages.
func (s *session) step(items []*item, load bool) {
	ctx, err := s.p.fenced()
	if err != nil {
		s.p.sessions.putBack(s, items) // the partition ends, and sees to what can be passed on
		return
	}
	items, err = s.beginAttempts(ctx, items)
	if err != nil || len(items) == 0 && !load {
		s.putOff(items, err)
		return
	}
	found, err := s.apply(ctx, items, load)
	if err != nil {
		s.failed(ctx, items, load, err)
		return
	}
	s.conflicts, s.mustLoad, s.unsure, s.damaged = 0, false, false, false
	if s.st != nil && s.st.unhosted {
		s.p.suspects.settle(s.id) // nothing of it runs here
	}
	s.settle(ctx, found)
}

// apply runs an episode over the items. Should that panic, the instance is set aside; others go on.
func (s *session) apply(ctx context.Context, items []*item, load bool) (found *sorted, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	order(items)
	if load {
		s.drop()
		if err = s.ensureLoaded(ctx); err == nil {
			err = s.checkAttempts(ctx)
		}
		if err == nil {
			err = s.ensureReplayed()
		}
		if err != nil {
			return nil, err
		}
	}
	if found, err = s.sort(ctx, items); err != nil {
		return found, err
	}
	left, err := s.redrive(found.results)
	if err != nil {
		return found, err
	}
	if len(left) > 0 {
		if err = s.listed(ctx, found); err != nil {
			return found, err
		}
	}
	if err = s.catchUpStatus(ctx, found, load || s.damaged || len(left) > 0); err != nil {
		return found, err
	}
	if err = s.advance(ctx, found); err != nil {
		return found, err
	}
	s.carryOut(ctx, s.work.stillOpen(left))
	return found, nil
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
	accepted := found.accepted
	for {
		if err := s.advanceOnce(ctx, found, accepted); err != nil {
			return err
		}
		found.progress = true
		if s.st == nil || !s.st.behind() {
			return nil // it was purged, or is done; else the decisions did not fit into one episode
		}
		accepted = nil
	}
}

// advanceOnce runs one episode, with those that follow from activities that run ahead, and makes it count.
func (s *session) advanceOnce(ctx context.Context, found *sorted, accepted []*item) error {
	ep := &episode{firstRow: s.st.rows, base: s.st.executionID}
	defer ep.discard() // nothing once it is committed
	if r := s.p.cfg.Telemetry; r.Measuring() && s.st.exists() {
		defer r.Episode(s.st.started.Name, time.Now())
	}
	if err := s.pass(ep, accepted); err != nil {
		return err
	}
	if err := s.runAhead(ep); err != nil {
		return err
	}
	return s.take(ctx, ep, found, accepted)
}

// take makes an episode count, in the order of the fleet.
func (s *session) take(ctx context.Context, ep *episode, found *sorted, accepted []*item) error {
	if s.p.goFleet() {
		return s.takeGo(ctx, ep, found, accepted)
	}
	if err := s.send(ctx, ep); err != nil {
		return err
	}
	if err := s.commit(ctx, ep, nil); err != nil {
		s.releaseWork(ctx, ep)
		return err
	}
	s.dispatch(ctx, ep)
	s.p.holds.applied(ctx, holdsOf(accepted))
	return s.recordStatus(ctx, ep, holdsOf(accepted))
}

// takeGo commits first and sends what the commit decided after it.
func (s *session) takeGo(ctx context.Context, ep *episode, found *sorted, accepted []*item) error {
	if err := s.listed(ctx, found); err != nil {
		return err
	}
	if err := s.putFarTimers(ctx, ep); err != nil {
		return err
	}
	if err := s.commit(ctx, ep, answeredBy(accepted)); err != nil {
		return err
	}
	s.p.active.progress(s.id)
	s.anchorOrDelete(ctx, accepted)
	s.work.add(ep.decided()...)
	s.stands(ctx, ep)
	s.carryOut(ctx, append(ep.out, ep.stored...))
	return s.recordStatus(ctx, ep, nil)
}

// answeredBy are the actions that items answer.
func answeredBy(items []*item) map[int32]struct{} {
	ids := make(map[int32]struct{}, len(items))
	for _, it := range items {
		if id, ok := history.Answers(it.event); ok {
			ids[id] = struct{}{}
		}
	}
	return ids
}

// settle deletes the messages of copies, sets aside what cannot be applied now, and looks again at results that came
// before the decision they answer.
func (s *session) settle(ctx context.Context, found *sorted) {
	s.deleteCopies(ctx, found.copies)
	var again []*item
	for _, it := range found.early {
		if found.progress && it.tries < conflictsInARow {
			it.tries++
			again = append(again, it)
			continue
		}
		if s.broughtBack(ctx, it) {
			s.deleteCopies(ctx, []*item{it})
		} else {
			s.parkEarly(ctx, it)
		}
	}
	s.lookAgain(found.unknown)
	s.p.sessions.putBack(s, again)
	for _, pk := range found.parked {
		if pk.refused {
			s.charge(ctx, pk.item, pk.reason, false)
		} else {
			s.park(ctx, pk.item, pk.reason)
		}
	}
	if len(found.waiting) > 0 {
		s.p.sessions.postpone(s, found.waiting, found.rest)
	}
	if s.st != nil && s.st.ended != nil && !s.status.dirty() && !s.p.goFleet() {
		s.drop()
	}
}

func (s *session) deleteCopies(ctx context.Context, copies []*item) {
	if s.p.goFleet() {
		s.settleCopies(ctx, copies)
	} else {
		s.p.holds.delete(ctx, holdsOf(copies))
	}
}

// settleCopies lets go of messages that were seen before, once nothing depends on them.
func (s *session) settleCopies(ctx context.Context, copies []*item) {
	for _, it := range copies {
		if e, ok := it.event.(*history.TimerFired); ok {
			s.work.canceled(it.executionID(), e)
		}
	}
	s.anchorOrDelete(ctx, s.listCounted(ctx, copies))
}

// listCounted lets a row on the active list take the place of copies whose owners died with what the instance has in this process,
// so that the row counts the next ones, and returns the other copies.
func (s *session) listCounted(ctx context.Context, copies []*item) (others []*item) {
	var counted []*item
	attempts := int32(0)
	for _, it := range copies {
		if t := it.tally(); t != nil && it.holds[0].queue == s.p.queue {
			counted, attempts = append(counted, it), max(attempts, t.failed.Load()+1)
		} else {
			others = append(others, it)
		}
	}
	if len(counted) == 0 || s.work.idle() {
		return copies
	}
	s.p.active.attempt(s.id, attempts)
	if err := s.p.active.ensure(ctx, s.id); err != nil {
		return copies // it was logged
	}
	s.p.holds.delete(ctx, holdsOf(counted))
	s.p.taken(counted)
	return others
}

// failed decides what becomes of items whose episode could not be finished. The session is dropped in any case: what
// storage has is the truth, and the next look loads it.
func (s *session) failed(ctx context.Context, items []*item, load bool, err error) {
	s.drop()
	s.unsure = true
	if s.p.work.Err() != nil {
		s.p.sessions.putBack(s, items)
		return
	}
	s.p.stuck.note(s.id, err)
	hopeless := isHopeless(err)
	charged := load && hopeless && s.p.active.failed(s.id)
	if hopeless {
		s.p.suspects.settle(s.id)
	}
	if load {
		s.p.sessions.wakeLater(s.id, s.loadPause(hopeless))
	}
	s.conflicts++
	most := conflictsInARow
	if errors.Is(err, tables.ErrConflict) {
		most *= 2
	}
	if s.conflicts <= most && !hopeless {
		s.log.Warn("the episode was not committed; loading the instance again", keyError, err)
		s.p.sessions.postpone(s, items, 50*time.Millisecond<<s.conflicts)
		return
	}
	s.conflicts, s.blame = 0, err.Error()
	if hopeless && len(items) > 1 && !s.alone && !ofTheInstance(err) {
		s.log.Warn("the episode failed; trying its messages one by one", keyError, err, keyCount, len(items))
		s.alone = true
		s.p.sessions.postpone(s, items, aloneRest)
		return
	}
	s.markDamaged(ctx, items, err)
	s.log.Error("the instance cannot be advanced; its messages are set aside with growing delay", keyError, err)
	for _, it := range items {
		if hopeless && !charged {
			s.charge(ctx, it, err.Error(), true)
		} else {
			s.park(ctx, it, err.Error())
		}
	}
}

// isHopeless says whether trying again at once would do harm, or no good.
func isHopeless(err error) bool {
	var stuck *replay.StuckError
	var panicked *panicError
	var encode *queues.EncodeError
	return errors.As(err, &stuck) || errors.As(err, &panicked) || errors.As(err, &encode) || tables.IsHopeless(err)
}

// park gives a message back to the queue with a delay that grows with its deliveries. A result that came straight from
// its activity becomes a message: its work item must not come back, or the activity would run again and again.
func (s *session) park(ctx context.Context, it *item, reason string) {
	delay := backoff(it.deliveries)
	s.log.Warn("a message cannot be applied now and is set aside",
		keyEvent, it.event.Kind().String(), keyReason, reason, keyDelay, delay, keyCount, it.deliveries)
	if len(it.holds) > 0 && !s.p.isResult(it) {
		s.p.holds.giveBack(ctx, it.holds, delay)
		s.p.holds.remember(it.holds)
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
	s.p.handOvers.settle(it.handed, true)
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
	return s.mustLoad || s.damaged || s.hasWork() || s.status.dirty() || s.st != nil && s.st.started != nil && s.st.ended == nil
}

// hasWork says whether this process alone knows of something, or keeps messages for the instance.
func (s *session) hasWork() bool { return !s.work.idle() || s.work.anchored() || s.work.outdated() }

// ensureLoaded brings the state in from storage when it is not known.
func (s *session) ensureLoaded(ctx context.Context) error {
	if s.st != nil {
		return nil
	}
	began := time.Now()
	h, err := s.p.cfg.Tables.LoadHistory(ctx, s.id)
	if err != nil {
		return err
	}
	s.st = stateOf(h)
	s.st.confirmed = began
	s.loaded(h)
	s.staleBlobs = append(s.staleBlobs, h.StaleBlobs...)
	return s.noteLoaded(h)
}

// ensureReplayed replays what is committed, so that open actions are known.
func (s *session) ensureReplayed() error {
	st := s.st
	if st.replay != nil || st.started == nil || len(st.past) == 0 {
		return nil
	}
	def, ok := s.p.cfg.Host.Orchestrator(s.id, st.started.Name, deref(st.started.Version))
	st.unhosted = !ok // of one that has ended there is something to send, else nothing would be left to replay
	if !ok {
		return nil
	}
	if err := s.p.stuck.still(s.id); err != nil {
		return err
	}
	turn, err := s.newReplay(def).Advance(st.past, nil)
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	st.past, st.redo = nil, turn.Committed
	s.remember(turn)
	st.statusKnown = divergence(turn) == nil
	if st.ended != nil {
		st.replay.Unload()
		st.replay = nil
		return nil
	}
	st.pending, st.pendingOutcome = turn.Actions, turn.Outcome
	return nil
}

func (s *session) newReplay(def *replay.Definition) *replay.Session {
	s.st.replay = s.replayOf(def)
	return s.st.replay
}

func (s *session) replayOf(def *replay.Definition) *replay.Session {
	return replay.NewSession(replay.Config{
		Definition: def,
		Instance:   history.Instance{InstanceID: s.id, ExecutionID: history.String(s.st.executionID)},
		Logger:     s.p.log, // to which Context.Logger adds the instance and the execution
		Errors:     s.p.cfg.Errors,
		StuckAfter: s.p.cfg.StuckAfter, CustomStatus: s.st.customStatus,
	})
}
