package activities_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// decision is one that may be committed or discarded while its activity runs.
type decision struct {
	ctx     context.Context
	discard context.CancelFunc

	mu        sync.Mutex
	committed bool
	kept      []activities.Result
}

func newDecision() *decision {
	d := &decision{}
	d.ctx, d.discard = context.WithCancel(context.Background())
	return d
}

func (d *decision) Context() context.Context { return d.ctx }

func (d *decision) Committed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.committed
}

func (d *decision) commit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.committed = true
}

func (d *decision) Take(r activities.Result) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.committed {
		d.kept = append(d.kept, r)
	}
	return !d.committed
}

func (d *decision) results() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.kept)
}

// TestAheadOfItsDecision: an activity that runs ahead becomes no work item, and its result no message, while its decision is
// open; once that is committed it is an activity like others.
func TestAheadOfItsDecision(t *testing.T) {
	t.Parallel()
	everybody := func(string) bool { return true }
	for name, test := range map[string]struct {
		meanwhile     func(*activities.Runner, *decision)
		kept, answers int
	}{
		"open":      {func(*activities.Runner, *decision) {}, 1, 0},
		"detached":  {func(r *activities.Runner, _ *decision) { r.Detach(t.Context(), everybody) }, 1, 0},
		"committed": {func(_ *activities.Runner, d *decision) { d.commit() }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueues(t)
			begun, gate := make(chan struct{}, 9), make(chan struct{})
			r := begin(t, activities.Config{Queues: q, Handler: handlers{"A": func(context.Context, *string) (*string, error) {
				begun <- struct{}{}
				<-gate
				return nil, nil
			}}.find})
			d := newDecision()
			defer d.discard()
			if !r.Room("A") || !r.Offer(activities.Work{Envelope: request("A", 0), Ahead: d}) {
				t.Fatal("it is not taken")
			}
			<-begun
			test.meanwhile(r, d)
			close(gate)
			if test.kept > 0 {
				eventually(t, "the result is kept", func() bool { return d.results() == test.kept })
			}
			answers(t, q, test.answers)
			if !empty(t, q.WorkItems()) {
				t.Error("a work item was put")
			}
			if n, err := q.Control(layout.Partition("caller", 2)).ApproximateCount(within(t)); err != nil || n != test.answers {
				t.Errorf("%d messages, %v", n, err)
			}
		})
	}
}

// TestDiscardedDecision: the activity is told, what it says is dropped, and the same decision made again runs anew.
func TestDiscardedDecision(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begun := make(chan context.Context, 9)
	gate := make(chan struct{})
	r := begin(t, activities.Config{Queues: q, Handler: handlers{"A": func(ctx context.Context, _ *string) (*string, error) {
		begun <- ctx
		<-gate
		return nil, nil
	}}.find, Unwind: time.Minute})
	first, second := newDecision(), newDecision()
	defer second.discard()
	for _, d := range []*decision{first, second} {
		if !r.Room("A") || !r.Offer(activities.Work{Envelope: request("A", 0), Ahead: d}) {
			t.Fatal("it is not taken")
		}
		if ctx := <-begun; d == first {
			first.discard()
			<-ctx.Done()
		}
	}
	close(gate)
	eventually(t, "the second one's result is kept", func() bool { return second.results() == 1 })
	if first.results() != 0 || !empty(t, q.WorkItems()) {
		t.Errorf("%d results of the discarded decision", first.results())
	}
}
