package activities

import (
	"context"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// endedBuffer is how many instances may wait to be asked about. More are left to the next renewal of their locks.
const endedBuffer = 256

// InstanceEnded tells that an instance may have ended. If it was terminated, its activities here are cancelled with
// [durable.ErrTerminated] and their work items deleted.
func (r *Runner) InstanceEnded(instanceID string) {
	r.mu.Lock()
	concerned := r.instances[instanceID] > 0
	r.mu.Unlock()
	if concerned {
		r.ask(instanceID)
	}
}

func (r *Runner) ask(instanceID string) {
	select {
	case r.ended <- instanceID:
	default:
	}
}

// of lists the work items of an instance.
func (r *Runner) of(instanceID string) []*work {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*work
	for _, w := range r.held {
		if w.target().InstanceID == instanceID {
			list = append(list, w)
		}
	}
	return list
}

func (r *Runner) watchEnded() {
	for {
		select {
		case <-r.storage.Done():
			return
		case id := <-r.ended:
			r.cancelTerminated(id)
		}
	}
}

// askLimit bounds one question, so that a storage that hangs does not hold up the others.
const askLimit = 10 * time.Second

// cancelTerminated asks once for each execution of an instance that has activities here.
func (r *Runner) cancelTerminated(instanceID string) {
	asked := map[string]bool{}
	for _, w := range r.of(instanceID) {
		execution := executionOf(w.target())
		terminated, known := asked[execution]
		if !known {
			terminated = r.terminated(w.target())
			asked[execution] = terminated
		}
		if terminated {
			w.cancel(durable.ErrTerminated)
		}
	}
}

func (r *Runner) terminated(execution history.Instance) bool {
	ctx, cancel := context.WithTimeout(r.storage, askLimit)
	defer cancel()
	terminated, err := r.cfg.Terminated(ctx, execution)
	if err != nil && r.storage.Err() == nil {
		r.cfg.Logger.Warn("whether an instance was terminated could not be read; its activities go on",
			keyInstance, execution.InstanceID, keyError, err)
	}
	return terminated
}

func executionOf(i history.Instance) string {
	if i.ExecutionID == nil {
		return ""
	}
	return *i.ExecutionID
}
