package worker

import (
	"context"
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/leases"
)

// WaitReady waits until the worker owns a partition or is known to wait for one that another worker owns. It returns
// an error when the context ends first or the worker does not run.
func (w *Worker) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		w.mu.Lock()
		p := w.running
		w.mu.Unlock()
		if p == nil {
			return errors.New("worker: it does not run")
		}
		if p.ready() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ready: a partition is owned, or the lease store was read and others own what there is.
func (p *process) ready() bool {
	if len(p.all()) > 0 {
		return true
	}
	status := p.leases.Status()
	if status.App.State == leases.AppWaiting && status.App.Reason != "" {
		return true // another application has the hub, and the partitions are not looked at meanwhile
	}
	if status.Error != "" || len(status.Partitions) == 0 {
		return false
	}
	for _, part := range status.Partitions {
		if part.State == leases.Unknown {
			return false
		}
	}
	return true
}
