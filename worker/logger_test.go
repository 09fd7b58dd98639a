package worker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/worker"
)

// sharedBuffer is a buffer that several goroutines may write to.
type sharedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *sharedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(text)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// TestOrchestratorsLog checks what a line of an orchestrator's log says: where it ran and for which instance, each once.
func TestOrchestratorsLog(t *testing.T) {
	t.Parallel()
	ctx, log := within(t, patience), &sharedBuffer{}
	hub := newHub(t)
	logs := durable.NewOrchestrator("Logs", func(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
		ctx.Logger().Info("here I am")
		return durable.Void{}, nil
	})
	startWorker(t, hub, worker.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, logs)
	run, err := logs.Start(ctx, hub.Client(), durable.Void{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	var line string
	for text := range strings.Lines(log.String()) {
		if strings.Contains(text, "here I am") {
			line += text
		}
	}
	for _, key := range []string{"here I am", "hub=", "worker=", "partition=", durable.LogOrchestrator + "=Logs", durable.LogInstanceID + "=" + run.InstanceID(), durable.LogExecutionID + "="} {
		if n := strings.Count(line, key); n != 1 {
			t.Errorf("%q is there %d times in %s", key, n, line)
		}
	}
}
