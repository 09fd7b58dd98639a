package worker

import (
	"context"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/partition"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/telemetry"
)

// bury stores the dead letter of a work item, and returns what its activity fails with.
func (p *process) bury(ctx context.Context, l activities.DeadLetter) (string, error) {
	letter := partition.NewDeadLetter(p.w.hub.Queues().WorkItems().Name(), p.w.cfg.ID, l.Delivery, l.Attempts, l.Reason)
	if err := p.w.hub.Tables().PutDeadLetter(ctx, letter); err != nil {
		return "", err
	}
	p.recorder.DeadLetter(telemetry.WorkItemQueue)
	return partition.DeadLetterText(letter), nil
}

// purged says whether a work item cannot be read because its instance was purged.
func (p *process) purged(ctx context.Context, d *queues.Delivery) (bool, error) {
	return partition.Purged(ctx, p.w.hub.Tables(), d)
}
