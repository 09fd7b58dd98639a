package partition

import (
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// state is what a session knows of its instance.
type state struct {
	executionID string
	startID     string // execution id of the first generation
	etag        string // of the sentinel; "" when there is none
	rows        int    // rows of this generation
	totalRows   int    // rows of any generation
	episodes    int32
	started     *history.ExecutionStarted
	ended       *history.ExecutionCompleted
	consumed    map[string]struct{}      // identities of applied events
	seen        map[string]time.Time     // identities that earlier generations applied, and when that became so
	messages    map[history.Event]string // ids of the messages that external events came with
	timers      map[int32]time.Time      // committed timers that have not fired
	last        time.Time                // of the newest event
	behindRow   *tables.InstanceUpdate   // what the status row should show; nil once that was looked at

	replay         *replay.Session
	past           []history.Event // committed events that were not replayed yet
	pending        []replay.Action // decisions that replay made and the history lacks
	pendingOutcome *replay.Outcome
	customStatus   *string
	unhosted       bool
}

// stateOf reads a loaded history.
func stateOf(h *tables.History) *state {
	st := &state{
		executionID: h.ExecutionID, startID: h.StartID, etag: h.ETag,
		rows: len(h.Records), totalRows: h.TotalRows,
	}
	st.forgetGeneration()
	if st.startID == "" {
		st.startID = h.ExecutionID
	}
	for _, r := range h.Records {
		st.note(r)
		st.past = append(st.past, r.Event)
	}
	if st.ended != nil {
		st.past = nil
	}
	return st
}

// note keeps what later decisions need of a committed row.
func (st *state) note(r tables.Record) {
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

// rowIdentity is what tells the copy of the message that a row came with.
func rowIdentity(r tables.Record) string {
	if r.ActivityID != "" {
		return strings.ToLower(r.ActivityID)
	}
	return contentIdentity(r.Event)
}

// seenFor is how long the messages that an earlier generation applied are remembered. A copy comes when a message's lock
// runs out before its deletion, or when a put was repeated.
const seenFor = 10 * time.Minute

// retire keeps the identities of a generation's events for the next one, as long as copies may come.
func (st *state) retire() map[string]time.Time {
	now := time.Now()
	seen := make(map[string]time.Time, len(st.seen)+len(st.consumed))
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
	st.consumed, st.messages, st.timers = map[string]struct{}{}, map[history.Event]string{}, map[int32]time.Time{}
}

// exists says whether the instance has a history.
func (st *state) exists() bool { return st.started != nil }

// behind says whether replay decided things the history does not have.
func (st *state) behind() bool { return len(st.pending) > 0 || st.pendingOutcome != nil }

// consumedBefore recognises a copy of an event that was applied, also by what .NET rows keep of it.
func (st *state) consumedBefore(it *item) bool {
	for _, id := range []string{it.identity(), contentIdentity(it.event)} {
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
		etag: st.etag, totalRows: max(st.totalRows, st.rows), seen: st.retire(), last: st.last,
		started: e,
	}
	st.forgetGeneration()
}
