package main

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/sampletest"
)

func TestHello(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t)}, &out); err != nil {
		t.Fatal(err)
	}
	if want := `["Hello Tokyo!","Hello Seattle!","Hello London!"]` + "\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

// TestHTTPStart starts the orchestrator as the HTTP sample of Durable Functions does, and follows the address in the answer.
func TestHTTPStart(t *testing.T) {
	t.Parallel()
	p := sampletest.Run(t, run, "--conn", testkit.Conn(t), "--hub", testkit.Hub(t))
	for _, tt := range []struct{ method, path, body, input string }{
		{http.MethodPost, "/orchestrators/Orchestrator", `{"a": [1]}`, `{"a":[1]}`},
		{http.MethodPost, "/api/orchestrators/Orchestrator", "", "null"},
		{http.MethodGet, "/orchestrators/Orchestrator", "", "null"},
	} {
		state := p.End(p.Start(tt.method, tt.path, tt.body))
		if state.RuntimeStatus != "Completed" || state.Name != "Orchestrator" || string(state.Output) != `["Hello Tokyo!","Hello Seattle!","Hello London!"]` {
			t.Errorf("%s %s: %+v", tt.method, tt.path, state)
		}
		if string(state.Input) != tt.input {
			t.Errorf("%s %s: input %s, want %s", tt.method, tt.path, state.Input, tt.input)
		}
	}
	for _, tt := range []struct {
		path, body string
		want       int
	}{{"/orchestrators/Nobody", "", http.StatusNotFound}, {"/orchestrators/Orchestrator", "{", http.StatusBadRequest}} {
		if status, answer := p.Do(http.MethodPost, tt.path, tt.body); status != tt.want {
			t.Errorf("POST %s %q: %d %s", tt.path, tt.body, status, answer)
		}
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"stray"}, {"--listen", "nowhere"}, {"--conn", ""}, {"--conn", "UseDevelopmentStorage=true", "--hub", "a/b"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
