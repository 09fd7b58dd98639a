package taskhub

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/tables"
)

// damage merges columns into a row.
func damage(t *testing.T, h *Hub, table, id, rowKey string, columns edm.Entity) {
	t.Helper()
	columns["PartitionKey"], columns["RowKey"] = id, rowKey
	body, err := edm.Marshal(columns)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Account().Tables().NewClient(table).UpsertEntity(t.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedInstances reads a hub in which much is wrong: each fault is reported where it is, and hides nothing else.
func TestDamagedInstances(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	c := h.Client()
	big := strings.Repeat("x", 50_000)
	rows, events := h.Names().InstancesTable(), h.Names().HistoryTable()
	result := []tables.Record{event(&history.TaskScheduled{Name: "a"}, 0), event(&history.TaskCompleted{Result: &big}, -1)}
	faults := map[string]func(id string){
		"mistyped": func(id string) {
			damage(t, h, rows, id, "", edm.Entity{"CreatedTime": "yesterday", "Generation": int64(1)})
		},
		"odd-tags": func(id string) { damage(t, h, rows, id, "", edm.Entity{"Tags": "["}) },
		"no-output": func(id string) {
			damage(t, h, rows, id, "", edm.Entity{"Output": h.Payloads().URL(id + "/history--Output-00000001-Output.json.gz")})
		},
		"no-input": func(id string) {
			damage(t, h, rows, id, "", edm.Entity{"Input": h.Payloads().URL(id + "/message-1-ExecutionStarted.json.gz")})
		},
		"cut-output": func(id string) {
			cutBlob(t, h, id, "history--Output-00000001-Output.json.gz")
			damage(t, h, rows, id, "", edm.Entity{"Output": h.Payloads().URL(id + "/history--Output-00000001-Output.json.gz")})
		},
		"lost-row":     func(id string) { deleteRow(t, h, events, id, "0000000000000002") },
		"unknown-kind": func(id string) { damage(t, h, events, id, "0000000000000002", edm.Entity{"EventType": "Surprise"}) },
		"mistyped-row": func(id string) { damage(t, h, events, id, "0000000000000002", edm.Entity{"EventId": "two"}) },
		"lost-blob":    func(id string) { deleteBlobs(t, h, id) },
		"no-sentinel":  func(id string) { deleteRow(t, h, events, id, "sentinel") },
		"no-history": func(id string) {
			if _, err := h.Tables().PurgeHistory(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		},
		"strange": func(id string) {
			damage(t, h, rows, id, "", edm.Entity{"Extra": 1.5})
			damage(t, h, events, id, "unknown-9", edm.Entity{"Extra": true})
			damage(t, h, events, id, "0000000000000001", edm.Entity{"Extra": int64(5)})
		},
	}
	wrong := map[string]string{ // which reads fail, and what they name
		"mistyped": "get", "odd-tags": "get", "no-output": "get", "no-input": "get", "cut-output": "get",
		"lost-row": "history", "unknown-kind": "history", "mistyped-row": "history", "lost-blob": "history",
	}
	for id, fault := range faults {
		ran(t, h, id, history.Completed, "1", result)
		fault(id)
	}
	ran(t, h, "healthy", history.Completed, "1", result)
	for id := range faults {
		in, err := c.Get(t.Context(), id)
		if (err != nil) != (wrong[id] == "get") || in == nil || in.Status != history.Completed || in.InstanceID != id {
			t.Errorf("get %s: %+v, %v", id, in, err)
		}
		namesIt(t, "get", id, err)
		_, err = c.History(t.Context(), id)
		if (err != nil) != (wrong[id] == "history") {
			t.Errorf("history of %s: %v", id, err)
		}
		namesIt(t, "history", id, err)
		if _, err = c.HistoryPage(t.Context(), id, "", 0); (err != nil) != (wrong[id] == "history") {
			t.Errorf("history page of %s: %v", id, err)
		}
		var corrupt *tables.CorruptHistoryError
		if wrong[id] == "history" && (!errors.As(err, &corrupt) || corrupt.InstanceID != id) {
			t.Errorf("history of %s: %T", id, err)
		}
		if _, err := c.WaitForCompletion(t.Context(), id, ""); (err != nil) != (wrong[id] == "get" && id != "no-input") {
			t.Errorf("wait for %s: %v", id, err)
		}
	}
	found, problems := 0, 0
	for in, err := range c.Query(t.Context(), Query{Inputs: true, Outputs: true}) {
		if err != nil {
			t.Fatal(err)
		}
		found++
		if in.Problem != nil {
			problems++
		}
		if (in.Problem != nil) != (wrong[in.InstanceID] == "get") {
			t.Errorf("%s: %v", in.InstanceID, in.Problem)
		}
	}
	counts, err := c.Count(t.Context(), Query{})
	if want := len(faults) + 1; found != want || problems != 5 || err != nil || counts[history.Completed] != want {
		t.Errorf("%d found, %d problems, %v, %v", found, problems, counts, err)
	}
	if progress, err := c.PurgeAll(t.Context(), PurgeFilter{}); err != nil || progress.Instances != len(faults)+1 {
		t.Errorf("purge: %+v, %v", progress, err)
	}
	if folders, err := listFolders(t, h); err != nil || len(folders) != 0 {
		t.Errorf("left are %v, %v", folders, err)
	}
}

func namesIt(t *testing.T, operation, id string, err error) {
	t.Helper()
	if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q", id)) {
		t.Errorf("%s: the error does not name %s: %v", operation, id, err)
	}
}

func deleteRow(t *testing.T, h *Hub, table, id, rowKey string) {
	t.Helper()
	if _, err := h.Account().Tables().NewClient(table).DeleteEntity(t.Context(), id, rowKey, nil); err != nil {
		t.Fatal(err)
	}
}

func deleteBlobs(t *testing.T, h *Hub, id string) {
	t.Helper()
	if n, err := h.Payloads().DeleteInstance(t.Context(), id); err != nil || n == 0 {
		t.Fatal(n, err)
	}
}

// cutBlob stores the first half of a large value.
func cutBlob(t *testing.T, h *Hub, id, file string) {
	t.Helper()
	container := h.Names().LargeMessageContainer()
	name := id + "/" + file
	if err := h.Payloads().Write(t.Context(), name, []byte(strings.Repeat("0123456789", 5000))); err != nil {
		t.Fatal(err)
	}
	whole, err := h.Account().Blobs().DownloadStream(t.Context(), container, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(whole.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Account().Blobs().UploadBuffer(t.Context(), container, name, text[:len(text)/2], nil); err != nil {
		t.Fatal(err)
	}
	var corrupt *payloads.CorruptError
	if _, err := h.Payloads().Read(t.Context(), name); !errors.As(err, &corrupt) {
		t.Fatal(err)
	}
}

// TestHubsWhoseNamesBeginAlike share an account; what is done to one does not touch the other.
func TestHubsWhoseNamesBeginAlike(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	longer := cfg
	longer.Name += "s"
	longer.Partitions = 16
	short := cfg
	short.Partitions = 1
	one, two := openHub(t, short), openHub(t, longer)
	for _, h := range []*Hub{one, two} {
		for _, id := range []string{"order-1", "order-10"} {
			mustStart(t, h, durable.StartRequest{InstanceID: id, Input: history.String(strings.Repeat("x", 50_000))})
		}
	}
	for _, h := range []*Hub{one, two} {
		if _, err := h.Client().Purge(t.Context(), "order-1", PurgeUnfinished()); err != nil {
			t.Error(err)
		}
	}
	hubs, err := List(t.Context(), Config{Account: cfg.Account})
	seen := make(map[string]int)
	for _, hub := range hubs {
		seen[hub.Name] = hub.Partitions
	}
	if err != nil || seen[short.Name] != 1 || seen[longer.Name] != 16 {
		t.Errorf("%v, %v", seen, err)
	}
	if err := one.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	in, err := two.Client().Get(ctx, "order-10")
	if err != nil || len(*in.Input) != 50_000 {
		t.Errorf("%+v, %v", in, err)
	}
	if n := inQueues(t, two); n != 2 {
		t.Errorf("%d messages", n)
	}
	late := openHub(t, Config{Name: longer.Name, Account: cfg.Account})
	if late.Partitions() != 16 || time.Since(in.CreatedAt) > time.Hour {
		t.Errorf("%d partitions", late.Partitions())
	}
}
