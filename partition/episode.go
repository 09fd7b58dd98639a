package partition

import (
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// maxGenerations is how many generations may follow one another without waiting for anything.
const maxGenerations = 10_000

// episode is one pass of an orchestrator: the rows it adds to the history and the messages it sends.
type episode struct {
	now      time.Time
	firstRow int
	records  []tables.Record
	out      []*outgoing
	stored   []*outgoing     // messages that are stored with the commit, because nothing could make them again
	outcome  *replay.Outcome // nil while the instance goes on
	base     string          // the execution that the sentinel names before the commit
	// newGeneration: the rows replace the history instead of extending it.
	newGeneration bool
	customStatus  *string
	over          []finished    // generations that end with it, if somebody wants to know
	starts        bool          // it is the instance's first
	inherited     *string       // custom status that the new generation began with
	arrived       chan struct{} // told of results of activities that run ahead
	gathered      int           // bytes of such results
	// what was committed, once it is
	committed tables.Commit
	done      tables.Committed
}

func (ep *episode) add(e history.Event, activityID string) {
	ep.records = append(ep.records, tables.Record{Event: e, ActivityID: activityID})
}

func (ep *episode) addMarker(e history.Event) {
	*e.Common() = history.Base{EventID: -1, Timestamp: ep.now}
	ep.add(e, "")
}

// pass runs the orchestrator once over accepted items. What an episode has already comes before.
func (s *session) pass(ep *episode, accepted []*item) error {
	st := s.st
	if now := st.episodeTime(accepted); now.After(ep.now) {
		ep.now = now
	}
	before := len(ep.records)
	st.episodes++
	ep.addMarker(&history.OrchestratorStarted{})
	for _, it := range accepted {
		it.event.Common().IsPlayed = true
		s.beginsTrace(ep, it.event)
		ep.add(it.event, consumedID(it))
	}
	if st.unhosted {
		s.terminateWithoutCode(ep, accepted)
		return nil
	}
	turn, err := s.replayEpisode(ep.records[before:])
	if err != nil {
		return err
	}
	return s.conclude(ep, turn)
}

// replayEpisode runs the bodies over an episode's events and adds decisions made at load that were not committed.
func (s *session) replayEpisode(records []tables.Record) (*replay.Turn, error) {
	st := s.st
	if st.pendingOutcome != nil {
		return &replay.Turn{Actions: st.pending, Outcome: st.pendingOutcome, CustomStatus: st.customStatus}, nil
	}
	if st.replay == nil {
		def, ok := s.p.cfg.Host.Orchestrator(s.id, st.started.Name, deref(st.started.Version))
		if !ok {
			return nil, fmt.Errorf("no worker here hosts the orchestrator %s", st.started.Name)
		}
		if err := s.p.stuck.still(s.id); err != nil {
			return nil, err
		}
		s.newReplay(def)
	}
	fresh := make([]history.Event, len(records))
	for i, r := range records {
		fresh[i] = r.Event
	}
	turn, err := st.replay.Advance(nil, fresh)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", st.started.Name, err)
	}
	turn.Actions = append(st.pending, turn.Actions...)
	s.remember(turn)
	return turn, nil
}

// conclude turns a turn's decisions into rows and messages; generations that continue as new follow at once.
func (s *session) conclude(ep *episode, turn *replay.Turn) error {
	for n := 0; ; n++ {
		turn = s.bounded(ep, turn)
		if rest := s.fit(ep, turn); len(rest) > 0 {
			s.st.pending, s.st.pendingOutcome = rest, turn.Outcome
			ep.customStatus = s.st.customStatus
			ep.addMarker(&history.OrchestratorCompleted{})
			return nil
		}
		if turn.Outcome == nil || turn.Outcome.Status != history.ContinuedAsNew {
			break
		}
		if n == maxGenerations {
			turn.Outcome = tooManyGenerations(turn.Outcome.EventID)
			break
		}
		var err error
		if turn, err = s.nextGeneration(ep, turn.Outcome); err != nil {
			return err
		}
	}
	ep.customStatus = s.st.customStatus
	if turn.Outcome != nil {
		s.end(ep, turn.Outcome)
	}
	ep.addMarker(&history.OrchestratorCompleted{})
	return nil
}

