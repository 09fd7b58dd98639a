package taskhub

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/tables"
)

// patient is a hub to be broken, without workers.
type patient struct {
	t   *testing.T
	hub *Hub
}

func newPatient(t *testing.T, fleet Fleet) *patient {
	t.Helper()
	cfg := testConfig(t)
	cfg.Partitions = 2
	hub := openHub(t, cfg)
	if err := hub.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := hub.Tables().WriteFleet(t.Context(), string(fleet), ""); err != nil {
		t.Fatal(err)
	}
	return &patient{t: t, hub: hub}
}

func (p *patient) examine() []*Finding {
	p.t.Helper()
	found, err := p.hub.Examine(p.t.Context(), ExamineOptions{Settle: time.Millisecond})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range found {
		if f.What == "" || f.Where == "" || (f.Repair == "") == (f.Advice == "") {
			p.t.Errorf("a finding does not explain itself: %+v", f)
		}
	}
	return found
}

// start starts an instance, whose message is put but for lost ones.
func (p *patient) start(id, input string, lost bool) (executionID string) {
	p.t.Helper()
	req := durable.StartRequest{Name: "O", InstanceID: id}
	if input != "" {
		req.Input = &input
	}
	started, err := p.hub.Client().StartOrchestration(p.t.Context(), req)
	if err != nil {
		p.t.Fatal(err)
	}
	if lost {
		p.clear(p.hub.Queues().ControlFor(id).Name())
	}
	return started.ExecutionID
}

func (p *patient) clear(queue string) {
	p.t.Helper()
	if _, err := p.hub.Account().Queues().NewQueueClient(queue).ClearMessages(p.t.Context(), nil); err != nil {
		p.t.Fatal(err)
	}
}

// commit writes a history as a worker would, and takes the start message away.
func (p *patient) commit(id, execution string, local bool, ends ...history.Status) {
	p.t.Helper()
	at := time.Now().UTC()
	base := history.Base{EventID: -1, Timestamp: at}
	c := tables.Commit{InstanceID: id, ExecutionID: execution, CommitID: "c", Records: []tables.Record{
		{Event: &history.OrchestratorStarted{Base: base}},
		{Event: &history.ExecutionStarted{Base: base, Name: "O", Instance: history.Instance{InstanceID: id, ExecutionID: &execution}}},
		{Event: &history.TaskScheduled{Base: history.Base{EventID: 0, Timestamp: at}, Name: "A"}},
	}}
	for _, status := range ends {
		c.Records = append(c.Records, tables.Record{Event: &history.ExecutionCompleted{Base: history.Base{EventID: 1, Timestamp: at}, Status: status, Result: history.String(`"out"`)}})
	}
	c.Records = append(c.Records, tables.Record{Event: &history.OrchestratorCompleted{Base: base}})
	if local {
		c.Local = tables.NewLocal(execution, []int32{0}, nil)
	}
	if _, err := p.hub.Tables().Commit(p.t.Context(), c); err != nil {
		p.t.Fatal(err)
	}
	p.clear(p.hub.Queues().ControlFor(id).Name())
}

func (p *patient) show(id string, status history.Status) {
	p.t.Helper()
	if _, err := p.hub.Tables().MergeInstance(p.t.Context(), tables.InstanceUpdate{InstanceID: id, Status: &status}, ""); err != nil {
		p.t.Fatal(err)
	}
}

func (p *patient) status(id string) string {
	p.t.Helper()
	in, err := p.hub.Client().Get(p.t.Context(), id)
	if err != nil {
		return err.Error()
	}
	return in.Status.String()
}

