package partition

import (
	"context"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// fakeTimerID marks the timer with which .NET splits an episode that is too large for its settings.
const fakeTimerID = -100

// verdict is what becomes of an item.
type verdict int

const (
	apply   verdict = iota // it goes into the next episode
	drop                   // it is a copy, or for nobody: its message is deleted
	early                  // it answers a decision that is not committed yet
	unknown                // it is about something that the history, as it was loaded, does not have
	park                   // its message goes back to the queue for a while
	later                  // it was put into the heap of near timers
	again                  // the session looks at it again after a short rest
	refuse                 // no attempt at it can succeed, as far as is known: it counts as one that failed
)

// sorted is the outcome of looking at a batch of items.
type sorted struct {
	accepted, copies, early []*item
	unknown, waiting        []*item
	rest                    time.Duration // before waiting is looked at again
	parked                  []parked
	results                 map[int32]struct{} // actions answered by accepted items
	identities              map[identity]struct{}
	progress                bool
}

type parked struct {
	item    *item
	reason  string
	refused bool
}

// sort decides what becomes of each item. What it calls a copy may be deleted: the session has loaded the history.
func (s *session) sort(ctx context.Context, items []*item) (*sorted, error) {
	out := &sorted{results: map[int32]struct{}{}, identities: map[identity]struct{}{}}
	for _, it := range items {
		v, reason, err := s.judge(ctx, it, out)
		if err != nil {
			return nil, err
		}
		switch v {
		case apply:
			out.accepted = append(out.accepted, it)
		case drop:
			s.log.Debug("a message was recognised and is deleted", keyEvent, it.event.Kind().String(), keyReason, reason)
			out.copies = append(out.copies, it)
		case early:
			out.early = append(out.early, it)
		case unknown:
			out.unknown = append(out.unknown, it)
		case park:
			out.parked = append(out.parked, parked{item: it, reason: reason})
		case refuse:
			out.parked = append(out.parked, parked{item: it, reason: reason, refused: true})
		case again:
			out.waiting, out.rest = append(out.waiting, it), max(out.rest, restOf(it))
			it.tries++
		case later:
		}
	}
	return out, nil
}

func (s *session) judge(ctx context.Context, it *item, out *sorted) (verdict, string, error) {
	e, starts := it.start()
	_, rewinds := it.event.(*history.GenericEvent)
	switch {
	case (starts || rewinds) && len(out.accepted) > 0:
		return early, "", nil // both change what the accepted ones were judged by: they come after their episode
	case starts:
		return s.admit(ctx, it, e)
	case rewinds:
		s.drop()         // a rewind has edited the history
		s.damaged = true // and its status row says Pending, which is as wrong from now on
	}
	if err := s.ensureLoaded(ctx); err != nil {
		return 0, "", err
	}
	if err := s.ensureReplayed(); err != nil {
		return 0, "", err
	}
	return s.recognise(ctx, it, out)
}

// recognise judges everything but starts against the loaded history.
func (s *session) recognise(ctx context.Context, it *item, out *sorted) (verdict, string, error) {
	st := s.st
	switch {
	case !st.exists():
		return s.orphan(ctx, it)
	case it.executionID() != "" && !strings.EqualFold(it.executionID(), st.executionID):
		return s.otherExecution(it)
	case st.ended != nil:
		return s.afterEnd(ctx, it)
	case st.pendingOutcome != nil:
		return early, "", nil
	}
	if _, terminate := it.event.(*history.ExecutionTerminated); st.unhosted && !terminate {
		return park, "no worker here hosts the orchestrator " + st.started.Name, nil
	}
	switch e := it.event.(type) {
	case *history.TaskCompleted:
		return s.result(it, out, e.TaskScheduledID)
	case *history.TaskFailed:
		return s.result(it, out, e.TaskScheduledID)
	case *history.SubOrchestrationCompleted:
		return s.childAnswer(ctx, it, out, e.TaskScheduledID)
	case *history.SubOrchestrationFailed:
		return s.childAnswer(ctx, it, out, e.TaskScheduledID)
	case *history.TimerFired:
		return s.timer(it, out, e)
	case *history.EventRaised, *history.ExecutionTerminated, *history.ExecutionSuspended, *history.ExecutionResumed, *history.GenericEvent:
		return s.identified(it, out)
	default:
		return refuse, "events of this kind are not for orchestrations", nil
	}
}

// result judges the outcome of an activity. It may be that of a work item whose decision was never committed, or was undone by
// a rewind, while its number is another one's now, which has a work item of its own. Results of what .NET put or ran
// tell nothing but the number.
func (s *session) result(it *item, out *sorted, id int32) (verdict, string, error) {
	workItem, known := s.st.workItems[id]
	if answer := it.envelope.ActivityID; known && layout.Derived(answer) && answer != layout.AnswerID(workItem) {
		return drop, "it is the result of another work item with the same number", nil
	}
	return s.answer(it, out, id, history.KindTaskScheduled)
}

// answer judges the outcome of an action.
func (s *session) answer(it *item, out *sorted, id int32, created history.Kind) (verdict, string, error) {
	if s.st.replay == nil {
		return early, "", nil // the first episode is still to be run
	}
	kind, is, _ := s.st.replay.Lookup(id)
	switch {
	case is == replay.Unknown && !s.st.undecided(id) && s.outOfDate(it):
		return unknown, "", nil
	case is == replay.Unknown || s.st.undecided(id):
		return early, "", nil
	case is == replay.Done || kind != created:
		return drop, "the action it answers is not open", nil
	}
	if _, withheld := s.st.withheld[id]; withheld {
		return drop, "the action was answered while the instance is suspended", nil
	}
	if _, twice := out.results[id]; twice {
		return drop, "another answer to the same action came with it", nil
	}
	out.results[id] = struct{}{}
	return apply, "", nil
}

// timer judges a fired timer: only the committed one counts, and nothing fires early.
func (s *session) timer(it *item, out *sorted, e *history.TimerFired) (verdict, string, error) {
	if e.TimerID == fakeTimerID {
		return apply, "", nil
	}
	// The history says what was decided. Code that was changed since may say another instant, but no message comes then.
	if at, open := s.st.timers[e.TimerID]; open && !at.Equal(e.FireAt) {
		return drop, "the timer it fires was decided anew for another instant", nil
	}
	if time.Until(e.FireAt) > 0 {
		s.p.timers.add(e.FireAt, it)
		return later, "", nil
	}
	return s.answer(it, out, e.TimerID, history.KindTimerCreated)
}

// identified judges events that only their own identity tells apart.
func (s *session) identified(it *item, out *sorted) (verdict, string, error) {
	id := it.identity()
	if _, twice := out.identities[id]; twice || s.st.consumedBefore(it) {
		return drop, "it was applied before", nil
	}
	out.identities[id] = struct{}{}
	return apply, "", nil
}

// orphan judges a message for an instance that has no history.
func (s *session) orphan(ctx context.Context, it *item) (verdict, string, error) {
	if strings.HasPrefix(s.id, "@") {
		return park, "entities are not hosted by this worker", nil
	}
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	if err != nil {
		return 0, "", err
	}
	switch {
	case row == nil && it.deliveries <= 5:
		return s.soon(it, "the instance is not known yet")
	case row == nil || row.Status != history.Pending:
		return drop, "no such instance", nil
	}
	if e, ok := it.event.(*history.ExecutionTerminated); ok {
		return drop, "the instance is terminated before it starts", s.terminatePending(ctx, row, e)
	}
	if row.ScheduledStart != nil && time.Until(*row.ScheduledStart) > 0 {
		delay := min(time.Until(*row.ScheduledStart)+time.Second, maxDelay)
		if len(it.holds) == 0 || s.p.isResult(it) {
			return later, "", s.sendResult(ctx, it, delay) // it was not in the queue yet
		}
		s.p.running.Go(func() { s.p.holds.giveBack(s.p.work, it.holds, delay) })
		return later, "", nil
	}
	return s.soon(it, "the instance has not started yet")
}

// maxDelay is the longest a message may be invisible.
const maxDelay = 7*24*time.Hour - time.Minute

// soon looks at an item again in memory a few times before its message goes back to the queue. The session rests
// meanwhile, so that what comes behind stays behind.
func (s *session) soon(it *item, reason string) (verdict, string, error) {
	if it.tries >= 5 {
		it.tries = 0
		return park, reason, nil
	}
	return again, "", nil
}

func restOf(it *item) time.Duration { return 50 * time.Millisecond << it.tries }

// afterEnd judges a message for an instance that has ended.
func (s *session) afterEnd(ctx context.Context, it *item) (verdict, string, error) {
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	switch {
	case err != nil:
		return 0, "", err
	case row != nil && row.Status == history.Pending && !s.st.isExecution(row.ExecutionID): // the first generation may have left it so
		return s.soon(it, "the instance is about to start again")
	}
	return drop, "the instance has ended", nil
}
