package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/worker"
)

// TestStopTimeout: stopping with a context that has no end takes no longer than the configuration says, whatever an activity does.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	running, end := make(chan struct{}), make(chan struct{})
	deaf := durable.NewActivity("Deaf", func(context.Context, durable.Void) (durable.Void, error) {
		close(running)
		<-end
		return durable.Void{}, nil
	})
	calls := durable.NewOrchestrator("CallsDeaf", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		return deaf.Call(ctx, durable.Void{}).Await()
	})
	w, err := worker.New(hub, worker.Config{StopTimeout: 300 * time.Millisecond, ActivityGrace: patience})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Register(calls, deaf); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	start(t, hub, "CallsDeaf", "")
	<-running
	defer close(end)
	began := time.Now()
	if err := w.Stop(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stop gave %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the stop took %v", took)
	}
}
