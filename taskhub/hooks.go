package taskhub

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// hooks connect a hub's client with workers in the same process.
type hooks struct {
	mu        sync.Mutex
	next      int
	listeners map[int]func(partition int)
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
