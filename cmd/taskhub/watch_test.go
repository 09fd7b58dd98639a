package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// looks makes a watching command whose looks write the texts, one after the other, and then interrupt it.
func looks(t *testing.T, c console, forever bool, texts ...string) (out string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var written bytes.Buffer
		o := watching{on: true, every: duration{2 * time.Second}}
		n := 0
		err = o.repeat(ctx, c.world(&written, io.Discard), forever, func(w world) (bool, error) {
			text := texts[n]
			n++
			if w.colours(w.out) != c.screen {
				t.Error("colours are wrong")
			}
			_, _ = io.WriteString(w.out, text)
			if n == len(texts) {
				cancel()
			}
			switch text {
			case "done":
				return true, nil
			case "error":
				return false, errors.New("failed")
			}
			return false, nil
		})
		out = written.String()
	})
	return out, err
}

func TestWatch(t *testing.T) {
	t.Parallel()
	if out, err := looks(t, console{}, true, "a\n", "a\n", "b\n"); out != "a\nb\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := looks(t, console{}, false, "a\n", "b\n"); out != "a\nb\n" || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := looks(t, console{screen: true}, false, "a\n", "done", "never"); out != clearScreen+"a\n"+clearScreen+"done" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := looks(t, console{}, true, "a\n", "error", "never"); out != "a\nerror" || err == nil || err.Error() != "failed" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestWatchGet(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("start", "Chain", "--id", "watched", "--input", "7")
	var out bytes.Buffer
	seen := make(chan struct{})
	looks := 0
	w := d.world(writerFunc(func(p []byte) (int, error) {
		if looks++; looks == 1 {
			close(seen)
		}
		return out.Write(p)
	}), io.Discard)
	w.dir = t.TempDir()
	status := make(chan int, 1)
	go func() {
		status <- run(t.Context(), []string{"get", "watched", "--watch", "--interval", "100ms", "--hub", d.name}, w)
	}()
	<-seen
	d.work()
	if got := <-status; got != exitOK {
		t.Errorf("status %d", got)
	}
	text := out.String()
	if strings.Count(text, "Status         Pending\n") != 1 || strings.Count(text, "Status         Completed\n") != 1 {
		t.Errorf("%s", text)
	}
}

// Commands that go on until Ctrl-C end well then.
func TestWatchInterrupted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, verb := range []string{"list", "stats", "health"} {
		ctx, cancel := context.WithCancel(t.Context())
		c := d.console
		written := make(chan string, 100)
		w := c.world(writerFunc(func(p []byte) (int, error) {
			select {
			case written <- string(p):
			default:
			}
			return len(p), nil
		}), writerFunc(func(p []byte) (int, error) {
			select {
			case written <- string(p):
			default:
			}
			return len(p), nil
		}))
		w.dir = t.TempDir()
		status := make(chan int, 1)
		go func() { status <- run(ctx, []string{verb, "--watch", "--hub", d.name, "--interval", "100ms"}, w) }()
		<-written
		cancel()
		if got := <-status; got != exitOK {
			t.Errorf("%s: status %d", verb, got)
		}
	}
}

func TestWaitInterrupted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("start", "Chain", "--id", "waiting", "--input", "7")
	ctx, cancel := context.WithCancel(t.Context())
	d.console.context = ctx
	time.AfterFunc(300*time.Millisecond, cancel)
	if o := d.do("wait", "waiting"); o.status != exitInterrupted || o.out != "" || o.err != "taskhub: interrupted\n" {
		t.Errorf("%+v", o)
	}
	d.console.context = nil
	if o := d.ok("wait", "--help"); !strings.Contains(o.out, "4 when the time of --timeout is up") {
		t.Errorf("%s", o.out)
	}
}
