package activities_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// failure is the one answer that comes, which must be a failure.
func failure(t *testing.T, env *history.Envelope) *history.TaskFailed {
	t.Helper()
	e, ok := env.Message.Event.(*history.TaskFailed)
	if !ok {
		t.Fatalf("the attempt ended with %+v", env.Message.Event)
	}
	return e
}

// TestTimeouts: an attempt that takes too long or falls silent fails, whether it heeds its context or not, and the
// worker goes on with a free slot.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	t.Cleanup(func() { close(leave) })
	heeds := func(ctx context.Context, _ *string) (*string, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	hangs := func(context.Context, *string) (*string, error) {
		<-leave
		return nil, nil
	}
	beatsOnce := func(ctx context.Context, _ *string) (*string, error) {
		_ = durable.Heartbeat(ctx, 1)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	const short = 100 * time.Millisecond
	cases := map[string]struct {
		run     durable.ActivityHandler
		defined durable.ActivityTimeouts
		worker  durable.ActivityTimeouts
		text    string
	}{
		"heeds":            {run: heeds, defined: durable.ActivityTimeouts{StartToClose: short}, text: "start-to-close time-out of 100ms"},
		"hangs":            {run: hangs, defined: durable.ActivityTimeouts{StartToClose: short}, text: "start-to-close time-out of 100ms"},
		"worker's default": {run: heeds, worker: durable.ActivityTimeouts{StartToClose: short}, text: "start-to-close time-out of 100ms"},
		"definition first": {run: heeds, defined: durable.ActivityTimeouts{StartToClose: short}, worker: durable.ActivityTimeouts{StartToClose: time.Hour}, text: "start-to-close time-out of 100ms"},
		"silent":           {run: heeds, defined: durable.ActivityTimeouts{Heartbeat: short}, text: "no heartbeat within 100ms"},
		"falls silent":     {run: beatsOnce, defined: durable.ActivityTimeouts{Heartbeat: short}, text: "no heartbeat within 100ms"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueues(t)
			r := begin(t, activities.Config{
				Queues: q, Slots: 1, Unwind: 50 * time.Millisecond, DefaultTimeouts: c.worker,
				Timeouts: func(string) durable.ActivityTimeouts { return c.defined },
				Handler:  handlers{"A": c.run, "Next": func(context.Context, *string) (*string, error) { return nil, nil }}.find,
			})
			put(t, q, request("A", 1))
			failed := failure(t, answers(t, q, 1)[0])
			if !strings.Contains(*failed.Reason, c.text) || failed.Failure == nil || failed.Failure.ErrorType != "System.TimeoutException" {
				t.Errorf("it failed with %q, %+v", *failed.Reason, failed.Failure)
			}
			put(t, q, request("Next", 2))
			answers(t, q, 1)
			if h := r.Health(); name == "hangs" && h.Abandoned != 1 {
				t.Errorf("an abandoned activity is not counted: %+v", h)
			}
		})
	}
}

