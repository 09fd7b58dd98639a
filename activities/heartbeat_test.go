package activities_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/durable"
)

// resuming counts to the limit, from where the attempt before it has stopped, and stops at the given numbers.
func resuming(limit int, at func(ctx context.Context, n int) error, begun chan<- int) durable.ActivityHandler {
	return func(ctx context.Context, _ *string) (*string, error) {
		from, _, err := durable.HeartbeatDetails[int](ctx)
		if err != nil {
			return nil, err
		}
		begun <- from
		for n := from + 1; n <= limit; n++ {
			if err := durable.Heartbeat(ctx, n); err != nil {
				return nil, err
			}
			if err := at(ctx, n); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// TestStoppedAttemptLeavesItsProgress: what the heartbeat said last goes back with the work item.
func TestStoppedAttemptLeavesItsProgress(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begun, half := make(chan int, 2), make(chan struct{})
	first := begin(t, activities.Config{Queues: q, Grace: time.Millisecond, Handler: handlers{"Count": resuming(9, func(ctx context.Context, n int) error {
		if n < 5 {
			return nil
		}
		close(half)
		<-ctx.Done()
		return context.Cause(ctx)
	}, begun)}.find})
	put(t, q, request("Count", 1))
	<-half
	stop(t, first)
	begin(t, activities.Config{Queues: q, Handler: handlers{"Count": resuming(9, func(context.Context, int) error { return nil }, begun)}.find})
	answers(t, q, 1)
	if a, b := <-begun, <-begun; a != 0 || b != 5 {
		t.Errorf("the attempts began at %d and %d, want 0 and 5", a, b)
	}
}

// TestDeadAttemptLeavesItsProgress: details go to storage while the activity runs, so that a worker that is cut off leaves
// them to the next one.
func TestDeadAttemptLeavesItsProgress(t *testing.T) {
	t.Parallel()
	var saved, cut atomic.Bool
	q, others := twoQueues(t, func(req *http.Request) error {
		if cut.Load() {
			return errors.New("the test cut the connection")
		}
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "-workitems/") && req.ContentLength > 0 {
			saved.Store(true)
		}
		return nil
	})
	begun, leave := make(chan int, 2), make(chan struct{})
	begin(t, activities.Config{Queues: q, Lock: 2 * time.Second, Grace: time.Millisecond, Unwind: time.Millisecond, Handler: handlers{"Count": resuming(9, func(_ context.Context, n int) error {
		if n == 5 {
			<-leave
		}
		return nil
	}, begun)}.find})
	t.Cleanup(func() { close(leave) }) // before it is stopped
	put(t, others, request("Count", 1))
	<-begun
	eventually(t, "the details are written", saved.Load)
	cut.Store(true)
	begin(t, activities.Config{Queues: others, Handler: handlers{"Count": resuming(9, func(context.Context, int) error { return nil }, begun)}.find})
	if from := <-begun; from != 5 {
		t.Errorf("the next attempt began at %d, want 5", from)
	}
	answers(t, others, 1)
}

// TestFailedAttemptLeavesItsProgress: in both styles of failures the details travel with the answer, and only when there
// are any.
func TestFailedAttemptLeavesItsProgress(t *testing.T) {
	t.Parallel()
	for name, style := range map[string]durable.ErrorStyle{"details": durable.FailureDetails, "exceptions": durable.SerializedExceptions} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueues(t)
			begin(t, activities.Config{Queues: q, Errors: style, Handler: handlers{
				"Said": func(ctx context.Context, _ *string) (*string, error) {
					return nil, errors.Join(durable.Heartbeat(ctx, "half"), errors.New("no luck"))
				},
				"Silent": func(context.Context, *string) (*string, error) { return nil, errors.New("no luck") },
			}.find})
			put(t, q, request("Said", 1))
			put(t, q, request("Silent", 2))
			for _, env := range answers(t, q, 2) {
				e := failure(t, env)
				has := e.Failure != nil
				var said bool
				if has {
					_, said = e.Failure.Properties.Get("taskhub.heartbeat")
				}
				if said != (e.TaskScheduledID == 1) {
					t.Errorf("task %d: details in the failure: %v", e.TaskScheduledID, said)
				}
				if e.TaskScheduledID == 2 && has != (style == durable.FailureDetails) {
					t.Errorf("a failure without heartbeat is written in another style: %+v", e)
				}
			}
		})
	}
}
