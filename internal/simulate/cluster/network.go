package cluster

import (
	"container/heap"
	"context"
	"errors"
	"net/http"
	"sync"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// errDead is what the goroutines of a process that was killed get from their storage until they are gone.
var errDead = errors.New("this process is dead")

// port is the storage as one process sees it.
type port struct {
	net   *network
	name  string
	dead  bool      // guarded by net.mu
	calm  bool      // no faults
	still time.Time // until then nothing goes out or comes in; this and the next for the scheduler only
	cut   time.Time // until then no request gets through
}

// Do implements policy.Transporter. Every request waits for the scheduler.
func (p *port) Do(req *http.Request) (*http.Response, error) {
	c, err := newCall(p, req)
	if err != nil {
		return nil, err
	}
	if !p.net.arrive(c) {
		return nil, errDead
	}
	select {
	case a := <-c.done:
		return a.resp, a.err
	case <-req.Context().Done():
		p.net.abandon(c)
		return nil, req.Context().Err()
	}
}

// network stands between all processes and the storage. Its scheduler lets one thing happen at a time: when everything in
// the bubble waits, the next step in virtual time.
type network struct {
	server policy.Transporter
	faults *faults
	trace  *trace
	watch  func(*call) // sees each call that has landed, before its answer

	arrived chan struct{}
	over    chan struct{}

	mu     sync.Mutex
	fresh  []*call // have not been planned
	queue  agenda
	nextID int
}

func newNetwork(server policy.Transporter, f *faults, t *trace) *network {
	return &network{server: server, faults: f, trace: t, arrived: make(chan struct{}, 1), over: make(chan struct{})}
}

func (n *network) arrive(c *call) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.port.dead {
		return false
	}
	c.seq = n.nextID
	n.nextID++
	n.fresh = append(n.fresh, c)
	n.signal()
	return true
}

func (n *network) signal() {
	select {
	case n.arrived <- struct{}{}:
	default:
	}
}

func (n *network) abandon(c *call) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.abandoned = true
}

// at puts something on the agenda.
func (n *network) at(when time.Time, do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue.add(when, do)
	n.signal()
}

// idle tells whether nothing is on the agenda but what happens in a moment.
func (n *network) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, it := range n.queue.items {
		if it.when.After(time.Now().Add(20 * time.Millisecond)) {
			return false
		}
	}
	return true
}

// run is the scheduler.
func (n *network) run() {
	for {
		synctest.Wait()
		n.planArrivals()
		next, do := n.due()
		if do != nil {
			do()
			continue
		}
		var alarm <-chan time.Time
		var timer *time.Timer
		if !next.IsZero() {
			timer = time.NewTimer(time.Until(next))
			alarm = timer.C
		}
		select {
		case <-alarm:
		case <-n.arrived:
		case <-n.over:
			return
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

func (n *network) due() (time.Time, func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queue.items) == 0 {
		return time.Time{}, nil
	}
	first := n.queue.items[0]
	if first.when.After(time.Now()) {
		return first.when, nil
	}
	heap.Pop(&n.queue)
	return time.Time{}, first.do
}

func (n *network) planArrivals() {
	n.mu.Lock()
	fresh := n.fresh
	n.fresh = nil
	n.mu.Unlock()
	for _, c := range fresh {
		c.plan = n.faults.plan(c)
		n.at(c.plan.lands, func() { n.land(c) })
	}
}

// gone says whether nobody waits for the call, and whether its process has died.
func (n *network) gone(c *call) (abandoned, dead bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return c.abandoned, c.port.dead
}

// land lets a request reach the storage, or what its plan has instead.
func (n *network) land(c *call) {
	if still := c.port.still; still.After(time.Now()) {
		n.at(still, func() { n.land(c) })
		return
	}
	abandoned, dead := n.gone(c)
	if (abandoned || dead) && c.plan.forgotten {
		n.trace.add(c, "never arrives")
		c.err = errLost
		n.answer(c)
		return
	}
	if c.plan.before != nil && !dead && c.plan.before(c) {
		n.trace.add(c, c.plan.name+": "+c.status())
		n.answer(c)
		return
	}
	c.forward(context.Background(), n.server)
	if n.watch != nil {
		n.watch(c)
	}
	n.trace.add(c, c.status())
	if c.plan.after != nil && !dead {
		c.plan.after(c)
	}
	n.at(c.plan.answered(time.Now()), func() { n.answer(c) })
}

// answer lets the sender of a request go on.
func (n *network) answer(c *call) {
	if still := c.port.still; still.After(time.Now()) {
		n.at(still, func() { n.answer(c) })
		return
	}
	if _, dead := n.gone(c); dead {
		c.done <- answer{nil, errDead}
		return
	}
	c.done <- answer{c.resp, c.err}
}

// kill ends a process as far as the storage can tell.
func (n *network) kill(p *port) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.dead = true
}

// agenda is what will happen, by time and then by the order in which it was decided.
type agenda struct {
	items []item
	count int
}

type item struct {
	when time.Time
	seq  int
	do   func()
}

func (a *agenda) add(when time.Time, do func()) {
	a.count++
	heap.Push(a, item{when, a.count, do})
}

func (a *agenda) Len() int { return len(a.items) }
func (a *agenda) Less(i, j int) bool {
	if a.items[i].when.Equal(a.items[j].when) {
		return a.items[i].seq < a.items[j].seq
	}
	return a.items[i].when.Before(a.items[j].when)
}
func (a *agenda) Swap(i, j int) { a.items[i], a.items[j] = a.items[j], a.items[i] }
func (a *agenda) Push(x any)    { a.items = append(a.items, x.(item)) }
func (a *agenda) Pop() any {
	last := a.items[len(a.items)-1]
	a.items = a.items[:len(a.items)-1]
	return last
}
