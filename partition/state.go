package partition

import (
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// state is what a session knows of its instance.
type state struct {
	executionID string
	startID     string    // execution id of the first generation
	etag        string    // of the sentinel; "" when there is none
	confirmed   time.Time // when storage was last known to say the same
	rows        int       // rows of this generation
	totalRows   int       // rows of any generation
	blobs       []string  // with large values of this generation
	episodes    int32
	started     *history.ExecutionStarted
	ended       *history.ExecutionCompleted
	consumed    map[identity]struct{}    // of applied events
	seen        map[identity]time.Time   // that earlier generations applied, and when that became so
	messages    map[history.Event]string // ids of the messages that external events came with
	timers      map[int32]time.Time      // committed timers that have not fired
	workItems   map[int32]string         // ids of the work items of open activities, where the history has them
	children    map[int32]child          // open sub-orchestrations
	rewound     int32                    // events that a rewind has left; more after each
	withheld    map[int32]struct{}       // actions answered since the instance was suspended, which its code has not seen
	last        time.Time                // of the newest event
	behindRow   *tables.InstanceUpdate   // what the status row should show; nil once that was looked at

	replay         *replay.Session
	past           []history.Event // committed events that were not replayed yet
	statusKnown    bool            // customStatus is what it is after the committed events
	pending        []replay.Action // decisions that replay made and the history lacks
	pendingOutcome *replay.Outcome
	customStatus   *string
	unhosted       bool

	untaken *untaken        // what a load found of the last owner's work; nil once it was taken over
	redo    []replay.Action // committed actions that may have to be carried out again
}

// remembered is what the sentinel keeps of earlier generations.
func (st *state) remembered() []tables.Seen {
	list := make([]tables.Seen, 0, len(st.seen))
	for id, at := range st.seen {
		list = append(list, tables.Seen{ID: id, At: at})
	}
	return list
}

// stateOf reads a loaded history.
func stateOf(h *tables.History) *state {
	st := &state{
		executionID: h.ExecutionID, startID: h.StartID, etag: h.ETag,
		rows: len(h.Records), totalRows: h.TotalRows, blobs: h.Blobs, customStatus: h.CustomStatus,
	}
	st.forgetGeneration()
	if st.startID == "" {
		st.startID = h.ExecutionID
	}
	if len(h.Seen) > 0 {
		st.seen = make(map[identity]time.Time, len(h.Seen))
		for _, seen := range h.Seen {
			st.seen[seen.ID] = seen.At
		}
	}
	st.untaken = &untaken{local: h.Local, outbox: h.Outbox, created: map[int32]time.Time{}}
	for _, r := range h.Records {
		st.note(r)
		st.past = append(st.past, r.Event)
		switch r.Event.(type) {
		case *history.TaskScheduled, *history.TimerCreated, *history.SubOrchestrationCreated, *history.EventSent:
			st.untaken.created[r.Event.Common().EventID] = r.Event.Common().Timestamp
		}
	}
	if st.ended != nil && h.Local.Empty() {
		st.past = nil
	}
	if st.ended != nil && h.LastStatus != nil {
		st.customStatus, st.statusKnown = h.LastStatus, true
	}
	return st
}

// note keeps what later decisions need of a committed row.
func (st *state) note(r tables.Record) {
	st.withhold(r.Event)
	switch e := r.Event.(type) {
	case *history.OrchestratorStarted:
		st.episodes++
	case *history.ExecutionStarted:
		st.started = e
	case *history.ExecutionCompleted:
		st.ended = e
	case *history.TimerCreated:
		st.timers[e.EventID] = e.FireAt
	case *history.TimerFired:
		delete(st.timers, e.TimerID)
	case *history.TaskScheduled:
		if r.ActivityID != "" {
			st.workItems[e.EventID] = r.ActivityID
		}
	case *history.GenericEvent:
		st.rewound++
	case *history.SubOrchestrationCreated:
		if id := deref(e.InstanceID); id != "" {
			st.children[e.EventID] = childOf(r, id)
		}
	case *history.SubOrchestrationCompleted:
		delete(st.children, e.TaskScheduledID)
	case *history.SubOrchestrationFailed:
		delete(st.children, e.TaskScheduledID)
	case *history.TaskCompleted:
		delete(st.workItems, e.TaskScheduledID)
	case *history.TaskFailed:
		delete(st.workItems, e.TaskScheduledID)
	case *history.EventRaised:
		if r.ActivityID != "" {
			st.messages[e] = r.ActivityID
		}
		st.consumed[rowIdentity(r)] = struct{}{}
	case *history.ExecutionTerminated, *history.ExecutionSuspended, *history.ExecutionResumed:
		st.consumed[rowIdentity(r)] = struct{}{}
	}
	if t := r.Event.Common().Timestamp; t.After(st.last) {
		st.last = t
	}
}

// withhold keeps track of answers that are committed while the instance is suspended. To its code the actions are open until
// it is resumed, so the code does not tell copies.
func (st *state) withhold(e history.Event) {
	switch e.(type) {
	case *history.ExecutionSuspended:
		if st.withheld == nil {
			st.withheld = map[int32]struct{}{}
		}
	case *history.ExecutionResumed, *history.ExecutionStarted:
		st.withheld = nil
	default:
		if id, ok := history.Answers(e); ok && st.withheld != nil {
			st.withheld[id] = struct{}{}
		}
	}
}

// rowIdentity is what tells the copy of the message that a row came with.
func rowIdentity(r tables.Record) identity {
	if r.ActivityID != "" {
		return identityOf(r.ActivityID)
	}
	return contentIdentity(r.Event)
}

// seenFor is how long the messages that an earlier generation applied are remembered. A copy comes when a message's lock
// runs out before its deletion, or when a put was repeated.
const seenFor = 10 * time.Minute

// retire keeps the identities of a generation's events for the next one, as long as copies may come.
func (st *state) retire() map[identity]time.Time {
	now := time.Now()
	seen := make(map[identity]time.Time, len(st.seen)+len(st.consumed))
	for id, at := range st.seen {
		if now.Sub(at) < seenFor {
			seen[id] = at
		}
	}
	for id := range st.consumed {
		seen[id] = now
	}
	return seen
}

// forgetGeneration empties what belongs to the rows of one generation.
func (st *state) forgetGeneration() {
	st.consumed, st.messages = map[identity]struct{}{}, map[history.Event]string{}
	st.timers, st.workItems, st.children, st.rewound = map[int32]time.Time{}, map[int32]string{}, map[int32]child{}, 0
}

// exists says whether the instance has a history.
func (st *state) exists() bool { return st.started != nil }

// undecided says whether a decision is still to be committed. What answers its number may be meant for another decision, which was
// never committed, or which a rewind has undone: that shows once its own row is there.
func (st *state) undecided(id int32) bool {
	return slices.ContainsFunc(st.pending, func(a replay.Action) bool { return a.ActionID() == id })
}

// behind says whether replay decided things the history does not have.
func (st *state) behind() bool { return len(st.pending) > 0 || st.pendingOutcome != nil }

// consumedBefore recognises a copy of an event that was applied, also by what .NET rows keep of it.
func (st *state) consumedBefore(it *item) bool {
	for _, id := range []identity{it.identity(), contentIdentity(it.event)} {
		if _, ok := st.consumed[id]; ok {
			return true
		}
		if _, ok := st.seen[id]; ok {
			return true
		}
	}
	return false
}

// begin makes the state that of a new execution, over whatever the partition key holds.
func (st *state) begin(e *history.ExecutionStarted) {
	if st.replay != nil {
		st.replay.Unload()
	}
	*st = state{
		executionID: deref(e.Instance.ExecutionID), startID: deref(e.Instance.ExecutionID),
		etag: st.etag, totalRows: max(st.totalRows, st.rows), blobs: st.blobs, seen: st.retire(), last: st.last,
		started: e,
	}
	st.forgetGeneration()
}
