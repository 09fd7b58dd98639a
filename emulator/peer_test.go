package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator"
)

// TestPeerCapture lets the .NET library run its scenarios against the
// emulator and compares every instance they leave behind with the instances
// of a run against Azurite: of one made now when TASKHUB_TEST_CONN names an
// Azurite, of the recordings in ../shared/golden otherwise.
func TestPeerCapture(t *testing.T) {
	t.Parallel()
	peer := os.Getenv("DTFX_PEER")
	if peer == "" {
		t.Skip("DTFX_PEER is not set: it names the command of the .NET peer")
	}
	if !longRun() {
		t.Skip("TASKHUB_FULL is not set: the peer's scenarios take some minutes")
	}
	if conn := os.Getenv(connVariable); conn != "" {
		run := func(conn string) *peerRun { return capture(t, peer, conn, "--mode", "safe") }
		comparePeerRuns(t, run, func() *peerRun { return run(conn) }, nil)
		return
	}
	for folder, flags := range map[string][]string{ // as the recordings were made
		"safe-exceptions": {"--mode", "safe", "--errors", "exceptions"},
		"table-details":   {"--mode", "table", "--entities"},
	} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			want := recordedRun(t, folder)
			comparePeerRuns(t, func(conn string) *peerRun { return capture(t, peer, conn, flags...) }, func() *peerRun { return want }, nil)
		})
	}
}

// TestPeerScenarios is the short form of TestPeerCapture: a worker of the .NET
// library and a few of its scenarios.
func TestPeerScenarios(t *testing.T) {
	t.Parallel()
	peer := os.Getenv("DTFX_PEER")
	if peer == "" {
		t.Skip("DTFX_PEER is not set: it names the command of the .NET peer")
	}
	run := func(conn string) *peerRun { return playScenarios(t, peer, conn) }
	if conn := os.Getenv(connVariable); conn != "" {
		comparePeerRuns(t, run, func() *peerRun { return run(conn) }, scenarioIDs())
		return
	}
	want := recordedRun(t, "safe-exceptions")
	comparePeerRuns(t, run, func() *peerRun { return want }, scenarioIDs())
}

// scenarios are some of those that the peer's capture runs, by the same names,
// ids and inputs: activities in a row and side by side, timers, children,
// failures, retries, generations, large values.
var scenarios = []struct{ name, id, input string }{
	{"HelloSequence", "hello-1", "null"},
	{"FanOut", "fanout-1", "5"},
	{"TimerOnly", "timer-1", "1500"},
	{"Parent", "parent-1", `"kid"`},
	{"FailsHard", "fails-1", `"boom"`},
	{"Retries", "retries-1", `"k"`},
	{"Counter", "counter-1", "1"},
	{"LargeResult", "large-result-300k", "300000"},
	{"FanOut", "fanout-120", "120"},
}

func scenarioIDs() map[string]bool {
	ids := make(map[string]bool, len(scenarios))
	for _, s := range scenarios {
		ids[s.id] = true
	}
	return ids
}

// playScenarios runs a worker, starts the scenarios, and returns what they
// leave behind.
func playScenarios(t *testing.T, peer, conn string) *peerRun {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	hub := fmt.Sprintf("emu%x", rand.Uint64())
	words := func(verb string, more ...string) []string {
		return append([]string{verb, "--conn", conn, "--hub", hub, "--mode", "safe", "--errors", "exceptions", "--maxpoll", "500"}, more...)
	}
	working, stop := context.WithCancel(ctx)
	worker := peerCommand(working, peer, words("worker", "--worker", "one", "--seconds", "300")...)
	if err := worker.Start(); err != nil {
		t.Error(err)
		stop()
		return nil
	}
	defer func() {
		stop()
		_ = worker.Wait() // it was killed
	}()
	for _, s := range scenarios {
		start := peerCommand(ctx, peer, words("start", "--name", s.name, "--id", s.id, "--input", s.input)...)
		if out, err := start.CombinedOutput(); err != nil {
			t.Errorf("start %s: %v: %s", s.id, err, tail(string(out), 2000))
			return nil
		}
	}
	for ended := false; ; { // a dump reads the histories before the statuses, so the one after the end counts
		out, err := peerCommand(ctx, peer, words("dump")...).Output()
		run := &peerRun{}
		if err == nil {
			err = json.Unmarshal(out, &run.dump)
		}
		if err != nil {
			t.Errorf("the peer's dump: %v", err)
			return nil
		}
		if ended {
			return run
		}
		ended = run.ended(scenarioIDs())
	}
}

