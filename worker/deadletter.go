package worker

import (
	"context"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/partition"
)

// bury stores the dead letter of a work item, and returns what its activity fails with.
func (p *process) bury(ctx context.Context, l activities.DeadLetter) (string, error) {
	letter := partition.NewDeadLetter(p.w.hub.Queues().WorkItems().Name(), p.w.cfg.ID, l.Delivery, l.Attempts, l.Reason)
	if err := p.w.hub.Tables().PutDeadLetter(ctx, letter); err != nil {
		return "", err
	}
	return partition.DeadLetterText(letter), nil
}
