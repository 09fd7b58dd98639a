package interop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
)

// chaosTime is how long worker processes are killed, paused and cut off.
func chaosTime() time.Duration {
	if full() {
		return 10 * time.Minute
	}
	return time.Minute
}

// needAccount skips tests whose workers are processes that would have to share embedded storage with this one's memory and time.
func needAccount(t *testing.T) {
	t.Helper()
	if testkit.InProcess() {
		t.Skipf("needs an account: set %s to Azurite's", testkit.ConnVariable)
	}
}

// newFleet is newPair for tests in which .NET takes part when it is there.
func newFleet(t *testing.T, mode leases.Mode, fleet string) *pair {
	t.Helper()
	needAccount(t)
	path, err := twins()
	if err != nil {
		t.Fatal(err)
	}
	conn := testkit.Conn(t)
	p := &pair{t: t, conn: conn, netConn: conn, name: testkit.Hub(t), mode: mode, fleet: fleet}
	p.commands = [2][]string{goSide: {path}, netSide: strings.Fields(os.Getenv(testkit.PeerVariable))}
	return p
}

// TestChaosGoFleet: three worker processes of a Go fleet.
func TestChaosGoFleet(t *testing.T) {
	t.Parallel()
	chaos(newFleet(t, leases.Safe, "go"), []side{goSide, goSide, goSide})
}

// TestChaosMixedFleet: three worker processes of a mixed fleet, one of them .NET's when it is there.
func TestChaosMixedFleet(t *testing.T) {
	t.Parallel()
	sides := []side{goSide, goSide, goSide}
	if os.Getenv(testkit.PeerVariable) != "" {
		sides[2] = netSide
	}
	chaos(newFleet(t, leases.Table, "mixed"), sides)
}

// chaos lets mixed work go on while worker processes are killed, paused, stopped and cut off from the storage. In the end
// everything has its right result, histories have nothing twice, status rows say what histories say, and nothing is left over.
func chaos(p *pair, sides []side) {
	t := p.t
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	p.openPatiently()
	var slots []*slot
	for i, s := range sides {
		sl := &slot{p: p, side: s, name: fmt.Sprintf("w%d", i), struck: map[string]int{}}
		sl.conn, sl.proxy = proxy.Start(t, p.conn, func(c *proxy.Config) { c.Record, c.Seed = false, seed })
		if s == netSide {
			sl.conn = alwaysShortLocks(t, sl.conn)
		}
		slots = append(slots, sl)
		sl.begin()
	}
	load := newLoad(p, rand.New(rand.NewPCG(seed, 2)))
	for end := time.Now().Add(chaosTime()); time.Now().Before(end) && !t.Failed(); {
		time.Sleep(2*time.Second + rand.N(6*time.Second)) // between two blows
		slots[r.IntN(len(slots))].strike(r)
	}
	for _, sl := range slots {
		sl.heal()
	}
	load.finish()
	copies := false
	for i, sl := range slots {
		t.Logf("%v worker %d: %v", sl.side, i, sl.struck)
		copies = copies || sl.side == netSide
	}
	load.check(copies)
	p.emptyQueues()
	p.noActiveRows()
}

// slot is a place for a worker process, with a way to the storage of its own.
type slot struct {
	p     *pair
	side  side
	name  string
	conn  string
	proxy *proxy.Proxy
	life  int
	w     *workerProcess
	// relief ends a pause or a disturbance that is under way, for which there is a timer; nil when there is none.
	relief func()
	// struck counts what was done to it.
	struck map[string]int
}

// begin starts the worker as a supervisor does: again, when the storage was too busy for it to come up.
func (s *slot) begin() {
	s.p.t.Helper()
	var err error
	for range 5 {
		s.life++
		if s.w, err = s.p.tryWorkerOn(s.conn, s.side, fmt.Sprintf("%s-%d", s.name, s.life)); err == nil {
			return
		}
	}
	s.p.t.Fatal(err)
}

// blow is something that happens to a worker.
type blow struct {
	name string
	do   func(s *slot, r *rand.Rand)
	net  bool // a .NET worker gets over it, too
}

var blows = []blow{
	{"kill", func(s *slot, r *rand.Rand) {
		s.w.kill()
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
		s.begin()
	}, true},
	{"pause", func(s *slot, r *rand.Rand) {
		w := s.w
		pause(w.cmd.Process)
		s.later(time.Duration(2000+r.IntN(22000))*time.Millisecond, func() { goOn(w.cmd.Process) })
	}, true},
	{"stop", func(s *slot, _ *rand.Rand) {
		s.w.stop()
		s.begin()
	}, false},
	{"503", disturb(proxy.Rule{Rate: .4, Fault: proxy.Fault{Kind: proxy.Refuse, Status: 503}}), false},
	{"resets", disturb(proxy.Rule{Rate: .3, Fault: proxy.Fault{Kind: proxy.Reset}}), false},
	{"lost answers", disturb(proxy.Rule{Rate: .2, Fault: proxy.Fault{Kind: proxy.Lost}}), false},
	{"slow", disturb(proxy.Rule{Rate: .3, Fault: proxy.Fault{Kind: proxy.DelayAnswer, Delay: 3 * time.Second}}), false},
	{"receives hang", disturb(proxy.Rule{Operation: `^queue\.get$`, Fault: proxy.Fault{Kind: proxy.Hang}}), false},
	{"tables hang", disturb(proxy.Rule{Operation: `^table\.`, Rate: .5, Fault: proxy.Fault{Kind: proxy.HangAnswer}}), false},
	{"cut off", disturb(proxy.Rule{Fault: proxy.Fault{Kind: proxy.Reset}}), false},
}

