package partition

import (
	"context"
	"errors"
	"time"
)

// errStalled ends a partition that has received all it can hold and gets nothing done.
var errStalled = errors.New("the partition's buffer is full and nothing in it has been begun for long")

// errUnread ends a partition whose queue has not answered for long.
var errUnread = errors.New("the partition's queue could not be read for long")

// unreadSlack is how long receiving may fail on top of two pauses. What ails the queue service as a whole should be over by then,
// because giving the partitions up would not help and makes running activities run again.
const unreadSlack = 20 * time.Second

// unreadDrain is how long such a partition may take to end: most of it would go through the queue service.
const unreadDrain = 10 * time.Second

// newUnread allows for receives that fail. After that the partition is owned and not read, and another worker may do better.
func newUnread(cfg Config) *stall { return &stall{limit: 2*cfg.MaxPoll + unreadSlack} }

// giveUp ends the partition in order, for a reason of its own.
func (p *Partition) giveUp(why error, after time.Duration) {
	p.log.Error("the partition is given up for another worker; look at this worker's way to the queue service, and at its rights there", keyError, why, keyDelay, after)
	p.failure.Store(&why)
	go p.stopOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), unreadDrain)
		defer cancel()
		p.drain(ctx)
	})
}

// stall watches a partition that has no room. Waiting for room is as it should be while messages are taken up; when none is,
// the partition is owned and not read, and another worker may do better.
type stall struct {
	limit time.Duration
	since time.Time
}

// newStall allows for two pauses, and for the time in which a body that does not return is found out.
func newStall(cfg Config) *stall { return &stall{limit: 2*cfg.MaxPoll + cfg.StuckAfter} }

// left is how long nothing may happen from now on.
func (s *stall) left() time.Duration {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	return max(s.limit-time.Since(s.since), 0)
}

// moved notes that a message was taken up, or that there is room.
func (s *stall) moved() { s.since = time.Time{} }

// awaitRoom waits until there may be room. A partition in which nothing moves ends: its messages come back when their
// locks run out, and its lease lapses.
func (p *Partition) awaitRoom(s *stall, most time.Duration) {
	left := s.left()
	switch {
	case left <= 0:
		p.log.Error("the partition is given up: it is full of messages, and none has been taken up for long. Look for storage calls that hang, or orchestrators that block",
			keyCount, p.sessions.pending(), keyDelay, s.limit)
		p.endWork(errStalled)
	case p.pause(p.room, min(left, most)):
		s.moved()
	}
}
