package activities_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/storage"
)

// transport lets a test break or hold requests.
type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(req *http.Request) (*http.Response, error) { return f(req) }

// queuesOver returns queues in a storage of their own whose requests pass through before.
func queuesOver(t *testing.T, before func(*http.Request) error) *queues.Queues {
	t.Helper()
	q, _ := twoQueues(t, before)
	return q
}

// twoQueues returns the same queues twice; only the requests of the first pass through before.
func twoQueues(t *testing.T, before func(*http.Request) error) (disturbed, undisturbed *queues.Queues) {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	open := func(over policy.Transporter) *queues.Queues {
		account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), MaxRetries: -1, Transport: over})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = account.Close() })
		return queues.New(queues.Config{Account: account, Names: names, Payloads: payloads.New(account, names), Partitions: 2})
	}
	disturbed = open(transport(func(req *http.Request) (*http.Response, error) {
		if err := before(req); err != nil {
			return nil, err
		}
		return server.Transport().Do(req)
	}))
	undisturbed = open(server.Transport())
	if err := undisturbed.Create(within(t)); err != nil {
		t.Fatal(err)
	}
	return disturbed, undisturbed
}

func putsAnswer(req *http.Request) bool {
	return req.Method == http.MethodPost && strings.Contains(req.URL.Path, "-control-")
}

// TestResultSurvivesAnOutage: an activity that has run does not run again because its result cannot be sent for a while.
func TestResultSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	var refused, runs atomic.Int32
	q := queuesOver(t, func(req *http.Request) error {
		if putsAnswer(req) && refused.Add(1) <= 3 {
			return errors.New("the test broke the connection")
		}
		return nil
	})
	begin(t, activities.Config{Queues: q, Lock: 2 * time.Second, Handler: handlers{"Pay": func(context.Context, *string) (*string, error) {
		runs.Add(1)
		return nil, nil
	}}.find})
	put(t, q, request("Pay", 1))
	answers(t, q, 1)
	if n := runs.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// TestAHangingCallDoesNotStopRenewals: one result whose sending hangs must not cost the other work items their locks.
func TestAHangingCallDoesNotStopRenewals(t *testing.T) {
	t.Parallel()
	hanging, leave := make(chan struct{}), make(chan struct{})
	var hung atomic.Bool
	q := queuesOver(t, func(req *http.Request) error {
		if putsAnswer(req) && hung.CompareAndSwap(false, true) {
			close(hanging)
			<-leave
		}
		return nil
	})
	var runs atomic.Int32
	begin(t, activities.Config{Queues: q, Lock: 2 * time.Second, Handler: handlers{
		"Quick": func(context.Context, *string) (*string, error) { return nil, nil },
		"Long": func(context.Context, *string) (*string, error) {
			runs.Add(1)
			<-leave
			return nil, nil
		},
	}.find})
	put(t, q, request("Quick", 1))
	<-hanging
	put(t, q, request("Long", 2))
	eventually(t, "the long one runs", func() bool { return runs.Load() == 1 })
	time.Sleep(5 * time.Second) // two locks and a half, so that no delivery falls together with the end
	visible, err := q.WorkItems().Peek(within(t), 32)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range visible {
		if d.Envelope.Message.Event.(*history.TaskScheduled).Name == "Long" {
			t.Error("a work item that runs here is visible to others")
		}
	}
	close(leave)
	answers(t, q, 2)
}

// TestReceivedWhileStopping: what a receive brings that was under way when the Runner stopped goes back and is not begun.
func TestReceivedWhileStopping(t *testing.T) {
	t.Parallel()
	asked, leave := make(chan struct{}), make(chan struct{})
	var armed, held atomic.Bool
	q := queuesOver(t, func(req *http.Request) error {
		if armed.Load() && req.Method == http.MethodGet && strings.Contains(req.URL.Path, "-workitems/") && held.CompareAndSwap(false, true) {
			close(asked)
			<-leave
		}
		return nil
	})
	var runs atomic.Int32
	r := begin(t, activities.Config{Queues: q, Grace: 50 * time.Millisecond, Handler: handlers{"Late": func(context.Context, *string) (*string, error) {
		runs.Add(1)
		return nil, nil
	}}.find})
	armed.Store(true)
	<-asked
	put(t, q, request("Late", 1))
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop(t, r) }()
	eventually(t, "it stops", func() bool { return !r.Room("Late") })
	close(leave)
	<-stopped
	if n := runs.Load(); n != 0 {
		t.Errorf("an activity was begun %d times while the runner stopped", n)
	}
}

// TestRoomIsPromisedOnce: a large fan-out is not promised the same places again and again.
func TestRoomIsPromisedOnce(t *testing.T) {
	t.Parallel()
	q := newQueues(t)
	r := activities.New(activities.Config{Queues: q, Slots: 10, Handler: handlers{"A": nil}.find})
	t.Cleanup(func() { stop(t, r) })
	promised := 0
	for range 10_000 {
		if r.Room("A") {
			promised++
		}
	}
	if promised < 10 || promised > 1000 {
		t.Errorf("a runner with 10 slots promised %d activities an early start", promised)
	}
}
