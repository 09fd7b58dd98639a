package partition

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/go-taskhub/taskhub/queues"
)

// LoopPanicError ends a partition in one of whose own loops something panicked. What the loop had in hand is found again by the
// next owner: by its messages once their locks have run out, and by the active list.
type LoopPanicError struct {
	Loop  string // what it does
	Value any    // what it panicked with
}

// Error names the loop and the value.
func (e *LoopPanicError) Error() string {
	return fmt.Sprintf("the partition's own code panicked while %s: %v", e.Loop, e.Value)
}

// guarded makes a loop that ends the partition should it panic, and leaves the process and its other partitions alone. A
// partition without one of its loops would be owned and not served.
func (p *Partition) guarded(what string, loop func()) func() {
	return func() {
		defer func() {
			if v := recover(); v != nil {
				p.log.Error("a loop of the partition panicked; the partition is given up, and whoever takes it next goes on. Please report this with the stack",
					keyOperation, what, keyError, fmt.Sprint(v), keyStack, string(debug.Stack()))
				p.endWork(&LoopPanicError{Loop: what, Value: v})
			}
		}()
		loop()
	}
}

// Failure says why the partition has ended by itself, or is about to: the lease was lost, the queue could not be read, it was full and
// stood still, or it panicked. Nil while all is well, and after an end that was asked for.
func (p *Partition) Failure() error {
	if why := p.failure.Load(); why != nil {
		return *why
	}
	if p.work.Err() == nil {
		return nil
	}
	cause := context.Cause(p.work)
	var panicked *LoopPanicError
	if errors.Is(cause, ErrLeaseLost) || errors.Is(cause, errStalled) || errors.As(cause, &panicked) {
		return cause
	}
	return nil
}

// refuse sets a message aside whose handling panicked: the others go on, and it comes back with growing pauses.
func (p *Partition) refuse(d *queues.Delivery, h *hold, v any) {
	delay := backoff(d.DequeueCount)
	p.log.Error("taking up a message panicked; it is set aside with growing delay. Please report this with the stack",
		keyMessage, d.ID, keyCount, d.DequeueCount, keyDelay, delay, keyError, fmt.Sprint(v), keyStack, string(debug.Stack()))
	p.giveBackLater(d.DequeueCount, h)
}
