package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/limits"
	"github.com/go-taskhub/taskhub/telemetry"
)

// work is one work item in this process.
type work struct {
	Work
	ctx    context.Context // of its attempt; its cause says why it was cancelled
	cancel context.CancelCauseFunc
	progress

	began atomic.Int64 // unix nanoseconds; 0 while it waits

	again atomic.Pointer[Work] // the work item as received once more, because its lock had run out while it was here

	tally *tally // nil for work that is not counted

	ticket  *limits.Ticket // nil for work without limits
	refused error          // its key cannot be used, so it fails

	report *telemetry.Attempt // of the attempt that runs; nil for none

	busy sync.Mutex // held over storage calls on the message
	gone bool       // deleted, given back or handed over; guarded by busy
}

func newWork(parent context.Context, given Work) *work {
	w := &work{Work: given}
	w.ctx, w.cancel = context.WithCancelCause(parent)
	if call, ok := w.call(); ok {
		w.details = durable.HeartbeatOf(call)
	}
	return w
}

func (w *work) call() (*history.TaskScheduled, bool) {
	if w.Envelope == nil || w.Envelope.Message == nil { // one that is given back unread
		return nil, false
	}
	call, ok := w.Envelope.Message.Event.(*history.TaskScheduled)
	return call, ok
}

func (w *work) target() history.Instance { return w.Envelope.Message.Target }

// catchUp takes the receipt of the last delivery over; the caller holds busy.
func (w *work) catchUp() {
	if again := w.again.Swap(nil); again != nil {
		w.Receipt, w.LockedUntil = again.Receipt, again.LockedUntil
	}
}

// progress is what an activity's heartbeats said.
type progress struct {
	mu      sync.Mutex
	details *string     // of the latest heartbeat, or what an earlier attempt left
	unsaved bool        // the work item does not have them
	quiet   *time.Timer // runs out when no heartbeat comes
	allowed time.Duration
}

// listen begins to wait for heartbeats. Zero waits for none.
func (p *progress) listen(timeout time.Duration, silent func()) (stop func()) {
	if timeout <= 0 {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed, p.quiet = timeout, time.AfterFunc(timeout, silent)
	return func() { p.quiet.Stop() }
}

// heard notes a heartbeat.
func (p *progress) heard(details *string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if details != nil && (p.details == nil || *details != *p.details) {
		p.details, p.unsaved = details, true
	}
	if p.quiet != nil {
		p.quiet.Reset(p.allowed)
	}
}

func (p *progress) latest() *string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.details
}

// toSave returns the details that the work item lacks, nil for none.
func (p *progress) toSave() *string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.unsaved {
		return nil
	}
	return p.details
}

func (p *progress) saved(details *string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.details == details {
		p.unsaved = false
	}
}

// withDetails is the work item as another attempt should find it.
func (w *work) withDetails(details *string) *history.Envelope {
	call, ok := w.call()
	if !ok {
		return w.Envelope
	}
	env, message := *w.Envelope, *w.Envelope.Message
	message.Event = durable.WithHeartbeat(call, details)
	env.Message = &message
	return &env
}