// TestDoctor: each kind of damage is found and explained, the repair does what it says, and afterwards nothing is found.
func TestDoctor(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 100_000)
	cases := []struct {
		name    string
		damage  func(p *patient)
		kind    FindingKind
		repairs bool
		after   func(p *patient) string // what is wrong after the repair
	}{
		{"start lost", func(p *patient) { p.start("i", large, true) }, FindingNoStart, true, func(p *patient) string {
			batch, err := p.hub.Queues().ControlFor("i").Receive(p.t.Context(), 32, time.Minute)
			if err != nil || len(batch) != 1 {
				return fmt.Sprint(len(batch), " messages, ", err)
			}
			e, ok := batch[0].Envelope.Message.Event.(*history.ExecutionStarted)
			row, _ := p.hub.Tables().GetInstance(p.t.Context(), "i", tables.GetOptions{})
			if !ok || row == nil || e.Name != "O" || *e.Instance.ExecutionID != row.ExecutionID || len(*e.Input) < len(large) {
				return "the message is another one"
			}
			p.clear(p.hub.Queues().ControlFor("i").Name())
			p.commit("i", row.ExecutionID, false, history.Completed)
			p.show("i", history.Completed)
			return ""
		}},
		{"history lost", func(p *patient) {
			p.start("i", "", true)
			p.show("i", history.Running)
		}, FindingNoHistory, true, func(p *patient) string { return unless(p.status("i") == "Failed", p.status("i")) }},
		{"status behind", func(p *patient) {
			p.commit("i", p.start("i", "", false), false, history.Completed)
			p.show("i", history.Running)
		}, FindingLag, true, func(p *patient) string { return unless(p.status("i") == "Completed", p.status("i")) }},
		{"status ahead", func(p *patient) {
			p.commit("i", p.start("i", "", false), false)
			p.show("i", history.Completed)
		}, FindingAhead, false, nil},
		{"orphaned history", func(p *patient) {
			p.commit("i", "e1", false, history.Completed)
		}, FindingOrphanRows, true, func(p *patient) string {
			h, err := p.hub.Tables().LoadHistory(p.t.Context(), "i")
			return unless(err == nil && !h.Exists, fmt.Sprint(err))
		}},
		{"orphaned blobs", func(p *patient) {
			if err := p.hub.Payloads().Write(p.t.Context(), "a b/history-0-X-1-Input.json.gz", []byte("x")); err != nil {
				p.t.Fatal(err)
			}
		}, FindingOrphanBlobs, true, func(p *patient) string {
			f, err := p.hub.Payloads().Folders(p.t.Context())
			return unless(err == nil && len(f) == 0, fmt.Sprint(f, err))
		}},
		{"unheld", func(p *patient) {
			p.commit("i", p.start("i", "", false), true)
			p.show("i", history.Running)
		}, FindingUnheld, true, func(p *patient) string {
			rows, err := p.hub.Tables().ListActive(p.t.Context(), p.hub.Queues().ControlFor("i").Name())
			return unless(err == nil && len(rows) == 1 && rows[0].InstanceID == "i", fmt.Sprint(rows, err))
		}},
		{"stale active row", func(p *patient) {
			row := tables.ActiveRow{Queue: p.hub.Queues().ControlFor("i").Name(), Owner: "20260101T000000-DEAD", InstanceID: "i"}
			if err := p.hub.Tables().PutActive(p.t.Context(), []tables.ActiveRow{row}); err != nil {
				p.t.Fatal(err)
			}
		}, FindingStaleActive, true, func(*patient) string { return "" }},
		{"dead letters", func(p *patient) {
			l := tables.DeadLetter{Queue: p.hub.Queues().Control(0).Name(), MessageID: "m", InsertedAt: time.Now(), DiedAt: time.Now(), Body: "x"}
			if err := p.hub.Tables().PutDeadLetter(p.t.Context(), l); err != nil {
				p.t.Fatal(err)
			}
		}, FindingDeadLetters, false, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, FleetGo)
			if found := p.examine(); len(found) != 0 {
				t.Fatalf("an empty hub: %+v", *found[0])
			}
			c.damage(p)
			found := p.examine()
			if len(found) != 1 || found[0].Kind != c.kind || (found[0].Repair != "") != c.repairs {
				t.Fatalf("found %s", listed(found))
			}
			err := p.hub.Repair(t.Context(), found[0])
			if (err == nil) != c.repairs {
				t.Fatalf("the repair: %v", err)
			}
			if !c.repairs {
				return
			}
			if wrong := c.after(p); wrong != "" {
				t.Errorf("after the repair: %s", wrong)
			}
			if found := p.examine(); len(found) != 0 {
				t.Errorf("after the repair there is still %s", listed(found))
			}
		})
	}
}

func unless(ok bool, text string) string {
	if ok {
		return ""
	}
	return text
}

func listed(found []*Finding) string {
	var lines []string
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("%s at %s for %q: %s (%s%s)", f.Kind, f.Where, f.InstanceID, f.What, f.Repair, f.Advice))
	}
	return strings.Join(lines, "\n")
}

// TestDoctorLooksAtQueues: messages that nobody reads, that cannot be understood, and that are for nobody.
func TestDoctorLooksAtQueues(t *testing.T) {
	t.Parallel()
	p := newPatient(t, FleetMixed)
	q := p.hub.Queues().Control(0)
	id := ""
	for i := 0; id == "" || layout.Partition(id, 2) != 0; i++ {
		id = fmt.Sprint("x", i)
	}
	if err := q.PutText(t.Context(), "garbage"); err != nil {
		t.Fatal(err)
	}
	env := &history.Envelope{ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57", Message: &history.Message{
		Event: &history.EventRaised{Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, Name: "E"}, Target: history.Instance{InstanceID: id},
	}}
	if _, err := q.Put(t.Context(), env, 0); err != nil {
		t.Fatal(err)
	}
	var kinds []FindingKind
	for _, f := range p.examine() {
		kinds = append(kinds, f.Kind)
	}
	if want := []FindingKind{FindingStray, FindingPoison, FindingUnread}; !slices.Equal(kinds, want) {
		t.Errorf("found %v, want %v", kinds, want)
	}
}

// TestRepairOfWhatHasChanged: nothing is repaired that is not as it was found.
func TestRepairOfWhatHasChanged(t *testing.T) {
	t.Parallel()
	p := newPatient(t, FleetGo)
	execution := p.start("i", "", true)
	found := p.examine()
	if len(found) != 1 {
		t.Fatalf("found %s", listed(found))
	}
	p.commit("i", execution, false)
	if err := p.hub.Repair(t.Context(), found[0]); err == nil || !strings.Contains(err.Error(), ErrChanged.Error()) {
		t.Errorf("the repair: %v", err)
	}
}
