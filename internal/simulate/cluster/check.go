package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// leftovers lists what must be gone once everything has ended. final also looks at what workers give back when they stop.
func (w *world) leftovers(final bool) []string {
	var rest []string
	add := func(format string, args ...any) { rest = append(rest, fmt.Sprintf(format, args...)) }
	list := []string{w.admin.Queues().WorkItems().Name()}
	q := w.admin.Queues()
	count := func(name string, n int, err error) {
		if err != nil {
			add("queue %s: %v", name, err)
		} else if n > 0 {
			add("queue %s still has %d messages: %s", name, n, w.peek(name))
		}
	}
	n, err := q.WorkItems().ApproximateCount(w.ctx)
	count(list[0], n, err)
	for i := range w.partitions {
		control := q.Control(i)
		n, err := control.ApproximateCount(w.ctx)
		count(control.Name(), n, err)
		rows, err := w.admin.Tables().ListActive(w.ctx, control.Name())
		if err != nil {
			add("active list of %s: %v", control.Name(), err)
		}
		for _, r := range rows {
			add("the active list of %s has %s for %s", control.Name(), r.Owner, r.InstanceID)
		}
	}
	for row, err := range w.admin.Tables().All(w.ctx, tables.Filter{}) {
		if err != nil {
			add("instances: %v", err)
			break
		}
		if !row.Status.IsTerminal() && !w.ledger.late[row.InstanceID] {
			add("%s is %s", row.InstanceID, row.Status)
		}
	}
	if final {
		for _, l := range w.leaseOwners() {
			add("%s", l)
		}
	}
	return rest
}

// peek shows the messages of a queue.
func (w *world) peek(name string) string {
	resp, err := w.account.Queues().NewQueueClient(name).PeekMessages(w.ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: to.Ptr(int32(8))})
	if err != nil {
		return err.Error()
	}
	var texts []string
	for _, m := range resp.Messages {
		text := *m.MessageText
		if kind := eventInMsg.FindStringSubmatch(text); kind != nil {
			text = kind[1]
			if id := target.FindStringSubmatch(*m.MessageText); id != nil {
				text += " for " + id[1]
			}
		}
		texts = append(texts, fmt.Sprintf("%s (%s, received %d times)", text, *m.MessageID, *m.DequeueCount))
	}
	return strings.Join(texts, ", ")
}

// leaseOwners lists partitions that somebody still owns.
func (w *world) leaseOwners() []string {
	var owned []string
	for name, h := range w.ledger.holders {
		if w.nodeOf(h.port) != nil {
			owned = append(owned, name+" still belongs to "+h.port.name)
		}
	}
	return owned
}

// check looks at everything that is stored once all has ended.
func (w *world) check() {
	for _, rest := range w.leftovers(true) {
		w.violate("left over: %s", rest)
	}
	w.checkLateRows()
	for _, s := range w.stories {
		w.checkStory(s)
	}
	for row, err := range w.admin.Tables().All(w.ctx, tables.Filter{}) {
		if err != nil {
			w.violate("instances: %v", err)
			return
		}
		w.checkInstance(row.InstanceID)
	}
	w.checkOffspring()
	if w.timetable != nil {
		w.checkTimetable(w.timetable)
	}
	w.checkWhole()
}

func (w *world) checkStory(s *story) {
	row, err := w.admin.Tables().GetInstance(w.ctx, s.id, tables.GetOptions{})
	if err != nil {
		w.violate("%s: %v", s.id, err)
		return
	}
	h, err := w.admin.Tables().LoadHistory(w.ctx, s.id)
	switch {
	case err != nil:
		w.violate("%s: %v", s.id, err)
	case s.purged && row == nil && h.Exists && w.ledger.revived[s.id]:
		w.checkDoctor(s.id)
	case s.purged && (row != nil || h.Exists):
		w.violate("%s: it was purged, but is still there", s.id)
	case !s.purged && row == nil:
		w.violate("%s: it has no status row", s.id)
	case !s.purged && (row.Status != s.status || text(row.Output, w) != s.output):
		w.violate("%s: it is %s with %q instead of %s with %q", s.id, row.Status, text(row.Output, w), s.status, s.output)
	case !s.purged && s.status == history.Completed:
		w.checkCustomStatus(s, text(row.CustomStatus, w))
		w.checkRaised(s, h)
	}
}

