package leases

import (
	"context"
	"time"
)

// Clock tells the time. Tests and simulations replace it.
type Clock interface {
	// Now is the wall clock. It may be wrong and may step.
	Now() time.Time
	// Elapsed is the time since some fixed instant. It never steps and never goes back.
	Elapsed() time.Duration
	// AfterFunc calls f in a goroutine of its own once d has elapsed, unless cancel is called before.
	AfterFunc(d time.Duration, f func()) (cancel func())
}

type systemClock struct{ origin time.Time }

func newSystemClock() *systemClock { return &systemClock{origin: time.Now()} }

func (c *systemClock) Now() time.Time { return time.Now() }

func (c *systemClock) Elapsed() time.Duration { return time.Since(c.origin) }

func (c *systemClock) AfterFunc(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// instant is a moment on both clocks.
type instant struct {
	wall time.Time // without a monotonic part, so that differences are the wall clock's
	mono time.Duration
}

func instantOf(c Clock) instant {
	return instant{wall: c.Now().Round(0), mono: c.Elapsed()}
}

// remaining says how much is left at now of a period that began at i. A wall clock set forward, or a machine that
// slept while its monotonic clock stood still, shortens the period; a wall clock set back does not lengthen it.
func (i instant) remaining(period time.Duration, now instant) time.Duration {
	return period - max(now.mono-i.mono, now.wall.Sub(i.wall))
}

// pause waits for d, or for a signal, or for the end of ctx, whose error it returns.
func pause(ctx context.Context, c Clock, d time.Duration, signal <-chan struct{}) error {
	fired := make(chan struct{})
	cancel := c.AfterFunc(d, func() { close(fired) })
	defer cancel()
	select {
	case <-fired:
	case <-signal:
	case <-ctx.Done():
	}
	return ctx.Err()
}
