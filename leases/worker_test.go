package leases

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// testWorker is a manager with receive loops that renew and hand over.
type testWorker struct {
	t       *testing.T
	name    string
	manager *Manager
	net     *net
	ledger  *ledger
	log     *logBuffer

	mu     sync.Mutex
	leases map[int]*Lease
	loops  sync.WaitGroup
	stop   chan struct{} // the loops die without a word
	frozen chan struct{} // not nil while the loops stand still
	drain  time.Duration // how long a partition takes to hand over
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testNames(t *testing.T, hub string) layout.Names {
	t.Helper()
	names, err := layout.NewNames(hub)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

type option func(*Config)

// newTestWorker makes a worker on a hub in memory.
func newTestWorker(t *testing.T, h *fakeHub, g *ledger, name string, options ...option) *testWorker {
	t.Helper()
	w := blankWorker(t, g, name)
	cfg := w.config(testNames(t, "Fake"), options)
	if err := cfg.validateTimes(); err != nil {
		t.Fatal(err)
	}
	w.manager = newManager(cfg, h.via(w.net))
	t.Cleanup(func() {
		w.kill() // a test that failed half way must not leave goroutines in its bubble, which ends the whole binary
		if t.Failed() && testing.Verbose() {
			t.Logf("%s: %+v\n%s", name, w.manager.Status(), w.log)
		}
	})
	return w
}

func blankWorker(t *testing.T, g *ledger, name string) *testWorker {
	return &testWorker{t: t, name: name, net: &net{}, ledger: g, log: &logBuffer{}, leases: map[int]*Lease{}, stop: make(chan struct{})}
}

func (w *testWorker) config(names layout.Names, options []option) Config {
	cfg := Config{
		Names: names, WorkerID: w.name, OnAcquired: w.acquired, AppName: "test",
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Random: rand.NewPCG(uint64(len(w.name)), uint64(w.name[len(w.name)-1])),
	}
	for _, o := range options {
		o(&cfg)
	}
	return cfg.withDefaults()
}

func withMode(k kind) option            { return func(c *Config) { c.Mode, c.Fleet = k.Mode, k.Fleet } }
func withPartitions(n int) option       { return func(c *Config) { c.Partitions = n } }
func withClock(k Clock) option          { return func(c *Config) { c.Clock = k } }
func withApp(name string) option        { return func(c *Config) { c.AppName = name } }
func withHandler(f func(*Lease)) option { return func(c *Config) { c.OnAcquired = f } }

func (w *testWorker) start() *testWorker {
	w.t.Helper()
	ctx := context.Background()
	if err := w.manager.CreateStore(ctx); err != nil {
		w.t.Fatal(err)
	}
	if err := w.manager.Start(ctx); err != nil {
		w.t.Fatal(err)
	}
	return w
}

func (w *testWorker) acquired(l *Lease) {
	if w.ledger != nil {
		w.ledger.acquired(l, w.name)
	}
	w.mu.Lock()
	w.leases[l.Partition()] = l
	w.mu.Unlock()
	w.loops.Go(func() { w.loop(l) })
}

// loop is a receive loop without receiving.
func (w *testWorker) loop(l *Lease) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.leases[l.Partition()] == l {
			delete(w.leases, l.Partition())
		}
	}()
	ctx := context.Background()
	for {
		w.mu.Lock()
		frozen := w.frozen
		w.mu.Unlock()
		if frozen != nil {
			select {
			case <-frozen:
			case <-w.stop:
				return
			}
			continue
		}
		due := time.NewTimer(max(l.RenewAt().Sub(l.manager.cfg.Clock.Now()), 10*time.Millisecond))
		select {
		case <-due.C:
			if w.isFrozen() {
				continue
			}
			if err := l.Renew(ctx); errors.Is(err, ErrLost) {
				w.end(l)
				return
			}
		case <-l.Lost():
			due.Stop()
			w.end(l)
			return
		case <-l.HandOver():
			due.Stop()
			w.mu.Lock()
			drain := w.drain
			w.mu.Unlock()
			time.Sleep(drain)
			w.end(l)
			return
		case <-w.stop:
			due.Stop()
			return
		}
	}
}

func (w *testWorker) end(l *Lease) {
	if w.ledger != nil {
		w.ledger.ended(l)
	}
	if err := l.Release(context.Background()); err != nil {
		w.t.Logf("%s: %v", w.name, err)
	}
}

func (w *testWorker) setDrain(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain = d
}

func (w *testWorker) isFrozen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frozen != nil
}

// freeze lets the loops stand still until the returned function is called.
func (w *testWorker) freeze() (thaw func()) {
	c := make(chan struct{})
	w.mu.Lock()
	w.frozen = c
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		w.frozen = nil
		w.mu.Unlock()
		close(c)
	}
}

// kill ends the worker as a power failure does: nothing is released. It does nothing when the worker has stopped.
func (w *testWorker) kill() {
	w.net.set(func(n *net) { n.hang, n.fail = nil, func(string, string) error { return errNet } })
	w.die()
}

// die ends the worker's goroutines without releasing anything.
func (w *testWorker) die() {
	m := w.manager
	m.mu.Lock()
	first := m.stopped == nil
	if first {
		m.stopped = make(chan struct{})
	}
	done := m.stopped
	m.mu.Unlock()
	if !first {
		<-done
		return
	}
	defer close(done)
	close(w.stop)
	m.cancel()
	m.loop.Wait()
	m.callbacks.Wait() // before the loops: these start them
	w.loops.Wait()
	m.proto.close()
	for _, l := range m.handedOut() {
		l.mu.Lock()
		l.disarm()
		l.mu.Unlock()
	}
}

func (w *testWorker) shutdown() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.manager.Stop(ctx); err != nil {
		w.t.Error(err)
	}
	w.loops.Wait()
}

func (w *testWorker) owned() int {
	n := 0
	for _, p := range w.manager.Status().Partitions {
		if p.State == Held {
			n++
		}
	}
	return n
}

func (w *testWorker) lease(partition int) *Lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leases[partition]
}
