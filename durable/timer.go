package durable

import (
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// Durable Functions on Azure Storage splits timers longer than six days into hops
// of three, because a queue message can be delayed by seven days at most. The two
// numbers decide which events are in the history, so they are part of the format.
const (
	longestTimer = 6 * 24 * time.Hour
	timerHop     = 3 * 24 * time.Hour
)

// tick is the resolution of times in histories.
const tick = 100 * time.Nanosecond

// clockwork waits for a point in time with one timer or with several hops.
type clockwork struct {
	s      *replay.Session
	fireAt time.Time
	long   bool
	id     int32
	fired  func()
}

// startTimer calls fired once the time has come. Nothing fires early: the time is
// rounded up to what a history can hold.
func startTimer(s *replay.Session, fireAt time.Time, fired func()) *clockwork {
	at := fireAt.UTC().Truncate(tick)
	if at.Before(fireAt) {
		at = at.Add(tick)
	}
	w := &clockwork{s: s, fireAt: at, fired: fired}
	w.long = at.Sub(s.Now()) > longestTimer
	w.set()
	return w
}

func (w *clockwork) set() {
	at := w.fireAt
	if w.long && at.Sub(w.s.Now()) >= timerHop {
		at = w.s.Now().Add(timerHop)
	}
	w.id = w.s.Decide(&replay.CreateTimer{FireAt: at}, w)
}

// Resolve implements [replay.Sink].
func (w *clockwork) Resolve(int32, history.Event) {
	if w.long && w.s.Now().Before(w.fireAt) {
		w.set()
		return
	}
	w.fired()
}

func (w *clockwork) stop() { w.s.Abandon(w.id) }

// Timer returns a task that is done after d. A timer longer than six days becomes
// several events of three days each, as Durable Functions does. Cancel a timer that
// is no longer wanted; an orchestrator that returns need not.
func Timer(ctx *Context, d time.Duration) *Task[Void] {
	return TimerAt(ctx, ctx.Now().Add(d))
}

// TimerAt returns a task that is done at a point in time, or at once if that has
// passed.
func TimerAt(ctx *Context, at time.Time) *Task[Void] {
	t, ok := newTask[Void](ctx, subject{"timer", ""}, "Timer")
	if !ok {
		return t
	}
	w := startTimer(ctx.s, at, func() { t.future.promise.Settle(nil, nil) })
	t.future.undo = w.stop
	return t
}

// Sleep parks the orchestrator, or the coroutine, for d. It returns [ErrCanceled]
// when the context's scope is canceled meanwhile.
func Sleep(ctx *Context, d time.Duration) error {
	_, err := Timer(ctx, d).Await()
	return err
}

// SleepUntil parks the orchestrator, or the coroutine, until a point in time.
func SleepUntil(ctx *Context, at time.Time) error {
	_, err := TimerAt(ctx, at).Await()
	return err
}
