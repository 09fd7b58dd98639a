package partition

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// TestOldGenerationsGo: rows and large values of generations that are over do not stay behind.
func TestOldGenerationsGo(t *testing.T) { inBothFleets(t, testOldGenerationsGo) }

func testOldGenerationsGo(t *testing.T) {
	large := strings.Repeat("large ", 10_000)
	echo := durable.NewActivity("Echo", func(_ context.Context, s string) (string, error) { return s, nil })
	o := durable.NewOrchestrator("Eternal", func(ctx *durable.Context, n int) (string, error) {
		if n == 3 {
			return "done", nil
		}
		if _, err := echo.Call(ctx, large).Await(); err != nil {
			return "", err
		}
		for range 12 - 5*n { // ever fewer rows
			if _, err := echo.Call(ctx, "x").Await(); err != nil {
				return "", err
			}
		}
		return "", durable.ContinueAsNew(ctx, n+1)
	})
	s := newScene(t, o, echo)
	s.start("Eternal", "i", "0")
	s.awaitStatus("i", history.Completed)
	eventually(t, "the rows of older generations are gone", func() bool {
		h, err := s.hub.Tables().LoadHistory(within(t), "i")
		return err == nil && h.TotalRows == len(h.Records)
	})
	eventually(t, "their large values are gone", func() bool {
		pager := s.hub.Account().Blobs().NewListBlobsFlatPager(s.hub.Names().LargeMessageContainer(), nil)
		n := 0
		for pager.More() {
			page, err := pager.NextPage(within(t))
			if err != nil {
				return false
			}
			for _, b := range page.Segment.BlobItems {
				if strings.Contains(*b.Name, "history-") {
					n++
				}
			}
		}
		return n == 0
	})
}

// TestDamagedHistoryShows: an instance whose history cannot be read is shown as failed, and goes on when it was repaired.
func TestDamagedHistoryShows(t *testing.T) { inBothFleets(t, testDamagedHistoryShows) }

func testDamagedHistoryShows(t *testing.T) {
	o := durable.NewOrchestrator("Waiter", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "E").Await()
	})
	s := newScene(t, o)
	s.start("Waiter", "i", "")
	s.awaitStatus("i", history.Running)
	s.stop(s.part)
	s.writeRow("i", 1, "EventType", 7)
	s.run(o)
	s.raise("i", "E", "x")
	if text := s.awaitStatus("i", history.Failed); !strings.Contains(text, "EventType") {
		t.Errorf("the output is %q", text)
	}
	s.writeRow("i", 1, "EventType", "ExecutionStarted")
	if out := s.awaitStatus("i", history.Completed); out != `"x"` {
		t.Errorf("the output is %s", out)
	}
}

// writeRow changes a column of a history row behind everybody's back.
func (s *scene) writeRow(id string, row int, column string, value any) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"PartitionKey": layout.EscapeKey(id), "RowKey": layout.RowKey(row), column: value})
	if err != nil {
		s.t.Fatal(err)
	}
	table := s.hub.Account().Tables().NewClient(s.hub.Names().HistoryTable())
	if _, err := table.UpdateEntity(within(s.t), body, &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
		s.t.Fatal(err)
	}
}
