// Package cluster simulates whole clusters in one process: workers, clients and the embedded storage under virtual time, one
// storage call at a time, with faults drawn from a seed.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// Options say what to run.
type Options struct {
	Seed  uint64
	Fleet taskhub.Fleet
	// Trace is how many of the last steps to keep. Defaults to 400.
	Trace int
	// Show keeps the trace also of a run without violations.
	Show bool
	// Sabotage loses messages that were acknowledged, to show that the checks notice.
	Sabotage bool
	// Harsh gives the run all kinds of faults.
	Harsh bool
	// Log gets what the workers log. Defaults to nothing.
	Log slog.Handler
}

// Outcome is what came of a run.
type Outcome struct {
	Seed       uint64
	Fleet      taskhub.Fleet
	Hash       string // of the trace
	Steps      int    // storage calls and faults
	Virtual    time.Duration
	Workers    int // that were started
	Instances  int
	Activities int // runs of activities
	Faults     map[Kind]int
	Violations []string
	Trace      []string // the last steps; only with violations
	Rows       []string // what is stored of the instances concerned; only with violations
}

const hubName = "Sim"

// world is one simulated cluster.
type world struct {
	opts       Options
	ctx        context.Context
	began      time.Time
	net        *network
	trace      *trace
	faults     *faults
	writer     *writer
	admin      *taskhub.Hub // past the network
	account    *storage.Account
	partitions int
	mode       leases.Mode
	skew       time.Duration
	ledger     *ledger
	rnd        *rand.Rand // for processes; only in the scheduler and before it

	tasks sync.WaitGroup // clients and supervisors

	mu         sync.Mutex
	nodes      []*node
	ending     bool
	violations []string
	rows       []string       // what is stored of the instances, before they are purged; only with violations
	runs       map[string]int // of activities
	done       map[string]int
	spoilt     int
	unawaited  []string
	offspring  []spawn
	heals      map[string]bool
	stories    []*story
	timetable  *timetable // nil for none
}

// Run simulates one cluster. It must be called in a bubble of testing/synctest.
func Run(ctx context.Context, o Options) *Outcome {
	if o.Trace == 0 {
		o.Trace = 400
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return &Outcome{Seed: o.Seed, Fleet: o.Fleet, Violations: []string{err.Error()}}
	}
	w.live()
	return w.outcome()
}

// InBubble runs the simulation in a bubble of the test.
func InBubble(t *testing.T, o Options) (out *Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		seedRuntime(o.Seed)
		out = Run(t.Context(), o)
	})
	return out
}

func newWorld(ctx context.Context, o Options) (*world, error) {
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(o.Seed, n)) }
	w := &world{
		opts: o, ctx: ctx, began: time.Now(), rnd: source(1), trace: newTrace(o.Trace), runs: map[string]int{}, done: map[string]int{}, heals: map[string]bool{},
	}
	const faulty = 20 * time.Second
	w.faults = newFaults(source(2), w.began.Add(faulty+time.Duration(w.rnd.IntN(60))*time.Second), o.Harsh)
	w.faults.world = w
	w.writer = &writer{rnd: source(3), has: map[Kind]bool{BadActivity: w.rnd.IntN(2) == 0, LargePayloads: w.rnd.IntN(3) == 0}}
	w.partitions = []int{1, 2, 4, 4}[w.rnd.IntN(4)]
	w.mode = []leases.Mode{leases.Table, leases.Table, leases.Legacy, leases.Safe, leases.Safe, leases.Safe, leases.Safe, leases.Safe}[w.rnd.IntN(8)]
	clock := time.Now
	if w.rnd.IntN(3) == 0 {
		w.skew = time.Duration(w.rnd.IntN(121)-60) * time.Second
		clock = func() time.Time { return time.Now().Add(w.skew) }
	}
	server, err := emulator.New(emulator.Config{Clock: clock, ClockSkew: -1, Logger: slog.New(slog.DiscardHandler), Random: randomBytes{source(4)}})
	if err != nil {
		return nil, err
	}
	w.net = newNetwork(server.Transport(), w.faults, w.trace)
	w.ledger = newLedger(w)
	w.net.watch = w.ledger.landed
	if w.account, err = storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport()}); err != nil {
		return nil, err
	}
	w.admin, err = taskhub.Open(ctx, w.hubConfig(w.account))
	return w, err
}

type randomBytes struct{ rnd *rand.Rand }

func (r randomBytes) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.rnd.Uint32())
	}
	return len(b), nil
}

