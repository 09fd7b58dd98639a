package schedules

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// rescanEvery is how often the rows of a partition that has some are read, for changes that nobody told of.
	rescanEvery = 5 * time.Minute
	// longestSleep bounds the wait for a tick, so that a clock that is set, or a machine that slept, is noticed.
	longestSleep = time.Minute
	// firstPause and mostPause bound the growing pauses after failures.
	firstPause = time.Second
	mostPause  = time.Minute
	// firstLook and mostLook bound the growing pauses between looks at an instance that something waits for.
	firstLook = time.Second
	mostLook  = 15 * time.Second
	// grace is how late a schedule of another worker's partition must be before this one helps out.
	grace = 15 * time.Second
	// turnsAtOnce is how many schedules are seen to at a time.
	turnsAtOnce = 16
	// turnLimit bounds one look at a schedule.
	turnLimit = 2 * time.Minute
)

// RunnerConfig says what a Runner works with. Fields without a default are required.
type RunnerConfig struct {
	Desk   *Desk
	Logger *slog.Logger
	// Help says that partitions may be owned by workers that know of no schedules. Then this runner also starts ticks of
	// partitions it does not own that are late by a quarter of a minute. Defaults to false.
	Help bool
}

// Runner starts the instances of the schedules in the partitions that a worker owns. It is safe for concurrent use.
type Runner struct {
	desk  *Desk
	help  bool
	log   *slog.Logger
	slots chan struct{}

	mu      sync.Mutex
	ctx     context.Context
	cancel  context.CancelFunc
	shifts  map[int]*shift
	running sync.WaitGroup
}

// everywhere is the shift that helps out in the partitions of others.
const everywhere = -1

// NewRunner returns a runner that does nothing yet.
func NewRunner(cfg RunnerConfig) *Runner {
	r := &Runner{
		desk: cfg.Desk, help: cfg.Help, log: cfg.Logger, slots: make(chan struct{}, turnsAtOnce), shifts: map[int]*shift{},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Own begins with the schedules of a partition; the function returned ends that, and may be called twice.
func (r *Runner) Own(partition int) (release func()) {
	s := r.begin(partition, true)
	return func() {
		s.stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.shifts[partition] == s {
			delete(r.shifts, partition)
		}
	}
}

// begin begins a shift; look says whether it looks at the table at once.
func (r *Runner) begin(partition int, look bool) *shift {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := newShift(r, partition)
	if look {
		s.rescan = r.desk.now()
	}
	if old := r.shifts[partition]; old != nil {
		old.stop()
	}
	r.shifts[partition] = s
	if r.ctx.Err() == nil {
		r.running.Go(s.run)
	}
	return s
}

// Changed tells that schedules were created or changed, so that they are looked at now.
func (r *Runner) Changed() {
	for _, s := range r.all() {
		s.look()
	}
	r.tableSeen(true)
}

// Ended tells that an instance has ended.
func (r *Runner) Ended(instanceID string) {
	for _, s := range r.all() {
		s.ended(instanceID)
	}
}

// Stop ends all work. What is under way is finished or left to the next owner.
func (r *Runner) Stop() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.running.Wait()
}

func (r *Runner) all() []*shift {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*shift, 0, len(r.shifts))
	for _, s := range r.shifts {
		list = append(list, s)
	}
	return list
}

// tableSeen begins to help out once the hub has schedules: before, that would cost calls for nothing.
func (r *Runner) tableSeen(exists bool) {
	if !r.help || !exists {
		return
	}
	r.mu.Lock()
	begun := r.shifts[everywhere] != nil
	r.mu.Unlock()
	if !begun {
		r.begin(everywhere, true)
	}
}

// owns says whether a partition is this runner's.
func (r *Runner) owns(queue string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for partition := range r.shifts {
		if partition != everywhere && r.desk.Store.names.ControlQueue(partition) == queue {
			return true
		}
	}
	return false
}
