package partition

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// TestFirstCommitOfAFormerOwner: an owner whose lease was broken from outside commits an instance for the first time after another one
// has taken the partition over, and with it the row by which the instance could be found. The new owner goes on with it.
func TestFirstCommitOfAFormerOwner(t *testing.T) { inVirtualGoFleet(t, testFirstCommitOfAFormerOwner) }

func testFirstCommitOfAFormerOwner(t *testing.T) {
	s := stage(t)
	naps := durable.NewOrchestrator("Naps", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return "rested", durable.Sleep(ctx, 20*time.Second)
	})
	s.run(naps)
	s.start("Naps", "i", "")
	eventually(t, "its timer is local and its row stands for its message", func() bool {
		return !s.history("i").Local.Empty() && len(s.active()) == 1 && s.messages(s.hub.Queues().Control(0)) == 0
	})
	s.crash()
	rows := s.active()
	late := s.takeHistory("i")

	s.run(naps)
	time.Sleep(10 * time.Second)
	if own := s.active(); len(own) != 1 || own[0].Owner == rows[0].Owner || own[0].InstanceID != "i" {
		t.Fatalf("the active list has %+v", own)
	}
	s.putHistory(late)
	time.Sleep(2 * time.Minute)
	if out := s.awaitStatus("i", history.Completed); out != `"rested"` {
		t.Errorf("the output is %s", out)
	}
	s.clean()
}

// TestNothingOfAFormerOwner: where no such commit comes, the row goes after a while.
func TestNothingOfAFormerOwner(t *testing.T) {
	inVirtualGoFleet(t, func(t *testing.T) {
		s := stage(t)
		row := tables.ActiveRow{Queue: s.hub.Queues().Control(0).Name(), Owner: "20260101T000000-FORMER", InstanceID: "nobody"}
		if err := s.hub.Tables().PutActive(within(t), []tables.ActiveRow{row}); err != nil {
			t.Fatal(err)
		}
		s.run()
		time.Sleep(2 * time.Minute)
		if left := s.active(); len(left) != 0 {
			t.Errorf("the active list has %+v", left)
		}
		s.clean()
	})
}

func (s *scene) historyTable() *aztables.Client {
	return s.hub.Account().Tables().NewClient(s.hub.Names().HistoryTable())
}

// historyRows reads an instance's rows of the history, as they are.
func (s *scene) historyRows(id string) (rows [][]byte) {
	s.t.Helper()
	filter := "PartitionKey eq '" + id + "'"
	for pager := s.historyTable().NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter}); pager.More(); {
		page, err := pager.NextPage(within(s.t))
		if err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, page.Entities...)
	}
	return rows
}

// takeHistory takes an instance's rows out of the history, as they are.
func (s *scene) takeHistory(id string) (rows [][]byte) {
	s.t.Helper()
	rows = s.historyRows(id)
	for _, row := range rows {
		var key struct{ RowKey string }
		if err := json.Unmarshal(row, &key); err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.historyTable().DeleteEntity(within(s.t), id, key.RowKey, nil); err != nil {
			s.t.Fatal(err)
		}
	}
	return rows
}

func (s *scene) putHistory(rows [][]byte) {
	s.t.Helper()
	for _, row := range rows {
		if _, err := s.historyTable().AddEntity(within(s.t), row, nil); err != nil {
			s.t.Fatal(err)
		}
	}
}
