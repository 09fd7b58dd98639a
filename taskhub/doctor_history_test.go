package taskhub

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/tables"
)

// edit changes columns of a row as somebody with a tool would, or with none deletes it.
func (p *patient) edit(table, id, row string, columns edm.Entity) {
	p.t.Helper()
	client := p.hub.Account().Tables().NewClient(table)
	if columns == nil {
		if _, err := client.DeleteEntity(p.t.Context(), id, row, nil); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	columns["PartitionKey"], columns["RowKey"] = id, row
	body, err := edm.Marshal(columns)
	if err == nil {
		_, err = client.UpdateEntity(p.t.Context(), body, &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *patient) load(id string) *tables.History {
	p.t.Helper()
	h, err := p.hub.Tables().LoadHistory(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

// TestDoctorFindsEdits: rows that somebody has edited or deleted are found, what can be mended is mended, and then nothing is found.
func TestDoctorFindsEdits(t *testing.T) {
	t.Parallel()
	runs := func(p *patient) string {
		execution := p.start("i", "", false)
		p.commit("i", execution, false)
		p.show("i", history.Running)
		return execution
	}
	guarded := func(p *patient) string {
		h := p.load("i")
		held, err := p.hub.Tables().ListActive(p.t.Context(), p.hub.Queues().ControlFor("i").Name())
		return unless(err == nil && h.ETag != "" && len(h.Records) == 4 && h.Local.Has(h.ExecutionID, 0) && len(held) == 1, "the history is not whole, or its open action is lost")
	}
	failed := func(p *patient) string {
		if err := p.hub.Client().Rewind(p.t.Context(), "i", "again"); err == nil || !strings.Contains(err.Error(), "purge the instance") {
			return fmt.Sprintf("the rewind: %v", err)
		}
		in, err := p.hub.Client().Get(p.t.Context(), "i")
		return unless(err == nil && in.Status == history.Failed && in.Output != nil && strings.Contains(*in.Output, "row \"000000"), "the instance has not failed with a text that names the row")
	}
	historyTable, instancesTable := layout.Names.HistoryTable, layout.Names.InstancesTable
	cases := []struct {
		name   string
		damage func(p *patient, n layout.Names)
		kind   FindingKind
		says   string
		after  func(p *patient) string // what is wrong after the repair
	}{
		{"sentinel deleted", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(historyTable(n), "i", layout.SentinelRowKey, nil)
		}, FindingSentinel, "is missing", guarded},
		{"sentinel of another execution", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(historyTable(n), "i", layout.SentinelRowKey, edm.Entity{"ExecutionId": "other"})
		}, FindingSentinel, `"other"`, guarded},
		{"sentinel not readable", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(historyTable(n), "i", layout.SentinelRowKey, edm.Entity{"Local": "rubbish"})
		}, FindingSentinel, "Local", guarded},
		{"first row missing", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(historyTable(n), "i", layout.RowKey(0), nil)
		}, FindingDamaged, layout.RowKey(0), failed},
		{"row missing", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(historyTable(n), "i", layout.RowKey(1), nil)
		}, FindingDamaged, layout.RowKey(1), failed},
		{"row of another type", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(historyTable(n), "i", layout.RowKey(1), edm.Entity{"EventId": "one"})
		}, FindingDamaged, "EventId", failed},
		{"status that is none", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(instancesTable(n), "i", "", edm.Entity{"RuntimeStatus": "Flying"})
		}, FindingLag, "none that there is", func(p *patient) string { return unless(p.status("i") == "Running", p.status("i")) }},
		{"status of another execution", func(p *patient, n layout.Names) {
			p.commit("i", p.start("i", "", false), false, history.Completed)
			p.show("i", history.Running)
			p.edit(instancesTable(n), "i", "", edm.Entity{"ExecutionId": "other"})
		}, FindingLag, "ended as Completed", func(p *patient) string {
			row, err := p.hub.Tables().GetInstance(p.t.Context(), "i", tables.GetOptions{})
			return unless(err == nil && row.Status == history.Completed && row.ExecutionID == p.load("i").ExecutionID, p.status("i"))
		}},
		{"start over lost", func(p *patient, n layout.Names) {
			p.commit("i", p.start("i", "", false), false, history.Completed)
			p.show("i", history.Completed)
			p.start("i", "", true)
		}, FindingNoStart, "waits to start", func(p *patient) string {
			batch, err := p.hub.Queues().ControlFor("i").Peek(p.t.Context(), 32)
			p.clear(p.hub.Queues().ControlFor("i").Name()) // as nobody reads it, the doctor would find it
			p.show("i", history.Completed)
			return unless(err == nil && len(batch) == 1 && batch[0].About().Kind == "ExecutionStarted", "its start was not put again")
		}},
		{"row of a beginner lost", func(p *patient, n layout.Names) {
			runs(p)
			p.edit(instancesTable(n), "i", "", nil)
		}, FindingOrphanRows, "would be lost", func(p *patient) string {
			return unless(!p.load("i").Exists, "the history is there")
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, FleetGo)
			c.damage(p, p.hub.Names())
			found := p.examine()
			if len(found) != 1 || found[0].Kind != c.kind || found[0].Repair == "" || !strings.Contains(found[0].What, c.says) {
				t.Fatalf("found %s", listed(found))
			}
			if err := p.hub.Repair(t.Context(), found[0]); err != nil {
				t.Fatal(err)
			}
			if wrong := c.after(p); wrong != "" {
				t.Error("after the repair: " + wrong)
			}
			if found := p.examine(); len(found) != 0 {
				t.Errorf("after the repair there is still %s", listed(found))
			}
		})
	}
}

