package partition

import (
	"context"
	"sync"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// slowHost keeps activities as if they ran for long, until it is told to make them durable.
type slowHost struct {
	*fakeHost
	s *scene

	mu      sync.Mutex
	running []WorkItem
}

func (h *slowHost) OfferActivity(w WorkItem) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = append(h.running, w)
	return true
}

func (h *slowHost) DetachActivities(ctx context.Context, concerns func(string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.running {
		if concerns(w.Envelope.Message.Target.InstanceID) {
			if _, err := h.s.hub.Queues().WorkItems().Put(ctx, w.Envelope, 0); err == nil {
				w.Promoted()
			}
		}
	}
	h.running = nil
}

func (h *slowHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.running)
}

// TestActivityThatOutlivesItsInstance: an instance ends while an activity runs that it did not wait for. Nothing in storage
// would tell the next owner of it.
func TestActivityThatOutlivesItsInstance(t *testing.T) {
	inGoFleet(t, testActivityThatOutlivesItsInstance)
}

func testActivityThatOutlivesItsInstance(t *testing.T) {
	for _, terminated := range []bool{false, true} {
		c := newCounter(t)
		a := c.activity("A")
		o := durable.NewOrchestrator("Forgets", func(ctx *durable.Context, _ durable.Void) (string, error) {
			a.Call(ctx, "x")
			return durable.WaitForEvent[string](ctx, "Go").Await()
		})
		s := newScene(t, o, a)
		s.stop(s.part)
		h := &slowHost{fakeHost: s.host, s: s}
		s.lease = newFakeLease(s.lease.period)
		cfg := s.config()
		cfg.Host, cfg.Lease = h, s.lease
		s.part = New(cfg)
		s.host.part.Store(s.part)
		s.part.Start()
		part := s.part
		t.Cleanup(func() { s.stop(part) })

		s.start("Forgets", "i", "")
		eventually(t, "the activity runs", func() bool { return h.count() == 1 })
		want, end := 1, history.Completed
		if terminated {
			want, end = 0, history.Terminated
			if err := s.hub.Client().Terminate(within(t), "i", "enough"); err != nil {
				t.Fatal(err)
			}
			s.part.Wake()
		} else {
			s.raise("i", "Go", "x")
		}
		s.awaitStatus("i", end)
		if n := s.messages(s.hub.Queues().WorkItems()); n != want {
			t.Errorf("%s: %d work items instead of %d", end, n, want)
		}
	}
}
