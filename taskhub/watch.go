package taskhub

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/tables"
)

const (
	// parallelLooks bounds how many status rows are read at a time for those who wait.
	parallelLooks = 32
	// startGrace is how long an instance that this process started may have no status row before it counts as unknown.
	startGrace = time.Minute
	// rememberedStarts bounds how many starts are remembered.
	rememberedStarts = 100_000
	// slower and jitter shape the pauses between looks: each is half as long again, give or take a fifth.
	slower = 1.5
	jitter = 0.2
)

// watch looks at instances on behalf of those who wait for their end. All who wait for one instance share its looks.
type watch struct {
	hub   *Hub
	slots chan struct{}

	mu      sync.Mutex
	watched map[string]*watched
	started map[string]*recentStart
	order   []string // ids of started, oldest first
	closed  bool
	running sync.WaitGroup
}

// recentStart is an instance that this process started not long ago.
type recentStart struct {
	at    time.Time
	ended bool // a worker in this process has said so
}

// watched is one instance that somebody waits for.
type watched struct {
	id      string
	waiters int
	poke    chan struct{}
	stop    context.CancelFunc
	done    chan struct{} // closed once row and err are final
	row     *tables.InstanceRow
	err     error
}

func (w *watch) init(h *Hub) {
	w.hub = h
	w.slots = make(chan struct{}, parallelLooks)
	w.watched = make(map[string]*watched)
	w.started = make(map[string]*recentStart)
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
		select {
		case e.poke <- struct{}{}:
		default:
		}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	e, ok := w.watched[instanceID]
	if !ok {
		ctx, stop := context.WithCancel(context.Background())
		e = &watched{id: instanceID, poke: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
		w.watched[instanceID] = e
		w.running.Go(func() { w.look(ctx, e) })
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
	e.stop()
	if w.watched[e.id] == e {
		delete(w.watched, e.id)
	}
}

// look reads the status row again and again until the instance has ended.
func (w *watch) look(ctx context.Context, e *watched) {
	pause, etag := w.firstPause(e.id), ""
	if started, ended := w.recent(e.id); started && !ended && !w.pause(ctx, e, pause) {
		w.finish(e, nil, ErrClosed)
		return
	}
	for {
		row, err := w.read(ctx, e.id)
		switch {
		case ctx.Err() != nil:
			w.finish(e, nil, ErrClosed)
			return
		case err != nil || row != nil && row.Status.IsTerminal():
			w.finish(e, row, err)
			return
		case row == nil:
			if started, _ := w.recent(e.id); !started {
				w.finish(e, nil, &InstanceNotFoundError{Hub: w.hub.Name(), InstanceID: e.id})
				return
			}
		}
		pause, etag = w.next(e.id, pause, etag, row)
		if !w.pause(ctx, e, pause) {
			w.finish(e, nil, ErrClosed)
			return
		}
	}
}

// firstPause is the pause before the first look at an instance that was started just now.
func (w *watch) firstPause(id string) time.Duration {
	if w.hub.local(id) {
		return w.hub.cfg.MaxPoll
	}
	return w.hub.cfg.MinPoll
}

// next is the pause before the next look: longer and longer, but shorter again after progress.
func (w *watch) next(id string, pause time.Duration, etag string, row *tables.InstanceRow) (time.Duration, string) {
	seen := ""
	if row != nil {
		seen = row.ETag
	}
	if w.hub.local(id) {
		return w.hub.cfg.MaxPoll, seen
	}
	if etag != "" && seen != etag {
		return max(w.hub.cfg.MinPoll, pause/2), seen
	}
	return min(time.Duration(float64(pause)*slower), w.hub.cfg.MaxPoll), seen
}

// pause waits about so long, or until the instance is said to have ended; false means that nobody waits any more.
func (w *watch) pause(ctx context.Context, e *watched, d time.Duration) bool {
	d = time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.poke:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *watch) read(ctx context.Context, instanceID string) (*tables.InstanceRow, error) {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	row, err := w.hub.tables.GetInstance(ctx, instanceID, tables.GetOptions{Raw: true})
	if err != nil || row == nil || !row.Status.IsTerminal() {
		return row, err
	}
	return row, w.hub.tables.FetchPayloads(ctx, row)
}

// finish gives the outcome to all who wait.
func (w *watch) finish(e *watched, row *tables.InstanceRow, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.row, e.err = row, err
	close(e.done)
	w.drop(e)
}

// close ends all waits.
func (w *watch) close() {
	w.mu.Lock()
	w.closed = true
	for _, e := range w.watched {
		w.drop(e)
	}
	w.mu.Unlock()
	w.running.Wait()
}
