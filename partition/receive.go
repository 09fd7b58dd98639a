package partition

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-taskhub/taskhub/queues"
)

const (
	minPoll      = 25 * time.Millisecond
	receiveBatch = 32 // the queue service's limit
)

// receiveLoop receives, and renews the lease between two receives: a loop that hangs, or whose receives fail for long, loses the
// partition.
func (p *Partition) receiveLoop() {
	renewal := newRenewal(p.cfg.Lease)
	poll, full, unread := newPoller(p.cfg.MaxPoll), newStall(p.cfg), newUnread(p.cfg)
	for p.receive.Err() == nil {
		p.renew(renewal)
		n := min(receiveBatch, p.mostPending()-p.sessions.pending())
		if n <= 0 {
			p.awaitRoom(full, renewal.untilDue())
			unread.moved() // it is not for lack of answers
			continue
		}
		full.moved()
		got, err := p.receiveOnce(n)
		if err == nil {
			unread.moved()
		}
		switch {
		case err != nil && p.receive.Err() == nil:
			if unread.left() <= 0 {
				p.giveUp(fmt.Errorf("%w: %w", errUnread, err), unread.limit)
				return
			}
			p.log.Warn("receiving failed; trying again", keyError, err)
			p.rest(nil, p.between(poll), renewal)
		case got == 0:
			if p.rest(p.wake, p.between(poll), renewal) {
				poll.reset()
			}
		case got == n:
			poll.reset()
		default:
			poll.reset() // most likely there is nothing more, and who puts something here says so
			p.rest(p.wake, p.between(poll), renewal)
		}
	}
}

func (p *Partition) renew(r *renewal) {
	if err := r.renewIfDue(p.receive); err != nil && p.receive.Err() == nil {
		p.log.Warn("the lease could not be renewed", keyError, err)
	}
}

// rest waits for a signal or the time, and renews the lease meanwhile; true means the signal came.
func (p *Partition) rest(signal <-chan struct{}, d time.Duration, r *renewal) bool {
	for end := time.Now().Add(d); p.receive.Err() == nil; p.renew(r) {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		if p.pause(signal, min(left, r.untilDue())) {
			return true
		}
	}
	return false
}

// pause waits for a signal or the time; true means the signal came.
func (p *Partition) pause(signal <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-signal:
		return true
	case <-t.C:
	case <-p.receive.Done():
	}
	return false
}

func (p *Partition) receiveOnce(n int) (int, error) {
	ctx, err := p.fenced()
	if err != nil {
		return 0, err
	}
	sent := time.Now()
	batch, err := p.queue.Receive(ctx, n, p.cfg.MessageLock)
	if err != nil {
		return 0, err
	}
	p.health.received(time.Now())
	p.reportReceived(batch)
	until := sent.Add(p.cfg.MessageLock)
	for _, d := range batch {
		p.accept(d, until)
	}
	return len(batch), nil
}

func (p *Partition) accept(d *queues.Delivery, until time.Time) {
	h, fresh := p.holds.addCounted(p.queue, queues.Receipt{ID: d.ID, PopReceipt: d.PopReceipt}, until, newTally(d))
	defer func() {
		if v := recover(); v != nil {
			p.refuse(d, h, v)
		}
	}()
	switch {
	case !fresh:
		return // its lock had run out while it waits here; the newer receipt is enough
	case d.Err != nil:
		p.undecodable(d, h, d.Err)
	case d.Envelope.Message.Target.InstanceID == "":
		p.undecodable(d, h, errNoInstance)
	case isNotice(d.Envelope):
		p.noticed(h)
	case p.home(d.Envelope.Message.Target.InstanceID) != p.Index():
		p.moveHome(d, h)
	default:
		// When nothing is taken any more the partition drains, and gives back what it holds.
		p.sessions.deliver(newItem(d.Envelope, d.DequeueCount, d.InsertedAt, h))
	}
}

func (p *Partition) giveBackLater(deliveries int64, hs ...*hold) {
	p.running.Go(func() { p.holds.giveBack(p.work, hs, backoff(deliveries)) })
}

// backoff is how long a message stays away that cannot be dealt with now: 2, 4, 8 … seconds, at most ten minutes,
// as the .NET library does it.
func backoff(deliveries int64) time.Duration {
	const most = 10 * time.Minute
	if deliveries >= 10 {
		return most
	}
	return min(time.Second<<max(deliveries, 1), most)
}

// renewal renews a lease when it asks for it, and after a failure when half of what is left has passed.
type renewal struct {
	lease Lease
	due   time.Time
}

func newRenewal(l Lease) *renewal {
	r := &renewal{lease: l}
	r.schedule()
	return r
}

func (r *renewal) schedule() { r.due = r.lease.RenewAt() }

func (r *renewal) untilDue() time.Duration { return max(time.Until(r.due), time.Millisecond) }

func (r *renewal) renewIfDue(ctx context.Context) error {
	if time.Now().Before(r.due) {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, r.lease.Deadline())
	defer cancel()
	err := r.lease.Renew(ctx)
	if r.schedule(); err != nil {
		r.due = time.Now().Add(time.Until(r.lease.Deadline()) / 2)
	}
	return err
}

// poller spaces looks at an empty queue: short at first, doubling with jitter up to the ceiling.
type poller struct{ interval, ceiling time.Duration }

func newPoller(ceiling time.Duration) *poller {
	return &poller{interval: min(minPoll, ceiling), ceiling: ceiling}
}

func (p *poller) reset() { p.interval = min(minPoll, p.ceiling) }

func (p *poller) next() time.Duration {
	d := p.interval
	p.interval = min(2*p.interval, p.ceiling)
	return d*4/5 + rand.N(d*2/5+1)
}
