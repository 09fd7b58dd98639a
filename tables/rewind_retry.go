package tables

import (
	"slices"

	"github.com/go-taskhub/taskhub/history"
)

// episode is a part of a history that was committed together.
type episode struct {
	failures, decided []storedRow
	fired             []any // ids of timers
	successes, others bool  // results, timers and events besides the failures
	ended             bool  // the instance's own end is in it
}

// answered tells whether the orchestrator has reacted to the episode's failures by deciding something. Where other
// things happened, too, the decisions may have been about those.
func (e episode) answered() bool { return len(e.decided) > 0 && !e.successes && !e.others }

// bringsNothing says whether the episode only has decisions for which the one before it had no room.
func (e episode) bringsNothing() bool { return len(e.failures) == 0 && !e.successes && !e.others }

// episodes splits a history where the orchestrator began to run.
func episodes(events []storedRow) []episode {
	var all []episode
	current := episode{}
	end := func() {
		if n := len(all); n > 0 && current.bringsNothing() {
			all[n-1].decided = append(all[n-1].decided, current.decided...)
			all[n-1].ended = all[n-1].ended || current.ended
		} else {
			all = append(all, current)
		}
		current = episode{}
	}
	for i, row := range events {
		kind, _ := history.ParseKind(row.text(colEventType))
		if kind == history.KindOrchestratorStarted && i > 0 {
			end()
		}
		current.add(kind, row)
	}
	end()
	return all
}

func (e *episode) add(kind history.Kind, row storedRow) {
	switch kind {
	case history.KindTaskFailed, history.KindSubOrchestrationFailed:
		e.failures = append(e.failures, row)
	case history.KindTimerFired:
		e.successes, e.fired = true, append(e.fired, row.entity[colTimerID])
	case history.KindTaskCompleted, history.KindSubOrchestrationCompleted:
		e.successes = true
	case history.KindTaskScheduled, history.KindSubOrchestrationCreated, history.KindTimerCreated, history.KindEventSent:
		e.decided = append(e.decided, row)
	case history.KindExecutionCompleted:
		e.ended = true
	case history.KindOrchestratorStarted, history.KindOrchestratorCompleted:
	default:
		e.others = true
	}
}

// retries finds failures that were answered by making the same call again. A row counts for one of them.
type retries struct{ calls map[string]bool }

// of says whether a call whose failure came in the first of the episodes was made again in it, or after a timer that it set. A
// timer that has not fired may be one for that, unless the instance ended there and then.
func (r retries) of(cause storedRow, from []episode) bool {
	if r.repeated(cause, from[:1]) {
		return true
	}
	for _, timer := range from[0].decided {
		if timer.text(colEventType) != history.KindTimerCreated.String() || r.calls[timer.key()] {
			continue
		}
		id := timer.entity[colEventID]
		fired := slices.IndexFunc(from, func(e episode) bool { return slices.Contains(e.fired, id) })
		if fired < 0 && !from[0].ended || fired >= 0 && r.repeated(cause, from[fired:]) {
			r.calls[timer.key()] = true
			return true
		}
	}
	return false
}

// repeated finds a later decision that is the same call.
func (r retries) repeated(cause storedRow, in []episode) bool {
	for _, e := range in {
		for _, row := range e.decided {
			if row.key() > cause.key() && !r.calls[row.key()] && sameCall(row, cause) {
				r.calls[row.key()] = true
				return true
			}
		}
	}
	return false
}

// sameCall compares what is called. Inputs that are in blobs are not fetched for it.
func sameCall(a, b storedRow) bool {
	for _, column := range []string{colEventType, colName, colVersion} {
		if a.text(column) != b.text(column) {
			return false
		}
	}
	large := a.text(colInput+blobSuffix) != "" && b.text(colInput+blobSuffix) != ""
	return large || a.text(colInput) == b.text(colInput)
}
