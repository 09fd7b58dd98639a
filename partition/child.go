package partition

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// In a mixed fleet sub-orchestrations are started before the decision is committed. If the commit fails, the episode may be decided
// anew in another order, and the number of a decision be another one's. Ids that the engine makes follow from the number, as in
// .NET, so both start an instance with one id, the later one over the earlier one. The answer tells them apart.

// child is an open sub-orchestration.
type child struct {
	instance string
	// start is the execution id that its start message named; empty if that is not known.
	start string
}

// childOf says what is known of a sub-orchestration whose decision a row holds. The row of a decision that a Go worker has made in
// a mixed fleet keeps the execution id that the start message names, in the form of a message's id.
func childOf(r tables.Record, instance string) child {
	c := child{instance: instance}
	if layout.Derived(r.ActivityID) {
		c.start = strings.ReplaceAll(r.ActivityID, "-", "")
	}
	return c
}

// startID is what the row of a sub-orchestration keeps of its start.
func startID(o *outgoing) string {
	id, err := hex.DecodeString(deref(o.envelope.Message.Target.ExecutionID))
	if err != nil || len(id) != 16 {
		return ""
	}
	return dashedID([16]byte(id))
}

// answerID is the id of the message that answers the parent, so that the parent can tell by whose decision the instance was
// started; empty if that is not certain, as when a .NET worker has started it, or when it has continued as new since, which a
// start over it cannot be told from.
func (st *state) answerID() string {
	if st.startID != st.executionID || !madeHere(st.startID) {
		return ""
	}
	return childAnswerID(st.startID)
}

// childAnswer judges the outcome of a sub-orchestration, which may be of another one with the same number.
func (s *session) childAnswer(ctx context.Context, it *item, out *sorted, id int32) (verdict, string, error) {
	c, known := s.st.children[id]
	if from := it.envelope.Sender; known && from != nil && from.InstanceID != "" && from.InstanceID != c.instance {
		return drop, "it is the answer of another sub-orchestration with the same number", nil
	}
	if answer := it.envelope.ActivityID; known && c.start != "" && isChildAnswer(answer) && answer != childAnswerID(c.start) {
		return drop, "it is the answer of a sub-orchestration that was started by a decision which was never committed", s.startOver(ctx, id)
	}
	return s.answer(it, out, id, history.KindSubOrchestrationCreated)
}

// startOver sends the start of a sub-orchestration again: another start was carried out over it, or instead of it. Where that is
// not so, it is a copy. Its input is not in the history, but replaying that yields it.
func (s *session) startOver(ctx context.Context, id int32) error {
	def, hosted := s.p.cfg.Host.Orchestrator(s.id, s.st.started.Name, deref(s.st.started.Version))
	if !hosted {
		return nil
	}
	h, err := s.p.cfg.Tables.LoadHistory(ctx, s.id)
	if err != nil {
		return err
	}
	past := make([]history.Event, len(h.Records))
	for i, r := range h.Records {
		past[i] = r.Event
	}
	if err := s.p.stuck.still(s.id); err != nil {
		return err
	}
	again := s.replayOf(def)
	defer again.Unload()
	turn, err := again.Advance(past, nil)
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	for _, a := range turn.Committed {
		start, ok := a.(*replay.CreateSubOrchestration)
		if !ok || start.ID != id {
			continue
		}
		o := s.message(&episode{now: s.st.last}, start, start.Event())
		if err := s.putControl(ctx, o); err != nil {
			return fmt.Errorf("starting the sub-orchestration %s over: %w", start.InstanceID, err)
		}
	}
	return nil
}
