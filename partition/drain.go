package partition

import (
	"context"
	"sync"
	"time"
)

const (
	// lastReceive is how long a partition that stops waits for the receive that is under way: what that brings would
	// otherwise stay locked.
	lastReceive = 3 * time.Second
	// lastResults is how long results may take to be passed on once the lease is gone.
	lastResults = 5 * time.Second
)

// owned says whether the lease still allows to write.
func (p *Partition) owned() error {
	if !time.Now().Before(p.cfg.Lease.Deadline()) {
		return ErrLeaseLost
	}
	return context.Cause(p.work)
}

// guard ends everything that writes when the lease is lost or its deadline passes, while the partition drains, too.
func (p *Partition) guard() {
	for {
		left := time.Until(p.cfg.Lease.Deadline())
		if left <= 0 {
			p.loseLease()
			return
		}
		deadline := time.NewTimer(left)
		select {
		case <-deadline.C:
		case <-p.cfg.Lease.Lost():
			deadline.Stop()
			p.loseLease()
			return
		case <-p.work.Done():
			deadline.Stop()
			return
		}
	}
}

func (p *Partition) loseLease() {
	if p.work.Err() == nil {
		p.log.Warn("the lease was lost; the partition stops at once and its messages come back when their locks run out")
		p.endWork(ErrLeaseLost)
	}
}

// watchLease drains the partition when its lease is gone or wanted.
func (p *Partition) watchLease() {
	select {
	case <-p.work.Done():
	case <-p.cfg.Lease.HandOver():
		p.log.Info("another worker takes the partition over; draining")
	case <-p.receive.Done():
		return
	}
	go p.stopOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
		defer cancel()
		p.drain(ctx)
	})
}

// drain is the one way a partition ends.
func (p *Partition) drain(ctx context.Context) {
	defer close(p.done)
	p.endRecv()
	p.sessions.close()
	p.timers.stop()
	p.running.Go(p.keepLease)
	if !waitFor(ctx, &p.episodes) {
		p.endWork(ctx.Err())
		p.episodes.Wait()
	}
	p.awaitLastReceive(ctx)
	p.handBack(ctx)
	p.sessions.unloadAll()
	p.endWork(context.Canceled)
	p.receiving.Wait()
	p.running.Wait()
	if err := p.cfg.Lease.Release(context.WithoutCancel(ctx)); err != nil {
		p.log.Warn("the lease could not be released; it lapses by itself", keyError, err)
	}
}

func (p *Partition) awaitLastReceive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastReceive)
	defer cancel()
	waitFor(ctx, &p.receiving)
}

// handBack leaves nothing behind that the next owner would have to wait for. Results do not need the lease: an activity
// that has run should not run again because its partition moved.
func (p *Partition) handBack(ctx context.Context) {
	if p.work.Err() == nil {
		p.sessions.flushStatuses(p.work)
		p.sessions.sendResults(p.work)
		p.holds.giveBack(p.work, p.holds.used(), 0)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastResults)
	defer cancel()
	p.sessions.sendResults(ctx)
}

// keepLease renews the lease while the partition drains: the loop that does it otherwise has ended.
func (p *Partition) keepLease() {
	renewal := newRenewal(p.cfg.Lease)
	for p.work.Err() == nil {
		timer := time.NewTimer(renewal.untilDue())
		select {
		case <-timer.C:
		case <-p.work.Done():
			timer.Stop()
			return
		}
		if err := renewal.renewIfDue(p.work); err != nil && p.work.Err() == nil {
			p.log.Warn("the lease could not be renewed", keyError, err)
		}
	}
}

// waitFor says whether a group was done before ctx ended.
func waitFor(ctx context.Context, group *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
