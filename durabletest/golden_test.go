package durabletest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
)

// TestGoldenExports turns the histories that .NET left in its tables into exports and replays them on the twins.
func TestGoldenExports(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"safe-exceptions", "table-details"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			statuses := map[history.Status]int{}
			for id, events := range recorded(t, testkit.Shared(t, "golden", folder)) {
				export, err := history.MarshalExport(events)
				if err != nil {
					t.Fatal(err)
				}
				// What this program returns depends on whether it replays, to show that it does.
				strict := !strings.HasPrefix(id, "deterministic")
				got := durabletest.Replayer{Strict: strict}.ReplayHistory(t, export, programs.Orchestrators()...)
				if got.InstanceID != id || got.Status != got.Recorded {
					t.Errorf("%s: %+v", id, got)
				}
				statuses[got.Recorded]++
			}
			for _, s := range []history.Status{history.Completed, history.Failed, history.Running, history.Suspended, history.Terminated} {
				if statuses[s] == 0 {
					t.Errorf("no history is %v: %v", s, statuses)
				}
			}
		})
	}
}

// recorded reads the histories of a recording, but those of entities and of who calls them.
func recorded(t *testing.T, folder string) map[string][]history.Event {
	t.Helper()
	var final struct {
		Tables map[string][]map[string][2]any
	}
	read(t, filepath.Join(folder, "final.json"), &final)
	var blobs map[string]struct {
		Text          string
		TextTruncated bool
		TextLength    int
	}
	read(t, filepath.Join(folder, "blobs.json"), &blobs)
	texts := map[string]string{}
	for path, b := range blobs {
		_, name, _ := strings.Cut(path, "/")
		if texts[name] = b.Text; b.TextTruncated { // one letter, many times over
			letter, _ := utf8.DecodeLastRuneInString(b.Text)
			texts[name] += strings.Repeat(string(letter), b.TextLength-utf8.RuneCountInString(b.Text)-1) + `"`
		}
	}
	instances, execution := map[string][]history.Event{}, map[string]any{}
	for table, rows := range final.Tables {
		if !strings.HasSuffix(table, "History") {
			continue
		}
		entities := make([]edm.Entity, 0, len(rows))
		for _, row := range rows {
			e := entityOf(t, row, texts)
			if e["RowKey"] == "sentinel" {
				execution[e["PartitionKey"].(string)] = e["ExecutionId"]
				continue
			}
			entities = append(entities, e)
		}
		slices.SortFunc(entities, func(a, b edm.Entity) int { return strings.Compare(a["RowKey"].(string), b["RowKey"].(string)) })
		for _, e := range entities {
			id := e["PartitionKey"].(string)
			if e["ExecutionId"] != execution[id] || strings.HasPrefix(id, "@") || strings.HasPrefix(id, "entity-caller") {
				continue
			}
			event, err := history.DecodeRow(e)
			if err != nil {
				t.Fatal(err)
			}
			instances[id] = append(instances[id], event)
		}
	}
	return instances
}

// entityOf makes a row of its recorded form, with large values back in their columns.
func entityOf(t *testing.T, row map[string][2]any, texts map[string]string) edm.Entity {
	t.Helper()
	e := edm.Entity{}
	for name, typed := range row {
		switch v := typed[1].(type) {
		case float64:
			e[name] = int32(v)
		case string:
			e[name] = v
			if typed[0] == "Edm.DateTime" {
				at, err := time.Parse(time.RFC3339Nano, v)
				if err != nil {
					t.Fatal(err)
				}
				e[name] = at.UTC()
			}
		default:
			e[name] = v
		}
	}
	for name := range row {
		if column, ok := strings.CutSuffix(name, "BlobName"); ok {
			e[column] = texts[e[name].(string)]
			delete(e, name)
		}
	}
	return e
}

func read(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