// disturb adds a rule to the worker's proxy for some seconds.
func disturb(rule proxy.Rule) func(*slot, *rand.Rand) {
	return func(s *slot, r *rand.Rand) {
		active, err := s.proxy.AddRule(rule)
		if err != nil {
			s.p.t.Error(err)
			return
		}
		s.later(time.Duration(2000+r.IntN(8000))*time.Millisecond, active.Remove)
	}
}

// strike does something to the worker. What still ails it ends before.
func (s *slot) strike(r *rand.Rand) {
	s.heal()
	b := blows[r.IntN(len(blows))]
	if r.IntN(3) == 0 || s.side == netSide && !b.net {
		b = blows[r.IntN(2)] // kills and pauses are most like what happens
	}
	s.struck[b.name]++
	b.do(s, r)
}

// later ends what was done to the worker after a time, or when it is healed.
func (s *slot) later(d time.Duration, end func()) {
	once := sync.OnceFunc(end)
	timer := time.AfterFunc(d, once)
	s.relief = func() { timer.Stop(); once() }
}

func (s *slot) heal() {
	if s.relief != nil {
		s.relief()
		s.relief = nil
	}
}

// task is an orchestrator with its right result.
type task struct {
	name, input, output string
	raises              int // events "E" that it waits for
}

// tasks are what the load consists of. .NET applies an event twice when it dies between the commit and the deletion of the message,
// so events are raised in hubs without it only.
func tasks(events bool) []task {
	list := []task{
		{name: "HelloSequence", output: `["Hello Tokyo!","Hello Seattle!","Hello London!"]`},
		{name: "Chain", input: "7", output: "91"},
		{name: "FanOut", input: "40", output: "22140"},
		{name: "TimerOnly", input: "1500", output: `"fired"`},
		{name: "Parent", input: `"kid"`, output: `"Hello kid!|Hello kid2!"`},
		{name: "ParentOfFailing", input: `"boom"`, output: `"caught: activity failed: boom"`},
		{name: "Counter", input: "1", output: "9"},
		{name: "Family", input: "2", output: `"((leaf leaf) (leaf leaf))"`},
		{name: "SlowChain", input: `"5x700"`, output: "3500"},
		{name: "SlowFan", input: `"6x900"`, output: "5400"},
		{name: "Approval", input: "900", output: `"timed out"`},
	}
	if events {
		list = append(list, task{"EventCounter", "3", `"E:0,E:1,E:2"`, 3})
	}
	return list
}

// load starts instances, a limited number at a time, and waits for each.
type load struct {
	p     *pair
	stop  context.CancelFunc
	wg    sync.WaitGroup
	mu    sync.Mutex
	began []string
}

// underWay is how many instances are at work at one time.
const underWay = 24

func newLoad(p *pair, r *rand.Rand) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{p: p, stop: stop}
	p.t.Cleanup(l.finish)
	places := make(chan struct{}, underWay)
	list := tasks(len(p.commands[netSide]) == 0 || p.fleet == "go")
	l.wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			places <- struct{}{}
			j, id := list[r.IntN(len(list))], fmt.Sprintf("i-%d", n)
			l.wg.Go(func() {
				defer func() { <-places }()
				l.one(j, id)
			})
			time.Sleep(100 * time.Millisecond) // the pace of the load
		}
	})
	return l
}

func (l *load) one(j task, id string) {
	p := l.p
	req := durable.StartRequest{Name: j.name, InstanceID: id}
	if j.input != "" {
		req.Input = &j.input
	}
	if err := p.startPatiently(req); err != nil {
		p.t.Errorf("starting %s: %v", id, err)
		return
	}
	l.mu.Lock()
	l.began = append(l.began, id)
	l.mu.Unlock()
	for i := range j.raises {
		if err := p.client.RaiseEvent(p.within(patience), id, "E", i); err != nil {
			p.t.Errorf("raising an event for %s: %v", id, err)
		}
	}
	in, err := p.client.WaitForCompletion(p.within(chaosTime()+2*patience), id, "")
	if err != nil {
		p.t.Errorf("waiting for %q: %v", id, err)
		p.explain(id)
		return
	}
	if j.raises == 0 {
		if in.Status != history.Completed || text(in.Output) != j.output {
			p.t.Errorf("%q is %v with %s, want %s", id, in.Status, short(text(in.Output)), j.output)
		}
		return
	}
	// A message that a dead worker had in hand comes after those that were put later.
	got := strings.Split(strings.Trim(text(in.Output), `"`), ",")
	slices.Sort(got)
	if `"`+strings.Join(got, ",")+`"` != j.output {
		p.t.Errorf("%q has the events %v", id, got)
	}
}

