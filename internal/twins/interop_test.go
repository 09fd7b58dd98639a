package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

// side is one implementation of the command: the .NET peer or the twins.
type side struct {
	name    string
	command string
}

// fixture is a hub that both sides use.
type fixture struct {
	t         *testing.T
	conn, hub string
	net, gone side // gone is the Go one
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "twins")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "twins")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	peer, conn := testkit.Peer(t), testkit.Conn(t)
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, conn: conn, hub: testkit.Hub(t), net: side{".NET", peer}, gone: side{"Go", path}}
}

func (f *fixture) cmd(ctx context.Context, s side, args ...string) *exec.Cmd {
	args = append(args, "--conn", f.conn, "--hub", f.hub, "--mode", "safe")
	return exec.CommandContext(ctx, s.command, args...)
}

// call runs one verb and returns what it printed.
func (f *fixture) call(s side, args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	cmd := f.cmd(ctx, s, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s%s", s.name, strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// worker starts a worker process and waits until it says that it is ready.
func (f *fixture) worker(s side, args ...string) *exec.Cmd {
	f.t.Helper()
	cmd := f.cmd(context.Background(), s, append([]string{"worker", "--seconds", "400", "--maxpoll", "500"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { kill(cmd) })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "worker ready" {
			return cmd
		}
	}
	f.t.Fatalf("the %s worker ended before it was ready", s.name)
	return nil
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

type outcome struct {
	OrchestrationStatus int
	Output, Status      *string
}

func (f *fixture) wait(s side, id string) outcome {
	f.t.Helper()
	var o outcome
	text := f.call(s, "wait", "--id", id, "--wait", "120")
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		f.t.Fatalf("%s printed %s: %v", s.name, text, err)
	}
	return o
}

const completed, terminated = 1, 5

func (f *fixture) expect(s side, id string, status int, output string) {
	f.t.Helper()
	got := f.wait(s, id)
	if got.OrchestrationStatus != status || got.Output == nil || *got.Output != output {
		text, _ := json.Marshal(got)
		f.t.Errorf("%s sees %s as %s; want status %d and %s", s.name, id, text, status, output)
	}
}

// TestEitherClientOnEitherWorker: the client of one side starts, queries, raises and controls what the other side runs.
func TestEitherClientOnEitherWorker(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{".NET client, Go worker", "Go client, .NET worker"} {
		t.Run(direction, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			client, host := f.net, f.gone
			if strings.HasPrefix(direction, "Go") {
				client, host = f.gone, f.net
			}
			f.worker(host, "--worker", "w1")
			f.testClient(client)
		})
	}
}

func (f *fixture) testClient(client side) {
	f.t.Helper()
	begin := func(name, id, input string) {
		args := []string{"start", "--name", name, "--id", id}
		if input != "" {
			args = append(args, "--input", input)
		}
		if got := f.call(client, args...); !strings.HasPrefix(got, id+" ") {
			f.t.Errorf("start printed %q", got)
		}
	}
	begin("HelloSequence", "hello", "")
	begin("FanOut", "fan", "30")
	begin("Parent", "parent", `"kid"`)
	begin("Counter", "counter", "1")
	begin("EventCounter", "events", "2")
	begin("WaitForever", "ended", `"x"`)
	begin("WaitForever", "held", `"x"`)
	f.expect(client, "hello", completed, `["Hello Tokyo!","Hello Seattle!","Hello London!"]`)
	f.expect(client, "fan", completed, "9455")
	f.expect(client, "parent", completed, `"Hello kid!|Hello kid2!"`)
	f.expect(client, "counter", completed, "9")

	f.call(client, "raise", "--id", "events", "--event", "first", "--data", `"a"`)
	f.call(client, "raise", "--id", "events", "--event", "second", "--data", "7")
	if got := f.wait(client, "events"); got.OrchestrationStatus != completed || got.Status == nil || *got.Status != `"2 events"` {
		f.t.Errorf("the counter of events ended as %+v", got)
	}
	f.call(client, "terminate", "--id", "ended", "--reason", "enough")
	f.expect(client, "ended", terminated, "enough")
	f.call(client, "suspend", "--id", "held", "--reason", "hold on")
	f.call(client, "raise", "--id", "held", "--event", "Go", "--data", `"now"`)
	f.call(client, "resume", "--id", "held", "--reason", "go on")
	f.expect(client, "held", completed, `"Go=now"`)

	var all []struct{ Name string }
	if err := json.Unmarshal([]byte(f.call(client, "query")), &all); err != nil || len(all) < 7 {
		f.t.Errorf("the query found %d instances: %v", len(all), err)
	}
	f.sameHistory("hello", "fan", "counter", "ended", "held")
}

// sameHistory compares what both sides read of an instance, event by event.
func (f *fixture) sameHistory(ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		net, own := lines(f.call(f.net, "state", "--id", id)), lines(f.call(f.gone, "state", "--id", id))
		if len(net) < 2 || len(own) < 2 || net[len(net)-1] != own[len(own)-1] {
			f.t.Errorf("the history of %s differs:\n.NET %s\nGo   %s", id, net[len(net)-1], own[len(own)-1])
		}
	}
}

func lines(s string) []string { return strings.Split(s, "\n") }

// TestKilledGoWorkerIsSucceeded: a Go worker is killed in the middle of its work; a worker of the other side, which
// cannot send again what a dead one failed to send, finishes it.
func TestKilledGoWorkerIsSucceeded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".NET", "Go"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			next := f.net
			if name == "Go" {
				next = f.gone
			}
			first := f.worker(f.gone, "--worker", "first")
			want := map[string]string{}
			for i := range 6 {
				id := fmt.Sprintf("slow-%d", i)
				f.call(f.gone, "start", "--name", "SlowChain", "--id", id, "--input", `"6x300"`)
				want[id] = "1800"
			}
			f.call(f.gone, "start", "--name", "TimerOnly", "--id", "timer", "--input", "9000")
			want["timer"] = `"fired"`
			f.call(f.gone, "start", "--name", "Family", "--id", "family", "--input", "2")
			want["family"] = `"((leaf leaf) (leaf leaf))"`
			kill(first)
			f.worker(next, "--worker", "second")
			for id, output := range want {
				f.expect(f.gone, id, completed, output)
			}
		})
	}
}