func (w *world) hubConfig(account *storage.Account) taskhub.Config {
	return taskhub.Config{Name: hubName, Account: account, Partitions: w.partitions, LeaseMode: &w.mode}
}

// connect gives a process its own way to the storage.
func (w *world) connect(name string) (*port, *storage.Account, error) {
	p := &port{net: w.net, name: name}
	account, err := storage.Open(storage.Config{ConnectionString: storageAddress, Transport: p})
	return p, account, err
}

var storageAddress = func() string {
	s, err := emulator.New(emulator.Config{})
	if err != nil {
		panic(err)
	}
	return s.ConnectionString()
}()

// live runs the cluster to its end.
func (w *world) live() {
	w.plot()
	go w.net.run()
	for range 1 + w.rnd.IntN(4) {
		w.net.at(w.began.Add(time.Duration(w.rnd.Int64N(int64(5*time.Second)))), w.birth)
	}
	for _, s := range w.stories {
		w.tasks.Go(func() { w.tell(s) })
	}
	if w.timetable = w.invent(); w.timetable != nil {
		w.tasks.Go(func() { w.follow(w.timetable) })
	}
	w.tasks.Wait() // the clients
	w.quiet()
	w.check()
	time.Sleep(10 * time.Minute) // a worker whose time to stop was over gives its last calls up by then; nothing else is left to run
	close(w.net.over)
	w.account.Close()
}

// quiet waits until nothing is left to do, and stops the workers. What they give back then, such as activities whose instance
// was terminated, is for one more.
func (w *world) quiet() {
	w.settle()
	w.stopAll()
	w.net.at(time.Now(), func() {
		w.allow(true)
		w.rise("last")
	})
	time.Sleep(10 * time.Second)
	w.settle()
	w.stopAll()
}

// settle waits until the faults are over and nothing is left in storage, or it has taken too long.
func (w *world) settle() {
	const limit = 22 * time.Minute // what is parked is given up after 17, and what dead owners wrote late is found every ten
	clean := 0
	for deadline := time.Now().Add(limit); clean < 2; time.Sleep(2 * time.Second) {
		faulty := time.Now().Before(w.faults.until) || !w.net.idle()
		if faulty || len(w.leftovers(false)) > 0 {
			clean = 0
		} else {
			clean++
		}
		if !faulty && time.Now().After(deadline) {
			return
		}
	}
}

// allow says whether processes may start.
func (w *world) allow(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = !on
}

func (w *world) stopAll() {
	w.allow(false)
	w.mu.Lock()
	nodes := slices.Clone(w.nodes)
	w.mu.Unlock()
	var stops sync.WaitGroup
	for _, n := range nodes {
		stops.Go(func() { n.end() })
	}
	stops.Wait()
}

func (w *world) violate(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) < 30 {
		w.violations = append(w.violations, fmt.Sprintf(format, args...))
	}
}

func (w *world) clock(at time.Time) string { return w.trace.clock(at) }

func (w *world) begun(n *node, key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !n.dead {
		w.runs[key]++
	}
	return w.runs[key]
}

// bad counts an attempt that goes wrong.
func (w *world) bad(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !n.dead {
		w.spoilt++
	}
}

func (w *world) finished(n *node, key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !n.dead {
		w.done[key]++
	}
}

func (w *world) forgotten(instance, step string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if key := instance + "/" + step; !slices.Contains(w.unawaited, key) {
		w.unawaited = append(w.unawaited, key)
	}
}

// spawn is a sub-orchestration that nobody waits for.
type spawn struct {
	*Kid
	parent string
}

func (w *world) spawned(parent string, k *Kid) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.ContainsFunc(w.offspring, func(o spawn) bool { return o.ID == k.ID }) {
		w.offspring = append(w.offspring, spawn{k, parent})
	}
}

func (w *world) heal(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heals[what] = true
}

func (w *world) healed(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heals[what]
}

func (w *world) outcome() *Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &Outcome{
		Seed: w.opts.Seed, Fleet: w.opts.Fleet, Hash: w.trace.sum(), Steps: w.trace.steps, Virtual: time.Since(w.began), Workers: len(w.nodes),
		Instances: w.ledger.instances(), Faults: w.faults.count, Violations: w.violations,
	}
	for _, n := range w.runs {
		o.Activities += n
	}
	o.Faults[BadActivity], o.Faults[LargePayloads] = w.spoilt, w.writer.large
	if w.skew != 0 {
		o.Faults[Skew]++
	}
	if len(o.Violations) > 0 || w.opts.Show {
		o.Trace, o.Rows = w.trace.last(), w.rows
	}
	return o
}
