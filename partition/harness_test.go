package partition

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// patience is how long tests wait for what must happen. It is generous: the machine may be busy.
const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// tamper stands between a partition and its storage. before may refuse a request, after may lose the answer.
type tamper struct {
	next          policy.Transporter
	mu            sync.Mutex
	before, after func(*http.Request) error
}

func (f *tamper) Do(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(req); err != nil {
			return nil, err
		}
	}
	resp, err := f.next.Do(req)
	if err == nil && after != nil {
		if lost := after(req); lost != nil {
			_ = resp.Body.Close()
			return nil, lost
		}
	}
	return resp, err
}

func (f *tamper) set(before, after func(*http.Request) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// scene is a hub with one partition, whose lease, host and storage the test controls.
// inBothFleets runs a test in a mixed fleet and in a Go fleet.
func inBothFleets(t *testing.T, test func(*testing.T)) {
	t.Parallel()
	for _, f := range []Fleet{Mixed, Go} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func fleetOf(t *testing.T) Fleet {
	if strings.HasSuffix(t.Name(), "/"+Go.String()) {
		return Go
	}
	return Mixed
}

// A scene is a hub with one partition whose owner is under test.
type scene struct {
	t      *testing.T
	server *emulator.Server
	hub    *taskhub.Hub
	faults *tamper
	lease  *fakeLease
	host   *fakeHost
	part   *Partition

	limits     Limits
	pressed    func() bool
	poll       time.Duration                      // the longest pause between receives; zero for the usual one
	lock       time.Duration                      // of messages; zero for the usual one
	period     time.Duration                      // of leases; zero for one that lasts
	deaf       bool                               // owners keep nothing in their process
	ended      func(string)                       // what owners tell their host; nil for the usual thing
	activities map[string]durable.ActivityHandler // of serveWork
	idempotent func(string, bool) bool            // which activities may run ahead; nil for what the call says
}

func newScene(t *testing.T, items ...durable.Registrable) *scene {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := sceneOn(t, server, testkit.Hub(t))
	if err := s.hub.Ensure(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.hub.Tables().CreateActive(within(t)); err != nil {
		t.Fatal(err)
	}
	s.run(items...)
	return s
}

// sceneOn opens a hub without an owner.
func sceneOn(t *testing.T, server *emulator.Server, hub string) *scene {
	t.Helper()
	s := &scene{t: t, server: server, faults: &tamper{next: server.Transport()}}
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: s.faults, MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	if s.hub, err = taskhub.Open(within(t), taskhub.Config{Name: hub, Account: account, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.hub.Close() })
	return s
}

// besides is the same hub for another owner, whose way to the storage is its own.
func (s *scene) besides() *scene {
	s.t.Helper()
	next := sceneOn(s.t, s.server, s.hub.Name())
	next.lock, next.poll, next.idempotent = s.lock, s.poll, s.idempotent
	return next
}

// run puts a partition to work that hosts the items, as a new owner.
func (s *scene) run(items ...durable.Registrable) {
	s.t.Helper()
	s.lease, s.host = newFakeLease(cmp.Or(s.period, time.Hour)), newFakeHost(items)
	if s.host.ended = s.ended; s.ended == nil {
		s.host.ended = s.hub.Notify
	}
	s.host.deaf.Store(s.deaf)
	s.part = New(s.config())
	s.host.part.Store(s.part)
	s.part.Start()
	part := s.part
	s.t.Cleanup(func() { s.stop(part) })
}

func (s *scene) config() Config {
	logger := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return Config{
		Worker: "w1", Limits: s.limits, Pressed: s.pressed, Names: s.hub.Names(), Queues: s.hub.Queues(), Tables: s.hub.Tables(), Host: s.host, Lease: s.lease, Logger: logger,
		Fleet: fleetOf(s.t), MessageLock: cmp.Or(s.lock, lockOf(s.t)), MaxPoll: cmp.Or(s.poll, 50*time.Millisecond), StatusDelay: 20 * time.Millisecond,
		Idempotent: s.idempotent,
	}
}

func (s *scene) stop(p *Partition) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		s.t.Errorf("stopping the partition: %v", err)
	}
	s.host.wg.Wait()
}

func (s *scene) start(name, id, input string) {
	s.t.Helper()
	req := durable.StartRequest{Name: name, InstanceID: id}
	if input != "" {
		req.Input = &input
	}
	if _, err := s.hub.Client().StartOrchestration(within(s.t), req); err != nil {
		s.t.Fatal(err)
	}
	s.part.Wake()
}

func (s *scene) raise(id, name string, payload any) {
	s.t.Helper()
	if err := s.hub.Client().RaiseEvent(within(s.t), id, name, payload); err != nil {
		s.t.Fatal(err)
	}
	s.part.Wake()
}

// put sends a message as another worker would.
func (s *scene) put(env *history.Envelope) {
	s.t.Helper()
	if _, err := s.hub.Queues().Control(0).Put(within(s.t), env, 0); err != nil {
		s.t.Fatal(err)
	}
	s.part.Wake()
}

func (s *scene) status(id string) (history.Status, string) {
	s.t.Helper()
	in, err := s.hub.Client().GetInstance(within(s.t), id)
	if err != nil {
		return -1, err.Error()
	}
	return in.Status, deref(in.Output)
}

func (s *scene) awaitStatus(id string, want history.Status) string {
	s.t.Helper()
	output := ""
	eventually(s.t, id+" is "+want.String(), func() bool {
		is, text := s.status(id)
		output = text
		return is == want
	})
	return output
}

// messages counts what a queue holds, invisible messages included.
func (s *scene) messages(q *queues.Queue) int {
	s.t.Helper()
	n, err := q.ApproximateCount(within(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// fakeLease is a lease that the test controls.
type fakeLease struct {
	period         time.Duration
	mu             sync.Mutex
	deadline       time.Time
	renewals       atomic.Int32
	refused        atomic.Bool // renewals
	lost, handOver chan struct{}
	released       chan struct{}
	once           sync.Once
}

func newFakeLease(period time.Duration) *fakeLease {
	return &fakeLease{
		period: period, deadline: time.Now().Add(period),
		lost: make(chan struct{}), handOver: make(chan struct{}), released: make(chan struct{}),
	}
}

func (l *fakeLease) Partition() int            { return 0 }
func (l *fakeLease) Lost() <-chan struct{}     { return l.lost }
func (l *fakeLease) HandOver() <-chan struct{} { return l.handOver }

func (l *fakeLease) RenewAt() time.Time { return time.Now().Add(time.Until(l.Deadline()) / 2) }

func (l *fakeLease) Renew(context.Context) error {
	if l.refused.Load() {
		return errInjected
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewals.Add(1)
	l.deadline = time.Now().Add(l.period)
	return nil
}

func (l *fakeLease) Deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

func (l *fakeLease) Release(context.Context) error {
	l.once.Do(func() { close(l.released) })
	return nil
}

// fakeHost hosts orchestrators, and runs the activities it is offered at once.
type fakeHost struct {
	orchestrators map[string]*replay.Definition
	activities    map[string]durable.ActivityHandler
	part          atomic.Pointer[Partition]
	ended         func(string)
	visible       atomic.Int32        // work items put for anybody
	deaf          atomic.Bool         // nothing is kept in this process
	bomb          func(name string)   // called when an orchestrator is looked up
	elsewhere     func(HandOver) bool // the owner of the receiver, when it is not the partition under test
	wg            sync.WaitGroup
}

func newFakeHost(items []durable.Registrable) *fakeHost {
	h := &fakeHost{orchestrators: map[string]*replay.Definition{}, activities: map[string]durable.ActivityHandler{}}
	for _, item := range items {
		if item.Kind() == durable.KindActivity {
			h.activities[item.Name()] = durable.Environment{}.Handler(item)
		} else {
			h.orchestrators[item.Name()] = durable.Environment{}.Definition(item)
		}
	}
	return h
}

func (h *fakeHost) Orchestrator(_, name, _ string) (*replay.Definition, bool) {
	if h.bomb != nil {
		h.bomb(name)
	}
	d, ok := h.orchestrators[name]
	return d, ok
}

func (h *fakeHost) ActivityRoom(name string) bool { return h.activities[name] != nil && !h.deaf.Load() }
func (h *fakeHost) ActivityRoomLeft(int)          {}

func (h *fakeHost) DetachActivities(context.Context, func(string) bool) {}

func (h *fakeHost) HandOver(index int, o HandOver) bool {
	if h.elsewhere != nil {
		return h.elsewhere(o)
	}
	return !h.deaf.Load() && h.part.Load().Take(o)
}
func (h *fakeHost) ControlMessagePut(int)                          { h.part.Load().Wake() }
func (h *fakeHost) WorkItemPut()                                   { h.visible.Add(1) }
func (h *fakeHost) InstanceEnded(id string, _ *tables.InstanceRow) { h.ended(id) }

func (h *fakeHost) OfferActivity(w WorkItem) bool {
	e := w.Envelope.Message.Event.(*history.TaskScheduled)
	h.wg.Go(func() {
		out, err := h.activities[e.Name](context.Background(), e.Input)
		base := history.Base{EventID: -1, Timestamp: time.Now().UTC()}
		var outcome history.Event = &history.TaskCompleted{Base: base, TaskScheduledID: e.EventID, Result: out}
		if err != nil {
			outcome = &history.TaskFailed{Base: base, TaskScheduledID: e.EventID, Reason: history.String(err.Error())}
		}
		result := Result{
			Envelope: &history.Envelope{ActivityID: layout.AnswerID(w.Envelope.ActivityID), Message: &history.Message{Event: outcome, Target: w.Envelope.Message.Target}},
			WorkItem: w.Receipt, LockedUntil: w.LockedUntil,
		}
		if w.Ahead == nil || !w.Ahead.Take(result) {
			h.part.Load().Deliver(result)
		}
	})
	return true
}

// lockOf keeps tests short in which messages wait for their rows on the active list.
func lockOf(t *testing.T) time.Duration {
	if fleetOf(t) == Go {
		return 3 * time.Second
	}
	return 0
}
