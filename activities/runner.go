package activities

import (
	"context"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/limits"
	"github.com/go-taskhub/taskhub/queues"
)

// Runner runs activities from Start to Stop. It is safe for concurrent use.
type Runner struct {
	cfg    Config
	limits *limits.Limiter // nil without limits
	queue  *queues.Queue
	wake   chan struct{}
	parked *parking
	ended  chan string // instances whose activities may be unwanted
	receipts

	receiving context.Context // ends when Stop is called
	endRecv   context.CancelFunc
	storage   context.Context // ends when nothing may be written any more
	endWrite  context.CancelFunc
	bodies    context.Context // what activities get
	cancelRun context.CancelCauseFunc

	mu        sync.Mutex
	backlog   []*work
	held      map[string]*work      // by message id: waiting and running
	instances map[string]int        // how many of these each instance has
	lined     map[*work]func() bool // what waits for limits, with what ends the watch for its end
	free      int
	kept      int // places that Room promised and Offer has not taken up
	abandoned int // activities that went on after their attempt had ended
	closed    bool
	mean      time.Duration // of how long activities run
	measured  bool          // any has run
	full      bool          // the receive loop found no room
	suspected *work         // the one that runs apart from others of its kind

	loops     sync.WaitGroup
	receives  sync.WaitGroup // the receive loop, and what it hands back
	running   sync.WaitGroup
	startOnce sync.Once
	stopOnce  sync.Once
	stopped   chan struct{}
}

// New prepares a Runner; nothing happens before Start or Offer.
func New(cfg Config) *Runner {
	cfg = cfg.withDefaults()
	r := &Runner{
		cfg: cfg, queue: cfg.Queues.WorkItems(), wake: make(chan struct{}, 1), parked: newParking(), ended: make(chan string, endedBuffer),
		held: map[string]*work{}, instances: map[string]int{}, lined: map[*work]func() bool{}, free: cfg.Slots, stopped: make(chan struct{}), mean: guessedMean,
	}
	r.receiving, r.endRecv = context.WithCancel(context.Background())
	r.storage, r.endWrite = context.WithCancel(context.Background())
	r.bodies, r.cancelRun = context.WithCancelCause(context.Background())
	if cfg.Limits != nil {
		config := *cfg.Limits
		config.Room, config.Logger = r.leeway, cfg.Logger
		r.limits = limits.New(config)
	}
	return r
}

// Start begins to receive work items. It returns at once.
func (r *Runner) Start() {
	r.startOnce.Do(func() {
		r.loops.Go(r.unfailing("renewing locks", r.keep))
		r.loops.Go(r.unfailing("watching for ended instances", r.watchEnded))
		if *r.cfg.Hosts {
			r.receives.Go(r.unfailing("receiving", r.receiveLoop))
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

// Stop ends the Runner: it receives no more, gives back what waits, lets running activities go on for the grace time,
// then cancels them with [durable.ErrWorkerStopping] and gives them back too. Those that do not heed that are left
// behind. It returns when all is done; when ctx ends it cancels the activities and returns.
func (r *Runner) Stop(ctx context.Context) error {
	go r.stopOnce.Do(r.shutDown)
	select {
	case <-r.stopped:
		return nil
	case <-ctx.Done():
		r.cancelRun(durable.ErrWorkerStopping)
		return ctx.Err()
	}
}

func (r *Runner) shutDown() {
	defer close(r.stopped)
	r.mu.Lock()
	r.closed = true
	waiting := r.backlog
	r.backlog = nil
	lined, away := r.takeLined()
	r.mu.Unlock()
	r.endRecv()
	r.receives.Wait() // the last batch is handed back, too
	r.giveBack(waiting, 0)
	r.giveBackFor(lined, func(w *work) time.Duration { return away[w] })
	if !waitFor(&r.running, r.cfg.Grace) {
		r.cancelRun(durable.ErrWorkerStopping)
		if !waitFor(&r.running, r.cfg.Unwind+r.cfg.Grace) {
			r.cfg.Logger.Warn("results of activities could not be passed on in time; other workers run the activities again", keyCount, len(r.all()))
			r.giveBack(r.all(), 0)
		}
	}
	r.cancelRun(durable.ErrWorkerStopping)
	r.limits.Stop(r.storage)
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
	if w.ticket != nil {
		w.ticket.End()
	}
	if r.suspected == w {
		r.suspected = nil
	}
	if r.held[keyOf(w.Work)] != w {
		return
	}
	delete(r.held, keyOf(w.Work))
	id := w.target().InstanceID
	if r.instances[id]--; r.instances[id] == 0 {
		delete(r.instances, id)
	}
}
