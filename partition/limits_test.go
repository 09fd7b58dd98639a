package partition

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// TestTooLarge: an instance that grows beyond its limits fails with a text that says so, a parent hears of it, and others go on.
func TestTooLarge(t *testing.T) { inBothFleets(t, testTooLarge) }

func testTooLarge(t *testing.T) {
	const most = 20_000
	large := durable.NewActivity("Large", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	call := durable.NewOrchestrator("Call", func(ctx *durable.Context, n int) (string, error) {
		_, err := large.Call(ctx, n).Await()
		return "fine", err
	})
	pass := durable.NewOrchestrator("Pass", func(ctx *durable.Context, n int) (string, error) {
		_, err := durable.CallActivity[string](ctx, "Large", strings.Repeat("x", n)).Await()
		return "", err
	})
	again := durable.NewOrchestrator("Again", func(ctx *durable.Context, in string) (string, error) {
		return "", durable.ContinueAsNew(ctx, in+in)
	})
	output := durable.NewOrchestrator("Output", func(ctx *durable.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	long := durable.NewOrchestrator("Long", func(ctx *durable.Context, n int) (string, error) {
		for range n {
			if _, err := large.Call(ctx, 1).Await(); err != nil {
				return "", err
			}
		}
		return "fine", nil
	})
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, n int) (string, error) {
		_, err := call.Call(ctx, n).Await()
		return fmt.Sprint(err), nil
	})
	items := []durable.Registrable{large, call, pass, again, output, long, parent}
	s := newScene(t, items...)
	s.stop(s.part)
	s.limits = Limits{MaxEvents: 40, MaxPayload: most}
	s.run(items...)
	cases := []struct{ name, input, says string }{
		{"Call", "30000", "the result of an activity"},
		{"Pass", "30000", "the input of activity Large"},
		{"Again", `"` + strings.Repeat("x", 9000) + `"`, "the input of the next generation"},
		{"Output", "30000", "the output"},
		{"Output", strings.Repeat(" ", 30000) + "1", "the input"},
		{"Long", "30", "events"},
	}
	for i, c := range cases {
		s.start(c.name, fmt.Sprint(i), c.input)
	}
	s.start("Parent", "parent", "30000")
	for i, name := range []string{"Call", "Output", "Long"} {
		s.start(name, name, fmt.Sprint(2+i))
	}
	for i, c := range cases {
		out := s.awaitStatus(fmt.Sprint(i), history.Failed)
		if !strings.HasPrefix(out, LimitError) || !strings.Contains(out, c.says) {
			t.Errorf("%s failed with %s, which does not say %q", c.name, out, c.says)
		}
	}
	if out := s.awaitStatus("parent", history.Completed); !strings.Contains(out, "the result of an activity") {
		t.Errorf("the parent is told %s", out)
	}
	for _, name := range []string{"Call", "Output", "Long"} {
		s.awaitStatus(name, history.Completed)
	}
	s.clean()

	// With a higher limit it goes on.
	s.stop(s.part)
	s.limits = Limits{}
	s.run(items...)
	if err := s.hub.Client().Rewind(within(t), "5", "the limit was raised"); err != nil {
		t.Fatal(err)
	}
	s.part.Wake()
	if out := s.awaitStatus("5", history.Completed); out != `"fine"` {
		t.Errorf("after its rewind it ended with %s", out)
	}
	s.clean()
}

func TestLargestPayload(t *testing.T) {
	t.Parallel()
	text := func(n int) *string { return history.String(strings.Repeat("x", n)) }
	size, what := largest(nil, &replay.Turn{
		Actions:      []replay.Action{&replay.ScheduleTask{Name: "A", Input: text(3)}, &replay.SendEvent{Name: "E", Input: text(5)}},
		CustomStatus: text(4),
	})
	if size != 5 || what != "event E" {
		t.Errorf("the largest is %s with %d bytes", what, size)
	}
	if size, what = largest(nil, &replay.Turn{}); size != 0 || what != "" {
		t.Errorf("the largest of none is %s with %d bytes", what, size)
	}
}

// TestShortMemory: while memory is short instances that wait are not kept in it, and all that comes is worked off all the same.
func TestShortMemory(t *testing.T) { inBothFleets(t, testShortMemory) }

func testShortMemory(t *testing.T) {
	const instances = 300
	var pressed atomic.Bool
	s := newScene(t, goWaiter)
	s.stop(s.part)
	s.pressed = pressed.Load
	s.run(goWaiter)
	for i := range instances {
		s.start(goWaiter.Name(), fmt.Sprint(i), "")
	}
	for i := range instances {
		s.awaitStatus(fmt.Sprint(i), history.Running)
	}
	eventually(t, "they are kept", func() bool { return s.part.Health().Sessions == instances })
	pressed.Store(true)
	eventually(t, "they are let go", func() bool { s.part.Trim(); return s.part.Health().Sessions == 0 })
	for i := range instances {
		s.raise(fmt.Sprint(i), "Go", "on")
	}
	for i := range instances {
		s.awaitStatus(fmt.Sprint(i), history.Completed)
	}
	s.clean()
}
