package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/internal/testkit"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t)}, &out); err != nil {
		t.Fatal(err)
	}
	if want := `"Fox Brown Quick The"` + "\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"stray"}, {"--conn", ""}, {"--conn", "UseDevelopmentStorage=true", "--hub", "a/b"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestChaining(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{"": "", "one": "One", "über  alles\n": "Alles Über"} {
		env := durabletest.New(t)
		env.Register(F1, F2, F3, F4)
		if got := durabletest.Run(env, Chaining, input); got.Err != nil || got.Output != want {
			t.Errorf("%q: %q, %v", input, got.Output, got.Err)
		}
	}
}

// TestBrokenChain checks that nothing is called after a link that fails.
func TestBrokenChain(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.Register(F1)
	durabletest.Mock(env, F2, func(context.Context, []string) ([]string, error) { return nil, errors.New("no words today") })
	if got := durabletest.Run(env, Chaining, "a b"); got.Err == nil {
		t.Errorf("output %q", got.Output)
	}
	env.AssertNotCalled(F3)
	env.AssertNotCalled(F4)
}
