package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/tables"
)

// TestDamagedInstance: who asks for an instance that cannot be read learns that this is why, and where to look.
func TestDamagedInstance(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	started, err := s.hub.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "O", InstanceID: "i"})
	if err != nil {
		t.Fatal(err)
	}
	base := history.Base{EventID: -1, Timestamp: time.Now().UTC()}
	if _, err := s.hub.Tables().Commit(t.Context(), tables.Commit{InstanceID: "i", ExecutionID: started.ExecutionID, Records: []tables.Record{
		{Event: &history.OrchestratorStarted{Base: base}}, {Event: &history.OrchestratorCompleted{Base: base}},
	}}); err != nil {
		t.Fatal(err)
	}
	s.edit(s.hub.Names().HistoryTable(), layout.RowKey(1), edm.Entity{"EventType": "Nonsense"})
	s.edit(s.hub.Names().InstancesTable(), "", edm.Entity{"RuntimeStatus": "Running"})
	s.do("GET", "/instances/i", "").wantDamage(t, http.StatusAccepted, "")
	s.do("GET", "/instances/i?showHistory=true", "").wantDamage(t, http.StatusInternalServerError, "taskhub doctor")
	s.edit(s.hub.Names().InstancesTable(), "", edm.Entity{"CreatedTime": "nonsense"})
	s.do("GET", "/instances/i", "").wantDamage(t, http.StatusInternalServerError, "taskhub doctor")
}

func (a answer) wantDamage(t *testing.T, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("the answer is %d %s, want %d with %q", a.status, a.body, status, text)
	}
}

// edit changes columns of a row of instance i as somebody with a tool would.
func (s *site) edit(table, row string, columns edm.Entity) {
	s.t.Helper()
	columns["PartitionKey"], columns["RowKey"] = "i", row
	body, err := edm.Marshal(columns)
	if err == nil {
		_, err = s.hub.Account().Tables().NewClient(table).UpdateEntity(s.t.Context(), body, &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