// ended reports whether all of the instances have come to an end.
func (r *peerRun) ended(ids map[string]bool) bool {
	instances := r.dump.instances(ids)
	for _, texts := range instances {
		if strings.HasPrefix(texts[0], "Pending") || strings.HasPrefix(texts[0], "Running") {
			return false
		}
	}
	return len(instances) == len(ids)
}

func peerCommand(ctx context.Context, peer string, words ...string) *exec.Cmd {
	all := append(strings.Fields(peer), words...)
	return exec.CommandContext(ctx, all[0], all[1:]...)
}

// comparePeerRuns runs something against the emulator and compares what it
// leaves behind with a reference: all of it, or the instances with some ids.
func comparePeerRuns(t *testing.T, run func(conn string) *peerRun, reference func() *peerRun, only map[string]bool) {
	t.Helper()
	l, err := newServer(t, emulator.Config{}).Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	wanted := make(chan *peerRun, 1)
	go func() { wanted <- reference() }()
	got := run(l.ConnectionString())
	want := <-wanted
	if got == nil || want == nil {
		return
	}
	differences := compareInstances(got, want, only)
	if onlyRacing(differences) {
		t.Logf("once more, because of an instance whose end depends on timing: %q", differences)
		if got = run(l.ConnectionString()); got == nil {
			return
		}
		differences = compareInstances(got, want, only)
	}
	for _, text := range differences {
		t.Error(text)
	}
	t.Logf("%d instances compared, scenarios ended with an error: %q", len(got.dump.instances(only)), got.complaints)
}

// racing is the one scenario that can end in two ways on any storage. It sends
// three events to one execution, which continues as new after the first: the
// .NET library drops an event that it receives after that, since the event
// names an execution that has ended. On a busy machine that happens.
const racing = "can-events"

func onlyRacing(differences []string) bool {
	for _, text := range differences {
		if !strings.HasPrefix(text, "instance "+racing+":") {
			return false
		}
	}
	return len(differences) > 0
}

// peerRun is what a capture printed.
type peerRun struct {
	dump dump
	// complaints are the errors that scenarios ended with.
	complaints []string
}

type dump struct {
	Tables map[string][]map[string]struct {
		Type  string
		Value any
	}
}

func capture(t *testing.T, peer, conn string, flags ...string) *peerRun {
	hub := fmt.Sprintf("emu%x", rand.Uint64())
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := peerCommand(ctx, peer, append([]string{"capture", "--conn", conn, "--hub", hub}, flags...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("the peer ended with %v:\n%s", err, tail(stderr.String(), 4000))
		return nil
	}
	run := &peerRun{}
	if err := json.Unmarshal(stdout.Bytes(), &run.dump); err != nil {
		t.Errorf("the peer's dump: %v", err)
		return nil
	}
	run.complaints = complaints(stderr.String())
	return run
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func complaints(log string) []string {
	var out []string
	for line := range strings.Lines(log) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "!! "); ok {
			out = append(out, hexIDs.ReplaceAllString(text, "*"))
		}
	}
	slices.Sort(out)
	return out
}

