package taskhub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

// look is one look at a hub.
type look struct {
	hub   *Hub
	found suspicions
	reads func(instanceID string) bool // whether the history of a running instance is to be read

	fleet     Fleet
	control   []queueLook // by partition
	workItems queueLook
	surveyed  map[string]*tables.Surveyed
	active    map[string][]tables.ActiveRow // by instance
	rows      []tables.ActiveRow
	lettered  map[string]bool // instances with dead letters
}

// queueLook is what can be seen of a queue: how many messages it has, and those in front that nobody has received.
type queueLook struct {
	queue   *queues.Queue
	count   int
	visible []*queues.Delivery
	live    bool // somebody has the partition
}

// empty says that there is no message for anybody, received or not.
func (q queueLook) empty() bool { return q.count == 0 }

// queues looks at the queues, and at who reads them.
func (l *look) queues(ctx context.Context) (err error) {
	holders, err := leases.Holders(ctx, l.hub.TrackingAccount(), l.hub.Names())
	if err != nil {
		return err
	}
	live := map[int]bool{}
	for _, holder := range holders {
		live[holder.Partition] = live[holder.Partition] || holder.Live
	}
	l.control = make([]queueLook, l.hub.Partitions())
	for i := range l.control {
		if l.control[i], err = peek(ctx, l.hub.Queues().Control(i)); err != nil {
			return err
		}
		l.control[i].live = live[i]
		l.unread(i)
	}
	l.workItems, err = peek(ctx, l.hub.Queues().WorkItems())
	return err
}

func peek(ctx context.Context, q *queues.Queue) (queueLook, error) {
	l := queueLook{queue: q}
	var err error
	if l.visible, err = q.Peek(ctx, queues.MaxReceive); err == nil {
		l.count, err = q.ApproximateCount(ctx)
	}
	return l, err
}

func (l *look) unread(partition int) {
	q := l.control[partition]
	switch {
	case !q.live && q.count > 0:
		l.found.add(&Finding{
			Kind: FindingUnread, Where: q.queue.Name(), What: fmt.Sprintf("no worker has partition %d, and about %d messages are in its queue", partition, q.count),
			Advice: "start a worker, or find out why the running ones do not take the partition",
		})
	case len(q.visible) == queues.MaxReceive:
		l.found.add(&Finding{
			Kind: FindingUnread, Where: q.queue.Name(), What: fmt.Sprintf("a worker has partition %d, but does not receive from its queue, which has about %d messages", partition, q.count),
			Advice: "look at the worker's health and log",
		}, firstIDs(q.visible))
	}
}

func firstIDs(list []*queues.Delivery) string {
	var ids []string
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, " ")
}

func (l *look) survey(ctx context.Context) (err error) {
	if l.fleet, err = l.hub.Fleet(ctx); err != nil {
		return err
	}
	l.active = map[string][]tables.ActiveRow{}
	for i := range l.control {
		rows, err := l.hub.tables.ListActive(ctx, l.control[i].queue.Name())
		if err != nil && l.fleet != "" {
			return err
		}
		for _, r := range rows {
			l.rows, l.active[r.InstanceID] = append(l.rows, r), append(l.active[r.InstanceID], r)
		}
	}
	l.lettered = map[string]bool{}
	for d, err := range l.hub.client.DeadLetters(ctx, DeadLetterQuery{}) {
		if err != nil {
			return err
		}
		l.lettered[d.InstanceID] = true
	}
	l.surveyed, err = l.hub.tables.Survey(ctx)
	return err
}

// own says whether an instance is this hub's; tables may be shared.
func (l *look) own(v *tables.Surveyed) bool {
	return l.hub.sharing() == nil || v.HasRow && strings.EqualFold(v.RowHub, l.hub.Name())
}

func (l *look) instances(context.Context) error {
	for _, v := range l.surveyed {
		if l.own(v) {
			l.instance(v)
		}
	}
	return nil
}

func (l *look) queueOf(id string) queueLook { return l.control[layout.Partition(id, len(l.control))] }

