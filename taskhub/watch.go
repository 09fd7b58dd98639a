package taskhub

import (
	"context"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/tables"
)

const (
	// parallelLooks bounds how many status rows are read at a time for those who wait.
	parallelLooks = 32
	// fewWatched is for how few instances each is looked at on its own; more are looked at together.
	fewWatched = 16
	// looksPerSecond bounds the looks at single instances when many are watched and ids are no neighbours.
	looksPerSecond = 50
	// startGrace is how long an instance that this process started may have no status row before it counts as unknown.
	startGrace = time.Minute
	// rememberedStarts bounds how many starts are remembered.
	rememberedStarts = 100_000
	// slower and jitter shape the pauses between looks: each is half as long again, give or take a fifth.
	slower = 1.5
	jitter = 0.2
)

// watch looks at instances on behalf of those who wait for their end. All who wait for one instance share its looks, and
// all looks are made by one goroutine's order, so that their number does not grow with the number of those who wait.
type watch struct {
	hub   *Hub
	slots chan struct{}
	wake  chan struct{} // tells the poller that there is more to watch

	mu      sync.Mutex
	watched map[string]*watched
	started map[string]*recentStart
	order   []string // ids of started, oldest first
	sweep   sweep
	polling bool
	closed  bool
	running sync.WaitGroup
	ctx     context.Context // ends with the hub
	stop    context.CancelFunc
}

// recentStart is an instance that this process started not long ago.
type recentStart struct {
	at    time.Time
	ended bool // a worker in this process has said so
}

// watched is one instance that somebody waits for. All but done is guarded by the watch's lock until done is closed.
type watched struct {
	id      string
	waiters int
	looking bool          // a look is under way
	again   bool          // and another one is wanted behind it
	due     time.Time     // when to look next
	looked  time.Time     // when it was looked at last
	pause   time.Duration // between the last look and the next
	etag    string
	done    chan struct{} // closed once row and err are final
	row     *tables.InstanceRow
	err     error
}

func (w *watch) init(h *Hub) {
	w.hub = h
	w.slots = make(chan struct{}, parallelLooks)
	w.wake = make(chan struct{}, 1)
	w.watched = make(map[string]*watched)
	w.started = make(map[string]*recentStart)
	w.ctx, w.stop = context.WithCancel(context.Background())
}

// Notify tells those who wait for an instance in this process that its status row has changed for good. A worker calls
// it after writing a terminal status.
func (h *Hub) Notify(instanceID string) {
	w := &h.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if start, ok := w.started[instanceID]; ok {
		start.ended = true
	}
	if e, ok := w.watched[instanceID]; ok {
		w.lookAt(e)
	}
}

// Ended tells those who wait for an instance in this process that it has ended, and with which status row. A worker calls it
// after writing the row, in place of [Hub.Notify].
func (h *Hub) Ended(row *tables.InstanceRow) {
	w := &h.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if start, ok := w.started[row.InstanceID]; ok {
		start.ended = true
	}
	if e, ok := w.watched[row.InstanceID]; ok {
		w.finish(e, row, nil)
	}
}

// remember notes a start, so that waiting for it neither looks too early nor takes a missing row for an unknown id.
func (w *watch) remember(instanceID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if _, ok := w.started[instanceID]; !ok {
		w.order = append(w.order, instanceID)
	}
	w.started[instanceID] = &recentStart{at: now}
	for len(w.order) > 0 {
		oldest := w.started[w.order[0]]
		if oldest != nil && now.Sub(oldest.at) < startGrace && len(w.order) <= rememberedStarts {
			break
		}
		delete(w.started, w.order[0])
		w.order = w.order[1:]
	}
}

// recent tells whether this process started the instance not long ago, and whether it has ended since.
func (w *watch) recent(instanceID string) (started, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	start, ok := w.started[instanceID]
	if !ok || time.Since(start.at) >= startGrace {
		return false, false
	}
	return true, start.ended
}

// await waits for the end of an instance and returns its row.
func (w *watch) await(ctx context.Context, instanceID string) (*tables.InstanceRow, error) {
	e, err := w.join(instanceID)
	if err != nil {
		return nil, err
	}
	defer w.leave(e)
	select {
	case <-e.done:
		return e.row, e.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *watch) join(instanceID string) (*watched, error) {
	started, ended := w.recent(instanceID)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	e, ok := w.watched[instanceID]
	if !ok {
		e = &watched{id: instanceID, done: make(chan struct{}), pause: w.firstPause(instanceID), due: time.Now()}
		if started && !ended {
			e.due = e.due.Add(jittered(e.pause))
		}
		w.watched[instanceID] = e
		w.sweep.want(e.due)
		w.poll()
	}
	e.waiters++
	return e, nil
}

func (w *watch) leave(e *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.waiters--; e.waiters == 0 {
		w.drop(e)
	}
}

// drop ends the looking at an instance. The lock is held.
func (w *watch) drop(e *watched) {
	if w.watched[e.id] == e {
		delete(w.watched, e.id)
		if len(w.watched) == 0 {
			w.poll() // for it to end
		}
	}
}

// finish gives the outcome to all who wait. The lock is held.
func (w *watch) finish(e *watched, row *tables.InstanceRow, err error) {
	select {
	case <-e.done:
		return
	default:
	}
	e.row, e.err = row, err
	close(e.done)
	w.drop(e)
}

// close ends all waits.
func (w *watch) close() {
	w.mu.Lock()
	w.closed = true
	for _, e := range w.watched {
		w.finish(e, nil, ErrClosed)
	}
	w.mu.Unlock()
	w.stop()
	w.running.Wait()
}