func recordedRun(t *testing.T, folder string) *peerRun {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "golden", folder, "final.json")
	body, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("there is nothing to compare with; set %s to compare with Azurite: %v", connVariable, err)
	}
	var golden struct {
		Tables map[string][]map[string][2]any
	}
	if err := json.Unmarshal(body, &golden); err != nil {
		t.Error(err)
		return nil
	}
	run := &peerRun{dump: dump{Tables: make(map[string][]map[string]struct {
		Type  string
		Value any
	})}}
	for name, rows := range golden.Tables {
		for _, row := range rows {
			out := make(map[string]struct {
				Type  string
				Value any
			}, len(row))
			for column, v := range row {
				out[column] = struct {
					Type  string
					Value any
				}{fmt.Sprint(v[0]), v[1]}
			}
			run.dump.Tables[name] = append(run.dump.Tables[name], out)
		}
	}
	return run
}

var hexIDs = regexp.MustCompile(`[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// instances describes every instance of a dump by its id, with random parts
// replaced: status, output and the multiset of its history events. Episode
// brackets are left out, since how many messages share an episode depends on
// timing. With only, the instances with other ids are left out.
func (d *dump) instances(only map[string]bool) map[string][]string {
	events := make(map[string][]string)
	out := make(map[string][]string)
	for name, rows := range d.Tables {
		if !strings.HasSuffix(strings.ToLower(name), "history") {
			continue
		}
		for _, row := range rows {
			kind, ok := row["EventType"].Value.(string)
			if !ok || kind == "OrchestratorStarted" || kind == "OrchestratorCompleted" {
				continue
			}
			id := fmt.Sprint(row["PartitionKey"].Value)
			events[id] = append(events[id], kind+":"+fmt.Sprint(row["Name"].Value))
		}
	}
	for name, rows := range d.Tables {
		if !strings.HasSuffix(strings.ToLower(name), "instances") {
			continue
		}
		for _, row := range rows {
			id := fmt.Sprint(row["PartitionKey"].Value)
			if only != nil && !only[id] {
				continue
			}
			slices.Sort(events[id])
			text := fmt.Sprintf("%v | %v | %s", row["RuntimeStatus"].Value, describeOutput(row["Output"].Value), strings.Join(events[id], " "))
			key := hexIDs.ReplaceAllString(id, "*")
			out[key] = append(out[key], hexIDs.ReplaceAllString(text, "*"))
		}
	}
	for _, texts := range out {
		slices.Sort(texts)
	}
	return out
}

// describeOutput leaves out what differs between any two runs: times, and the
// addresses of large outputs.
func describeOutput(v any) string {
	text := fmt.Sprint(v)
	text = moments.ReplaceAllString(text, "<time>")
	text = blobRandom.ReplaceAllString(text, "-<random>-")
	return storageAddress.ReplaceAllString(text, "<storage>")
}

var (
	moments        = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?`)
	blobRandom     = regexp.MustCompile(`-[0-9A-F]{8}-`)
	storageAddress = regexp.MustCompile(`http://[^ "]*?largemessages/`)
)

// compareInstances lists what differs between two runs.
func compareInstances(got, want *peerRun, only map[string]bool) (differences []string) {
	if only == nil && !slices.Equal(got.complaints, want.complaints) {
		differences = append(differences, fmt.Sprintf("scenarios that ended with an error:\n%q\nagainst Azurite:\n%q", got.complaints, want.complaints))
	}
	g, w := got.dump.instances(only), want.dump.instances(only)
	if len(g) < 40 && only == nil || len(g) < len(only) {
		differences = append(differences, fmt.Sprintf("only %d instances", len(g)))
	}
	for id, texts := range w {
		if !slices.Equal(g[id], texts) {
			differences = append(differences, fmt.Sprintf("instance %s:\n  emulator %q\n  Azurite  %q", id, g[id], texts))
		}
	}
	for id := range g {
		if w[id] == nil {
			differences = append(differences, fmt.Sprintf("instance %s: it exists only on the emulator", id))
		}
	}
	return differences
}
