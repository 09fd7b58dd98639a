package partition

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/queues"
)

// storageFanOut bounds the storage calls one partition makes side by side for one purpose.
const storageFanOut = 32

// hold is a queue message that this partition keeps invisible until it may be deleted or must be given back.
type hold struct {
	queue *queues.Queue
	id    string

	// busy is held over a storage call on the message: every renewal moves the pop receipt, so a deletion beside it
	// would use a stale one.
	busy    sync.Mutex
	settled bool // deleted or given back; guarded by busy
	tally   *tally

	mu      sync.Mutex
	receipt queues.Receipt
	until   time.Time
	unused  bool // a timer's message before its time: its lock is its delay and is not renewed
	anchor  bool // its event is committed, and a row of the active list can take its place
}

func (h *hold) setAnchor() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.anchor = true
}

// anchorPatience is how much later than others a message is renewed that waits for its row on the active list.
const anchorPatience = 2

// use begins the time in which the message must stay invisible.
func (h *hold) use() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unused = false
}

func (h *hold) due(before time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.anchor {
		before /= anchorPatience // a row should have taken its place by then
	}
	return !h.unused && time.Until(h.until) < before
}

func (h *hold) snapshot() (queues.Receipt, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.receipt, h.until
}

func (h *hold) refresh(r queues.Receipt, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.receipt, h.until = r, until
}

// holds are all messages a partition keeps, so that a delivery of one of them is seen as such and locks are renewed
// in one place.
type holds struct {
	lock   time.Duration
	logger *slog.Logger

	// deleted is told of each message that was deleted; nil for nobody.
	deleted func(*queues.Queue)

	mu   sync.Mutex
	byID map[string]*hold
	// aside are messages that were put off and have not come back.
	aside map[string]*hold
}

func newHolds(lock time.Duration, logger *slog.Logger) *holds {
	return &holds{lock: lock, logger: logger, byID: map[string]*hold{}}
}

// add takes a message over. When the message is held already, its lock had run out: the newer receipt replaces the
// older one and fresh is false.
func (hs *holds) add(q *queues.Queue, r queues.Receipt, until time.Time) (h *hold, fresh bool) {
	return hs.addCounted(q, r, until, nil)
}

// addCounted is add for a message whose attempts are counted; nil stands for one whose are not.
func (hs *holds) addCounted(q *queues.Queue, r queues.Receipt, until time.Time, count *tally) (h *hold, fresh bool) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	key := q.Name() + "/" + r.ID
	if h, ok := hs.byID[key]; ok {
		h.refresh(r, until)
		return h, false
	}
	delete(hs.aside, key)
	h = &hold{queue: q, id: key, receipt: r, until: until, tally: count}
	hs.byID[key] = h
	return h, true
}

// addUnused takes over a message that is not due yet.
func (hs *holds) addUnused(q *queues.Queue, r queues.Receipt, until time.Time) *hold {
	h, fresh := hs.add(q, r, until)
	if fresh {
		h.mu.Lock()
		h.unused = true
		h.mu.Unlock()
	}
	return h
}

// forget lets go of a message without touching it.
func (hs *holds) forget(list ...*hold) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for _, h := range list {
		delete(hs.byID, h.id)
	}
}

func (hs *holds) all() []*hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	list := make([]*hold, 0, len(hs.byID))
	for _, h := range hs.byID {
		list = append(list, h)
	}
	return list
}

// used are the messages that a delay set by their sender does not keep away anyway.
func (hs *holds) used() []*hold {
	var list []*hold
	for _, h := range hs.all() {
		h.mu.Lock()
		if !h.unused {
			list = append(list, h)
		}
		h.mu.Unlock()
	}
	return list
}

// delete removes messages from their queues. A message that cannot be deleted comes back later and is recognised
// then, so an error here costs a delivery, not correctness.
func (hs *holds) delete(ctx context.Context, list []*hold) {
	hs.each(ctx, list, "delete", func(ctx context.Context, h *hold) error {
		h.settled = true
		r, _ := h.snapshot()
		err := h.queue.Delete(ctx, r)
		if err == nil && hs.deleted != nil {
			hs.deleted(h.queue)
		}
		return err
	})
	hs.forget(list...)
}

// giveBack makes messages visible again after the delay.
func (hs *holds) giveBack(ctx context.Context, list []*hold, delay time.Duration) {
	hs.each(ctx, list, "give back", func(ctx context.Context, h *hold) error {
		h.settled = true
		return hs.setVisibility(ctx, h, delay)
	})
	hs.forget(list...)
}

func (hs *holds) each(ctx context.Context, list []*hold, what string, do func(context.Context, *hold) error) {
	each(list, func(h *hold) {
		h.busy.Lock()
		defer h.busy.Unlock()
		hs.one(ctx, h, what, do)
	})
}

// one makes one call on a message that is not settled yet; the caller holds busy.
func (hs *holds) one(ctx context.Context, h *hold, what string, do func(context.Context, *hold) error) {
	if h.settled {
		return
	}
	if err := do(ctx, h); err != nil && ctx.Err() == nil {
		hs.logger.Warn("a queue message could not be settled; it will be delivered again and recognised",
			keyOperation, what, keyQueue, h.queue.Name(), keyMessage, h.id, keyError, err)
	}
}

// keep renews the locks of messages in use until ctx ends.
func (hs *holds) keep(ctx context.Context) {
	tick := time.NewTicker(hs.lock / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			hs.renewDue(ctx)
		}
	}
}

func (hs *holds) renewDue(ctx context.Context) {
	var due []*hold
	for _, h := range hs.all() {
		if h.due(hs.lock / 2) {
			due = append(due, h)
		}
	}
	// One call that hangs must not keep the others from being renewed in time.
	ctx, cancel := context.WithTimeout(ctx, hs.lock/4)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, h := range due {
		g.Go(func() error {
			if !h.busy.TryLock() {
				return nil // it is being settled
			}
			defer h.busy.Unlock()
			hs.one(ctx, h, "renew", hs.renew)
			return nil
		})
	}
	_ = g.Wait()
}

func (hs *holds) renew(ctx context.Context, h *hold) error {
	r, _ := h.snapshot()
	sent := time.Now()
	renewed, err := h.queue.SetVisibility(ctx, r, hs.lock)
	if err == nil {
		h.refresh(renewed, sent.Add(hs.lock))
	}
	return err
}
