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
		p.log.Info("the partition is asked for; draining")
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
	p.guarded("ending", func() { p.end(ctx) })()
}

// end works until ctx ends. Then nothing is written any more: calls that hang must not keep the partition from its next owner.
func (p *Partition) end(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { p.endWork(context.Cause(ctx)) })()
	p.Quiesce()
	if p.goFleet() {
		p.finishLocal(ctx)
	}
	p.sessions.close()
	p.timers.stop()
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
	p.handOvers.lose()
	if err := p.cfg.Lease.Release(context.WithoutCancel(ctx)); err != nil {
		p.log.Warn("the lease could not be released; it lapses by itself", keyError, err)
	}
}

func (p *Partition) awaitLastReceive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastReceive)
	defer cancel()
	waitFor(ctx, &p.receiving)
}

// lastEpisodes is how long what was received, and results that are here, may take to be committed when the partition ends.
const lastEpisodes = 3 * time.Second

// finishLocal lets the sessions work off what is here: results would have to travel otherwise, and their activities might
// run again. What only this process knows becomes messages, as far as there is time; the next owner begins the rest again.
func (p *Partition) finishLocal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastEpisodes)
	defer cancel()
	if p.work.Err() != nil {
		return // the next owner begins them again
	}
	p.leaving.Store(true)
	p.cfg.Host.DetachActivities(ctx, func(id string) bool { return p.home(id) == p.Index() })
	for _, s := range p.sessions.all() {
		if s.hasWork() {
			p.sessions.poke(s.id, due{settle: true})
		}
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.sessions.busy() && p.work.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// handBack leaves nothing behind that the next owner would have to wait for. Results do not need the lease: an activity
// that has run should not run again because its partition moved.
func (p *Partition) handBack(ctx context.Context) {
	if p.work.Err() == nil {
		p.sessions.flushStatuses(p.work)
		p.sessions.settleLast(p.work)
		p.sessions.sendResults(p.work)
		p.active.removeAll(p.work)
		p.active.leave(p.work)
		p.holds.giveBack(p.work, p.holds.used(), 0)
		p.holds.recall(p.work)
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
