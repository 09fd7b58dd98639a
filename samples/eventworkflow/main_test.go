package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/sampletest"
)

func TestWorkflow(t *testing.T) {
	t.Parallel()
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t))
	check := func(input string) (status int, w workflow) {
		status, text := p.Do(http.MethodGet, "/check/"+input, "")
		if status == http.StatusOK {
			if err := json.Unmarshal([]byte(text), &w); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		}
		return status, w
	}
	stop := func(input string, want int) {
		t.Helper()
		if status, text := p.Do(http.MethodPost, "/stop/"+input, ""); status != want {
			t.Fatalf("stop: %d %s", status, text)
		}
	}

	other := p.Start(http.MethodPost, "/start/other", "")
	started := p.Start(http.MethodGet, "/api/start/a%20%2F%20b", "")
	p.Until(started, func(s sampletest.State) bool { return s.RuntimeStatus == "Running" })
	if status, w := check("a%20%2F%20b"); status != http.StatusOK || w.InstanceID != started.ID || w.Name != "Workflow" || w.Input != "a / b" || w.RuntimeStatus != "Running" || time.Since(w.CreatedTime) > time.Hour {
		t.Fatalf("%d %+v", status, w)
	}
	stop("a%20%2F%20b", http.StatusAccepted)
	if s := p.End(started); s.RuntimeStatus != "Completed" || string(s.Output) != `"a / b"` {
		t.Errorf("%+v", s)
	}
	if status, w := check("a%20%2F%20b"); status != http.StatusOK || w.RuntimeStatus != "Completed" {
		t.Errorf("the ended one: %d %+v", status, w)
	}
	stop("a%20%2F%20b", http.StatusGone)
	if _, w := check("other"); w.InstanceID != other.ID || w.RuntimeStatus == "Completed" {
		t.Errorf("the other one: %+v", w)
	}
}

// TestSameInput checks that two workflows of one input can be stopped one after the other.
func TestSameInput(t *testing.T) {
	t.Parallel()
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t))
	running := func(s sampletest.State) bool { return s.RuntimeStatus == "Running" }
	older := p.Start(http.MethodPost, "/start/same", "")
	p.Until(older, running)
	newer := p.Start(http.MethodPost, "/start/same", "")
	p.Until(newer, running)
	for _, next := range []sampletest.Started{newer, older} {
		if status, text := p.Do(http.MethodPost, "/stop/same", ""); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, text)
		}
		if s := p.End(next); s.RuntimeStatus != "Completed" {
			t.Fatalf("%+v", s)
		}
	}
}

func TestNone(t *testing.T) {
	t.Parallel()
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t))
	p.Start(http.MethodPost, "/start/some", "") // before it there may be no hub to look into
	for _, path := range []string{"/check/none", "/stop/none", "/start/", "/check/some/more"} {
		if status, text := p.Do(http.MethodPost, path, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestPreferred(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old, young := &durable.Instance{CreatedAt: now}, &durable.Instance{CreatedAt: now.Add(time.Second)}
	ended := &durable.Instance{CreatedAt: now.Add(time.Minute), Status: history.Completed}
	if !preferred(young, old) || preferred(old, young) || !preferred(old, ended) || preferred(ended, old) {
		t.Error("wrong order")
	}
}

func TestOrchestrator(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.RaiseAt(time.Hour, "Another", "x")
	env.RaiseAt(2*time.Hour, "Workflow", "enough")
	if got := durabletest.Run(env, Workflow, "in"); got.Output != "enough" || got.Elapsed != 2*time.Hour {
		t.Errorf("%q after %v, %v", got.Output, got.Elapsed, got.Err)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"stray"}, {"--listen", "nowhere"}, {"--conn", ""}, {"--hub", "a/b"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
