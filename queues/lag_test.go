package queues_test

import (
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

// TestLag: a message is late from the instant on at which it was to be dealt with, unless it was put off.
func TestLag(t *testing.T) {
	t.Parallel()
	put := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	now, soon := put.Add(time.Minute), put.Add(50*time.Second)
	of := func(e history.Event) *history.Envelope { return &history.Envelope{Message: &history.Message{Event: e}} }
	for name, test := range map[string]struct {
		d    queues.Delivery
		want time.Duration
	}{
		"an event":         {queues.Delivery{InsertedAt: put, DequeueCount: 1, Envelope: of(&history.EventRaised{})}, time.Minute},
		"unreadable":       {queues.Delivery{InsertedAt: put, DequeueCount: 1}, time.Minute},
		"a timer":          {queues.Delivery{InsertedAt: put, DequeueCount: 1, Envelope: of(&history.TimerFired{FireAt: soon})}, 10 * time.Second},
		"an overdue timer": {queues.Delivery{InsertedAt: put, DequeueCount: 1, Envelope: of(&history.TimerFired{FireAt: put.Add(-time.Hour)})}, time.Minute},
		"a later start":    {queues.Delivery{InsertedAt: put, DequeueCount: 1, Envelope: of(&history.ExecutionStarted{ScheduledStart: &soon})}, 10 * time.Second},
		"early":            {queues.Delivery{InsertedAt: now.Add(time.Second), DequeueCount: 1}, 0},
		"put off":          {queues.Delivery{InsertedAt: put, DequeueCount: 2}, 0},
		"without a time":   {queues.Delivery{DequeueCount: 1}, 0},
	} {
		if got := test.d.Lag(now); got != test.want {
			t.Errorf("%s: %v instead of %v", name, got, test.want)
		}
	}
}
