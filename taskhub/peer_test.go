package taskhub

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
)

// peerArgs are the arguments that every verb of the .NET peer takes.
func peerArgs(t *testing.T, hub string, mode leases.Mode, verb string, more ...string) []string {
	t.Helper()
	fields := strings.Fields(testkit.Peer(t))
	return slices.Concat(fields, []string{verb, "--conn", testkit.Conn(t), "--hub", hub, "--mode", mode.String()}, more)
}

// peer runs a verb of the .NET peer to its end and returns what it prints.
func peer(t *testing.T, hub string, mode leases.Mode, verb string, more ...string) string {
	t.Helper()
	args := peerArgs(t, hub, mode, verb, more...)
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", verb, err, out.String(), complaints.String())
	}
	return strings.TrimSpace(out.String())
}

// peerWorker runs a .NET worker until the test ends.
func peerWorker(t *testing.T, hub string, mode leases.Mode, more ...string) {
	t.Helper()
	args := peerArgs(t, hub, mode, "worker", append([]string{"--seconds", "600", "--maxpoll", "200"}, more...)...)
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	})
	ready := make(chan struct{})
	reading.Go(func() {
		lines := bufio.NewReader(out)
		if line, _ := lines.ReadString('\n'); strings.HasPrefix(line, "worker ready") {
			close(ready)
		}
		_, _ = io.Copy(io.Discard, lines)
	})
	select {
	case <-ready:
	case <-time.After(time.Minute):
		t.Fatal("the .NET worker does not get ready")
	}
}

// bound is a context for one step of a test that others take part in.
func bound(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// scenario is something that our client does while a .NET worker runs.
type scenario struct {
	name string
	run  func(*testing.T, *Client)
}

// TestDotNetWorkerRunsOurStarts lets .NET's worker run what our client starts and controls.
func TestDotNetWorkerRunsOurStarts(t *testing.T) {
	testkit.Peer(t)
	few := []scenario{{"hello", runHello}, {"events", runEvents}}
	all := slices.Concat(few, []scenario{
		{"ids", runOddIDs}, {"large", runLarge}, {"suspend", runSuspend}, {"terminate", runTerminate}, {"failure", runFailure},
		{"scheduled", runScheduled}, {"again", runAgain}, {"tags", runTags}, {"rewind", runRewind}, {"purge", runPurge}, {"their starts", runTheirStarts},
	})
	for mode, scenarios := range map[leases.Mode][]scenario{leases.Safe: all, leases.Table: few, leases.Legacy: few[:1]} {
		t.Run(mode.String(), func(t *testing.T) {
			cfg := testConfig(t)
			peerWorker(t, cfg.Name, mode)
			h := openHub(t, cfg)
			if h.LeaseMode() != mode || h.Partitions() != 4 {
				t.Errorf("the hub of a .NET worker shows %v with %d partitions", h.LeaseMode(), h.Partitions())
			}
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) { s.run(t, h.Client()) })
			}
		})
	}
}

