package activities

import (
	"time"

	"github.com/go-taskhub/taskhub/limits"
)

// Health is a snapshot of a Runner.
type Health struct {
	// Slots is how many activities may run at one time.
	Slots int
	// Running is how many slots are in use.
	Running int
	// Waiting is how many work items wait here for a slot.
	Waiting int
	// Abandoned is how many activities go on although their attempt has ended: they do not heed their context. They use
	// no slot, but when there are as many as slots (or eight, with fewer slots), no more work is taken.
	Abandoned int
	// Receives says whether the work-item queue is read: not without activities, nor after Stop.
	Receives bool
	// Clogged says that there are so many of them.
	Clogged bool
	// LastTurn is when the receive loop last began a turn: it receives, or sees that it has no room.
	LastTurn time.Time
	// LastReceive is when the work-item queue last answered, zero before the first time.
	LastReceive time.Time
	// Lag is how long the oldest work item of the last receive had waited, by the queue service's clock and this machine's. It is
	// zero unless the Runner has a Config.Telemetry that measures.
	Lag time.Duration
	// Failure is why it does not answer, nil while it does; FailingSince since when.
	Failure      error
	FailingSince time.Time
	// Parked are work items that cannot run here.
	Parked []Parked
	// Limits are those of the activities here, and what they do.
	Limits []limits.Stats
}

// Health tells how the Runner is doing. It makes no request.
func (r *Runner) Health() Health {
	h := Health{Slots: r.cfg.Slots, Receives: *r.cfg.Hosts && r.receiving.Err() == nil, Parked: r.parked.list(time.Now()), Limits: r.limits.Stats()}
	h.Lag = time.Duration(r.lag.Load())
	if at := r.lastReceive.Load(); at != 0 {
		h.LastReceive = time.Unix(0, at).UTC()
	}
	if f := r.failing.Load(); f != nil {
		h.Failure, h.FailingSince = f.err, f.since.UTC()
	}
	if at := r.lastTurn.Load(); at != 0 {
		h.LastTurn = time.Unix(0, at).UTC()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h.Running, h.Waiting, h.Abandoned = r.cfg.Slots-r.free, len(r.backlog), r.abandoned
	h.Clogged = r.clogged()
	return h
}
