package partition

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-taskhub/taskhub/queues"
)

const (
	minPoll      = 25 * time.Millisecond
	receiveBatch = 32 // the queue service's limit
)

// receiveLoop receives, and renews the lease between two receives: a loop that hangs loses the partition.
func (p *Partition) receiveLoop() {
	renewal := newRenewal(p.cfg.Lease)
	poll, full := newPoller(p.cfg.MaxPoll), newStall(p.cfg)
	for p.receive.Err() == nil {
		p.renew(renewal)
		n := min(receiveBatch, p.cfg.MaxPending-p.sessions.pending())
		if n <= 0 {
			p.awaitRoom(full, renewal.untilDue())
			continue
		}
		full.moved()
		got, err := p.receiveOnce(n)
		switch {
		case err != nil && p.receive.Err() == nil:
			p.log.Warn("receiving failed; trying again", keyError, err)
			p.rest(nil, poll.next(), renewal)
		case got == 0:
			if p.rest(p.wake, poll.next(), renewal) {
				poll.reset()
			}
		case got == n:
			poll.reset()
		default:
			poll.reset() // most likely there is nothing more, and who puts something here says so
			p.rest(p.wake, poll.next(), renewal)
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
	ctx, cancel, err := p.fenced()
	if err != nil {
		return 0, err
	}
	defer cancel()
	sent := time.Now()
	batch, err := p.queue.Receive(ctx, n, p.cfg.MessageLock)
	if err != nil {
		return 0, err
	}
	p.health.received(time.Now())
	until := sent.Add(p.cfg.MessageLock)
	for _, d := range batch {
		p.accept(d, until)
	}
	return len(batch), nil
}

func (p *Partition) accept(d *queues.Delivery, until time.Time) {
	h, fresh := p.holds.add(p.queue, queues.Receipt{ID: d.ID, PopReceipt: d.PopReceipt}, until)
	switch {
	case !fresh:
		return // its lock had run out while it waits here; the newer receipt is enough
	case d.Err != nil:
		p.undecodable(d, h)
	case d.Envelope.Message.Target.InstanceID == "":
		p.log.Error("a message names no instance; it is set aside with growing delay", keyMessage, d.ID)
		p.giveBackLater(d.DequeueCount, h)
	default:
		// When nothing is taken any more the partition drains, and gives back what it holds.
		p.sessions.deliver(newItem(d.Envelope, d.DequeueCount, d.InsertedAt, h))
	}
}

func (p *Partition) undecodable(d *queues.Delivery, h *hold) {
	delay := backoff(d.DequeueCount)
	p.log.Error("a message cannot be decoded; it is set aside with growing delay. Look at it in Storage Explorer and delete it if nobody needs it",
		keyMessage, d.ID, keyCount, d.DequeueCount, keyDelay, delay, keyError, d.Err)
	p.giveBackLater(d.DequeueCount, h)
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
