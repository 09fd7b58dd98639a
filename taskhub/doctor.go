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
	// FindingDamaged is a running instance whose history cannot be read.
	FindingDamaged FindingKind = "history-damaged"
	// FindingSentinel is a history whose guarding row is missing, or does not belong to it.
	FindingSentinel FindingKind = "sentinel-wrong"
	// FindingNoRow is an instance that goes on without a status row.
	FindingNoRow FindingKind = "status-row-lost"
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
// all rows of the Instances table, goes through the History table, and reads the histories of instances that run; memory use
// is some hundred bytes for each instance, and what the largest four of these histories take.
func (h *Hub) Examine(ctx context.Context, options ExamineOptions) ([]*Finding, error) {
	settle := cmp.Or(options.Settle, 30*time.Second)
	if err := h.locate(ctx); err != nil {
		return nil, h.named("examine", err)
	}
	first, err := h.look(ctx, func(string) bool { return true })
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
	second, err := h.look(ctx, first.damaged)
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

// damaged says whether an instance's history could not be read.
func (s suspicions) damaged(instanceID string) bool {
	for _, f := range s {
		if f.Kind == FindingDamaged && f.InstanceID == instanceID {
			return true
		}
	}
	return false
}

// look looks once. Of running instances it reads the histories that are asked for.
func (h *Hub) look(ctx context.Context, reads func(instanceID string) bool) (suspicions, error) {
	l := &look{hub: h, found: suspicions{}, reads: reads}
	for _, part := range []func(context.Context) error{l.queues, l.survey, l.instances, l.histories, l.messages, l.activeRows, l.blobs, l.letters} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return l.found, nil
}