func runHello(t *testing.T, c *Client) {
	run, err := durable.Start[[]string](bound(t), c, "HelloSequence", nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.Wait(bound(t))
	if err != nil || fmt.Sprint(out) != "[Hello Tokyo! Hello Seattle! Hello London!]" {
		t.Errorf("%v, %v", out, err)
	}
	in, err := c.GetInstance(bound(t), run.InstanceID())
	if err != nil || in.ExecutionID != run.ExecutionID() || in.Input != nil || in.CompletedAt.IsZero() {
		t.Errorf("%+v, %v", in, err)
	}
	events, err := c.History(bound(t), run.InstanceID())
	if err != nil || len(events) == 0 || events[len(events)-1].Kind() != history.KindOrchestratorCompleted {
		t.Errorf("%d events, %v", len(events), err)
	}
}

func runOddIDs(t *testing.T, c *Client) {
	for _, id := range []string{"it's 100%", "a+b c&d;e=f", "é:日本|😀", "Case", "case", strings.Repeat("x", 100)} {
		run, err := durable.Start[string](bound(t), c, "OneActivity", "x", durable.WithInstanceID(id))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := run.Wait(bound(t)); err != nil || out != "Hello x!" {
			t.Errorf("%q: %q, %v", id, out, err)
		}
	}
}

func runLarge(t *testing.T, c *Client) {
	for _, size := range []int{31_000, 46_000, 200_000} {
		input := strings.Repeat("世", size/3)
		run, err := durable.Start[int](bound(t), c, "LargeInput", input)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := run.Wait(bound(t)); err != nil || out != len(input)/3 {
			t.Errorf("%d: %d, %v", size, out, err)
		}
		in, err := c.GetInstance(bound(t), run.InstanceID())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := durable.Input[string](in); err != nil || got != input {
			t.Errorf("%d: the input is not what was sent: %v", size, err)
		}
	}
	run, err := durable.Start[string](bound(t), c, "LargeResult", 300_000)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run.Wait(bound(t)); err != nil || len(out) != 300_000 {
		t.Errorf("%d, %v", len(out), err)
	}
}

func runEvents(t *testing.T, c *Client) {
	run, err := durable.Start[string](bound(t), c, "EventCounter", 4)
	if err != nil {
		t.Fatal(err)
	}
	waitStatus(t, c, run.InstanceID(), history.Running)
	for i := range 4 {
		if err := run.RaiseEvent(bound(t), "E", i); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run.Wait(bound(t)); err != nil || len(strings.Split(out, ",")) != 4 {
		t.Errorf("%q, %v", out, err)
	}
	if err := run.RaiseEvent(bound(t), "E", 5); !errors.Is(err, ErrInstanceFinished) {
		t.Errorf("an event for a finished instance: %v", err)
	}
}

func runSuspend(t *testing.T, c *Client) {
	run, err := durable.Start[string](bound(t), c, "WaitForever", "s")
	if err != nil {
		t.Fatal(err)
	}
	id := run.InstanceID()
	waitStatus(t, c, id, history.Running)
	if err := c.Suspend(bound(t), id, "hold on"); err != nil {
		t.Fatal(err)
	}
	if in := waitStatus(t, c, id, history.Suspended); *in.Output != "hold on" {
		t.Errorf("suspended for %q", *in.Output)
	}
	if err := errors.Join(c.RaiseEvent(bound(t), id, "Go", "x"), c.Resume(bound(t), id, "go on")); err != nil {
		t.Fatal(err)
	}
	if out, err := run.Wait(bound(t)); err != nil || out != "Go=x" {
		t.Errorf("%q, %v", out, err)
	}
}

func runTerminate(t *testing.T, c *Client) {
	run, err := durable.Start[string](bound(t), c, "WaitForever", "s")
	if err != nil {
		t.Fatal(err)
	}
	waitStatus(t, c, run.InstanceID(), history.Running)
	if err := run.Terminate(bound(t), "http://reason.example/"); err != nil {
		t.Fatal(err)
	}
	_, err = run.Wait(bound(t))
	var ended *durable.InstanceError
	if !errors.As(err, &ended) || ended.Status != history.Terminated || ended.Message != "http://reason.example/" {
		t.Errorf("%v", err)
	}
}

func runFailure(t *testing.T, c *Client) {
	run, err := durable.Start[string](bound(t), c, "ThrowsSelf", "bad")
	if err != nil {
		t.Fatal(err)
	}
	_, err = run.Wait(bound(t))
	var failed *durable.InstanceError
	if !errors.As(err, &failed) || failed.Failure == nil || failed.Failure.ErrorType != "System.ArgumentException" || failed.Message != "orchestrator said no: bad" {
		t.Errorf("%v", err)
	}
}

func runScheduled(t *testing.T, c *Client) {
	at := time.Now().Add(3 * time.Second)
	run, err := durable.Start[string](bound(t), c, "Empty", "later", durable.WithStartAt(at))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run.Wait(bound(t)); err != nil || out != "done later" || time.Now().Before(at) {
		t.Errorf("%q at %v, wanted at %v: %v", out, time.Now(), at, err)
	}
}

func runAgain(t *testing.T, c *Client) {
	for i := range 3 {
		run, err := durable.Start[string](bound(t), c, "Empty", i, durable.WithInstanceID("again"))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := run.Wait(bound(t)); err != nil || out != fmt.Sprint("done ", i) {
			t.Errorf("%q, %v", out, err)
		}
	}
}

func runTags(t *testing.T, c *Client) {
	tags := map[string]string{"team": "blue", "<&>": "\"é\u2028"}
	run, err := durable.Start[string](bound(t), c, "Empty", "t", durable.WithTags(tags))
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.WaitForCompletion(bound(t), run.InstanceID(), "")
	if err != nil || in.Status != history.Completed || !maps.Equal(in.Tags, tags) {
		t.Errorf("%+v, %v", in, err)
	}
}

func runRewind(t *testing.T, c *Client) {
	run, err := durable.Start[string](bound(t), c, "FailsHard", "boom")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(bound(t)); !errors.As(err, new(*durable.InstanceError)) {
		t.Fatal(err)
	}
	if err := c.Rewind(bound(t), run.InstanceID(), "once more"); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(bound(t)); !errors.As(err, new(*durable.InstanceError)) {
		t.Fatal(err)
	}
	// It runs the activity again, which fails again.
	want := "-TaskScheduled -TaskFailed -ExecutionCompleted - TaskScheduled TaskFailed ExecutionCompleted"
	if got := outline(t, c.Hub(), run.InstanceID()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func runPurge(t *testing.T, c *Client) {
	for i := range 3 {
		run, err := durable.Start[string](bound(t), c, "LargeResult", 50_000, durable.WithInstanceID(fmt.Sprint("purge", i)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Wait(bound(t)); err != nil {
			t.Fatal(err)
		}
	}
	if result, err := c.Purge(bound(t), "purge1"); err != nil || result.Instances != 1 || result.Rows != 9 {
		t.Errorf("%+v, %v", result, err)
	}
	progress, err := c.PurgeAll(bound(t), PurgeFilter{IDPrefix: "purge"})
	if err != nil || progress.Instances != 2 {
		t.Errorf("%+v, %v", progress, err)
	}
	folders, err := listFolders(t, c.Hub())
	if err != nil || slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(f, "purge") }) {
		t.Errorf("blobs are left: %v, %v", folders, err)
	}
}

// runTheirStarts reads what .NET's client starts, and lets it read what ours does.
func runTheirStarts(t *testing.T, c *Client) {
	hub, mode := c.Hub().Name(), c.Hub().LeaseMode()
	printed := strings.Fields(peer(t, hub, mode, "start", "--name", "OneActivity", "--id", "theirs-1", "--input", `"you"`))
	in, err := c.WaitForCompletion(bound(t), "theirs-1", "")
	if err != nil || len(printed) != 2 || in.ExecutionID != printed[1] || *in.Output != `"Hello you!"` {
		t.Errorf("%v, %+v, %v", printed, in, err)
	}
	run, err := durable.Start[string](bound(t), c, "WaitForever", "x", durable.WithInstanceID("ours-1"), durable.WithTags(map[string]string{"k": "v"}))
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		OrchestrationInstance struct{ InstanceId, ExecutionId string }
		Name, Input           string
		Tags                  map[string]string
		Generation            int
	}
	line, _, _ := strings.Cut(peer(t, hub, mode, "state", "--id", "ours-1"), "\n")
	if err := json.Unmarshal([]byte(strings.Trim(line, "[]")), &state); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if state.OrchestrationInstance.ExecutionId != run.ExecutionID() || state.Name != "WaitForever" || state.Input != `"x"` || state.Tags["k"] != "v" {
		t.Errorf("%s", line)
	}
	peer(t, hub, mode, "raise", "--id", "ours-1", "--event", "Go", "--data", `"y"`)
	if out, err := run.Wait(bound(t)); err != nil || out != "Go=y" {
		t.Errorf("%q, %v", out, err)
	}
}

// waitStatus waits until an instance is in a state.
func waitStatus(t *testing.T, c *Client, id string, want history.Status) *durable.Instance {
	t.Helper()
	for {
		in, err := c.GetInstance(bound(t), id)
		if err != nil {
			t.Fatal(err)
		}
		if in.Status == want {
			return in
		}
		if in.Status.IsTerminal() {
			t.Fatalf("instance %q is %v, not %v", id, in.Status, want)
		}
		if err := sleep(bound(t), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}
