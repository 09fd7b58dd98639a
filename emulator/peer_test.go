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
		comparePeerRuns(t, peer, []string{"--mode", "safe"}, func() *peerRun { return capture(t, peer, conn, "--mode", "safe") })
		return
	}
	for folder, flags := range map[string][]string{ // as the recordings were made
		"safe-exceptions": {"--mode", "safe", "--errors", "exceptions"},
		"table-details":   {"--mode", "table", "--entities"},
	} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			want := recordedRun(t, folder)
			comparePeerRuns(t, peer, flags, func() *peerRun { return want })
		})
	}
}

func comparePeerRuns(t *testing.T, peer string, flags []string, reference func() *peerRun) {
	t.Helper()
	l, err := newServer(t, emulator.Config{}).Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	wanted := make(chan *peerRun, 1)
	go func() { wanted <- reference() }()
	got := capture(t, peer, l.ConnectionString(), flags...)
	want := <-wanted
	if got == nil || want == nil {
		return
	}
	differences := compareInstances(got, want)
	if onlyRacing(differences) {
		t.Logf("once more, because of an instance whose end depends on timing: %q", differences)
		if got = capture(t, peer, l.ConnectionString(), flags...); got == nil {
			return
		}
		differences = compareInstances(got, want)
	}
	for _, text := range differences {
		t.Error(text)
	}
	t.Logf("%d instances compared, scenarios ended with an error: %q", len(got.dump.instances()), got.complaints)
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
	words := append(strings.Fields(peer), "capture", "--conn", conn, "--hub", hub)
	words = append(words, flags...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
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
// timing.
func (d *dump) instances() map[string][]string {
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
func compareInstances(got, want *peerRun) (differences []string) {
	if !slices.Equal(got.complaints, want.complaints) {
		differences = append(differences, fmt.Sprintf("scenarios that ended with an error:\n%q\nagainst Azurite:\n%q", got.complaints, want.complaints))
	}
	g, w := got.dump.instances(), want.dump.instances()
	if len(g) < 40 {
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
