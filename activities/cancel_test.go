package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// waiting runs until it is cancelled and tells why.
func waiting(started chan<- struct{}, causes chan<- error) durable.ActivityHandler {
	return func(ctx context.Context, _ *string) (*string, error) {
		started <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil, ctx.Err()
	}
}

// TestTerminatedInstance: its activities are cancelled, told why, and their work items deleted, whether this process or
// the renewal of a lock brings the news; those of another execution go on.
func TestTerminatedInstance(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]bool{"told": true, "found out": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueues(t)
			started, causes := make(chan struct{}, 2), make(chan error, 2)
			r := begin(t, activities.Config{
				Queues: q, Lock: 2 * time.Second, Grace: time.Millisecond,
				Terminated: func(_ context.Context, i history.Instance) (bool, error) {
					return i.InstanceID == "caller" && *i.ExecutionID == "e1", nil
				},
				Handler: handlers{"Wait": waiting(started, causes)}.find,
			})
			other := request("Wait", 2)
			other.Message.Target.ExecutionID = history.String("e2")
			put(t, q, request("Wait", 1))
			put(t, q, other)
			<-started
			<-started
			if told {
				r.InstanceEnded("somebody else")
				r.InstanceEnded("caller")
			}
			if err := <-causes; !errors.Is(err, durable.ErrTerminated) {
				t.Errorf("the cause is %v", err)
			}
			eventually(t, "one work item is left", func() bool {
				n, err := q.WorkItems().ApproximateCount(within(t))
				if err != nil {
					t.Fatal(err)
				}
				return n == 1
			})
			if !empty(t, q.ControlFor("caller")) {
				t.Error("somebody was answered who does not wait any more")
			}
			if len(causes) > 0 {
				t.Error("an activity of another execution was cancelled")
			}
		})
	}
}

// TestLostWorkItem: an activity whose message was deleted by hand, or taken by another worker after its lock had run out,
// is cancelled, told why, and not answered.
func TestLostWorkItem(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	started, causes := make(chan struct{}, 2), make(chan error, 1)
	r := activities.New(activities.Config{Queues: q, Lock: 2 * time.Second, Handler: handlers{"Wait": waiting(started, causes)}.find})
	env := request("Wait", 1)
	receipt, err := q.WorkItems().Put(within(t), env, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	// It believes that it has the lock for two seconds and has it for one: so much does a clock or a pause cost.
	if !r.Offer(activities.Work{Envelope: env, Receipt: receipt, LockedUntil: time.Now().Add(time.Second)}) {
		t.Fatal("the work item was not taken")
	}
	<-started
	eventually(t, "another worker receives it", func() bool {
		batch, err := q.WorkItems().Receive(within(t), 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return len(batch) == 1
	})
	r.Start() // only now does it renew
	t.Cleanup(func() { stop(t, r) })
	if err := <-causes; !errors.Is(err, durable.ErrActivityLost) {
		t.Errorf("the cause is %v", err)
	}
	eventually(t, "the slot is free", func() bool { return r.Health().Running == 0 })
	if !empty(t, q.ControlFor("caller")) {
		t.Error("a failure was reported for work that another worker has")
	}
}
