package leases

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lease is the ownership of one partition. It ends when it is lost or released, and never comes back: when the worker
// gets the partition again, it is with another Lease. Safe for concurrent use.
type Lease struct {
	manager   *Manager
	partition int
	queue     string
	keeper    keeper
	lost      chan struct{}
	handOver  chan struct{}
	renewing  chan struct{} // holds a token while no renewal is under way

	mu       sync.Mutex
	since    instant // before the request that last extended the lease
	state    leaseState
	reason   string // why it is lost or asked for
	asked    bool
	cancel   func() // of the deadline's timer
	letGo    bool   // the user has called Release
	released chan struct{}
	err      error // of the release
}

type leaseState int

const (
	leaseHeld leaseState = iota
	leaseReleasing
	leaseLost
	leaseReleased
)

// keeper is the protocol behind a lease.
type keeper interface {
	// renew extends the lease at the service. A *LostError says that it is gone.
	renew(ctx context.Context) (renewal, error)
	// release gives the partition up for others to take.
	release(ctx context.Context) error
	// abandoned says that the worker has lost the lease on its own side; atService tells whether the service said so.
	abandoned(atService bool)
}

// renewal is the outcome of a successful renewal.
type renewal struct {
	sent  instant // before the request was sent
	asked string  // not empty when another worker is entitled to the partition: who and how
}

func newLease(m *Manager, partition int, k keeper, since instant) *Lease {
	l := &Lease{
		manager: m, partition: partition, queue: m.cfg.Names.ControlQueue(partition), keeper: k, since: since,
		lost: make(chan struct{}), handOver: make(chan struct{}), renewing: make(chan struct{}, 1), released: make(chan struct{}),
	}
	l.renewing <- struct{}{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arm()
	return l
}

// Partition returns the index of the control queue.
func (l *Lease) Partition() int { return l.partition }

// Queue returns the name of the control queue.
func (l *Lease) Queue() string { return l.queue }

// Deadline is the instant after which nothing may be written any more: two of Config.Renew, but not more than
// Config.Duration, after the request that obtained or last renewed the lease was sent, by the monotonic or the wall clock,
// whichever comes first. It has passed
// once the lease is lost or Release was called.
func (l *Lease) Deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	clock := l.manager.cfg.Clock
	left := l.remaining()
	if l.state != leaseHeld {
		left = min(left, 0)
	}
	return clock.Now().Add(left)
}

// RenewAt is when the receive loop should renew: Config.Renew after the last renewal. Leases that were obtained together are due
// together, so that the table manager can renew them in one transaction.
func (l *Lease) RenewAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.manager.cfg.Clock.Now().Add(l.remaining() - l.manager.cfg.hold() + l.manager.cfg.Renew)
}

// Lost is closed when the lease is gone: its deadline passed without renewal, another worker took it, or its blob or row
// was removed. Everything about the partition must stop at once. See [Lease.Reason].
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// HandOver is closed when another worker is entitled to the partition, or the manager stops. The lease is still good: the
// partition should receive no more, finish what runs while it keeps renewing, and call Release.
func (l *Lease) HandOver() <-chan struct{} { return l.handOver }

// Reason says why the lease is lost or asked for; empty while neither is so.
func (l *Lease) Reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// Renew extends the lease. The loop that receives calls it when about half of the lease's time has passed, see RenewAt. It
// takes at most a third of Config.Duration and never longer than the lease lasts.
//
// A *LostError (errors.Is ErrLost) means that the lease is gone. After any other error the lease is good until its
// deadline, and Renew may be called again.
func (l *Lease) Renew(ctx context.Context) error {
	left, err := l.alive()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, min(left, l.manager.cfg.Duration/3))
	defer cancel()
	select {
	case <-l.renewing:
		defer func() { l.renewing <- struct{}{} }()
	case <-ctx.Done():
		return l.wrap("renew", ctx.Err())
	}
	r, err := l.renewTwice(ctx)
	var gone *LostError
	switch {
	case errors.As(err, &gone):
		l.lose(gone.Reason, true)
		return l.lostError(l.Reason())
	case err != nil:
		return l.wrap("renew", err)
	}
	if err := l.extend(r.sent); err != nil {
		return err
	}
	if r.asked != "" {
		l.ask(r.asked)
	}
	return nil
}

