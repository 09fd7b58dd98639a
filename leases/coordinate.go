package leases

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	stepBound    = 20 * time.Second       // of a look or of the steps that follow it
	hangBound    = 5 * time.Second        // of a look (more after failures) or a step, which is better repeated than waited for
	quickLook    = 375 * time.Millisecond // between looks just after something has changed
	quickLooks   = 4                      // that many
	eagerAfter   = 300 * time.Millisecond // that long others have the first choice of what exceeds a fair share
	patientLook  = 5 * time.Second        // between full looks when a change has been under way for long
	patientAfter = time.Minute
	maxBackoff   = 10 * time.Second // between attempts that fail
	observeEvery = 30 * time.Second // between looks of a manager that owns nothing on purpose
)

// run takes part in the hub, as long as this worker's application may.
func (m *Manager) run() {
	backoff := time.Second
	for m.ctx.Err() == nil {
		session, leave, err := m.enter()
		if err != nil {
			delay := min(backoff, m.cfg.AppRetry)
			backoff = min(2*backoff, maxBackoff)
			if m.noteRefusal(err) {
				delay = m.cfg.AppRetry
			}
			_ = pause(m.ctx, m.cfg.Clock, m.jitter(delay), m.wake) // the loop's condition looks at ctx
			continue
		}
		backoff = time.Second
		m.noteRefusal(nil)
		m.coordinate(session)
		if err := leave(); err != nil && m.ctx.Err() == nil {
			m.log.Warn("the app lease was lost; the partitions are given up", keyError, err)
			m.setApp(AppStatus{State: AppWaiting, Reason: err.Error()})
			if m.cfg.OnAppLost != nil {
				m.cfg.OnAppLost(err)
			}
			m.evacuate(m.ctx, "this application has lost the hub's app lease")
		}
	}
}

