package tables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// rewound begins the Reason of a row that a rewind has taken out of the history.
const rewound = "Rewound: "

// Rewind is what has to be changed in a failed instance's history so that it runs on from before its failure.
type Rewind struct {
	InstanceID  string
	ExecutionID string
	// Failed is true when the history ends with a failure.
	Failed bool
	// Done is true when the history was rewound already and has not gone on since.
	Done bool
	// Children are the sub-orchestrations whose failures are to be undone.
	Children []RewindChild

	edits   []rewindEdit
	created map[string]int // by child, the edit of its SubOrchestrationInstanceCreated row
}

// RewindChild is a sub-orchestration that failed.
type RewindChild struct{ InstanceID string }

type rewindEdit struct {
	row     storedRow
	generic bool // the row counts no more; otherwise it only gets a reason
}

// PlanRewind reads a history and finds what a rewind changes, the way DurableTask.AzureStorage 2.9 does it: failed
// tasks, the rows that scheduled them, failed sub-orchestrations and the failure of the instance itself become generic
// events, which replay skips; rows of sub-orchestrations that are to be rewound, too, get a reason.
//
// It differs where .NET's rewind leads into a failure for good: the execution is the sentinel's, not that of the last
// row, which may be an older one's; and a failure that the orchestrator has answered with new decisions, as a retry does
// with a timer, stays, because the decisions stay and would have no cause any more. Where results came together with the
// failure, the decisions may be about those; then it stays if the same call was made again, at once or after a timer.
func (s *Store) PlanRewind(ctx context.Context, instanceID string) (*Rewind, error) {
	rows, err := s.readRows(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	h, events := split(rows)
	p := &Rewind{InstanceID: instanceID, ExecutionID: h.ExecutionID, created: make(map[string]int)}
	passed := episodes(events)
	again := retries{calls: make(map[string]bool)}
	for i, e := range passed {
		for _, failure := range e.failures {
			cause, known := find(events, causeOf(failure), failure.entity[colTaskScheduledID])
			if e.answered() || known && again.of(cause, passed[i:]) {
				continue
			}
			p.addFailure(failure, cause, known)
		}
	}
	p.addOutcome(events)
	if p.Done {
		p.addUnanswered(events)
	}
	return p, nil
}

// addOutcome undoes the failure of the instance itself.
func (p *Rewind) addOutcome(events []storedRow) {
	for _, row := range events {
		switch row.text(colEventType) {
		case history.KindOrchestratorStarted.String():
			p.Done = false
		case history.KindExecutionCompleted.String():
			if row.text(colOrchestrationStatus) == history.Failed.String() {
				p.Failed = true
				p.edits = append(p.edits, rewindEdit{row: row, generic: true})
			}
		case history.KindGenericEvent.String():
			p.Done = p.Done || row.text(colReason) == rewound+history.KindExecutionCompleted.String()
		}
	}
}

// addUnanswered finds the children of a history that was rewound already.
func (p *Rewind) addUnanswered(events []storedRow) {
	for _, row := range events {
		if row.text(colReason) == rewound+history.KindSubOrchestrationCreated.String() && row.text(colEventType) == history.KindSubOrchestrationCreated.String() {
			p.Children = append(p.Children, RewindChild{InstanceID: row.text(colInstanceID)})
		}
	}
}

// causeOf is the kind of the decision that a failure answers.
func causeOf(failure storedRow) history.Kind {
	if failure.text(colEventType) == history.KindTaskFailed.String() {
		return history.KindTaskScheduled
	}
	return history.KindSubOrchestrationCreated
}

// addFailure undoes a failure, and the decision that it answers.
func (p *Rewind) addFailure(failure, cause storedRow, known bool) {
	p.edits = append(p.edits, rewindEdit{row: failure, generic: true})
	switch {
	case !known:
	case causeOf(failure) == history.KindTaskScheduled:
		p.edits = append(p.edits, rewindEdit{row: cause, generic: true})
	default:
		child := cause.text(colInstanceID)
		p.Children = append(p.Children, RewindChild{InstanceID: child})
		p.created[child] = len(p.edits)
		p.edits = append(p.edits, rewindEdit{row: cause})
	}
}

// find returns the row of a decision.
func find(events []storedRow, kind history.Kind, id any) (storedRow, bool) {
	for _, row := range events {
		if row.text(colEventType) == kind.String() && row.entity[colEventID] == id {
			return row, true
		}
	}
	return storedRow{}, false
}

// StartAgain makes the parent start a child anew instead of waiting for its answer: for children whose history is gone
// or cannot be rewound.
func (p *Rewind) StartAgain(child string) {
	if i, ok := p.created[child]; ok {
		p.edits[i].generic = true
	}
}

// Rewind writes the changes of a plan. Every row is replaced only if it is as it was read; otherwise the error matches
// [ErrConflict]. Up to 100 changes are one transaction.
func (s *Store) Rewind(ctx context.Context, p *Rewind) error {
	operations := make([]operation, 0, len(p.edits))
	seen := make(map[string]bool)
	for _, edit := range p.edits {
		if seen[edit.row.key()] {
			continue
		}
		seen[edit.row.key()] = true
		op, err := newOperation(aztables.TransactionTypeUpdateReplace, edit.row.etag, edit.apply())
		if err != nil {
			return fmt.Errorf("rewind: instance %q in hub %q: %w", p.InstanceID, s.names.Hub(), err)
		}
		operations = append(operations, op)
	}
	key := layout.EscapeKey(p.InstanceID)
	for len(operations) > 0 {
		n, size := 0, 0
		for n < len(operations) && n < maxOperations && (n == 0 || size+s.size(operations[n], key) <= maxTransactionBytes) {
			size += s.size(operations[n], key)
			n++
		}
		if _, err := s.submit(ctx, operations[:n]); err != nil {
			return s.fail("rewind", p.InstanceID, err)
		}
		operations = operations[n:]
	}
	return nil
}

// apply gives the row as it is to be.
func (e rewindEdit) apply() edm.Entity {
	row := maps.Clone(e.row.entity)
	delete(row, edm.TimestampProperty)
	delete(row, colReason+blobSuffix)
	row[colReason] = rewound + e.row.text(colEventType)
	if e.generic {
		row[colEventType] = history.KindGenericEvent.String()
	}
	return row
}

// SetPending shows a rewound instance as waiting to run, if its status row is as it was read.
func (s *Store) SetPending(ctx context.Context, row *InstanceRow) error {
	pending, now := history.Pending, time.Now().UTC()
	_, err := s.MergeInstance(ctx, InstanceUpdate{InstanceID: row.InstanceID, Status: &pending, LastUpdatedTime: &now}, row.ETag)
	if errors.Is(err, ErrConflict) {
		return nil // somebody else has written what is newer
	}
	return err
}
