// Package sampletest runs samples that serve HTTP, for their tests.
package sampletest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long tests wait for what must happen, on a machine that may be busy.
const patience = 2 * time.Minute

// greeting comes before the address in the first line that a sample prints.
const greeting = "listening on "

// Program is a sample that runs.
type Program struct {
	// URL is where it listens.
	URL string

	t     testing.TB
	http  *http.Client
	lines chan string
}

// Run runs a sample until the test ends, and then makes sure that it ends without an error. It returns once the sample has printed its address.
func Run(t testing.TB, run func(ctx context.Context, args []string, out io.Writer) error, args ...string) *Program {
	t.Helper()
	p := &Program{t: t, http: &http.Client{Transport: &http.Transport{}, Timeout: patience}, lines: make(chan string, 1000)}
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append(args, "--listen", "127.0.0.1:0"), writer)
		_ = writer.Close()
		ended <- err
	}()
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		p.http.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) { // canceled: it was still starting
			t.Errorf("the sample ended with %v", err)
		}
	})
	p.URL = strings.TrimPrefix(p.Line(greeting), greeting)
	return p
}

// Line waits for the next line of output that begins with prefix.
func (p *Program) Line(prefix string) string {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the sample ended without a line %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-limit:
			p.t.Fatalf("no line %q within %v", prefix, patience)
		}
	}
}

// Do sends a request. An address without a host is one of the sample.
func (p *Program) Do(method, address, body string) (status int, answer string) {
	p.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = p.URL + address
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// Started is the part of a check-status answer that the tests use.
type Started struct {
	ID                string `json:"id"`
	StatusQueryGetURI string `json:"statusQueryGetUri"`
	SendEventPostURI  string `json:"sendEventPostUri"`
	TerminatePostURI  string `json:"terminatePostUri"`
}

// Start sends a request that starts an instance, and checks that the answer is a check-status answer.
func (p *Program) Start(method, path, body string) Started {
	p.t.Helper()
	var started Started
	status, answer := p.Do(method, path, body)
	if err := json.Unmarshal([]byte(answer), &started); err != nil || status != http.StatusAccepted || started.ID == "" || started.StatusQueryGetURI == "" {
		p.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return started
}

// State is what the API tells of an instance.
type State struct {
	Name          string          `json:"name"`
	RuntimeStatus string          `json:"runtimeStatus"`
	Input         json.RawMessage `json:"input"`
	CustomStatus  json.RawMessage `json:"customStatus"`
	Output        json.RawMessage `json:"output"`
}

// Until asks for an instance's state until it is as wanted.
func (p *Program) Until(started Started, wanted func(State) bool) (state State) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		_, answer := p.Do(http.MethodGet, started.StatusQueryGetURI, "")
		if err := json.Unmarshal([]byte(answer), &state); err != nil {
			p.t.Fatalf("%v: %s", err, answer)
		}
		if wanted(state) {
			return state
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("after %v: %s", patience, answer)
		}
	}
}

// End waits until an instance has ended.
func (p *Program) End(started Started) State {
	p.t.Helper()
	return p.Until(started, func(s State) bool {
		return s.RuntimeStatus == "Completed" || s.RuntimeStatus == "Failed" || s.RuntimeStatus == "Terminated"
	})
}
