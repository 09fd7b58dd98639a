package programs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recordings are what the .NET library wrote, each with its way of recording errors.
var recordings = map[string]replay.ErrorStyle{
	"safe-exceptions": replay.Exceptions,
	"table-details":   replay.FailureDetails,
}

// TestGoldenHistories replays every history that .NET recorded on the Go twin of the
// program that made it.
func TestGoldenHistories(t *testing.T) {
	t.Parallel()
	for folder, style := range recordings {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			instances := readRecording(t, testkit.Shared(t, "golden", folder))
			if len(instances) < 50 {
				t.Fatalf("only %d instances in the recording", len(instances))
			}
			for id, events := range instances {
				t.Run(id, func(t *testing.T) {
					t.Parallel()
					replayInstance(t, events, style)
				})
			}
		})
	}
}

func replayInstance(t *testing.T, events []history.Event, style replay.ErrorStyle) {
	def := definitionFor(t, events)
	turns := episodes(events)
	// Live: one session gets what happened, episode by episode, and must decide what
	// .NET decided.
	// A rewind changes the past, so no session lives through it.
	if !slices.ContainsFunc(events, isRewound) {
		live := newSession(def, style)
		defer live.Unload()
		for i, turn := range turns {
			got, err := live.Advance(nil, turn.happened)
			if err != nil {
				t.Fatal(err)
			}
			turn.check(t, fmt.Sprintf("live, episode %d", i), got)
		}
	}
	// Cold: each episode on a session that first replays the ones before.
	var before []history.Event
	for i, turn := range turns {
		cold := newSession(def, style)
		got, err := cold.Advance(before, turn.happened)
		cold.Unload()
		if err != nil {
			t.Fatal(err)
		}
		turn.check(t, fmt.Sprintf("cold, episode %d", i), got)
		before = append(before, turn.all...)
	}
	// Whole: everything is history already.
	whole := newSession(def, style)
	defer whole.Unload()
	got, err := whole.Advance(events, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Actions) > 0 {
		t.Errorf("replaying all of it made %d new decisions", len(got.Actions))
	}
	if last := turns[len(turns)-1].ended; last != nil && !usesReplayFlag(events) {
		checkOutcome(t, "whole", got.Outcome, last)
	}
}

// usesReplayFlag tells which program shows whether it replays.
func usesReplayFlag(events []history.Event) bool {
	return started(events).Name == programs.Deterministic.Name()
}

func newSession(def *replay.Definition, style replay.ErrorStyle) *replay.Session {
	return replay.NewSession(replay.Config{Definition: def, Errors: style, Logger: slog.New(slog.DiscardHandler)})
}

func started(events []history.Event) *history.ExecutionStarted {
	for _, e := range events {
		if s, ok := e.(*history.ExecutionStarted); ok {
			return s
		}
	}
	return nil
}

func definitionFor(t *testing.T, events []history.Event) *replay.Definition {
	name := started(events).Name
	for _, o := range programs.Orchestrators() {
		if o.Name() == name {
			return o.Definition()
		}
	}
	t.Fatalf("there is no twin of %q", name)
	return nil
}

// episode is a part of a history that was written at once.
type episode struct {
	all      []history.Event
	happened []history.Event             // what the orchestrator was told
	decided  []history.Event             // what it decided
	ended    *history.ExecutionCompleted // how it ended
}

func episodes(events []history.Event) []*episode {
	var out []*episode
	for _, e := range events {
		if _, ok := e.(*history.OrchestratorStarted); ok {
			out = append(out, &episode{})
		}
		turn := out[len(out)-1]
		turn.all = append(turn.all, e)
		switch e := e.(type) {
		case *history.TaskScheduled, *history.SubOrchestrationCreated, *history.TimerCreated, *history.EventSent:
			turn.decided = append(turn.decided, e)
		case *history.ExecutionCompleted:
			turn.ended = e
		case *history.OrchestratorCompleted:
		default:
			turn.happened = append(turn.happened, e)
		}
	}
	return out
}

// check compares a turn with what .NET recorded. The rows of a history that was
// rewound no longer show what was decided.
func (want *episode) check(t *testing.T, what string, got *replay.Turn) {
	t.Helper()
	if !slices.ContainsFunc(want.all, isRewound) {
		if len(got.Actions) != len(want.decided) {
			t.Fatalf("%s: decided %d things, .NET %d", what, len(got.Actions), len(want.decided))
		}
		for i, a := range got.Actions {
			have := a.Event()
			have.Common().Timestamp = want.decided[i].Common().Timestamp
			if !reflect.DeepEqual(have, want.decided[i]) {
				t.Errorf("%s: decided\n%+v\n.NET\n%+v", what, have, want.decided[i])
			}
		}
	}
	if want.ended == nil {
		if got.Outcome != nil && !slices.ContainsFunc(want.all, isRewound) {
			t.Fatalf("%s: ended with %+v, .NET goes on", what, got.Outcome)
		}
		return
	}
	checkOutcome(t, what, got.Outcome, want.ended)
}

func isRewound(e history.Event) bool {
	g, ok := e.(*history.GenericEvent)
	return ok && g.RewindReason != nil
}

