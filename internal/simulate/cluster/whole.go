package cluster

import (
	"slices"
	"strings"

	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// checkWhole: the doctor, which looks at everything that is stored, has nothing to say; and purging all instances leaves nothing
// of any of them, neither row nor large value.
func (w *world) checkWhole() {
	w.dropExplained()
	findings, err := w.admin.Examine(w.ctx, taskhub.ExamineOptions{})
	if err != nil {
		w.violate("examining the hub: %v", err)
		return
	}
	for _, f := range findings {
		w.violate("the doctor finds %s of %s in %s: %s", f.Kind, f.InstanceID, f.Where, f.What)
	}
	if len(w.violations) > 0 || w.opts.Show {
		w.rows = w.describeStories()
	}
	w.checkPurged()
}

// dropExplained drops the dead letters of work items whose content went with an instance that was purged and started anew at once: for
// a minute it is not known which of the two they are for.
func (w *world) dropExplained() {
	for l, err := range w.admin.Client().DeadLetters(w.ctx, taskhub.DeadLetterQuery{}) {
		if err != nil {
			w.violate("dead letters: %v", err)
			return
		}
		again := slices.ContainsFunc(w.stories, func(s *story) bool { return s.plot == "again" && s.id == l.InstanceID })
		if !again || !strings.Contains(l.Reason, "does not exist: the instance was purged meanwhile") {
			continue
		}
		if err := w.admin.Client().DropDeadLetter(w.ctx, l.ID); err != nil {
			w.violate("dropping a dead letter: %v", err)
		}
	}
}

// checkPurged purges all instances.
func (w *world) checkPurged() {
	names := w.admin.Names()
	for _, row := range w.instances() {
		if _, err := w.admin.Client().Purge(w.ctx, row.InstanceID); err != nil {
			w.violate("purging %s: %v", row.InstanceID, err)
		}
	}
	for _, table := range []string{names.HistoryTable(), names.InstancesTable(), names.DeadLettersTable()} {
		w.checkEmpty(table)
	}
	folders, err := payloads.New(w.account, names).Folders(w.ctx)
	if err != nil {
		w.violate("looking for large values: %v", err)
	}
	for name, f := range folders {
		w.violate("%s was purged, but left %d large values", name, f.Blobs)
	}
}

// instances lists all that have a status row.
func (w *world) instances() []*tables.InstanceRow {
	var list []*tables.InstanceRow
	for row, err := range w.admin.Tables().All(w.ctx, tables.Filter{}) {
		if err != nil {
			w.violate("instances: %v", err)
			break
		}
		list = append(list, row)
	}
	return slices.Clip(list)
}

// checkEmpty reads a table past our own code.
func (w *world) checkEmpty(table string) {
	pager := w.account.Tables().NewClient(table).NewListEntitiesPager(nil)
	for pager.More() {
		page, err := pager.NextPage(w.ctx)
		if storage.IsNotFound(err) {
			return // it is made when needed
		}
		if err != nil {
			w.violate("%s: %v", table, err)
			return
		}
		for _, row := range page.Entities {
			w.violate("%s still has %.200s", table, row)
		}
	}
}