// openPatiently opens the hub, although the storage may be too busy to answer in time.
func (p *pair) openPatiently() {
	p.t.Helper()
	p.eventually("the hub is there", func() bool {
		hub, err := taskhub.Open(p.within(time.Minute), taskhub.Config{Name: p.name, Connection: p.conn, LeaseMode: &p.mode, Logger: logger()})
		if err != nil {
			return false
		}
		if err := hub.Ensure(p.within(time.Minute)); err != nil {
			_ = hub.Close()
			return false
		}
		p.t.Cleanup(func() { _ = hub.Close() })
		p.hub, p.client = hub, hub.Client()
		return true
	})
}

// startPatiently starts an instance, although the storage may be too busy to answer in time. An attempt whose answer did not come may have
// succeeded.
func (p *pair) startPatiently(req durable.StartRequest) (err error) {
	for range 5 {
		if _, err = p.client.StartOrchestration(p.within(patience), req); err == nil || errors.Is(err, taskhub.ErrInstanceExists) {
			return nil
		}
	}
	return err
}

// finish starts no more and waits for what is under way.
func (l *load) finish() {
	l.stop()
	l.wg.Wait()
}

// check looks at what the storage has of every instance.
func (l *load) check(copies bool) {
	p := l.p
	p.t.Logf("%d instances", len(l.began))
	for _, id := range l.began {
		if p.t.Failed() {
			return
		}
		p.wellFormed(id, copies)
		in, err := p.client.GetInstance(p.within(patience), id)
		if err != nil {
			p.t.Errorf("the status of %s: %v", id, err)
			continue
		}
		events, err := p.client.History(p.within(patience), id)
		if err != nil || len(events) < 2 {
			p.t.Errorf("the history of %s: %d events, %v", id, len(events), err)
			continue
		}
		if end, ok := events[len(events)-2].(*history.ExecutionCompleted); !ok || end.Status != in.Status || text(end.Result) != text(in.Output) {
			p.t.Errorf("the status row of %s says %v with %s, the history %+v", id, in.Status, text(in.Output), end)
		}
	}
}

// noActiveRows waits until no worker says that it alone knows something.
func (p *pair) noActiveRows() {
	p.t.Helper()
	left := 0
	if !comesTrue(patience, func() bool {
		left = 0
		for i := range p.hub.Partitions() {
			rows, err := p.hub.Tables().ListActive(p.within(time.Minute), p.hub.Names().ControlQueue(i))
			if err != nil {
				p.t.Fatal(err)
			}
			left += len(rows)
		}
		return left == 0
	}) {
		p.t.Errorf("%d rows are left on the active list", left)
	}
}

// TestFaultyCalls: with 2 % of the storage's answers lost, refused or cut off, 200 chains of five end within three times the time
// that they take without. Other runs than full ones have fewer chains and no bound: they use the machine for more than this.
func TestFaultyCalls(t *testing.T) {
	t.Parallel()
	for _, fleet := range []string{"go", "mixed"} {
		t.Run(fleet, func(t *testing.T) {
			if !full() {
				t.Parallel()
			}
			undisturbed := chainsThrough(t, fleet, 0)
			disturbed := chainsThrough(t, fleet, .02)
			t.Logf("the chains took %v, and %v with 2 %% of the calls disturbed", undisturbed, disturbed)
			if full() && disturbed > 3*undisturbed {
				t.Error("that is more than three times as long")
			}
		})
	}
}

// chainsThrough runs 200 chains on one worker process whose calls are disturbed at a rate.
func chainsThrough(t *testing.T, fleet string, rate float64) time.Duration {
	t.Helper()
	count := 60
	if full() {
		count = 200
	}
	p := newFleet(t, leases.Safe, fleet)
	conn, faults := proxy.Start(t, p.conn, func(c *proxy.Config) { c.Record, c.Seed = false, 11 })
	w := p.workerOn(conn, goSide, "w")
	defer w.stop()
	p.open()
	p.begin(goSide, "Chain", "warm", "1")
	p.expect("warm", history.Completed, "0")
	for _, f := range []proxy.Fault{{Kind: proxy.Lost}, {Kind: proxy.Refuse, Status: 503}, {Kind: proxy.Reset}} {
		if rate > 0 {
			if _, err := faults.AddRule(proxy.Rule{Rate: rate / 3, Fault: f}); err != nil {
				t.Fatal(err)
			}
		}
	}
	began, input := time.Now(), "5"
	var wg sync.WaitGroup
	for i := range count {
		id := fmt.Sprintf("chain-%d", i)
		wg.Go(func() {
			if _, err := p.client.StartOrchestration(p.within(patience), durable.StartRequest{Name: "Chain", InstanceID: id, Input: &input}); err != nil {
				t.Errorf("starting %s: %v", id, err)
				return
			}
			p.expect(id, history.Completed, "30")
		})
	}
	wg.Wait()
	took := time.Since(began)
	faults.ClearRules()
	return took
}
