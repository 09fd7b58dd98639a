package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a test that only writes down how it failed.
type recorder struct {
	mu       sync.Mutex
	errors   []string
	fatals   []string
	logs     []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) add(to *[]string, format string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*to = append(*to, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any)   { r.add(&r.logs, format, args) }
func (r *recorder) Errorf(format string, args ...any) { r.add(&r.errors, format, args) }
func (r *recorder) Fatalf(format string, args ...any) { r.add(&r.fatals, format, args) }
func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }

// end runs what a test runs at its end.
func (r *recorder) end() {
	for len(r.cleanups) > 0 {
		last := len(r.cleanups) - 1
		f := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		f()
	}
}

// want checks how a recorder failed: each text must be in one failure, in order, and there must be no others.
func want(t *testing.T, what string, got []string, texts ...string) {
	t.Helper()
	if len(got) != len(texts) {
		t.Errorf("%s: %d of them, want %d:\n%s", what, len(got), len(texts), strings.Join(got, "\n"))
		return
	}
	for i, text := range texts {
		if !strings.Contains(got[i], text) {
			t.Errorf("%s: got %q, want %q in it", what, got[i], text)
		}
	}
}

type order struct {
	ID     string
	Amount int
}

var (
	charge  = durable.DeclareActivity[order, string]("Charge")
	refund  = durable.DeclareActivity[string, durable.Void]("Refund")
	notify  = durable.DeclareActivity[string, durable.Void]("Notify")
	double  = durable.NewActivity("Double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	errBusy = errors.New("busy")
)

func init() { durable.RegisterSentinel("durabletest_test.busy", errBusy) }

// orchestrate makes an orchestrator without input.
func orchestrate[O any](f func(ctx *durable.Context) (O, error)) *durable.Orchestrator[durable.Void, O] {
	return durable.NewOrchestrator("Main", func(ctx *durable.Context, _ durable.Void) (O, error) { return f(ctx) })
}

// approval waits for a decision for two days.
var approval = durable.NewOrchestrator("Approval", func(ctx *durable.Context, o order) (string, error) {
	if err := durable.SetCustomStatus(ctx, "waiting"); err != nil {
		return "", err
	}
	decision, err := durable.WaitForEvent[bool](ctx, "Approve", durable.WithTimeout(48*time.Hour)).Await()
	if errors.Is(err, durable.ErrTimeout) {
		return "expired", durable.SetCustomStatus(ctx, "expired")
	}
	if err != nil || !decision {
		return "rejected", err
	}
	if err := durable.SetCustomStatus(ctx, "charging"); err != nil {
		return "", err
	}
	return charge.Call(ctx, o, durable.WithRetry(durable.RetryPolicy{
		MaxAttempts: 3, FirstInterval: time.Minute, BackoffCoefficient: 2,
	})).Await()
})

// output is a recorder with an output, as tests have.
type output struct {
	recorder
	text strings.Builder
}

// Output returns where logs go.
func (o *output) Output() io.Writer { return &o.text }
