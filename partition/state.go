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
	consumed    map[string]struct{} // identities of applied events
	last        time.Time           // of the newest event

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
		rows: len(h.Records), totalRows: h.TotalRows, consumed: map[string]struct{}{},
	}
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
	case *history.EventRaised, *history.ExecutionTerminated, *history.ExecutionSuspended, *history.ExecutionResumed:
		id := strings.ToLower(r.ActivityID)
		if id == "" {
			id = contentIdentity(e)
		}
		st.consumed[id] = struct{}{}
	}
	if t := r.Event.Common().Timestamp; t.After(st.last) {
		st.last = t
	}
}

// exists says whether the instance has a history.
func (st *state) exists() bool { return st.started != nil }

// behind says whether replay decided things the history does not have.
func (st *state) behind() bool { return len(st.pending) > 0 || st.pendingOutcome != nil }

// consumedBefore recognises a copy of an event that was applied, also by what .NET rows keep of it.
func (st *state) consumedBefore(it *item) bool {
	if _, ok := st.consumed[it.identity()]; ok {
		return true
	}
	_, ok := st.consumed[contentIdentity(it.event)]
	return ok
}

// begin makes the state that of a new execution, over whatever the partition key holds.
func (st *state) begin(e *history.ExecutionStarted) {
	if st.replay != nil {
		st.replay.Unload()
	}
	*st = state{
		executionID: deref(e.Instance.ExecutionID), startID: deref(e.Instance.ExecutionID),
		etag: st.etag, totalRows: max(st.totalRows, st.rows), consumed: map[string]struct{}{}, last: st.last,
		started: e,
	}
}
