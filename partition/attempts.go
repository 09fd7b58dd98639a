package partition

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

const (
	freeDeliveries = queues.FreeDeliveries
	suspectAfter   = queues.SuspectAfter
	// suspectDelay is how long such a message waits after it was received, so that what kills the process at once does it without
	// the message.
	suspectDelay = 2 * time.Second
	// suspectPause is how long a message waits that is to be tried apart from others, while another one is.
	suspectPause = 200 * time.Millisecond
)

// A message that kills the process leaves nobody to count, so the attempt is written into the message before it is made. It
// stands if nobody takes it back: the message was applied, or set aside or given back for a reason that is not its own.

// tally counts the attempts at a message that was received a few times already.
type tally struct {
	delivery *queues.Delivery
	received time.Time
	// failed is how many attempts failed, or ended with their process.
	failed atomic.Int32
	// noted is what the message says; guarded by the hold's busy.
	noted int32
}

func newTally(d *queues.Delivery) *tally {
	if d.DequeueCount <= freeDeliveries {
		return nil
	}
	t := &tally{delivery: d, received: time.Now(), noted: int32(d.Attempts)}
	t.failed.Store(int32(d.Attempts))
	return t
}

// tally is the count of the item's message; nil when it is not counted yet, or in no queue.
func (it *item) tally() *tally {
	if len(it.holds) != 1 {
		return nil
	}
	return it.holds[0].tally
}

func (it *item) failedAttempts() int32 {
	if t := it.tally(); t != nil {
		return t.failed.Load()
	}
	return 0
}

func (it *item) suspect() bool { return it.failedAttempts() >= suspectAfter }

// fresh says whether a suspect was received only just now.
func (it *item) fresh() bool { return it.suspect() && time.Since(it.tally().received) < suspectDelay }

// note writes a count into a message, which stays locked; the caller holds busy.
func (hs *holds) note(ctx context.Context, h *hold, attempts int32) error {
	r, _ := h.snapshot()
	sent := time.Now()
	updated, err := h.queue.SetAttempts(ctx, r, h.tally.delivery.Text, int(attempts), hs.lock)
	switch {
	case errors.Is(err, queues.ErrMessageGone), errors.Is(err, queues.ErrReceiptMoved):
		return nil // somebody else has it, and copies are recognised
	case err != nil:
		return err
	}
	h.tally.noted = attempts
	h.refresh(updated, sent.Add(hs.lock))
	return nil
}

// begin writes the attempt into the message that is about to be made, unless it was already.
func (hs *holds) begin(ctx context.Context, h *hold) error {
	h.busy.Lock()
	defer h.busy.Unlock()
	if h.settled || h.tally.noted > h.tally.failed.Load() {
		return nil
	}
	return hs.note(ctx, h, h.tally.failed.Load()+1)
}

// fail lets the attempt stand.
func (hs *holds) fail(h *hold) int32 {
	h.busy.Lock()
	defer h.busy.Unlock()
	h.tally.failed.Store(max(h.tally.noted, h.tally.failed.Load()))
	return h.tally.failed.Load()
}

// applied takes back all attempts at messages that were applied and are kept for a while: should the process die now, it
// was not of them.
func (hs *holds) applied(ctx context.Context, list []*hold) {
	for _, h := range list {
		if h.tally == nil {
			continue
		}
		h.busy.Lock()
		h.tally.failed.Store(0)
		if !h.settled && h.tally.noted > 0 {
			hs.one(ctx, h, "take back the attempts at", func(ctx context.Context, h *hold) error { return hs.note(ctx, h, 0) })
		}
		h.busy.Unlock()
	}
}

// setVisibility makes a message visible after a delay, and takes an attempt back that did not fail; the caller holds busy.
func (hs *holds) setVisibility(ctx context.Context, h *hold, delay time.Duration) error {
	r, _ := h.snapshot()
	sent := time.Now()
	var renewed queues.Receipt
	var err error
	if h.tally != nil && h.tally.noted != h.tally.failed.Load() {
		renewed, err = h.queue.SetAttempts(ctx, r, h.tally.delivery.Text, int(h.tally.failed.Load()), delay)
	} else {
		renewed, err = h.queue.SetVisibility(ctx, r, delay)
	}
	if err == nil {
		h.refresh(renewed, sent.Add(delay))
	}
	return err
}

// beginAttempts notes the attempts that are about to be made. Messages with too many become dead letters instead; it returns
// the others.
func (s *session) beginAttempts(ctx context.Context, items []*item) ([]*item, error) {
	var counted, tried []*item
	for _, it := range items {
		switch t := it.tally(); {
		case t == nil:
			tried = append(tried, it)
		case t.failed.Load() >= mostAttempts:
			s.giveUp(ctx, it, "the attempts at it ended with their process, or with the loss of its partition; look at the workers' logs", true)
		default:
			tried, counted = append(tried, it), append(counted, it)
		}
	}
	if len(counted) == 0 {
		return tried, nil
	}
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, it := range counted {
		g.Go(func() error { return s.p.holds.begin(ctx, it.holds[0]) })
	}
	return tried, g.Wait()
}

// charge lets an attempt stand that failed through the message, or what it meets. The message is set aside, or given up after
// too many.
func (s *session) charge(ctx context.Context, it *item, reason string, fails bool) {
	if it.tally() != nil && s.p.holds.fail(it.holds[0]) >= mostAttempts {
		s.giveUp(ctx, it, reason, fails)
		return
	}
	s.park(ctx, it, reason)
}

// together is how many of the first n items of the mailbox may be tried in one episode: one that may be to blame for a failure
// is tried alone. The caller holds the sessions' mu.
func (s *session) together(n int) int {
	if n == 0 || !s.alone && !hasSuspect(s.mailbox[:n]) {
		return n
	}
	for i, it := range s.mailbox {
		if _, starts := it.start(); starts { // the others would wait for it
			copy(s.mailbox[1:i+1], s.mailbox[:i])
			s.mailbox[0] = it
			break
		}
	}
	if s.alone {
		return 1
	}
	for i, it := range s.mailbox[:n] {
		if it.suspect() {
			return max(i, 1)
		}
	}
	return n
}

func hasSuspect(items []*item) bool {
	for _, it := range items {
		if it.suspect() {
			return true
		}
	}
	return false
}

// apart makes sure that no other suspect is tried at the same time in this process: when the process dies, only one is
// charged. False means that the items wait.
func (s *session) apart(items []*item) (done func(), ok bool) {
	if !hasSuspect(items) || s.p.suspects.onTrial(s.id) {
		return func() {}, true
	}
	if !slices.ContainsFunc(items, (*item).fresh) {
		select {
		case s.p.cfg.Quarantine <- struct{}{}:
			return func() { <-s.p.cfg.Quarantine }, true
		default:
		}
	}
	s.p.sessions.postpone(s, items, suspectPause)
	return nil, false
}

// ofTheInstance says whether an error lies with the instance as it is stored: no message is to blame more than another.
func ofTheInstance(err error) bool {
	var corrupt *tables.CorruptHistoryError
	return errors.As(err, &corrupt)
}