// renewTwice makes a second attempt when the first one hangs: requests that never get an answer are often those of a single
// connection.
func (l *Lease) renewTwice(ctx context.Context) (renewal, error) {
	first, cancel := context.WithTimeout(ctx, l.manager.cfg.attempt())
	defer cancel()
	r, err := l.keeper.renew(first)
	if err == nil || first.Err() == nil || ctx.Err() != nil {
		return r, err
	}
	return l.keeper.renew(ctx)
}

// Release gives the partition up, so that another worker can take it at once. It does nothing when the lease is lost, and
// may be called again. It takes at most ten seconds, whatever ctx says.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	l.letGo = true
	switch l.state {
	case leaseLost:
		l.mu.Unlock()
		l.manager.ended(l)
		return nil
	case leaseReleasing, leaseReleased:
		l.mu.Unlock()
		<-l.released
		return l.err
	}
	l.state = leaseReleasing
	l.mu.Unlock()

	const bound = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	err := l.keeper.release(ctx)

	l.mu.Lock()
	l.state = leaseReleased
	l.disarm()
	if err != nil {
		l.err = l.wrap("release", err)
	}
	l.mu.Unlock()
	close(l.released)
	l.manager.ended(l)
	return l.err
}

func (l *Lease) wrap(operation string, err error) error {
	return fmt.Errorf("%s the lease of partition %d of hub %q: %w", operation, l.partition, l.manager.cfg.Names.Hub(), err)
}

// alive returns the time that is left, or why there is none.
func (l *Lease) alive() (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.remaining()
	switch {
	case l.state == leaseReleasing || l.state == leaseReleased:
		return 0, l.lostError("it was released")
	case l.state == leaseLost:
		return 0, l.lostError(l.reason)
	case left <= 0:
		go l.lose(reasonDeadline, false)
		return 0, l.lostError(reasonDeadline)
	}
	return left, nil
}

const reasonDeadline = "it was not renewed in time: the receive loop, the process or the network stood still"

func (l *Lease) lostError(reason string) *LostError {
	return &LostError{Hub: l.manager.cfg.Names.Hub(), Partition: l.partition, Reason: reason}
}

// remaining needs the mutex.
func (l *Lease) remaining() time.Duration {
	return l.since.remaining(l.manager.cfg.hold(), instantOf(l.manager.cfg.Clock))
}

// extend counts the lease's time from sent. An answer that came after the deadline does not revive the lease: the
// partition may have stopped already.
func (l *Lease) extend(sent instant) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state == leaseLost:
		return l.lostError(l.reason)
	case l.remaining() <= 0:
		go l.lose(reasonDeadline, false)
		return l.lostError(reasonDeadline)
	}
	if sent.mono > l.since.mono {
		l.since = sent
		l.arm()
	}
	return nil
}

// arm sets the timer that closes Lost at the deadline. It needs the mutex.
func (l *Lease) arm() {
	l.disarm()
	l.cancel = l.manager.cfg.Clock.AfterFunc(max(l.remaining(), 0), l.checkDeadline)
}

func (l *Lease) disarm() {
	if l.cancel != nil {
		l.cancel()
		l.cancel = nil
	}
}

func (l *Lease) checkDeadline() {
	l.mu.Lock()
	late := l.remaining() <= 0
	if !late && l.state == leaseHeld {
		l.arm()
	}
	l.mu.Unlock()
	if late {
		l.lose(reasonDeadline, false)
	}
}

// lose ends the lease. atService tells whether the service said that it is gone.
func (l *Lease) lose(reason string, atService bool) {
	l.mu.Lock()
	if l.state != leaseHeld {
		l.mu.Unlock()
		return
	}
	l.state, l.reason = leaseLost, reason
	l.disarm()
	close(l.lost)
	l.mu.Unlock()
	l.keeper.abandoned(atService)
	l.manager.lostLease(l, reason)
}

func (l *Lease) hasLetGo() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.letGo
}

// ask closes HandOver.
func (l *Lease) ask(reason string) {
	l.mu.Lock()
	if l.asked || l.state != leaseHeld {
		l.mu.Unlock()
		return
	}
	l.asked, l.reason = true, reason
	close(l.handOver)
	l.mu.Unlock()
	l.manager.askedLease(l, reason)
}