func checkOutcome(t *testing.T, what string, got *replay.Outcome, want *history.ExecutionCompleted) {
	t.Helper()
	if got == nil {
		t.Fatalf("%s: did not end, .NET: %v", what, want.Status)
	}
	if got.Status != want.Status || got.EventID != want.EventID {
		t.Fatalf("%s: ended %v with id %d (%v), .NET %v with id %d", what, got.Status, got.EventID, got.Err, want.Status, want.EventID)
	}
	if !samePayload(got.Result, want.Result) {
		t.Errorf("%s: output %s, .NET %s", what, show(got.Result), show(want.Result))
	}
	checkFailure(t, what, got.Failure, want.Failure)
}

// checkFailure compares what both sides know: Go errors have no stack, and keep the
// cause of a failed call where .NET drops it.
func checkFailure(t *testing.T, what string, got, want *history.FailureDetails) {
	t.Helper()
	for ; want != nil; got, want = got.Inner, want.Inner {
		if got == nil {
			t.Fatalf("%s: no failure, .NET %+v", what, want)
		}
		if got.ErrorType != want.ErrorType || got.ErrorMessage != want.ErrorMessage || got.IsNonRetriable != want.IsNonRetriable {
			t.Errorf("%s: failure %+v, .NET %+v", what, got, want)
		}
		if want.Inner == nil {
			return
		}
	}
	if got != nil {
		t.Errorf("%s: failure %+v, .NET none", what, got)
	}
}

// samePayload compares JSON, or plain text, without the marks of .NET's serializer.
func samePayload(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	if *a == *b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(*a), &x) != nil || durable.JSON().Unmarshal([]byte(*b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

func show(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

// readRecording returns the current execution's history of every instance, but those
// of entities and of who calls them.
func readRecording(t *testing.T, folder string) map[string][]history.Event {
	t.Helper()
	var recorded struct {
		Tables map[string][]map[string][2]any `json:"tables"`
	}
	readJSON(t, filepath.Join(folder, "final.json"), &recorded)
	blobs := readBlobs(t, folder)
	rows := map[string][]edm.Entity{}
	execution := map[string]any{}
	for table, list := range recorded.Tables {
		if !strings.HasSuffix(table, "History") {
			continue
		}
		for _, raw := range list {
			row := toEntity(t, raw)
			id := row["PartitionKey"].(string)
			if row["RowKey"] == "sentinel" {
				execution[id] = row["ExecutionId"]
				continue
			}
			resolveBlobs(t, row, blobs)
			rows[id] = append(rows[id], row)
		}
	}
	instances := map[string][]history.Event{}
	for id, list := range rows {
		events := decode(t, list, execution[id])
		if !strings.HasPrefix(id, "@") && started(events).Name != "EntityCaller" {
			instances[id] = events
		}
	}
	return instances
}

func decode(t *testing.T, rows []edm.Entity, execution any) []history.Event {
	t.Helper()
	slices.SortFunc(rows, func(a, b edm.Entity) int {
		return strings.Compare(a["RowKey"].(string), b["RowKey"].(string))
	})
	var events []history.Event
	for _, row := range rows {
		if row["ExecutionId"] != execution {
			break
		}
		e, err := history.DecodeRow(row)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func toEntity(t *testing.T, raw map[string][2]any) edm.Entity {
	t.Helper()
	row := edm.Entity{}
	for name, typed := range raw {
		switch v := typed[1].(type) {
		case float64:
			row[name] = int32(v)
		case string:
			row[name] = v
			if typed[0] == "Edm.DateTime" {
				at, err := time.Parse(time.RFC3339Nano, v)
				if err != nil {
					t.Fatal(err)
				}
				row[name] = at.UTC()
			}
		default:
			row[name] = v
		}
	}
	return row
}

type recordedBlob struct {
	Text          string `json:"text"`
	TextTruncated bool   `json:"textTruncated"`
	TextLength    int    `json:"textLength"`
	TextSHA256    string `json:"textSha256"`
}

func readBlobs(t *testing.T, folder string) map[string]recordedBlob {
	t.Helper()
	var all map[string]recordedBlob
	readJSON(t, filepath.Join(folder, "blobs.json"), &all)
	byName := map[string]recordedBlob{}
	for path, b := range all {
		if _, name, ok := strings.Cut(path, "/"); ok {
			byName[name] = b
		}
	}
	return byName
}

// resolveBlobs puts large values back into their columns.
func resolveBlobs(t *testing.T, row edm.Entity, blobs map[string]recordedBlob) {
	t.Helper()
	for name, value := range row {
		column, ok := strings.CutSuffix(name, "BlobName")
		if !ok {
			continue
		}
		b, ok := blobs[value.(string)]
		if !ok {
			t.Fatalf("the recording has no blob %v", value)
		}
		row[column] = b.whole(t)
		delete(row, name)
	}
}

// whole returns the text of a blob. The recording cuts long texts; all of them are
// JSON strings of one letter many times over, some with an exclamation mark behind.
func (b recordedBlob) whole(t *testing.T) string {
	t.Helper()
	if !b.TextTruncated {
		return b.Text
	}
	last, _ := utf8.DecodeLastRuneInString(b.Text)
	for _, end := range []string{`"`, `!"`} {
		missing := b.TextLength - utf8.RuneCountInString(b.Text) - len(end)
		text := b.Text + strings.Repeat(string(last), max(missing, 0)) + end
		if sum := sha256.Sum256([]byte(text)); hex.EncodeToString(sum[:]) == b.TextSHA256 {
			return text
		}
	}
	t.Fatal("the recording's cut text could not be completed")
	return ""
}
