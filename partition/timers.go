package partition

import (
	"container/heap"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// timers holds what is due at a known instant: timers whose messages were put with whole-second delays and would fire
// late, and messages that arrived before their time.
type timers struct {
	fire func(*item)

	mu         sync.Mutex
	due        dueHeap
	byInstance map[string]map[*dueItem]struct{}
	changed    chan struct{}
	stopped    chan struct{}
	once       sync.Once
}

type dueItem struct {
	at    time.Time
	item  *item
	index int // in the heap
}

func newTimers(fire func(*item)) *timers {
	return &timers{
		fire: fire, byInstance: map[string]map[*dueItem]struct{}{},
		changed: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
}

func (t *timers) add(at time.Time, it *item) {
	t.mu.Lock()
	d := &dueItem{at: at, item: it}
	heap.Push(&t.due, d)
	id := it.instanceID()
	if t.byInstance[id] == nil {
		t.byInstance[id] = map[*dueItem]struct{}{}
	}
	t.byInstance[id][d] = struct{}{}
	t.mu.Unlock()
	signal(t.changed)
}

func (t *timers) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.due)
}

// remove takes an instance's timers out and returns their messages.
func (t *timers) remove(instanceID string) []*hold { return t.removeBut(instanceID, "") }

// removeBut takes out the timers of all executions of an instance but one.
func (t *timers) removeBut(instanceID, executionID string) []*hold {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*hold
	for d := range t.byInstance[instanceID] {
		if executionID != "" && d.item.executionID() == executionID {
			continue
		}
		if _, ok := d.item.event.(*history.TimerFired); ok {
			heap.Remove(&t.due, d.index)
			t.forget(d)
			list = append(list, d.item.holds...)
		}
	}
	return list
}

// recall takes out an instance's timers that have no message.
func (t *timers) recall(instanceID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := range t.byInstance[instanceID] {
		if _, ok := d.item.event.(*history.TimerFired); ok && len(d.item.holds) == 0 {
			heap.Remove(&t.due, d.index)
			t.forget(d)
		}
	}
}

func (t *timers) forget(d *dueItem) {
	id := d.item.instanceID()
	delete(t.byInstance[id], d)
	if len(t.byInstance[id]) == 0 {
		delete(t.byInstance, id)
	}
}

func (t *timers) stop() { t.once.Do(func() { close(t.stopped) }) }

func (t *timers) run() {
	for {
		wait := t.fireDue()
		timer := time.NewTimer(wait)
		select {
		case <-t.stopped:
			timer.Stop()
			return
		case <-t.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// fireDue fires what is due and says how long nothing will be.
func (t *timers) fireDue() time.Duration {
	for {
		it, wait := t.pop()
		if it == nil {
			return wait
		}
		t.fire(it)
	}
}

func (t *timers) pop() (*item, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.due) == 0 {
		return nil, time.Hour
	}
	// The wall clock decides, as it did when the orchestrator said when: a suspended machine wakes up to timers that are due.
	if wait := time.Until(t.due[0].at.Round(0)); wait > 0 {
		return nil, min(wait, time.Hour)
	}
	d := heap.Pop(&t.due).(*dueItem)
	t.forget(d)
	for _, h := range d.item.holds {
		h.use()
	}
	return d.item, 0
}

type dueHeap []*dueItem

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(a, b int) bool { return h[a].at.Before(h[b].at) }
func (h dueHeap) Swap(a, b int) {
	h[a], h[b] = h[b], h[a]
	h[a].index, h[b].index = a, b
}
func (h *dueHeap) Push(x any) {
	d := x.(*dueItem)
	d.index = len(*h)
	*h = append(*h, d)
}
func (h *dueHeap) Pop() any {
	old := *h
	n := len(old)
	x := old[n-1]
	old[n-1] = nil
	*h = old[:n-1]
	return x
}
