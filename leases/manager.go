package leases

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// Manager takes a worker's share of a hub's partitions and hands them out as leases. Make one with [New]; it lives once,
// from Start to Stop. It is safe for concurrent use.
type Manager struct {
	cfg    Config
	log    *slog.Logger
	stores stores
	proto  protocol
	app    *appLease

	ctx       context.Context // of everything but releases; ends when Stop begins
	cancel    context.CancelFunc
	loop      sync.WaitGroup
	callbacks sync.WaitGroup // calls of OnAcquired
	wake      chan struct{}  // something happened that the loop should look into
	gone      chan struct{}  // a lease has ended

	mu      sync.Mutex
	rng     *rand.Rand
	started bool
	stopped chan struct{} // not nil once Stop was called; closed when it is done
	leases  map[int]*Lease
	bars    []*bar
	others  bool // other workers own partitions
	appNow  AppStatus
	refused string // why the manager does not take part at the moment
	failure string // of the last request to the lease store
}

// New returns a manager. It makes no request.
func New(cfg Config) (*Manager, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return newManager(cfg, newStores(cfg.Account, cfg.Names)), nil
}

func newManager(cfg Config, s stores) *Manager {
	cfg.Logger = cfg.Logger.With(keyHub, cfg.Names.Hub(), keyWorker, cfg.WorkerID)
	m := &Manager{
		cfg: cfg, log: cfg.Logger, stores: s, app: newAppLease(cfg, s.app),
		wake: make(chan struct{}, 1), gone: make(chan struct{}, 1),
		rng: rand.New(cfg.Random), leases: make(map[int]*Lease),
		appNow: AppStatus{State: AppWaiting},
	}
	if !*cfg.UseAppLease {
		m.appNow.State = AppDisabled
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	h := hooks{grant: m.grant, lost: m.loseLease, asked: m.askLease}
	if cfg.Mode == Table {
		m.proto = newTableProtocol(cfg, s.rows, h)
	} else {
		m.proto = newBlobProtocol(cfg, s.leases, h)
	}
	return m
}

// WorkerID returns the name under which this worker holds leases.
func (m *Manager) WorkerID() string { return m.cfg.WorkerID }

// Start begins to acquire partitions in the background and returns at once. While another application holds the app lease
// or the storage cannot be reached, Status says so, and the manager goes on trying. CreateStore should have succeeded
// before. A manager can be started once; after that the error is [ErrStarted].
func (m *Manager) Start(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started || m.stopped != nil {
		return ErrStarted
	}
	if m.cfg.OnAcquired == nil {
		return &ConfigError{Field: "OnAcquired", Reason: "is missing; without it nobody would read the partitions"}
	}
	m.started = true
	m.loop.Go(m.run)
	return nil
}

// Stop acquires no more, asks the users of all leases to hand over, waits until they have released them, at most
// Config.Drain and until ctx ends, and releases the rest without them, so that the next owner can start at once. It is the
// way to end a worker's partitions: one that is released before Stop is called would soon be acquired again. What
// cannot be released because storage does not answer ends by itself. Stop may be called again, also at the same time: it
// then waits for the first call.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	if done := m.stopped; done != nil {
		m.mu.Unlock()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("stopping the lease manager: %w", ctx.Err())
		}
	}
	done := make(chan struct{})
	m.stopped = done
	m.mu.Unlock()
	defer close(done)

	m.cancel()
	m.loop.Wait()
	m.evacuate(ctx, "the worker stops")
	m.proto.close()
	m.awaitCallbacks()
	return nil
}

// awaitCallbacks waits for calls of OnAcquired, but not for one that hangs.
func (m *Manager) awaitCallbacks() {
	const bound = 5 * time.Second
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.callbacks.Wait()
	}()
	late := make(chan struct{})
	cancel := m.cfg.Clock.AfterFunc(bound, func() { close(late) })
	defer cancel()
	select {
	case <-done:
	case <-late:
		m.log.Error("the function that starts a partition does not return")
	}
}