// TestDoctorWritesLostRows: an instance that goes on and has lost its status row is not taken for what a purge left, and gets it back.
func TestDoctorWritesLostRows(t *testing.T) {
	t.Parallel()
	p := newPatient(t, FleetGo)
	execution := p.start("i", "", false)
	p.commit("i", execution, false)
	p.edit(p.hub.Names().InstancesTable(), "i", "", nil)
	v, err := p.hub.Tables().SurveyInstance(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	v.HistoryWritten = v.FirstWritten.Add(time.Hour) // as after another commit
	l := &look{hub: p.hub, found: suspicions{}}
	l.orphan(v)
	if len(l.found) != 1 {
		t.Fatalf("found %d things", len(l.found))
	}
	for _, f := range l.found {
		if f.Kind != FindingNoRow || f.Repair == "" {
			t.Fatalf("found %+v", f)
		}
	}
	if err := p.hub.writeRow(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	in, err := p.hub.Client().Get(t.Context(), "i")
	if err != nil || in.Status != history.Running || in.Name != "O" || in.ExecutionID != execution || !in.CreatedAt.Equal(p.load("i").Records[1].Event.Common().Timestamp) {
		t.Errorf("the row is %+v, %v", in, err)
	}
	if err := p.hub.writeRow(t.Context(), v); err == nil {
		t.Error("a row that is there was written over")
	}
	if found := p.examine(); len(found) != 0 {
		t.Errorf("there is still %s", listed(found))
	}
}

// TestDoctorLeavesItsOwnRows: what a repair put on the active list is not found to be stale before an owner can have looked.
func TestDoctorLeavesItsOwnRows(t *testing.T) {
	t.Parallel()
	p := newPatient(t, FleetGo)
	p.commit("i", p.start("i", "", false), false, history.Completed)
	p.show("i", history.Completed)
	v, err := p.hub.Tables().SurveyInstance(t.Context(), "i")
	if err == nil {
		err = p.hub.listActive(t.Context(), v)
	}
	if err != nil {
		t.Fatal(err)
	}
	if found := p.examine(); len(found) != 0 {
		t.Errorf("found %s", listed(found))
	}
}
