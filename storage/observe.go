package storage

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Call is a request that was sent, each attempt by itself.
type Call struct {
	// Service is "blob", "queue" or "table".
	Service string
	// Operation is one of those that [Counts] lists.
	Operation string
	// Status is the status of the answer; 0 when none came.
	Status int
	// Throttled says that the service refused the request because of its load.
	Throttled bool
	// Took is the time until the answer began.
	Took time.Duration
}

// Observe calls a function after each request from now on, until cancel is called. It must return soon, and may be called by
// many goroutines at a time.
func (a *Account) Observe(observer func(Call)) (cancel func()) {
	return a.counters.observers.add(observer)
}

// Pace says how the load of a service is adapted to, see [Account.Paces].
type Pace struct {
	// Service is "blob", "queue" or "table".
	Service string
	// Limit is how many requests may be under way; 0 while the service does not throttle.
	Limit int
	// Waiting is how many requests wait for their turn.
	Waiting int
}

// Paces says how the load of the three services is adapted to at the moment: while one throttles, requests wait for their turn.
func (a *Account) Paces() []Pace {
	list := make([]Pace, 0, serviceCount)
	for _, p := range a.counters.paces {
		if p != nil {
			list = append(list, p.snapshot())
		}
	}
	return list
}

func (p *pace) snapshot() Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Pace{Service: p.info.service.String(), Limit: int(p.limit), Waiting: p.waiting.Len()}
}

// observers are told of requests.
type observers struct {
	mu   sync.Mutex
	next int
	list atomic.Pointer[map[int]func(Call)] // nil for none, so that nothing is measured then
}

func (o *observers) add(observer func(Call)) (cancel func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next++
	id := o.next
	o.change(func(m map[int]func(Call)) { m[id] = observer })
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.change(func(m map[int]func(Call)) { delete(m, id) })
	}
}

// change replaces the list; the caller holds mu.
func (o *observers) change(edit func(map[int]func(Call))) {
	m := map[int]func(Call){}
	if old := o.list.Load(); old != nil {
		maps.Copy(m, *old)
	}
	edit(m)
	if len(m) == 0 {
		o.list.Store(nil)
		return
	}
	o.list.Store(&m)
}

// observation is a request under way; the zero value is one that nobody observes.
type observation struct {
	list *map[int]func(Call)
	op   operation
	sent time.Time
}

func (o *observers) begin(op operation) observation {
	list := o.list.Load()
	if list == nil {
		return observation{}
	}
	return observation{list: list, op: op, sent: time.Now()}
}

func (o observation) end(resp *http.Response) {
	if o.list == nil {
		return
	}
	service, _, _ := strings.Cut(o.op.String(), ".")
	call := Call{Service: service, Operation: o.op.String(), Took: time.Since(o.sent)}
	if resp != nil {
		call.Status, call.Throttled = resp.StatusCode, isThrottle(resp, nil)
	}
	for _, observer := range *o.list {
		observer(call)
	}
}