// instance compares the status row of an instance with its history.
func (l *look) instance(v *tables.Surveyed) {
	same := strings.EqualFold(v.RowExecution, v.Execution)
	switch {
	case !v.HasRow:
		l.orphan(v)
	case l.sentinelWrong(v) != "":
		l.add(v, FindingSentinel, l.sentinelWrong(v)+": somebody changed it, and the instance cannot go on as it should", "write that row anew, from the rows of the history", l.hub.mendSentinel)
	case v.RowStatus == history.Pending && !(v.HasSentinel && same):
		l.pending(v)
	case !v.RowStatus.IsTerminal() && !v.HasSentinel && !v.HasHistory:
		l.add(v, FindingNoHistory, fmt.Sprintf("the status is %s, but there is no history: it was deleted, and nothing can let the instance go on", v.RowStatus),
			"show the instance as failed", l.hub.failLost)
	case !v.RowStatus.IsTerminal() && v.Ended && (same || v.RowStatus != history.Pending):
		if !v.Local && !v.Outbox || l.fleet != FleetGo {
			l.add(v, FindingLag, fmt.Sprintf("the status is %s, but the history ended as %s: a worker died before it wrote the status, and no message brings the instance back", v.RowStatus, v.EndedAs),
				"write the status that the history has", l.hub.writeStatus)
		}
	case v.RowStatus == tables.StatusUnknown && v.HasSentinel:
		l.add(v, FindingLag, "the status is none that there is: somebody changed it", "write the status that the history has", l.hub.writeStatus)
	}
	if l.fleet == FleetGo && v.HasSentinel && (v.Local || v.Outbox) && len(l.active[v.InstanceID]) == 0 && v.HasRow && !l.isAhead(v) {
		l.add(v, FindingUnheld, "the history names actions or messages that only the memory of a worker had, and no owner has it on the active list: they would never be carried out",
			"put the instance on the active list, so that the next look of its partition's owner, within ten minutes, takes it over", l.hub.listActive)
	}
}

func (l *look) add(v *tables.Surveyed, kind FindingKind, what, repair string, fix func(context.Context, *tables.Surveyed) error) {
	where := l.hub.names.InstancesTable()
	if slices.Contains([]FindingKind{FindingUnheld, FindingOrphanRows, FindingSentinel, FindingDamaged}, kind) {
		where = l.hub.names.HistoryTable()
	}
	l.found.add(&Finding{Kind: kind, Where: where, InstanceID: v.InstanceID, What: what, Repair: repair, fix: func(ctx context.Context) error {
		now, err := l.hub.tables.SurveyInstance(ctx, v.InstanceID)
		switch {
		case err != nil:
			return err
		case *now != *v:
			return ErrChanged
		}
		return fix(ctx, v)
	}}, *v)
}

// pending looks at an instance that has not started. Only if its queue holds nothing else can it be said that its start is gone:
// a message that somebody has received, or that waits for its time, cannot be seen.
func (l *look) pending(v *tables.Surveyed) {
	q := l.queueOf(v.InstanceID)
	if q.count > len(q.visible) {
		return
	}
	for _, d := range q.visible {
		if d.About().Target.InstanceID == v.InstanceID || d.Err != nil {
			return
		}
	}
	if l.lettered[v.InstanceID] {
		return
	}
	l.add(v, FindingNoStart, "it waits to start, but its queue does not hold its start message: the message was deleted", "put the start message again", l.hub.startAgain)
}

// messages looks at messages that nobody has received.
func (l *look) messages(ctx context.Context) error {
	for _, q := range append(l.control, l.workItems) {
		for _, d := range q.visible {
			l.message(q, d)
		}
	}
	return ctx.Err()
}