// TestCallTimeout: what the call asks for comes before what the definition says.
func TestCallTimeout(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begin(t, activities.Config{
		Queues: q, Timeouts: func(string) durable.ActivityTimeouts { return durable.ActivityTimeouts{StartToClose: time.Hour} },
		Handler: handlers{"A": func(ctx context.Context, _ *string) (*string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}.find,
	})
	env := request("A", 1)
	env.Message.Event.(*history.TaskScheduled).Tags = history.NewTags(map[string]string{"taskhub.startToClose": "80ms"})
	put(t, q, env)
	if failed := failure(t, answers(t, q, 1)[0]); !strings.Contains(*failed.Reason, "80ms") {
		t.Errorf("it failed with %q", *failed.Reason)
	}
}

// TestHeartbeatsKeepAnAttemptAlive: an attempt that beats in time may take long.
func TestHeartbeatsKeepAnAttemptAlive(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begin(t, activities.Config{
		Queues: q, Timeouts: func(string) durable.ActivityTimeouts { return durable.ActivityTimeouts{Heartbeat: 2 * time.Second} },
		Handler: handlers{"A": func(ctx context.Context, _ *string) (*string, error) {
			for i := range 30 {
				time.Sleep(100 * time.Millisecond) // the activity's own work
				if err := durable.Heartbeat(ctx, i); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}}.find,
	})
	put(t, q, request("A", 1))
	if env := answers(t, q, 1)[0]; env.Message.Event.Kind() != history.KindTaskCompleted {
		t.Errorf("it ended with %+v", env.Message.Event)
	}
}

// TestLateResultCounts: what an activity has done before it could be told to stop is not done again.
func TestLateResultCounts(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begin(t, activities.Config{
		Queues: q, Unwind: patience, Timeouts: func(string) durable.ActivityTimeouts {
			return durable.ActivityTimeouts{StartToClose: 20 * time.Millisecond}
		},
		Handler: handlers{"A": func(ctx context.Context, _ *string) (*string, error) {
			<-ctx.Done()
			return history.String("1"), nil
		}}.find,
	})
	put(t, q, request("A", 1))
	if env := answers(t, q, 1)[0]; env.Message.Event.Kind() != history.KindTaskCompleted {
		t.Errorf("it ended with %+v", env.Message.Event)
	}
}

// TestEndedGoroutine: an activity that ends its goroutine ends its attempt.
func TestEndedGoroutine(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	begin(t, activities.Config{Queues: q, Slots: 1, Handler: handlers{"Exit": func(context.Context, *string) (*string, error) {
		runtime.Goexit()
		return nil, nil
	}}.find})
	put(t, q, request("Exit", 1))
	if failed := failure(t, answers(t, q, 1)[0]); !strings.Contains(*failed.Reason, "Goexit") {
		t.Errorf("it failed with %q", *failed.Reason)
	}
}

// TestTooManyAbandoned: a worker full of activities that do not end takes no more until one of them has ended.
func TestTooManyAbandoned(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	leave := make(chan struct{})
	r := begin(t, activities.Config{
		Queues: q, Slots: 2, Unwind: 10 * time.Millisecond,
		Timeouts: func(name string) durable.ActivityTimeouts {
			if name == "Hang" {
				return durable.ActivityTimeouts{StartToClose: 10 * time.Millisecond}
			}
			return durable.ActivityTimeouts{}
		},
		Handler: handlers{
			"Hang": func(context.Context, *string) (*string, error) { <-leave; return nil, nil },
			"Fine": func(context.Context, *string) (*string, error) { return nil, nil },
		}.find,
	})
	const most = 8
	for i := range int32(most) {
		put(t, q, request("Hang", i))
	}
	answers(t, q, most)
	eventually(t, "all are abandoned", func() bool { return r.Health().Abandoned == most })
	if r.Room("Fine") {
		t.Error("a clogged runner promises room")
	}
	close(leave)
	put(t, q, request("Fine", 99))
	answers(t, q, 1)
	eventually(t, "none is abandoned", func() bool { return r.Health().Abandoned == 0 })
}

// TestStopWithHangingActivity: the work item of an activity that does not heed the stop goes to another worker.
func TestStopWithHangingActivity(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	leave, started := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(leave) })
	var cause atomic.Pointer[error]
	r := begin(t, activities.Config{
		Queues: q, Slots: 2, Grace: 20 * time.Millisecond, Unwind: 20 * time.Millisecond,
		Handler: handlers{"Hang": func(ctx context.Context, _ *string) (*string, error) {
			close(started)
			<-ctx.Done()
			err := context.Cause(ctx)
			cause.Store(&err)
			<-leave
			return nil, nil
		}}.find,
	})
	put(t, q, request("Hang", 1))
	<-started
	stop(t, r)
	if err := cause.Load(); err == nil || !errors.Is(*err, durable.ErrWorkerStopping) {
		t.Errorf("the cause is %v", err)
	}
	visible, err := q.WorkItems().Peek(within(t), 32)
	if err != nil {
		t.Fatal(err)
	}
	if len(visible) != 1 {
		t.Errorf("%d work items are visible after the stop", len(visible))
	}
}
