package partition

import (
	"context"
	"slices"
	"strings"
	"time"
)

// An owner that knows of nothing else keeps what it has loaded. But the commit of a former owner may land later: one whose lease was
// broken from outside goes on for up to a minute, and a request may be on its way for long. A commit of this owner's learns that from the
// sentinel. A message that is about something the history does not have may be all that ever comes, and is judged by a history that
// was loaded after it.

// outOfDate says whether storage may know more of what a message is about: the history was loaded before the message came.
func (s *session) outOfDate(it *item) bool { return s.st.confirmed.Before(it.arrived) }

// lookAgain judges items anew by what storage has.
func (s *session) lookAgain(items []*item) {
	if len(items) == 0 {
		return
	}
	s.log.Debug("messages are about what the history does not have; loading it again", keyCount, len(items))
	s.drop()
	s.unsure = true
	s.p.sessions.putBack(s, items)
}

// otherExecution judges a message for an execution that the history is not of. What this owner has seen replaced is over. Any other may also
// be the next one, whose first commit landed after the history was loaded; in a mixed fleet, where messages are sent first, it may be
// yet to land.
func (s *session) otherExecution(it *item) (verdict, string, error) {
	const deliveries = 5          // about a minute
	const young = 3 * time.Minute // a commit that is on its way for longer has failed; clocks may differ by a minute
	switch {
	case s.hasReplaced(it.executionID()):
	case s.outOfDate(it):
		return unknown, "", nil
	case !s.p.goFleet() && it.deliveries <= deliveries && time.Since(it.inserted) < young:
		return park, "it is meant for an execution that the history does not have", nil
	}
	return drop, "it is meant for another execution", nil
}

// broughtBack says of a message that nothing in the history explains, after about a minute, whether the history is one that a late
// request has brought back after the instance was purged: then nobody has a status row for it. The doctor removes such rows.
func (s *session) broughtBack(ctx context.Context, it *item) bool {
	const deliveries = 5
	if it.deliveries <= deliveries || s.st == nil || !s.st.exists() || s.status.dirty() {
		return false
	}
	row, err := s.p.cfg.Tables.GetInstance(ctx, s.id, getStatusOnly)
	if err != nil || row != nil {
		return false
	}
	s.log.Info("a message is deleted: its instance was purged, and only a late request has brought rows of its history back", keyEvent, it.event.Kind().String())
	return true
}

// mostReplaced is how many executions are remembered that are over. Only the last ones still get messages.
const mostReplaced = 8

// replaces remembers that an execution is over.
func (s *session) replaces(executionID string) {
	if executionID == "" || strings.EqualFold(executionID, s.st.executionID) || s.hasReplaced(executionID) {
		return
	}
	s.replaced = append(s.replaced[max(len(s.replaced)-mostReplaced+1, 0):], executionID)
}

func (s *session) hasReplaced(executionID string) bool {
	return slices.ContainsFunc(s.replaced, func(id string) bool { return strings.EqualFold(id, executionID) })
}
