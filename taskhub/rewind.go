package taskhub

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// ErrInstanceNotFailed is matched by [InstanceNotFailedError].
var ErrInstanceNotFailed = errors.New("the instance has not failed")

// InstanceNotFailedError reports a rewind of an instance that has not failed. Nothing was written.
type InstanceNotFailedError struct {
	Hub        string
	InstanceID string
	Status     history.Status
}

// Error says which state the instance is in.
func (e *InstanceNotFailedError) Error() string {
	return fmt.Sprintf("rewind: instance %q in hub %q is %s: only failed instances can be rewound", e.InstanceID, e.Hub, e.Status)
}

// Is makes errors.Is(err, ErrInstanceNotFailed) true.
func (e *InstanceNotFailedError) Is(target error) bool { return target == ErrInstanceNotFailed }

// maxRewindDepth bounds how deep sub-orchestrations are rewound.
const maxRewindDepth = 100

// Rewind lets a failed instance go on from before its failure: failed activities run again, failed sub-orchestrations
// are rewound in turn, and results that were obtained before are kept. A failure that the orchestrator has dealt with,
// as a retry does, stays dealt with. The reason is kept in the history.
//
// A rewind that was cut short can be repeated. An unknown id gives an [InstanceNotFoundError], and an instance in any
// other state an [InstanceNotFailedError].
func (c *Client) Rewind(ctx context.Context, instanceID, reason string) error {
	const operation = "rewind"
	row, err := c.row(ctx, operation, instanceID, tables.GetOptions{Raw: true})
	if err != nil {
		return err
	}
	r := &rewinding{c: c, reason: reason, rows: make(map[string]*tables.InstanceRow)}
	plan, err := c.hub.tables.PlanRewind(ctx, instanceID)
	if err != nil {
		return c.fail(operation, instanceID, err)
	}
	again := row.Status == history.Pending && plan.Done // cut short behind the history's change
	if row.Status != history.Failed && !again {
		return &InstanceNotFailedError{Hub: c.hub.Name(), InstanceID: instanceID, Status: row.Status}
	}
	if !plan.Failed && !plan.Done {
		if _, err := c.hub.tables.LoadHistory(ctx, instanceID); err != nil {
			return c.fail(operation, instanceID, err) // why it was shown as failed, most likely
		}
		return c.fail(operation, instanceID, errors.New("its status says that it has failed, but its history does not: a worker that loads it repairs the status"))
	}
	if err := r.plan(ctx, plan, row, 0); err != nil {
		return c.fail(operation, instanceID, err)
	}
	if err := r.run(ctx); err != nil {
		return c.fail(operation, instanceID, fmt.Errorf("it is not complete, rewind again: %w", err))
	}
	return nil
}

// rewinding is a rewind of an instance and its failed children.
type rewinding struct {
	c      *Client
	reason string
	plans  []*tables.Rewind // children before their parents
	leaves []string         // instances without rewound children: they are told to run
	rows   map[string]*tables.InstanceRow
}

// plan decides what happens to an instance's failed children, and then to itself.
func (r *rewinding) plan(ctx context.Context, p *tables.Rewind, row *tables.InstanceRow, depth int) error {
	if depth > maxRewindDepth {
		return fmt.Errorf("sub-orchestrations are nested more than %d deep", maxRewindDepth)
	}
	r.rows[p.InstanceID] = row
	leaf := true
	for _, child := range p.Children {
		rewindable, err := r.child(ctx, child.InstanceID, depth)
		if err != nil {
			return err
		}
		if rewindable {
			leaf = false
		} else {
			p.StartAgain(child.InstanceID)
		}
	}
	r.plans = append(r.plans, p)
	if leaf {
		r.leaves = append(r.leaves, p.InstanceID)
	}
	return nil
}

// child plans the rewind of a failed child; false means that its parent has to start it again.
func (r *rewinding) child(ctx context.Context, id string, depth int) (bool, error) {
	if _, known := r.rows[id]; known || id == "" {
		return known, nil
	}
	p, err := r.c.hub.tables.PlanRewind(ctx, id)
	if err != nil {
		return false, err
	}
	if !p.Failed && !p.Done { // purged, terminated, or something else by now
		return false, nil
	}
	row, err := r.c.hub.tables.GetInstance(ctx, id, tables.GetOptions{Raw: true})
	if err != nil {
		return false, err
	}
	return true, r.plan(ctx, p, row, depth+1)
}

// run changes the histories, then the status rows, and at last tells the leaves to run; their answers wake the parents.
func (r *rewinding) run(ctx context.Context) error {
	for _, p := range r.plans {
		if err := r.c.hub.tables.Rewind(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range r.plans {
		row := r.rows[p.InstanceID]
		if row == nil {
			continue
		}
		if err := r.c.hub.tables.SetPending(ctx, row); err != nil && !errors.Is(err, tables.ErrRowNotFound) {
			return err
		}
	}
	for _, id := range r.leaves {
		event := &history.GenericEvent{Base: clientEvent(), Data: optional(r.reason)}
		if err := r.c.send(ctx, "rewind", id, event); err != nil {
			return err
		}
	}
	return nil
}