// enter obtains the app lease, makes sure that no other partition manager is in use, and returns the context of the time
// in which that is so. leave ends it and tells why it had ended.
func (m *Manager) enter() (context.Context, func() error, error) {
	ctx, cancel := context.WithTimeout(m.ctx, stepBound)
	defer cancel()
	session, end := context.WithCancelCause(m.ctx)
	leave := func() error {
		end(nil)
		if err := context.Cause(session); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	if m.cfg.Admit != nil {
		if err := m.cfg.Admit(ctx); err != nil {
			end(nil)
			return nil, nil, &notAdmittedError{err}
		}
	}
	checked := false
	if m.cfg.Fleet == GoFleet {
		// Before: a lease without end must not be taken for a worker that cannot take part.
		var err error
		if checked, err = m.checkBefore(ctx); err != nil {
			end(nil)
			return nil, nil, err
		}
	}
	if *m.cfg.UseAppLease {
		got, err := m.app.acquire(ctx)
		if err != nil {
			end(nil)
			return nil, nil, err
		}
		m.loop.Go(func() {
			if err := m.app.keep(session, got.sent); err != nil {
				end(err)
			}
		})
		m.setApp(AppStatus{State: AppHeld})
		if got.swapped && m.cfg.Mode == Legacy {
			// The other application reads on until it finds at its next renewal that it has lost the lease.
			_ = pause(session, m.cfg.Clock, appLeaseRenewal, nil) // an ended session ends what follows
		}
	}
	if !checked {
		if err := rival(ctx, m.cfg, m.stores); err != nil {
			end(nil)
			return nil, nil, err
		}
	}
	return session, leave, nil
}

// checkBefore looks for rivals, unless the hub was asked to pass from another application to this worker's: that one's
// workers stop only when they have lost the app lease.
func (m *Manager) checkBefore(ctx context.Context) (bool, error) {
	info, err := m.app.read(ctx)
	if err != nil || orEmpty(info.DesiredSwapID) == m.app.id {
		return false, err
	}
	return true, rival(ctx, m.cfg, m.stores)
}

func (m *Manager) setApp(s AppStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appNow = s
}

// noteRefusal remembers why the manager does not take part. It reports whether the hub is in other hands, as opposed to a
// request that failed.
func (m *Manager) noteRefusal(err error) bool {
	var app *AppHeldError
	var conflict *ModeConflictError
	var other *FleetConflictError
	var refusal *notAdmittedError
	held, refused := errors.As(err, &app), errors.As(err, &conflict) || errors.As(err, &other) || errors.As(err, &refusal)
	m.mu.Lock()
	defer m.mu.Unlock()
	previous := m.refused + m.failure + m.appNow.Reason
	m.refused, m.failure, m.appNow.Reason = "", "", ""
	switch {
	case err == nil || m.ctx.Err() != nil:
		return false
	case held:
		m.appNow = AppStatus{State: AppWaiting, Reason: err.Error()}
	case refused:
		m.refused = err.Error()
	default:
		m.failure = err.Error()
	}
	if previous != err.Error() {
		m.log.Warn("waiting to take part in the hub", keyReason, err)
	}
	return held || refused
}

// coordinate acquires, balances and watches until ctx ends.
func (m *Manager) coordinate(ctx context.Context) {
	s := schedule{manager: m, full: true}
	for ctx.Err() == nil {
		looked, err := m.lookOnce(ctx, s.full, hangBound<<min(s.failures, 2))
		var delay time.Duration
		switch {
		case err != nil:
			delay = s.failed()
		case m.cfg.Observe:
			s.failures, delay = 0, m.jitter(observeEvery)
		case looked:
			delay = s.looked(m.act(ctx, s.freeFor))
		default:
			delay = s.probed()
		}
		woken := m.waitFor(ctx, delay)
		s.full = s.full || woken
	}
}

// waitFor tells whether it was woken.
func (m *Manager) waitFor(ctx context.Context, d time.Duration) bool {
	before := m.cfg.Clock.Elapsed()
	if pause(ctx, m.cfg.Clock, d, m.wake) != nil {
		return false
	}
	return m.cfg.Clock.Elapsed()-before < d
}

func (m *Manager) lookOnce(ctx context.Context, full bool, bound time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	looked, err := m.proto.look(ctx, full)
	if m.ctx.Err() != nil {
		return looked, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	previous := m.failure
	m.failure = ""
	if err != nil {
		m.failure = err.Error()
		if m.failure != previous {
			m.log.Warn("the lease store cannot be read; leases that are held stay good until their deadlines", keyError, err)
		}
	}
	return looked, err
}

// act takes and asks for partitions as the balance wants it, and continues what is under way. It reports whether it
// started anything.
func (m *Manager) act(ctx context.Context, freeFor func(partition int, free bool) time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	m.proto.advance(ctx)
	seats, fit, others := m.proto.seats(), m.fitness(), false
	for _, s := range seats {
		others = others || s.owner != ""
	}
	for i := range seats {
		s := &seats[i]
		s.barred = s.free && (fit.barred[s.partition] || fit.idle && others)
		s.eager = freeFor(s.partition, s.free) >= eagerAfter
	}
	m.mu.Lock()
	m.others = others
	take, ask := plan(seats, m.rng.Shuffle)
	m.mu.Unlock()
	if fit.quiet {
		ask = nil
	}

	var group errgroup.Group
	for _, partition := range take {
		group.Go(func() error { return m.step(ctx, partition, m.proto.take) })
	}
	for _, partition := range ask {
		group.Go(func() error { return m.step(ctx, partition, m.proto.ask) })
	}
	_ = group.Wait() // steps report their errors themselves
	return len(take)+len(ask) > 0
}

func (m *Manager) step(ctx context.Context, partition int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithTimeout(ctx, hangBound)
	defer cancel()
	if err := do(ctx, partition); err != nil && !errors.Is(err, errTaken) && m.ctx.Err() == nil {
		m.log.Warn("a partition could not be acquired; trying again", keyPartition, partition, keyError, err)
	}
	return nil
}

// jitter spreads a delay over its upper tenth.
func (m *Manager) jitter(d time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return d - time.Duration(m.rng.Int64N(int64(d)/10+1))
}

// schedule decides when to look next, and how closely.
type schedule struct {
	manager   *Manager
	full      bool          // the next look reads everything
	lastFull  time.Duration // when one did
	unsettled time.Duration // since when something has been under way; 0 when nothing is
	quick     int           // quick looks still to come
	failures  int
	free      map[int]time.Duration // since when partitions have been free
}

// freeFor says how long a partition has been seen free.
func (s *schedule) freeFor(partition int, free bool) time.Duration {
	now := s.manager.cfg.Clock.Elapsed()
	if s.free == nil {
		s.free = make(map[int]time.Duration)
	}
	since, known := s.free[partition]
	switch {
	case !free:
		delete(s.free, partition)
		return 0
	case !known:
		s.free[partition] = now
		return 0
	}
	return now - since
}

func (s *schedule) failed() time.Duration {
	s.failures++
	s.full = true
	return s.manager.jitter(min(time.Second<<min(s.failures-1, 10), maxBackoff))
}

// looked follows a full look: soon again while something is under way, at the usual pace while other workers own
// partitions, seldom otherwise.
func (s *schedule) looked(acted bool) time.Duration {
	m := s.manager
	now := m.cfg.Clock.Elapsed()
	s.failures, s.lastFull = 0, now
	if acted || m.proto.unsettled() || m.fitness().quiet {
		return m.jitter(s.untilNext(now, acted))
	}
	s.unsettled, s.quick = 0, 0
	alone, _ := m.proto.rest()
	if m.proto.alone() {
		s.full = true
		return m.jitter(alone)
	}
	return s.probed()
}

// untilNext is the time between looks while something is under way. When it takes long, as with a partition that is not
// let go of, most looks are checks.
func (s *schedule) untilNext(now time.Duration, acted bool) time.Duration {
	if acted || s.unsettled == 0 {
		s.unsettled, s.quick = max(now, 1), quickLooks
	}
	s.full = now-s.unsettled <= patientAfter
	if s.quick > 0 {
		s.quick--
		return min(quickLook, s.manager.cfg.Acquire)
	}
	return s.manager.cfg.Acquire
}

// probed follows a look that found nothing new.
func (s *schedule) probed() time.Duration {
	m := s.manager
	_, shared := m.proto.rest()
	if s.unsettled > 0 {
		shared = patientLook
	}
	s.failures = 0
	s.full = m.cfg.Clock.Elapsed()+m.cfg.Acquire-s.lastFull >= shared
	return m.jitter(m.cfg.Acquire)
}
