package activities

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/queues"
)

const storageFanOut = 32

// Runner runs activities from Start to Stop. It is safe for concurrent use.
type Runner struct {
	cfg   Config
	queue *queues.Queue
	wake  chan struct{}

	receiving context.Context // ends when Stop is called
	endRecv   context.CancelFunc
	storage   context.Context // ends when nothing may be written any more
	endWrite  context.CancelFunc
	bodies    context.Context // what activities get
	cancelRun context.CancelCauseFunc

	mu      sync.Mutex
	backlog []*work
	held    map[string]*work // by message id: waiting and running
	free    int
	closed  bool
	mean    time.Duration // of how long activities run

	loops     sync.WaitGroup
	running   sync.WaitGroup
	startOnce sync.Once
	stopOnce  sync.Once
	stopped   chan struct{}
}

// work is one work item in this process.
type work struct {
	Work
	busy sync.Mutex // held over storage calls on the message
	gone bool       // deleted, given back or handed over; guarded by busy
}

// New prepares a Runner; nothing happens before Start or Offer.
func New(cfg Config) *Runner {
	cfg = cfg.withDefaults()
	r := &Runner{
		cfg: cfg, queue: cfg.Queues.WorkItems(), wake: make(chan struct{}, 1),
		held: map[string]*work{}, free: cfg.Slots, stopped: make(chan struct{}),
	}
	r.receiving, r.endRecv = context.WithCancel(context.Background())
	r.storage, r.endWrite = context.WithCancel(context.Background())
	r.bodies, r.cancelRun = context.WithCancelCause(context.Background())
	return r
}

// Start begins to receive work items. It returns at once.
func (r *Runner) Start() {
	r.startOnce.Do(func() {
		r.loops.Go(r.keep)
		if *r.cfg.Hosts {
			r.loops.Go(r.receiveLoop)
		}
	})
}

// Wake makes the Runner look at the work-item queue now.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Room says whether an activity handed over now would start soon.
func (r *Runner) Room(name string) bool {
	if _, ok := r.cfg.Handler(name); !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.closed && r.hasRoom()
}

// hasRoom estimates the wait from the backlog and how long activities took of late.
func (r *Runner) hasRoom() bool {
	if r.free > 0 {
		return true
	}
	mean := max(r.mean, time.Millisecond)
	return time.Duration(len(r.backlog)+1)*mean/time.Duration(r.cfg.Slots) < r.cfg.Backlog
}

// Offer takes a work item that the caller holds invisible. False means that it is not taken and still the caller's.
func (r *Runner) Offer(w Work) bool {
	if _, ok := r.cfg.Handler(activityName(w.Envelope)); !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.enqueue(&work{Work: w})
	return true
}

// enqueue starts or queues a work item; the caller holds mu.
func (r *Runner) enqueue(w *work) {
	r.held[w.Receipt.ID] = w
	if r.free == 0 {
		r.backlog = append(r.backlog, w)
		return
	}
	r.free--
	r.running.Go(func() { r.runFrom(w) })
}

// runFrom uses one slot until nothing waits for it.
func (r *Runner) runFrom(w *work) {
	for w != nil {
		began := time.Now()
		r.execute(w)
		w = r.next(time.Since(began))
	}
}

func (r *Runner) next(took time.Duration) *work {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mean += (took - r.mean) / 8
	if len(r.backlog) == 0 || r.closed {
		r.free++
		if r.free == 1 {
			r.Wake() // the receive loop may be waiting for a slot
		}
		return nil
	}
	w := r.backlog[0]
	r.backlog = r.backlog[1:]
	if len(r.backlog) == 0 {
		r.backlog = nil
	}
	return w
}

// Stop ends the Runner: it receives no more, gives back what waits, lets running activities go on for the grace time,
// then cancels them and gives them back too. It returns when all is done, or when ctx ends.
func (r *Runner) Stop(ctx context.Context) error {
	go r.stopOnce.Do(r.shutDown)
	select {
	case <-r.stopped:
		return nil
	case <-ctx.Done():
		r.cancelRun(ctx.Err())
		return ctx.Err()
	}
}

func (r *Runner) shutDown() {
	defer close(r.stopped)
	r.endRecv()
	r.mu.Lock()
	r.closed = true
	waiting := r.backlog
	r.backlog = nil
	r.mu.Unlock()
	r.giveBack(waiting, 0)
	if !waitFor(&r.running, r.cfg.Grace) {
		r.cancelRun(ErrStopping)
		if !waitFor(&r.running, r.cfg.Grace) {
			r.cfg.Logger.Warn("activities that do not heed their context go on; other workers run them again", keyCount, len(r.all()))
			r.giveBack(r.all(), 0)
		}
	}
	r.cancelRun(ErrStopping)
	r.endWrite()
	r.loops.Wait()
}

func waitFor(wg *sync.WaitGroup, d time.Duration) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

func (r *Runner) all() []*work {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*work, 0, len(r.held))
	for _, w := range r.held {
		list = append(list, w)
	}
	return list
}

func (r *Runner) forget(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, w.Receipt.ID)
}

// giveBack makes work items visible again after the delay.
func (r *Runner) giveBack(list []*work, delay time.Duration) {
	r.each(list, "give back", func(w *work) error {
		w.gone = true
		r.forget(w)
		_, err := r.queue.SetVisibility(r.storage, w.Receipt, delay)
		return err
	})
}

// each makes one storage call for each work item that is still here.
func (r *Runner) each(list []*work, what string, do func(*work) error) {
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, w := range list {
		g.Go(func() error {
			w.busy.Lock()
			defer w.busy.Unlock()
			if w.gone {
				return nil
			}
			if err := do(w); err != nil && r.storage.Err() == nil {
				r.cfg.Logger.Warn("a work item could not be settled; it is delivered again when its lock runs out",
					keyOperation, what, keyMessage, w.Receipt.ID, keyActivity, activityName(w.Envelope), keyError, err)
			}
			return nil
		})
	}
	_ = g.Wait()
}

// keep renews the locks of the work items that wait or run here.
func (r *Runner) keep() {
	tick := time.NewTicker(r.cfg.Lock / 6)
	defer tick.Stop()
	for {
		select {
		case <-r.storage.Done():
			return
		case <-tick.C:
			r.renewDue()
		}
	}
}

func (r *Runner) renewDue() {
	r.each(r.all(), "renew", func(w *work) error {
		if time.Until(w.LockedUntil) > r.cfg.Lock/2 {
			return nil
		}
		sent := time.Now()
		renewed, err := r.queue.SetVisibility(r.storage, w.Receipt, r.cfg.Lock)
		if err == nil {
			w.Receipt, w.LockedUntil = renewed, sent.Add(r.cfg.Lock)
		}
		return err
	})
}
