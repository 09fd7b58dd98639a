package activities_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/queues"
)

// TestSuspectsRunOneAtATime: work items with which many processes have ended do not run side by side, so that the one which is to
// blame is charged alone. Others run beside them.
func TestSuspectsRunOneAtATime(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	for i := range int32(2) {
		put(t, q, request("Suspect", i))
	}
	age(t, q, 5)
	batch, err := q.WorkItems().Receive(within(t), 32, time.Minute)
	if err != nil || len(batch) != 2 {
		t.Fatalf("%d work items, %v", len(batch), err)
	}
	for _, d := range batch {
		if _, err := q.WorkItems().SetAttempts(within(t), d.Receipt(), d.Text, 10, 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int32(3) {
		put(t, q, request("Good", 10+i))
	}
	var running, beside, ran atomic.Int32
	begin(t, activities.Config{Queues: q, Slots: 10, Handler: handlers{
		"Good": func(context.Context, *string) (*string, error) { return nil, nil },
		"Suspect": func(context.Context, *string) (*string, error) {
			if running.Add(1) > 1 {
				beside.Add(1)
			}
			time.Sleep(300 * time.Millisecond)
			running.Add(-1)
			ran.Add(1)
			return nil, nil
		},
	}.find})
	answers(t, q, 5)
	if beside.Load() != 0 || ran.Load() != 2 {
		t.Errorf("%d suspects ran, %d beside another", ran.Load(), beside.Load())
	}
	eventually(t, "the work items are gone", func() bool { return empty(t, q.WorkItems()) })
}

// TestWorkItemOfAPurgedInstance: a work item whose content went with its instance is deleted at once. When that cannot be found
// out, or the instance is there, it stays.
func TestWorkItemOfAPurgedInstance(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	const text = `{"CompressedBlobName":"purged/message-5406d36943694673afae6671a2fa1e57-TaskScheduled.json.gz"}`
	if err := q.WorkItems().PutText(within(t), text); err != nil {
		t.Fatal(err)
	}
	var looks, purged atomic.Int32
	var graves graveyard
	begin(t, activities.Config{Queues: q, Bury: graves.bury, Handler: handlers{}.find, Purged: func(_ context.Context, d *queues.Delivery) (bool, error) {
		if looks.Add(1) == 1 {
			return false, errors.New("the storage does not answer")
		}
		return purged.Load() == 1, nil
	}})
	eventually(t, "it was looked at twice", func() bool { return looks.Load() >= 2 })
	if empty(t, q.WorkItems()) {
		t.Error("it was deleted although its instance is there")
	}
	purged.Store(1)
	eventually(t, "it is deleted", func() bool { return empty(t, q.WorkItems()) })
	if n := len(graves.list()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