func tooManyGenerations(eventID int32) *replay.Outcome {
	text := fmt.Sprintf("the orchestrator continued as new %d times without waiting for anything", maxGenerations)
	return &replay.Outcome{EventID: eventID, Status: history.Failed, Result: &text,
		Failure: &history.FailureDetails{ErrorType: "EndlessContinueAsNew", ErrorMessage: text, IsNonRetriable: true}}
}

// nextGeneration begins the history anew and runs the next generation's first turn.
func (s *session) nextGeneration(ep *episode, out *replay.Outcome) (*replay.Turn, error) {
	st, old := s.st, s.st.started
	id := nextExecutionID(st.executionID, out.EventID)
	version := old.Version
	if out.NewVersion != nil {
		version = out.NewVersion
	}
	start := &history.ExecutionStarted{
		Base:     history.Base{EventID: -1, Timestamp: ep.now},
		Instance: history.Instance{InstanceID: s.id, ExecutionID: &id},
		Parent:   old.Parent, Name: old.Name, Version: version, Input: out.NewInput, Tags: old.Tags,
		ParentTrace: old.ParentTrace,
	}
	s.generationEnds(ep)
	st.replay.Unload()
	if s.p.goFleet() {
		s.retireMessages(ep)
	}
	st.executionID, st.started, st.replay, st.pending, st.pendingOutcome = id, start, nil, nil, nil
	ep.inherited = st.customStatus
	for _, r := range ep.records {
		if r.ActivityID != "" {
			st.note(r) // applied, although the row will not be written
			st.messages[r.Event] = r.ActivityID
		}
	}
	st.workItems, st.children, st.rewound = map[int32]string{}, map[int32]child{}, 0
	ep.records, ep.firstRow, ep.newGeneration = nil, 0, true
	ep.addMarker(&history.OrchestratorStarted{})
	ep.add(start, "")
	if out.CarrySuspend != nil {
		ep.add(out.CarrySuspend, st.messages[out.CarrySuspend])
	}
	carried := out.Carry
	if s.p.goFleet() {
		carried = s.carryLater(ep, carried)
	}
	for _, e := range carried {
		e.Common().IsPlayed = false
		ep.add(e, st.messages[e])
	}
	turn, err := s.replayEpisode(ep.records)
	ep.addMarker(&history.OrchestratorCompleted{})
	return turn, err
}

// end adds the completion row and the answer to the parent.
func (s *session) end(ep *episode, out *replay.Outcome) {
	ep.outcome = out
	if s.p.goFleet() {
		s.storeUnawaited(ep)
	}
	ep.add(&history.ExecutionCompleted{
		Base:   history.Base{EventID: out.EventID, Timestamp: ep.now},
		Status: out.Status, Result: out.Result, Failure: out.Failure,
	}, "")
	if answer := s.answerToParent(ep, out); answer != nil {
		ep.out = append(ep.out, answer)
	}
}

// terminateWithoutCode ends an instance whose orchestrator nobody here hosts.
func (s *session) terminateWithoutCode(ep *episode, accepted []*item) {
	out := &replay.Outcome{Status: history.Terminated, EventID: s.st.nextID()}
	for _, it := range accepted {
		if e, ok := it.event.(*history.ExecutionTerminated); ok {
			out.Result = e.Input
		}
	}
	s.end(ep, out)
	ep.addMarker(&history.OrchestratorCompleted{})
}

// nextID is an event id that no action has, of an instance that was not replayed.
func (st *state) nextID() (id int32) {
	for _, e := range st.past {
		id = max(id, e.Common().EventID+1)
	}
	return id
}

// remember keeps the custom status, also for the next generation.
func (s *session) remember(t *replay.Turn) {
	s.st.customStatus = t.CustomStatus
}

// episodeTime is the instant the orchestrator sees: now, but never before what it saw already or before the timers
// that fire in this episode.
func (st *state) episodeTime(accepted []*item) time.Time {
	now := time.Now().UTC().Truncate(100 * time.Nanosecond)
	if st.last.After(now) && st.episodes > 0 {
		now = st.last
	}
	for _, it := range accepted {
		if e, ok := it.event.(*history.TimerFired); ok && e.FireAt.After(now) {
			now = e.FireAt
		}
	}
	return now
}

// consumedID is what the row of an event keeps to recognise a copy of its message.
func consumedID(it *item) string {
	switch it.event.(type) {
	case *history.EventRaised, *history.ExecutionTerminated, *history.ExecutionSuspended, *history.ExecutionResumed, *history.GenericEvent:
		return it.envelope.ActivityID
	default:
		return ""
	}
}
