package activities

import (
	"context"
	"time"
)

// putBack makes a work item for everybody of local work that is not done here; the caller holds busy. When that fails the
// work stays named in its instance's history, and the next owner of the instance begins it again.
func (r *Runner) putBack(ctx context.Context, w *work, delay time.Duration) error {
	env := *w.Envelope
	if details := w.latest(); details != nil {
		env = *w.withDetails(details)
	}
	env.SequenceNumber = r.cfg.Queues.NextSequence()
	if _, err := r.queue.Put(ctx, &env, delay); err != nil {
		return err
	}
	if w.Promoted != nil {
		w.Promoted()
	}
	return nil
}