func (l *look) message(q queueLook, d *queues.Delivery) {
	about := d.About()
	switch {
	case d.Err != nil:
		l.found.add(&Finding{
			Kind: FindingPoison, Where: q.queue.Name(), InstanceID: about.Target.InstanceID, What: d.Err.Error(),
			Advice: "workers make it a dead letter after some hours; look at it then",
		}, d.ID)
	case d.Attempts > 0:
		l.found.add(&Finding{
			Kind: FindingPoison, Where: q.queue.Name(), InstanceID: about.Target.InstanceID,
			What:   fmt.Sprintf("message %s, %s, was tried %d times in vain", d.ID, about.Kind, d.Attempts),
			Advice: "look at the workers' logs; after 20 attempts it becomes a dead letter",
		}, d.ID)
	case l.hub.sharing() != nil || about.Kind == history.KindExecutionStarted.String() || strings.HasPrefix(about.Target.InstanceID, "@"):
	case l.surveyed[about.Target.InstanceID] == nil:
		l.found.add(&Finding{
			Kind: FindingStray, Where: q.queue.Name(), InstanceID: about.Target.InstanceID,
			What:   fmt.Sprintf("message %s, %s, is for an instance that does not exist", d.ID, about.Kind),
			Advice: "start a worker: it drops such messages",
		}, d.ID)
	}
}

// staleAfter is how old a row of the active list is that its owner's successor has not taken over: that reads the list when it
// acquires the partition, and every ten minutes.
const staleAfter = 15 * time.Minute

func (l *look) activeRows(context.Context) error {
	newest := map[string]tables.ActiveRow{} // by queue: of the owner that wrote last
	for _, r := range l.rows {
		if r.Written.After(newest[r.Queue].Written) {
			newest[r.Queue] = r
		}
	}
	for _, r := range l.rows {
		v := l.surveyed[r.InstanceID]
		where := l.hub.names.ActiveTable()
		switch {
		case r.Owner == doctor && time.Since(r.Written) < staleAfter: // of a repair; an owner takes it over or deletes it
		case v == nil || v.Ended && !v.Local && !v.Outbox && v.RowStatus.IsTerminal():
			l.found.add(&Finding{
				Kind: FindingStaleActive, Where: where, InstanceID: r.InstanceID,
				What:   "the row of owner " + r.Owner + " names an instance for which nothing is left to do",
				Repair: "delete the row", fix: func(ctx context.Context) error { return l.hub.dropActive(ctx, r, v) },
			}, r)
		case r.Owner != newest[r.Queue].Owner && newest[r.Queue].Written.Sub(r.Written) > staleAfter && l.queueOf(r.InstanceID).live:
			l.found.add(&Finding{
				Kind: FindingStaleActive, Where: where, InstanceID: r.InstanceID,
				What:   "owner " + r.Owner + " is gone, and its successor has not taken the instance over",
				Advice: "look at the log of the worker that has the partition; restart that worker",
			}, r)
		}
	}
	return nil
}

// blobs looks for large values of instances that do not exist. While their queue holds messages, one of them may refer to them.
func (l *look) blobs(ctx context.Context) error {
	if l.hub.sharing() != nil {
		return nil
	}
	folders, err := l.hub.payloads.Folders(ctx)
	if err != nil {
		return err
	}
	for name, f := range folders {
		id := name
		if l.surveyed[id] == nil {
			id = layout.UnescapeKey(name)
		}
		if l.surveyed[id] != nil || l.lettered[name] || l.lettered[id] || !l.queueOf(name).empty() || !l.queueOf(id).empty() || !l.workItems.empty() {
			continue
		}
		l.found.add(&Finding{
			Kind: FindingOrphanBlobs, Where: l.hub.names.LargeMessageContainer(), InstanceID: id,
			What:   fmt.Sprintf("%d large values are stored for an instance that does not exist: a purge was cut short, or its messages were deleted", f.Blobs),
			Repair: "delete them", fix: func(ctx context.Context) error { return l.hub.dropBlobs(ctx, id) },
		}, f.Blobs, f.Newest)
	}
	return nil
}

func (l *look) letters(ctx context.Context) error {
	count, first := 0, ""
	for d, err := range l.hub.client.DeadLetters(ctx, DeadLetterQuery{}) {
		if err != nil {
			return err
		}
		if count++; count == 1 {
			first = d.ID
		}
	}
	if count > 0 {
		l.found.add(&Finding{
			Kind: FindingDeadLetters, Where: l.hub.names.DeadLettersTable(), What: fmt.Sprintf("%d messages were tried in vain and are dead letters, the first one is %s", count, first),
			Advice: "mend the cause and replay them, or drop them",
		})
	}
	return nil
}
