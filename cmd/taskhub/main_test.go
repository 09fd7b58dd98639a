package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/emulator"
)

// childVariable makes the test binary be the program itself, for tests that need a process.
const childVariable = "TASKHUB_CLI_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(status())
	}
	goleak.VerifyTestMain(m)
}

// outcome is what a command line did.
type outcome struct {
	status   int
	out, err string
}

// console is a world for tests.
type console struct {
	in      string
	person  bool
	env     map[string]string
	build   build
	context context.Context
	// screen makes out and err terminals.
	screen bool
	// dir is the working directory; one without anything in it by default.
	dir string
	now time.Time
}

// do carries out a command line.
func (c console) do(t *testing.T, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	w := c.world(&out, &err)
	if c.dir == "" {
		w.dir = t.TempDir()
	}
	ctx := c.context
	if ctx == nil {
		ctx = t.Context()
	}
	return outcome{run(ctx, args, w), out.String(), err.String()}
}

func (c console) world(out, err io.Writer) world {
	return world{
		in: strings.NewReader(c.in), out: out, err: err, build: c.build, dir: c.dir,
		person:   func() bool { return c.person },
		terminal: func(io.Writer) bool { return c.screen },
		getenv:   func(name string) string { return c.env[name] },
		now: func() time.Time {
			if c.now.IsZero() {
				return time.Now()
			}
			return c.now
		},
	}
}

// do carries out a command line for which nobody is at the terminal.
func do(t *testing.T, args ...string) outcome {
	t.Helper()
	return console{}.do(t, args...)
}

// wantSuccess wants status 0 and nothing said on the side.
func (o outcome) wantSuccess(t *testing.T) {
	t.Helper()
	if o.status != exitOK || o.err != "" {
		t.Errorf("status %d, stderr %q", o.status, o.err)
	}
}

// wantError wants an exit status, one line on stderr with all the words, and nothing on stdout.
func (o outcome) wantError(t *testing.T, status int, words ...string) {
	t.Helper()
	if o.status != status {
		t.Errorf("status %d, want %d", o.status, status)
	}
	if o.out != "" {
		t.Errorf("stdout is %q", o.out)
	}
	if !strings.HasPrefix(o.err, "taskhub: ") || strings.Count(o.err, "\n") != 1 || !strings.HasSuffix(o.err, "\n") {
		t.Errorf("stderr is not one line: %q", o.err)
	}
	for _, word := range words {
		if !strings.Contains(o.err, word) {
			t.Errorf("stderr %q has no %q", o.err, word)
		}
	}
}

// wantOut wants words on stdout.
func (o outcome) wantOut(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(o.out, word) {
			t.Errorf("stdout %q has no %q", o.out, word)
		}
	}
}

// emptyAccount returns the connection string of a storage that nothing else uses.
func emptyAccount(t *testing.T) string {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	listener, err := server.Listen(context.WithoutCancel(t.Context()), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return listener.ConnectionString()
}
