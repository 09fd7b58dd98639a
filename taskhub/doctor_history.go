package taskhub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// readsUnderWay bounds the histories that are read at the same time.
const readsUnderWay = 4

// histories reads the histories of instances that run, as a worker would.
func (l *look) histories(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsUnderWay)
	var mu sync.Mutex
	for id, v := range l.surveyed {
		ahead := l.isAhead(v)
		if !ahead && !(l.isRunning(v) && l.reads(id)) {
			continue
		}
		group.Go(func() error {
			var corrupt *tables.CorruptHistoryError
			_, err := l.hub.tables.LoadHistory(ctx, id)
			unreadable := errors.As(err, &corrupt)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case ahead && !(unreadable && v.RowStatus == history.Failed): // else the failure is its end
				l.ahead(v)
			case !ahead && unreadable:
				l.damaged(v, corrupt)
			}
			return ctx.Err() // what cannot be read now is no finding
		})
	}
	return group.Wait()
}

// isRunning says whether an instance has a history that its status row wants to go on.
func (l *look) isRunning(v *tables.Surveyed) bool {
	return l.own(v) && v.HasRow && !v.RowStatus.IsTerminal() && v.HasSentinel && l.sentinelWrong(v) == "" && !strings.HasPrefix(v.InstanceID, "@")
}

// isAhead says whether a status row shows an end which the history has not.
func (l *look) isAhead(v *tables.Surveyed) bool {
	return l.own(v) && v.HasRow && v.RowStatus.IsTerminal() && v.HasSentinel && !v.Ended && strings.EqualFold(v.RowExecution, v.Execution)
}

func (l *look) damaged(v *tables.Surveyed, corrupt *tables.CorruptHistoryError) {
	l.add(v, FindingDamaged, fmt.Sprintf("the status is %s, but the history cannot be read%s: %v. No worker can let the instance go on", v.RowStatus, rowOf(corrupt), corrupt.Err),
		"show the instance as failed, so that nobody waits for it; if the row can be put right by hand, do that instead", func(ctx context.Context, v *tables.Surveyed) error {
			return l.hub.failWith(ctx, v, corrupt.Error())
		})
}

func rowOf(corrupt *tables.CorruptHistoryError) string {
	switch {
	case corrupt.RowKey == "":
		return ""
	case corrupt.Column == "":
		return fmt.Sprintf(" at row %q", corrupt.RowKey)
	}
	return fmt.Sprintf(" at column %s of row %q", corrupt.Column, corrupt.RowKey)
}

// sentinelWrong says what is wrong with the row that guards the history of the execution that the status row names.
func (l *look) sentinelWrong(v *tables.Surveyed) string {
	switch {
	case !v.HasRow || !v.HasHistory || v.FirstExecution == "" || !strings.EqualFold(v.FirstExecution, v.RowExecution):
		return ""
	case !v.HasSentinel && !v.RowStatus.IsTerminal() && v.RowStatus != history.Pending:
		return "the row \"sentinel\", which guards the history, is missing"
	case v.HasSentinel && !strings.EqualFold(v.Execution, v.FirstExecution):
		return fmt.Sprintf("the row \"sentinel\", which guards the history, names execution %q, but the events and the status are those of %q", v.Execution, v.FirstExecution)
	case v.HasSentinel && v.BadLocal && !v.RowStatus.IsTerminal():
		return "the row \"sentinel\", which guards the history, is not readable in column Local"
	}
	return ""
}

func (l *look) ahead(v *tables.Surveyed) {
	l.found.add(&Finding{
		Kind: FindingAhead, Where: l.hub.names.InstancesTable(), InstanceID: v.InstanceID,
		What:   fmt.Sprintf("the status is %s, but the history has not ended: somebody changed one of the two, or mended a history that could not be read", v.RowStatus),
		Advice: "look at the instance's output and history, then purge or restart it",
	}, *v)
}

// ghostAge bounds how far apart the rows of one commit are written.
const ghostAge = 10 * time.Second

// orphan looks at a history without a status row. The request for an instance's first commit may arrive late, after the instance was
// purged: then nobody wants it back. One that was committed to more than once has lost its row otherwise.
func (l *look) orphan(v *tables.Surveyed) {
	switch {
	case l.hub.sharing() != nil || !v.HasHistory && !v.HasSentinel && !v.Outbox:
	case v.HasSentinel && !v.Ended && strings.EqualFold(v.FirstExecution, v.Execution) && v.HistoryWritten.Sub(v.FirstWritten) > ghostAge:
		l.add(v, FindingNoRow, "the history has not ended, and there is no status row: somebody deleted it, and clients do not see the instance", "write the row anew, from the history", l.hub.writeRow)
	case v.Ended:
		l.add(v, FindingOrphanRows, "there is a history but no status row: the instance was purged while a request of it was under way, or somebody deleted the row",
			"delete the history and its large values", l.hub.purgeSurveyed)
	default:
		l.add(v, FindingOrphanRows, "there is the beginning of a history but no status row: the instance was purged while a request of it was under way; or somebody deleted the row of one that "+
			"had just begun, which would be lost", "delete the history and its large values", l.hub.purgeSurveyed)
	}
}

// mendSentinel writes the row that guards a history. In a Go fleet it then names all actions, and the instance is taken over, which
// carries out those that are open.
func (h *Hub) mendSentinel(ctx context.Context, v *tables.Surveyed) error {
	fleet, err := h.Fleet(ctx)
	if err != nil {
		return err
	}
	if fleet == FleetGo { // first, as a history that names actions has to be found
		if err := h.listActive(ctx, v); err != nil {
			return err
		}
	}
	err = h.tables.MendSentinel(ctx, v.InstanceID, v.FirstExecution, fleet == FleetGo)
	if errors.Is(err, tables.ErrConflict) {
		return errors.Join(ErrChanged, err)
	}
	return err
}

// writeRow writes the status row of a history that has none.
func (h *Hub) writeRow(ctx context.Context, v *tables.Surveyed) error {
	u, err := h.statusOf(ctx, v)
	if err != nil {
		return err
	}
	u.Hub = h.Name()
	_, err = h.tables.InsertUpdate(ctx, u)
	if errors.Is(err, tables.ErrConflict) {
		return errors.Join(ErrChanged, err)
	}
	return err
}
