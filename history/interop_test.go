package history_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

// peer runs the .NET peer against one hub.
type peer struct {
	command   string
	conn, hub string
	account   *storage.Account
}

// newPeer starts a .NET worker that fails with failure details, and waits until
// it is ready.
func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{command: testkit.Peer(t), conn: testkit.Conn(t), hub: testkit.Hub(t), account: testkit.Account(t)}
	worker := p.start(t, "worker", "--worker", "net1", "--seconds", "900", "--errors", "details", "--maxpoll", "0.5")
	ready := bufio.NewScanner(worker)
	for ready.Scan() {
		if strings.Contains(ready.Text(), "worker ready") {
			go func() { // the pipe must not fill up
				for ready.Scan() {
					_ = ready.Text()
				}
			}()
			return p
		}
	}
	t.Fatal("the .NET worker did not get ready")
	return nil
}

func (p *peer) args(verb string, args []string) []string {
	return append(strings.Fields(p.command)[1:], append([]string{verb, "--conn", p.conn, "--hub", p.hub, "--mode", "safe"}, args...)...)
}

// start runs the peer until the test ends and returns its output.
func (p *peer) start(t *testing.T, verb string, args ...string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(strings.Fields(p.command)[0], p.args(verb, args)...)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = w.Close()
		_ = r.Close()
	})
	return r
}

// run runs a verb of the peer and returns its output.
func (p *peer) run(t *testing.T, verb string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, strings.Fields(p.command)[0], p.args(verb, args)...).Output()
	if err != nil {
		t.Fatalf("peer %s %v: %v\n%s", verb, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// rows reads the history of an instance as the service answers it, without
// what older executions left behind.
func (p *peer) rows(t *testing.T, id string, format aztables.MetadataFormat) []edm.Entity {
	t.Helper()
	filter := fmt.Sprintf("PartitionKey eq '%s'", layout.EscapeKey(id))
	pager := p.account.Tables().NewClient(p.hub + "History").NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Format: &format})
	var rows []edm.Entity
	execution := any(nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range page.Entities {
			row, etag, err := edm.UnmarshalWithETag(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if etag == "" {
				t.Errorf("no ETag in %s", text)
			}
			if row["RowKey"] == layout.SentinelRowKey {
				execution = row["ExecutionId"]
				continue
			}
			rows = append(rows, row)
		}
	}
	for i, row := range rows {
		if row["ExecutionId"] != execution {
			return rows[:i]
		}
	}
	return rows
}

func TestPeer(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	t.Run("export", func(t *testing.T) { testPeerExport(t, p) })
	t.Run("message", func(t *testing.T) { testPeerRunsMessage(t, p) })
}

// testPeerExport compares the export of a history with what .NET prints.
func testPeerExport(t *testing.T, p *peer) {
	instances := []struct {
		id     string
		start  []string
		during func()
	}{
		{"parent", []string{"--name", "Parent", "--input", `"é\u2028\"<>"`}, nil},
		{"event", []string{"--name", "WaitForever"}, func() {
			p.run(t, "suspend", "--id", "event", "--reason", "hold")
			p.run(t, "resume", "--id", "event", "--reason", "go on")
			p.run(t, "raise", "--id", "event", "--event", "Any", "--data", `"yes"`)
		}},
		{"rewound", []string{"--name", "FailsHard", "--input", `"x"`}, func() {
			p.run(t, "wait", "--id", "rewound", "--wait", "150")
			p.run(t, "rewind", "--id", "rewound", "--reason", "again")
		}},
	}
	for _, i := range instances {
		p.run(t, "start", append([]string{"--id", i.id}, i.start...)...)
	}
	for _, i := range instances {
		if i.during != nil {
			i.during()
		}
		p.run(t, "wait", "--id", i.id, "--wait", "150")
		lines := strings.Split(p.run(t, "state", "--id", i.id), "\n")
		want := strings.TrimSpace(lines[len(lines)-1])
		for _, format := range []aztables.MetadataFormat{aztables.MetadataFormatMinimal, aztables.MetadataFormatFull} {
			var events []history.Event
			for _, row := range p.rows(t, i.id, format) {
				e, err := history.DecodeRow(row)
				if err != nil {
					t.Fatalf("%s: %v", i.id, err)
				}
				events = append(events, e)
			}
			got, err := history.MarshalExport(events)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("%s:\ngot  %s\nwant %s", i.id, got, want)
			}
		}
		again, err := history.UnmarshalExport([]byte(want))
		if err != nil {
			t.Fatalf("%s: %v", i.id, err)
		}
		if text, err := history.MarshalExport(again); err != nil || string(text) != want {
			t.Errorf("%s: reading and writing the export gives %s, %v", i.id, text, err)
		}
	}
}

// testPeerRunsMessage lets a .NET worker run an orchestration from a message
// and a row that were written here, with tags that carry no class name and
// characters that XML cannot hold.
func testPeerRunsMessage(t *testing.T, p *peer) {
	const id = "from-go-1"
	names, err := layout.NewNames(p.hub)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	instance := history.Instance{InstanceID: id, ExecutionID: history.String("aae324dcc8f943e490b37ec5e5bbf9da")}
	input := "\"a\uFFFF\uFFFE\x7f\u0085é😀\""
	start := &history.ExecutionStarted{
		Base: history.Base{EventID: -1, Timestamp: now}, Instance: instance, Name: "Empty", Version: history.String(""),
		Input: &input, Tags: history.NewTags(map[string]string{"team": "blue", "a": ""}), Generation: history.Int32(0),
	}
	text, err := history.MarshalEnvelope(&history.Envelope{
		ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57", SequenceNumber: 1,
		Message: &history.Message{Event: start, Target: instance},
	})
	if err != nil {
		t.Fatal(err)
	}
	queue := p.account.Queues().NewQueueClient(names.ControlQueue(layout.Partition(id, 4)))
	if _, err := queue.EnqueueMessage(t.Context(), string(text), nil); err != nil {
		t.Fatal(err)
	}
	row, err := edm.Marshal(edm.Entity{
		"PartitionKey": id, "RowKey": "", "ExecutionId": *instance.ExecutionID, "Name": "Empty", "Version": "", "Input": input,
		"CreatedTime": now, "LastUpdatedTime": now, "RuntimeStatus": "Pending", "TaskHubName": p.hub, "Generation": int32(0),
		"Tags": `{"a":"","team":"blue"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.account.Tables().NewClient(p.hub+"Instances").AddEntity(t.Context(), row, nil); err != nil {
		t.Fatal(err)
	}
	var state struct {
		OrchestrationStatus int
		Output              string
		Tags                map[string]string
	}
	out := p.run(t, "wait", "--id", id, "--wait", "150")
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	var output string
	if err := json.Unmarshal([]byte(state.Output), &output); err != nil {
		t.Fatalf("%s: %v", state.Output, err)
	}
	want := "done " + strings.Trim(input, `"`)
	if state.OrchestrationStatus != int(history.Completed) || output != want || state.Tags["team"] != "blue" {
		t.Errorf("got %+v, want the output %q", state, want)
	}
	for _, row := range p.rows(t, id, aztables.MetadataFormatMinimal) {
		e, err := history.DecodeRow(row)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := e.(*history.ExecutionStarted); ok && (*s.Input != input || s.Tags.Len() != 2) {
			t.Errorf("the row holds %q and %v", *s.Input, s.Tags.Map())
		}
	}
}
