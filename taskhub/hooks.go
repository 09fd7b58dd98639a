package taskhub

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

// hooks connect a hub's client with workers in the same process.
type hooks struct {
	mu        sync.Mutex
	next      int
	listeners map[int]func(partition int)
	takers    map[int]StartTaker
	// owned counts the workers of this process that own each partition.
	owned [layout.MaxPartitions]atomic.Int32
}

// Owned tells that a worker in this process has got a partition, or has lost it. While it has it, those who wait here
// for an instance of the partition are told of its end and hardly look at its row.
func (h *Hub) Owned(partition int, owned bool) {
	if owned {
		h.hooks.owned[partition].Add(1)
	} else {
		h.hooks.owned[partition].Add(-1)
	}
}

// local says whether a worker in this process runs the instance.
func (h *Hub) local(instanceID string) bool {
	return h.hooks.owned[layout.Partition(instanceID, h.Partitions())].Load() > 0
}

// OnMessage registers a function that is called after a message was put to a control queue by this hub's client, so
// that a worker in the same process looks at once instead of at its next poll. The function must return soon. The
// returned function removes it.
func (h *Hub) OnMessage(listener func(partition int)) (cancel func()) {
	h.hooks.mu.Lock()
	defer h.hooks.mu.Unlock()
	if h.hooks.listeners == nil {
		h.hooks.listeners = make(map[int]func(int))
	}
	id := h.hooks.next
	h.hooks.next++
	h.hooks.listeners[id] = listener
	return func() {
		h.hooks.mu.Lock()
		defer h.hooks.mu.Unlock()
		delete(h.hooks.listeners, id)
	}
}

// wake tells workers in this process that a control queue has a message.
func (h *Hub) wake(partition int) {
	h.hooks.mu.Lock()
	listeners := slices.Collect(maps.Values(h.hooks.listeners))
	h.hooks.mu.Unlock()
	for _, listener := range listeners {
		listener(partition)
	}
}

// LocalStart is a start on its way from the client to a worker in the same process. Its message is in the queue, invisible
// until LockedUntil.
type LocalStart struct {
	Envelope    *history.Envelope
	Receipt     queues.Receipt
	LockedUntil time.Time
	// Row is the status row as the client wrote it.
	Row *tables.InstanceRow
}

// StartTaker is a worker in the client's process, which is spared receiving the messages of starts.
type StartTaker interface {
	// StartLock says for how long to put a start invisible; 0 when the worker would not take it.
	StartLock(partition int) time.Duration
	// TakeStart takes a start. False means that it does not, so that the message has to be made visible.
	TakeStart(partition int, s LocalStart) bool
}

// OnStart registers a worker that takes starts from this hub's client. The returned function removes it.
func (h *Hub) OnStart(taker StartTaker) (cancel func()) {
	h.hooks.mu.Lock()
	defer h.hooks.mu.Unlock()
	if h.hooks.takers == nil {
		h.hooks.takers = make(map[int]StartTaker)
	}
	id := h.hooks.next
	h.hooks.next++
	h.hooks.takers[id] = taker
	return func() {
		h.hooks.mu.Lock()
		defer h.hooks.mu.Unlock()
		delete(h.hooks.takers, id)
	}
}

// startTaker finds a worker in this process that takes a start, and for how long its message is to be invisible.
func (h *Hub) startTaker(partition int) (StartTaker, time.Duration) {
	h.hooks.mu.Lock()
	takers := slices.Collect(maps.Values(h.hooks.takers))
	h.hooks.mu.Unlock()
	for _, t := range takers {
		if lock := t.StartLock(partition); lock > 0 {
			return t, lock
		}
	}
	return nil, 0
}
