package taskhub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// FindingKind names what is wrong.
type FindingKind string

// Kinds of findings.
const (
	// FindingUnread is a queue with messages that nobody reads.
	FindingUnread FindingKind = "unread-partition"
	// FindingPoison is a message in a queue that workers try in vain, or cannot understand.
	FindingPoison FindingKind = "poison"
	// FindingDeadLetters are dead letters that wait for a decision.
	FindingDeadLetters FindingKind = "dead-letters"
	// FindingStray is a message for an instance that does not exist.
	FindingStray FindingKind = "message-without-instance"
	// FindingLag is a status row that does not show the end that the history has.
	FindingLag FindingKind = "status-behind"
	// FindingAhead is a status row that shows an end which the history has not.
	FindingAhead FindingKind = "status-ahead"
	// FindingNoHistory is a status row that shows a running instance whose history is gone.
	FindingNoHistory FindingKind = "status-without-history"
	// FindingNoStart is a status row of an instance that waits for a start message which is gone.
	FindingNoStart FindingKind = "start-lost"
	// FindingOrphanRows are rows of a history without a status row.
	FindingOrphanRows FindingKind = "orphaned-history"
	// FindingOrphanBlobs are large values of an instance that does not exist.
	FindingOrphanBlobs FindingKind = "orphaned-blobs"
	// FindingUnheld is an instance with open actions, or unsent messages, that nobody is going to carry out.
	FindingUnheld FindingKind = "actions-unheld"
	// FindingStaleActive is a row of the active list that an owner has left and nobody needs or takes over.
	FindingStaleActive FindingKind = "stale-active-row"
)

// Finding is something that is wrong with a hub.
type Finding struct {
	Kind FindingKind
	// Where names the queue, table or container.
	Where string
	// InstanceID is the instance concerned; empty when there is none.
	InstanceID string
	// What says what is wrong, and how that can come about.
	What string
	// Repair says what [Hub.Repair] would do; empty when there is nothing that it could do, and Advice says what to do.
	Repair string
	Advice string

	key string
	fix func(ctx context.Context) error
}

// ExamineOptions say how a hub is examined. The zero value is a good choice.
type ExamineOptions struct {
	// Settle is how long what looks wrong is watched: only what has not changed for so long is a finding. It must be longer
	// than a worker takes to finish a step, on a slow day. Defaults to 30 seconds; without a suspicion there is no wait.
	Settle time.Duration
	// Suspected, if set, is told once how many suspicions there are, before the wait.
	Suspected func(n int, wait time.Duration)
}

// Examine looks for what is wrong with a hub, by going through its tables, queues, leases and large values twice, and changes
// nothing. What workers are busy with is not wrong: a finding is what has stayed as it was between the two looks. It reads
// all rows of the Instances table and goes through the History table; memory use is some hundred bytes for each instance.
func (h *Hub) Examine(ctx context.Context, options ExamineOptions) ([]*Finding, error) {
	settle := cmp.Or(options.Settle, 30*time.Second)
	if err := h.locate(ctx); err != nil {
		return nil, h.named("examine", err)
	}
	first, err := h.look(ctx)
	if err != nil {
		return nil, h.named("examine", err)
	}
	if len(first) == 0 {
		return nil, nil
	}
	if options.Suspected != nil {
		options.Suspected(len(first), settle)
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, h.named("examine", ctx.Err())
	}
	second, err := h.look(ctx)
	if err != nil {
		return nil, h.named("examine", err)
	}
	var findings []*Finding
	for key, f := range second {
		if first[key] != nil {
			findings = append(findings, f)
		}
	}
	slices.SortFunc(findings, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Where, b.Where), cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.key, b.key))
	})
	return findings, nil
}

// ErrNotRepairable is returned for findings that a person has to deal with.
var ErrNotRepairable = errors.New("this has to be dealt with by hand")

// ErrChanged is returned when what was found has changed since.
var ErrChanged = errors.New("it has changed since it was found; examine again")

// Repair does what a finding's Repair says, if what was found is still as it was. The error matches [ErrNotRepairable] or
// [ErrChanged], or is what the storage says.
func (h *Hub) Repair(ctx context.Context, f *Finding) error {
	if f.fix == nil {
		return fmt.Errorf("repair %s of hub %q: %w: %s", f.Kind, h.Name(), ErrNotRepairable, f.Advice)
	}
	if err := f.fix(ctx); err != nil {
		return fmt.Errorf("repair %s of instance %q in hub %q: %w", f.Kind, f.InstanceID, h.Name(), err)
	}
	return nil
}

// suspicions are what looks wrong at one look, by a key that changes when anything about it does.
type suspicions map[string]*Finding

func (s suspicions) add(f *Finding, state ...any) {
	f.key = fmt.Sprint(append([]any{f.Kind, f.Where, f.InstanceID}, state...)...)
	s[f.key] = f
}

func (h *Hub) look(ctx context.Context) (suspicions, error) {
	l := &look{hub: h, found: suspicions{}}
	for _, part := range []func(context.Context) error{l.queues, l.survey, l.instances, l.messages, l.activeRows, l.blobs, l.letters} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return l.found, nil
}
