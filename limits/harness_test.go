package limits

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a hub that several workers use, and what they begin.
type site struct {
	t      *testing.T
	server *emulator.Server
	names  layout.Names
	calls  atomic.Int64 // to the table of limits

	mu      sync.Mutex
	starts  []start
	running int
	most    int
}

type start struct {
	at       time.Time
	instance string
	worker   string
}

func newSite(t *testing.T) *site {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := layout.NewNames("Hub")
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, server: server, names: names}
}

// wire is a worker's way to storage. Both functions may be nil; after may lose the answer to a request that was carried out.
type wire struct {
	site          *site
	next          policy.Transporter
	before, after func(*http.Request) error
}

var errLost = errors.New("lost on the way")

func (w *wire) Do(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "HubLimits") {
		w.site.calls.Add(1)
	}
	if w.before != nil {
		if err := w.before(req); err != nil {
			return nil, err
		}
	}
	resp, err := w.next.Do(req)
	if err == nil && w.after != nil {
		if lost := w.after(req); lost != nil {
			_ = resp.Body.Close()
			return nil, lost
		}
	}
	return resp, err
}

func (s *site) store(before, after func(*http.Request) error) *Store {
	s.t.Helper()
	account, err := storage.Open(storage.Config{
		ConnectionString: s.server.ConnectionString(), Transport: &wire{site: s, next: s.server.Transport(), before: before, after: after}, MaxRetries: -1,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = account.Close() })
	return NewStore(account, s.names)
}

// worker is a process whose activities are under limits.
type worker struct {
	site *site
	name string
	l    *Limiter
	dead atomic.Bool
	wg   sync.WaitGroup
	// pause is how long the process stands still between its right to begin an attempt and the attempt; nil for not at all.
	pause func() time.Duration
	// run is the attempt, until ctx ends; nil for one that takes no time.
	run func(ctx context.Context)
}

func (s *site) worker(name string, store *Store, list ...durable.ActivityLimit) *worker {
	s.t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w := &worker{site: s, name: name}
	w.l = New(Config{Store: store, Worker: name, Activities: map[string][]durable.ActivityLimit{"A": list}, Logger: logger})
	s.t.Cleanup(func() { w.kill(); w.wg.Wait() })
	return w
}

// kill ends the process without a word: what it holds is not returned.
func (w *worker) kill() {
	w.dead.Store(true)
	w.l.mu.Lock()
	w.l.closed = true
	for _, g := range w.l.gates {
		g.side.stop()
	}
	w.l.mu.Unlock()
	w.l.cancel()
	w.l.loops.Wait()
}

// call lines attempts of an instance up.
func (w *worker) call(instance string, n int, done func()) {
	for range n {
		t, err := w.l.Prepare(Call{Activity: "A", Instance: instance, Ready: func(t *Ticket) { w.wg.Go(func() { w.attempt(t, done) }) }})
		if err != nil {
			w.site.t.Error(err)
			return
		}
		t.Line()
	}
}

func (w *worker) attempt(t *Ticket, done func()) {
	if w.pause != nil {
		time.Sleep(w.pause())
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if w.dead.Load() {
		return
	}
	if !t.Begin(cancel) {
		if !w.dead.Load() {
			t.Line()
		}
		return
	}
	w.site.begins(t.instance, w.name)
	if w.run != nil {
		w.run(ctx)
	}
	w.site.ends()
	if !w.dead.Load() {
		t.End()
	}
	if done != nil {
		done()
	}
}

func (s *site) begins(instance, worker string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts = append(s.starts, start{time.Now(), instance, worker})
	s.running++
	s.most = max(s.most, s.running)
}

func (s *site) ends() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.starts)
}

// until lets time pass until so many attempts have begun, and returns how long that took.
func (s *site) until(n int, limit time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for s.count() < n {
		if time.Since(began) > limit {
			s.t.Fatalf("%d of %d attempts have begun after %v", s.count(), n, limit)
		}
		time.Sleep(max(limit/10_000, 10*time.Millisecond))
	}
	return time.Since(began)
}

// window checks that in no span more began than allowed.
func (s *site) window(most int, per time.Duration) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.starts, func(a, b start) int { return a.at.Compare(b.at) })
	for i := range s.starts {
		j := i
		for j < len(s.starts) && s.starts[j].at.Sub(s.starts[i].at) <= per {
			j++
		}
		if j-i > most {
			s.t.Fatalf("%d attempts began within %v from %v on; allowed are %d", j-i, per, s.starts[i].at, most)
		}
	}
}

func rate(name string, count int, per time.Duration, burst int) durable.ActivityLimit {
	spec, err := durable.RateLimit{Name: name, Count: count, Per: per, Burst: burst}.Spec().Normalize()
	if err != nil {
		panic(err)
	}
	return durable.ActivityLimit{LimitSpec: spec}
}

func concurrency(name string, most int) durable.ActivityLimit {
	spec, err := durable.ConcurrencyLimit{Name: name, Max: most}.Spec().Normalize()
	if err != nil {
		panic(err)
	}
	return durable.ActivityLimit{LimitSpec: spec}
}

// byWorker counts what has begun.
func (s *site) byWorker() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, st := range s.starts {
		n[st.worker]++
	}
	return n
}

// atOnce is how many ran at a time, at most.
func (s *site) atOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}