// checkLateRows: the first status row of an instance arrived when that was purged, as nothing that is stored can keep it from that.
// The doctor finds it.
func (w *world) checkLateRows() {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.late)) {
		row, err := w.admin.Tables().GetInstance(w.ctx, id, tables.GetOptions{})
		if err != nil || row == nil || !w.ledger.late[id] || row.Status != history.Pending {
			continue
		}
		findings, err := w.admin.Examine(w.ctx, taskhub.ExamineOptions{})
		if err != nil || !slices.ContainsFunc(findings, func(f *taskhub.Finding) bool { return f.Kind == taskhub.FindingNoStart && f.InstanceID == id }) {
			w.violate("%s: it was purged, a late request has brought back its status row, and the doctor does not find it: %v", id, err)
		}
		if _, err := w.admin.Client().Purge(w.ctx, id, taskhub.PurgeUnfinished()); err != nil {
			w.violate("purging %s: %v", id, err)
		}
	}
}

// checkDoctor: the first rows of a history arrived when the instance was purged, as nothing that is stored can keep them from
// that. The doctor finds and removes them.
func (w *world) checkDoctor(id string) {
	findings, err := w.admin.Examine(w.ctx, taskhub.ExamineOptions{})
	if err != nil {
		w.violate("examining the hub: %v", err)
		return
	}
	for _, f := range findings {
		if f.Kind != taskhub.FindingOrphanRows || f.InstanceID != id {
			continue
		}
		if err := w.admin.Repair(w.ctx, f); err != nil {
			w.violate("%s: %v", id, err)
		}
	}
	if h, err := w.admin.Tables().LoadHistory(w.ctx, id); err != nil || h.Exists {
		w.violate("%s: it was purged, a late request has brought back rows of its history, and the doctor leaves them: %v", id, err)
	}
}

// checkRaised: no event is applied more often than a client asked for it.
func (w *world) checkRaised(s *story, h *tables.History) {
	applied := map[string]int{}
	for _, r := range h.Records {
		if e, ok := r.Event.(*history.EventRaised); ok {
			applied[text(e.Input, w)]++
		}
	}
	w.mu.Lock()
	raised := maps.Clone(s.raised)
	w.mu.Unlock()
	for payload, n := range applied {
		if asked, byClient := raised[payload]; byClient && n > asked {
			w.violate("%s: the event %s was raised %d times and applied %d times", s.id, payload, asked, n)
		}
	}
}

func (w *world) checkCustomStatus(s *story, got string) {
	script := s.script
	if s.plot == "restart" { // with the input of the last generation, which is what the status row has
		script = script.last()
	}
	if want := script.CustomStatus(); got != want {
		w.violate("%s: its custom status is %q instead of %q", s.id, got, want)
	}
}