// evacuate gives up everything this worker has or waits for.
func (m *Manager) evacuate(ctx context.Context, reason string) {
	const bound = 10 * time.Second // of the last requests
	for _, l := range m.handedOut() {
		l.ask(reason)
	}
	m.awaitReleases(ctx)
	for _, l := range m.handedOut() {
		l.lose(reason+", and the partition had not drained in time", false)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	m.proto.resign(ctx)
}

func (m *Manager) awaitReleases(ctx context.Context) {
	drained := make(chan struct{})
	cancel := m.cfg.Clock.AfterFunc(m.cfg.Drain, func() { close(drained) })
	defer cancel()
	for len(m.handedOut()) > 0 {
		select {
		case <-m.gone:
		case <-drained:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (m *Manager) handedOut() []*Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*Lease, 0, len(m.leases))
	for _, l := range m.leases {
		all = append(all, l)
	}
	return all
}

// ForceAppLease makes this worker's application the owner of the hub, as .NET's ForceChangeAppLease does: its lease id is
// written into the info blob, and the next attempt of one of its workers takes the app lease over from the application
// that holds it, whose workers notice at their next renewal.
func (m *Manager) ForceAppLease(ctx context.Context) error {
	if !*m.cfg.UseAppLease {
		return &ConfigError{Field: "UseAppLease", Reason: "is false, so there is no app lease to take over"}
	}
	if err := m.app.request(ctx); err != nil {
		return fmt.Errorf("hub %q: %w", m.cfg.Names.Hub(), err)
	}
	m.look()
	return nil
}

// Status says what the manager owns and why it does not own more. It makes no request.
func (m *Manager) Status() Status {
	m.mu.Lock()
	s := Status{WorkerID: m.cfg.WorkerID, Mode: m.cfg.Mode, App: m.appNow, Conflict: m.refused, Error: m.failure}
	current := maps.Clone(m.leases)
	m.mu.Unlock()
	if other := m.proto.intruder(); s.Conflict == "" && other != "" {
		s.Conflict = (&FleetConflictError{Hub: m.cfg.Names.Hub(), Configured: m.cfg.Fleet, Live: m.cfg.Fleet.other(), Owner: other}).Error()
	}
	for i := range m.cfg.Partitions {
		p := m.proto.describe(i)
		if l := current[i]; l != nil {
			p.State, p.Owner, p.Deadline, p.Reason = Held, m.cfg.WorkerID, l.Deadline(), l.Reason()
			if isClosed(l.handOver) {
				p.State = HandingOver
			}
		}
		s.Partitions = append(s.Partitions, p)
	}
	return s
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// look makes the loop look at the store now.
func (m *Manager) look() { signal(m.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// grant makes a lease and gives it to the worker.
func (m *Manager) grant(partition int, k keeper, since instant) {
	l := newLease(m, partition, k, since)
	m.mu.Lock()
	m.leases[partition] = l
	m.mu.Unlock()
	m.log.Info("acquired a partition", keyPartition, partition, keyQueue, l.queue)
	m.callbacks.Go(func() { m.handTo(l) })
}

// handTo calls OnAcquired. If that panics nobody reads the partition, so it is given up for another worker to try.
func (m *Manager) handTo(l *Lease) {
	defer func() {
		if p := recover(); p != nil {
			m.log.Error("the function that starts a partition panicked; the partition is given up", keyPartition, l.partition, keyError, fmt.Sprint(p))
			if err := l.Release(context.WithoutCancel(m.ctx)); err != nil {
				m.log.Warn("a lease could not be released; it ends by itself", keyPartition, l.partition, keyError, err)
			}
		}
	}()
	m.cfg.OnAcquired(l)
}

func (m *Manager) current(partition int) *Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leases[partition]
}

func (m *Manager) loseLease(partition int, reason string) {
	if l := m.current(partition); l != nil {
		l.lose(reason, true)
	}
}

func (m *Manager) askLease(partition int, reason string) {
	if l := m.current(partition); l != nil {
		l.ask(reason)
	}
}

// The following are called by leases.

func (m *Manager) askedLease(l *Lease, reason string) {
	m.log.Info("a partition is handed over", keyPartition, l.partition, keyReason, reason)
}

func (m *Manager) lostLease(l *Lease, reason string) {
	m.log.Warn("a partition was lost", keyPartition, l.partition, keyReason, reason)
	m.forget(l)
	m.bar(l, true)
	if l.hasLetGo() { // at the same time
		m.unbar(l)
	}
	m.look()
}

// ended: the user of a lease has let go of it.
func (m *Manager) ended(l *Lease) {
	if m.forget(l) {
		if !isClosed(l.handOver) {
			m.bar(l, false)
		}
		m.log.Info("released a partition", keyPartition, l.partition)
	}
	m.unbar(l)
	m.look()
}

func (m *Manager) forget(l *Lease) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leases[l.partition] != l {
		return false
	}
	delete(m.leases, l.partition)
	signal(m.gone)
	return true
}
