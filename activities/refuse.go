package activities

import (
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

// refusal is why a work item cannot be run here.
type refusal struct {
	name   string // of the activity, as far as it is known
	reason string
	damage bool // no worker can run it
}

// refuse says why a work item cannot be run here; nil when it can.
func (r *Runner) refuse(d *queues.Delivery) *refusal {
	if d.Err != nil {
		var broken *queues.UndecodableError
		return &refusal{
			reason: "it cannot be decoded, and becomes a dead letter in the end: " + d.Err.Error(),
			damage: errors.As(d.Err, &broken),
		}
	}
	e, ok := d.Envelope.Message.Event.(*history.TaskScheduled)
	if !ok {
		return &refusal{reason: "it is a " + d.Envelope.Message.Event.Kind().String() + ", not an activity", damage: true}
	}
	if _, ok := r.cfg.Handler(e.Name); !ok {
		return &refusal{name: e.Name, reason: "no activity " + e.Name + " is registered in this worker; register it or run a worker that hosts it"}
	}
	return nil
}

// park notes a refused work item and says how long it stays away.
func (r *Runner) park(d *queues.Delivery, why *refusal) time.Duration {
	delay, first := r.parked.refused(d, why, time.Now())
	level := r.cfg.Logger.Debug
	if first {
		level = r.cfg.Logger.Error
	}
	level("a work item is handed back", keyActivity, why.name, keyReason, why.reason,
		keyMessage, d.ID, keyCount, d.DequeueCount, keyDelay, delay)
	return delay
}
