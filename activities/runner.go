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
	kept    int // places that Room promised and Offer has not taken up
	closed  bool
	mean    time.Duration // of how long activities run

	loops     sync.WaitGroup
	receives  sync.WaitGroup // the receive loop, and what it hands back
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
		held: map[string]*work{}, free: cfg.Slots, stopped: make(chan struct{}), mean: guessedMean,
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
			r.receives.Go(r.receiveLoop)
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

// Room says whether an activity handed over now would start soon, and keeps a place for it then: Offer takes the place
// up, Left returns it. Without that, one large fan-out would be promised the same free slot for each of its activities.
func (r *Runner) Room(name string) bool {
	if _, ok := r.cfg.Handler(name); !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.hasRoom() {
		return false
	}
	r.kept++
	return true
}

// Left returns places that Room kept and that are not needed.
func (r *Runner) Left(places int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = max(r.kept-places, 0)
}

// guessedMean is how long activities are taken to run before any has.
const guessedMean = 50 * time.Millisecond

// hasRoom estimates the wait from what is ahead and how long activities took of late.
func (r *Runner) hasRoom() bool {
	ahead := len(r.backlog) + r.kept - r.free
	if ahead < 0 {
		return true
	}
	mean := max(r.mean, time.Millisecond)
	return time.Duration(ahead+1)*mean/time.Duration(r.cfg.Slots) < r.cfg.Backlog
}

// Offer takes a work item that the caller holds invisible. False means that it is not taken and still the caller's.
func (r *Runner) Offer(w Work) bool {
	_, hosted := r.cfg.Handler(activityName(w.Envelope))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = max(r.kept-1, 0)
	if r.closed || !hosted {
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
	r.mu.Lock()
	r.closed = true
	waiting := r.backlog
	r.backlog = nil
	r.mu.Unlock()
	r.endRecv()
	r.receives.Wait() // the last batch is handed back, too
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
			if !w.gone {
				r.settle(w, what, do)
			}
			return nil
		})
	}
	_ = g.Wait()
}

// settle makes one storage call for a work item; the caller holds busy.
func (r *Runner) settle(w *work, what string, do func(*work) error) {
	if err := do(w); err != nil && r.storage.Err() == nil {
		r.cfg.Logger.Warn("a work item could not be settled; it is delivered again when its lock runs out",
			keyOperation, what, keyMessage, w.Receipt.ID, keyActivity, activityName(w.Envelope), keyError, err)
	}
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
	// One call that hangs must not keep the others from being renewed in time.
	ctx, cancel := context.WithTimeout(r.storage, r.cfg.Lock/4)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, w := range r.all() {
		if !w.busy.TryLock() {
			continue // it is being settled
		}
		if w.gone || time.Until(w.LockedUntil) > r.cfg.Lock/2 {
			w.busy.Unlock()
			continue
		}
		g.Go(func() error {
			defer w.busy.Unlock()
			r.settle(w, "renew", func(w *work) error { return r.renew(ctx, w) })
			return nil
		})
	}
	_ = g.Wait()
}

func (r *Runner) renew(ctx context.Context, w *work) error {
	sent := time.Now()
	renewed, err := r.queue.SetVisibility(ctx, w.Receipt, r.cfg.Lock)
	if err == nil {
		w.Receipt, w.LockedUntil = renewed, sent.Add(r.cfg.Lock)
	}
	return err
}