// checkInstance compares a status row with the history, and the history with itself.
func (w *world) checkInstance(id string) {
	row, err := w.admin.Tables().GetInstance(w.ctx, id, tables.GetOptions{})
	if err != nil || row == nil {
		w.violate("%s: its status row is not readable: %v", id, err)
		return
	}
	h, err := w.admin.Tables().LoadHistory(w.ctx, id)
	if err != nil {
		w.violate("%s: %v", id, err)
		return
	}
	if len(h.Outbox) > 0 || !h.Local.Empty() {
		w.violate("%s: %d outbox rows and Local %q are left", id, len(h.Outbox), h.Local)
	}
	seen := map[string]int{}
	var end *history.ExecutionCompleted
	for _, r := range h.Records {
		key := ""
		if action, answers := history.Answers(r.Event); answers {
			key = fmt.Sprint("answer ", action)
		}
		switch e := r.Event.(type) {
		case *history.ExecutionStarted:
			key = "start"
		case *history.TaskScheduled:
			key = fmt.Sprint("scheduled ", e.EventID)
		case *history.SubOrchestrationCreated:
			key = fmt.Sprint("created ", e.EventID)
		case *history.EventRaised:
			key = "event " + e.Name + " " + r.ActivityID
		case *history.ExecutionCompleted:
			end, key = e, "end"
		}
		if key != "" {
			seen[key]++
		}
	}
	for key, n := range seen {
		if n > 1 && (key != "end" || row.Status == history.Failed) {
			w.violate("%s: %s is %d times in its history", id, key, n)
		}
	}
	if !h.Exists && row.Status == history.Terminated {
		return // it was ended before it began
	}
	if end == nil {
		w.violate("%s: its history has no end, but its status is %s", id, row.Status)
		return
	}
	if end.Status != row.Status || !strings.EqualFold(h.ExecutionID, row.ExecutionID) {
		w.violate("%s: its history ends %s in %s, its status is %s in %s", id, end.Status, h.ExecutionID, row.Status, row.ExecutionID)
	}
	if out := tables.Output(end); text(out, w) != text(row.Output, w) {
		w.violate("%s: its history ends with %q, its status has %q", id, text(out, w), text(row.Output, w))
	}
}

// undecided says whether an instance was terminated before its decision to start a sub-orchestration was committed.
func (w *world) undecided(k spawn) bool {
	row, err := w.admin.Tables().GetInstance(w.ctx, k.parent, tables.GetOptions{})
	if err != nil || row == nil || row.Status != history.Terminated {
		return false
	}
	h, err := w.admin.Tables().LoadHistory(w.ctx, k.parent)
	return err == nil && !slices.ContainsFunc(h.Records, func(r tables.Record) bool {
		e, created := r.Event.(*history.SubOrchestrationCreated)
		return created && e.InstanceID != nil && *e.InstanceID == k.ID
	})
}

// checkOffspring looks for what was started without anybody waiting for it.
func (w *world) checkOffspring() {
	for _, k := range w.offspring {
		row, err := w.admin.Tables().GetInstance(w.ctx, k.ID, tables.GetOptions{})
		if err == nil && row == nil && w.undecided(k) {
			continue
		}
		if err != nil || row == nil || row.Status != history.Completed || text(row.Output, w) != k.Script.Output() {
			w.violate("%s, which nobody waits for, was not carried out: %v %v", k.ID, row, err)
		}
	}
	for _, key := range w.unawaited {
		id, _, _ := strings.Cut(key, "/")
		if row, err := w.admin.Tables().GetInstance(w.ctx, id, tables.GetOptions{}); err == nil && row != nil && row.Status == history.Terminated {
			continue // that ends its activities, too
		}
		if w.purged(id) {
			continue // a purge takes the payloads of what is not carried out yet
		}
		if w.done[key] == 0 {
			w.violate("the activity %s, which nobody waits for, was not carried out", key)
		}
	}
}

func (w *world) purged(id string) bool {
	return slices.ContainsFunc(w.stories, func(s *story) bool { return s.purged && s.id == id })
}

// describeStories shows what is stored of each instance.
func (w *world) describeStories() []string {
	var lines []string
	for listed, err := range w.admin.Tables().All(w.ctx, tables.Filter{}) {
		if err != nil {
			return append(lines, err.Error())
		}
		row, err := w.admin.Tables().GetInstance(w.ctx, listed.InstanceID, tables.GetOptions{})
		if err != nil || row == nil {
			row = listed
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: output %q", row.InstanceID, row.ExecutionID, row.Status, text(row.Output, w)))
		h, err := w.admin.Tables().LoadHistory(w.ctx, row.InstanceID)
		if err != nil {
			lines = append(lines, "    "+err.Error())
			continue
		}
		lines = append(lines, fmt.Sprintf("    history of %s, Local %v, outbox %d, seen %d", h.ExecutionID, h.Local, len(h.Outbox), len(h.Seen)))
		for _, r := range h.Records {
			lines = append(lines, fmt.Sprintf("    %s %d %s", r.Event.Kind(), r.Event.Common().EventID, r.ActivityID))
		}
	}
	return lines
}
