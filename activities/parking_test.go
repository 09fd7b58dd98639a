package activities_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
)

// TestUnhostedParks: two workers that both do not host a name hand its work item back ever less often, and say so.
func TestUnhostedParks(t *testing.T) {
	t.Parallel()
	var returned atomic.Int32
	q := queuesOver(t, func(req *http.Request) error {
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "-workitems/") {
			returned.Add(1)
		}
		return nil
	})
	fine := handlers{"Mine": func(context.Context, *string) (*string, error) { return nil, nil }}.find
	first := begin(t, activities.Config{Queues: q, Handler: fine})
	second := begin(t, activities.Config{Queues: q, Handler: fine})
	put(t, q, request("Theirs", 1))
	put(t, q, request("Mine", 2))
	answers(t, q, 1)
	began := time.Now()
	eventually(t, "both have seen it three times", func() bool { return returned.Load() >= 6 })
	if took := time.Since(began); took < time.Second {
		t.Errorf("it went to and fro six times in %v", took)
	}
	for _, r := range []*activities.Runner{first, second} {
		h := r.Health()
		if len(h.Parked) != 1 || h.Parked[0].Activity != "Theirs" || h.Parked[0].Messages != 1 || h.Parked[0].Oldest.IsZero() ||
			!strings.Contains(h.Parked[0].Reason, "no activity Theirs is registered") {
			t.Errorf("parked: %+v", h.Parked)
		}
	}
}

// TestParkedIsTakenSoon: a worker that comes to host a name gets its work items within seconds, however often others have
// handed them back.
func TestParkedIsTakenSoon(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	put(t, q, request("Theirs", 1))
	eventually(t, "it was received often", func() bool {
		batch, err := q.WorkItems().Receive(within(t), 1, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			return false
		}
		count := batch[0].DequeueCount
		if _, err := q.WorkItems().SetVisibility(within(t), batch[0].Receipt(), 0); err != nil {
			t.Fatal(err)
		}
		return count >= 14
	})
	first := begin(t, activities.Config{Queues: q, Handler: handlers{"Mine": nil}.find})
	eventually(t, "it is handed back", func() bool { return len(first.Health().Parked) == 1 })
	begin(t, activities.Config{Queues: q, Handler: handlers{"Theirs": func(context.Context, *string) (*string, error) { return nil, nil }}.find})
	answers(t, q, 1)
}

// TestParkedDoNotSlowOthers: many work items that nobody hosts do not stand in the way of one that is hosted.
func TestParkedDoNotSlowOthers(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	for i := range int32(200) {
		put(t, q, request("Theirs", i))
	}
	put(t, q, request("Mine", 999))
	r := begin(t, activities.Config{Queues: q, Slots: 4, MaxPoll: 5 * time.Second, Handler: handlers{"Mine": func(context.Context, *string) (*string, error) { return nil, nil }}.find})
	began := time.Now()
	answers(t, q, 1)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it was answered after %v", took)
	}
	if h := r.Health(); len(h.Parked) != 1 || h.Parked[0].Messages < 150 {
		t.Errorf("parked: %+v", h.Parked)
	}
}
