package worker_test

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func TestMain(m *testing.M) {
	if isWorker, code := beWorker(); isWorker {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long tests wait for what must happen. It is generous: the machine may be busy, and every answer to a
// receive that a test's faults swallow costs a message's lock of 30 seconds.
const patience = 150 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func newHub(t *testing.T, change ...func(*taskhub.Config)) *taskhub.Hub {
	t.Helper()
	return hubOver(t, testkit.Account(t), change...)
}

func hubOver(t *testing.T, account *storage.Account, change ...func(*taskhub.Config)) *taskhub.Hub {
	t.Helper()
	cfg := taskhub.Config{Name: testkit.Hub(t), Account: account, Logger: logger(t)}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := taskhub.Open(within(t, patience), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	return hub
}

// logger is quiet unless the tests are verbose.
func logger(t *testing.T) *slog.Logger {
	t.Helper()
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func startWorker(t *testing.T, hub *taskhub.Hub, cfg worker.Config, items ...durable.Registrable) *worker.Worker {
	t.Helper()
	if cfg.Fleet == "" {
		cfg.Fleet = worker.Fleet(cmp.Or(os.Getenv("TASKHUB_TEST_FLEET"), "mixed"))
	}
	if cfg.MaxPoll == 0 {
		cfg.MaxPoll = 300 * time.Millisecond
	}
	w, err := worker.New(hub, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Register(items...); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopWorker(t, w) })
	return w
}

func stopWorker(t *testing.T, w *worker.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		t.Errorf("stopping the worker: %v", err)
	}
}

func twins() []durable.Registrable { return append(programs.Orchestrators(), programs.Activities()...) }

// start starts an instance with a JSON input; "" is no input.
func start(t *testing.T, hub *taskhub.Hub, name, input string) string {
	t.Helper()
	req := durable.StartRequest{Name: name}
	if input != "" {
		req.Input = &input
	}
	started, err := hub.Client().StartOrchestration(within(t, patience), req)
	if err != nil {
		t.Fatal(err)
	}
	return started.InstanceID
}

// startID is start with an id of the caller's choice.
func startID(t *testing.T, hub *taskhub.Hub, name, input, id string) {
	t.Helper()
	if _, err := hub.Client().StartOrchestration(within(t, patience), durable.StartRequest{Name: name, InstanceID: id, Input: &input}); err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, hub *taskhub.Hub, id string) *durable.Instance {
	t.Helper()
	in, err := hub.Client().WaitForCompletion(within(t, patience), id, "")
	if err != nil {
		t.Fatalf("waiting for %s: %v", id, err)
	}
	return in
}

func expect(t *testing.T, in *durable.Instance, status history.Status, output string) {
	t.Helper()
	got := "<none>"
	if in.Output != nil {
		got = *in.Output
	}
	if in.Status != status || got != output {
		t.Errorf("instance %s is %v with %s; want %v with %s", in.InstanceID, in.Status, got, status, output)
	}
}

// eventually waits for a condition that storage or another goroutine brings about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func statusIs(t *testing.T, hub *taskhub.Hub, id string, want history.Status) func() bool {
	t.Helper()
	return func() bool {
		in, err := hub.Client().GetInstance(within(t, patience), id)
		return err == nil && in.Status == want
	}
}
