package activities_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

// age receives what is in the work-item queue so many times and gives it back, and returns the last deliveries.
func age(t *testing.T, q *queues.Queues, times int) (last []*queues.Delivery) {
	t.Helper()
	for range times {
		eventually(t, "the work item is there", func() bool {
			batch, err := q.WorkItems().Receive(within(t), 32, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			last = batch
			return len(batch) > 0
		})
		for _, d := range last {
			if _, err := q.WorkItems().SetVisibility(within(t), d.Receipt(), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return last
}

// setAttempts lets the one work item say how often it was tried.
func setAttempts(t *testing.T, q *queues.Queues, n int) {
	t.Helper()
	batch, err := q.WorkItems().Receive(within(t), 32, time.Minute)
	if err != nil || len(batch) != 1 {
		t.Fatalf("%d work items, %v", len(batch), err)
	}
	if _, err := q.WorkItems().SetAttempts(within(t), batch[0].Receipt(), batch[0].Text, n, 0); err != nil {
		t.Fatal(err)
	}
}

// graveyard keeps dead letters.
type graveyard struct {
	mu      sync.Mutex
	letters []activities.DeadLetter
}

func (g *graveyard) bury(_ context.Context, l activities.DeadLetter) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letters = append(g.letters, l)
	return "dead letter " + l.Delivery.ID + ": " + l.Reason, nil
}

func (g *graveyard) list() []activities.DeadLetter {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.letters)
}

// TestAttemptsAtAWorkItem: an attempt whose process dies counts, one that a graceful end cuts short does not, and none counts
// before the fifth delivery.
func TestAttemptsAtAWorkItem(t *testing.T) {
	t.Parallel()
	var dead atomic.Bool
	mortal, q := twoQueues(t, func(*http.Request) error {
		if dead.Load() {
			return errors.New("the process is dead")
		}
		return nil
	})
	put(t, q, request("Slow", 1))
	attempt := func(dies bool) {
		t.Helper()
		dead.Store(false)
		begun := make(chan struct{}, 1)
		slow := func(ctx context.Context, _ *string) (*string, error) {
			begun <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		r := activities.New(activities.Config{
			Queues:  mortal,
			Handler: handlers{"Slow": slow}.find, Lock: time.Second, MaxPoll: 50 * time.Millisecond, Grace: time.Millisecond, Bury: new(graveyard).bury,
		})
		r.Start()
		<-begun
		dead.Store(dies)
		stop(t, r)
	}
	attempt(true)
	if got := age(t, q, 5); got[0].Attempts != 0 {
		t.Errorf("the first delivery counts as %d attempts", got[0].Attempts)
	}
	for want := 1; want <= 2; want++ {
		attempt(true)
		if got := age(t, q, 1); got[0].Attempts != want {
			t.Errorf("after %d deaths there are %d attempts", want, got[0].Attempts)
		}
		attempt(false)
		if got := age(t, q, 1); got[0].Attempts != want {
			t.Errorf("a graceful end changes %d attempts to %d", want, got[0].Attempts)
		}
	}
}

// TestPoisonousWorkItem: after twenty attempts a work item is not tried again. It becomes a dead letter, and the activity fails
// with a text that names it.
func TestPoisonousWorkItem(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	put(t, q, request("Deadly", 3))
	age(t, q, 5)
	setAttempts(t, q, 20)
	var graves graveyard
	begin(t, activities.Config{Queues: q, Bury: graves.bury, Handler: handlers{
		"Deadly": func(context.Context, *string) (*string, error) { t.Error("it was tried"); return nil, nil },
	}.find})
	failed, ok := answers(t, q, 1)[0].Message.Event.(*history.TaskFailed)
	letters := graves.list()
	if len(letters) != 1 || letters[0].Attempts != 20 || letters[0].Delivery.Envelope == nil {
		t.Fatalf("the dead letters are %+v", letters)
	}
	if !ok || failed.TaskScheduledID != 3 || !strings.Contains(*failed.Reason, letters[0].Delivery.ID) || !failed.Failure.IsNonRetriable {
		t.Errorf("the activity ended with %+v", failed)
	}
	eventually(t, "the work item is gone", func() bool { return empty(t, q.WorkItems()) })
}

// TestUndecodableWorkItem becomes a dead letter, and whoever asked for it is told, if that can be made out. One whose activity
// is not hosted stays, however often it was received.
func TestUndecodableWorkItem(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	texts := []string{
		"garbage",
		`{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.TaskScheduledEvent, DurableTask.Core","EventId":7,"Timestamp":"never","Name":"A"},` +
			`"OrchestrationInstance":{"InstanceId":"caller","ExecutionId":"e1"}}}`,
	}
	for _, text := range texts {
		if err := q.WorkItems().PutText(within(t), text); err != nil {
			t.Fatal(err)
		}
	}
	put(t, q, request("Elsewhere", 1))
	age(t, q, 40)
	var graves graveyard
	r := begin(t, activities.Config{Queues: q, Bury: graves.bury, Handler: handlers{
		"Other": func(context.Context, *string) (*string, error) { return nil, nil },
	}.find})
	failed, ok := answers(t, q, 1)[0].Message.Event.(*history.TaskFailed)
	if !ok || failed.TaskScheduledID != 7 || !strings.Contains(*failed.Reason, "dead letter") {
		t.Errorf("the caller is told %+v", failed)
	}
	eventually(t, "both are dead letters", func() bool { return len(graves.list()) == len(texts) })
	for _, l := range graves.list() {
		if !slices.Contains(texts, l.Delivery.Text) || l.Reason == "" {
			t.Errorf("a dead letter is %+v", l)
		}
	}
	eventually(t, "the other one is parked", func() bool {
		parked := r.Health().Parked
		return len(parked) == 1 && parked[0].Activity == "Elsewhere"
	})
	eventually(t, "only the other one is left", func() bool {
		n, err := q.WorkItems().ApproximateCount(within(t))
		return err == nil && n == 1
	})
}
