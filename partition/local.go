package partition

import (
	"slices"
	"strings"
	"sync"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// localWork is what only this process knows of one instance: actions that it carries out or has yet to send, and the
// messages that let another owner find the instance meanwhile. It belongs to the ownership of the partition, not to the
// session: a session that is loaded again takes it over as it is.
type localWork struct {
	mu        sync.Mutex
	execution string
	// actions are the open and the one-way actions this process answers for, and the answer to the parent.
	actions map[int32]*outgoing
	// elsewhere are open actions that a message or another instance's history keeps, as far as known.
	elsewhere map[int32]struct{}
	// outbox are stored messages that were not sent yet; sent are the keys of those that were and whose rows are there.
	outbox map[string]*outgoing
	sent   []string
	// staged are the keys of rows that a commit left which was not completed.
	staged []string
	// lying: an action may lie here that is not on its way. Looking for it takes time in a large fan-out.
	lying bool
	// stale: the sentinel names an action that was made durable elsewhere since.
	stale bool
	// anchors are messages whose events are committed and that are kept for others to find the instance by.
	anchors []*hold
	// written is what the sentinel names.
	written *tables.Local
}

func newLocalWork() *localWork {
	return &localWork{actions: map[int32]*outgoing{}, elsewhere: map[int32]struct{}{}, outbox: map[string]*outgoing{}}
}

// idle says whether another owner would find everything in storage that this one knows.
func (w *localWork) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.actions) == 0 && len(w.outbox) == 0
}

// oneWay says whether something is on its way, or still to be sent, that nothing answers.
func (w *localWork) oneWay() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.actions {
		if o.oneWay() {
			return true
		}
	}
	return len(w.outbox) > 0
}

// begin drops what belongs to another execution, but for its stored messages.
func (w *localWork) begin(execution string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.execution == execution {
		return
	}
	w.execution, w.written, w.stale = execution, nil, false
	clear(w.actions)
	clear(w.elsewhere)
}

func (w *localWork) add(list ...*outgoing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lying = w.lying || len(list) > 0
	for _, o := range list {
		switch {
		case o.outboxKey == "":
			w.actions[o.id] = o
		case o.arrived: // while it was being stored
			w.sent = append(w.sent, o.outboxKey)
		default:
			w.outbox[o.outboxKey] = o
		}
	}
}

// knows says whether this process answers for an action of the current execution, or has made it durable. The sentinel may
// name one of the latter.
func (w *localWork) knows(id int32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.elsewhere[id]; ok {
		w.stale = w.stale || w.written.Has(w.execution, id)
		return true
	}
	_, ok := w.actions[id]
	return ok
}

// durable notes that an action has become durable elsewhere. The sentinel may still name it.
func (w *localWork) durable(o *outgoing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.arrived = true
	if o.outboxKey != "" {
		if _, ok := w.outbox[o.outboxKey]; ok {
			delete(w.outbox, o.outboxKey)
			w.sent = append(w.sent, o.outboxKey)
		}
		return
	}
	if w.actions[o.id] != o {
		return
	}
	delete(w.actions, o.id)
	if o.answer {
		return
	}
	if !o.oneWay() {
		w.elsewhere[o.id] = struct{}{}
	}
	w.stale = w.stale || w.written.Has(w.execution, o.id)
}

// durableFromStart notes an action that the history has and that is durable elsewhere.
func (w *localWork) durableFromStart(id int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.elsewhere[id] = struct{}{}
}

// answered notes that the history has the answer to an action.
func (w *localWork) answered(id int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.actions, id)
	delete(w.elsewhere, id)
}

// canceled notes that a timer came due for which nothing waits any more. The message may be of another execution, or of a
// decision that was not committed: then the id is another action's.
func (w *localWork) canceled(execution string, e *history.TimerFired) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.actions[e.TimerID]
	if o != nil && o.isTimer() && o.fireAt.Equal(e.FireAt) && strings.EqualFold(execution, w.execution) {
		delete(w.actions, e.TimerID)
	}
}

// unsent are the actions that are neither under way nor in other hands.
func (w *localWork) unsent() []*outgoing {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.lying {
		return nil
	}
	var list []*outgoing
	for _, o := range w.actions {
		if !o.underWay {
			list = append(list, o)
		}
	}
	for _, o := range w.outbox {
		if !o.underWay {
			list = append(list, o)
		}
	}
	w.lying = len(list) > 0
	slices.SortFunc(list, func(a, b *outgoing) int { return int(a.id - b.id) })
	return list
}

// stillOpen leaves out actions that were answered meanwhile, or are under way.
func (w *localWork) stillOpen(list []*outgoing) []*outgoing {
	w.mu.Lock()
	defer w.mu.Unlock()
	var open []*outgoing
	for _, o := range list {
		if !o.underWay && (w.actions[o.id] == o && o.outboxKey == "" || o.outboxKey != "" && w.outbox[o.outboxKey] == o) {
			open = append(open, o)
		}
	}
	return open
}

// begins notes that an action is on its way from now on; false means that it has been.
func (w *localWork) begins(o *outgoing) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.underWay {
		return false
	}
	o.underWay = true
	return true
}

// setUnderWay says whether an action is on its way, so that it is not begun twice.
func (w *localWork) setUnderWay(o *outgoing, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.underWay, w.lying = on, w.lying || !on
}

// manyActions is from how many actions on it is not worth the time to name them anew after every answer.
const manyActions = 256

// local is what the sentinel must name once the given actions are committed and the given ones are answered. Nil for what it
// names already: an action that was answered may be named still.
func (w *localWork) local(execution string, decided []*outgoing, answered map[int32]struct{}) *tables.Local {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.execution == execution && w.written != nil && !w.stale && len(decided) == 0 && len(w.actions) > manyActions {
		return nil
	}
	var ids, others []int32
	if w.execution == execution {
		for id, o := range w.actions {
			if _, done := answered[id]; !done && !o.answer {
				ids = append(ids, id)
			}
		}
		for id := range w.elsewhere {
			if _, done := answered[id]; !done {
				others = append(others, id)
			}
		}
	}
	for _, o := range decided {
		switch {
		case o.answer || o.outboxKey != "":
		case o.put:
			others = append(others, o.id)
		default:
			ids = append(ids, o.id)
		}
	}
	slices.Sort(ids)
	slices.Sort(others)
	return tables.NewLocal(execution, ids, others)
}

// committed notes what the sentinel says now, and which of the outbox's rows are gone.
func (w *localWork) committed(l *tables.Local, sent []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l != nil {
		w.written, w.stale = l, false
	}
	w.sent = without(w.sent, sent)
}

// loaded notes what a load found that the sentinel names; nil is nothing.
func (w *localWork) loaded(l *tables.Local) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written, w.stale = l, false
}

// nothingStaged notes that a commit has deleted, or completed, what an earlier one had staged.
func (w *localWork) nothingStaged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.staged = nil
}

// outdated says whether the sentinel or the outbox names what is done.
func (w *localWork) outdated() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stale || len(w.sent) > 0 || len(w.staged) > 0
}

// unneeded are the keys of the outbox's rows that a commit can delete, which stores these messages.
func (w *localWork) unneeded(stored []*outgoing) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := make([]string, len(stored))
	for i, o := range stored {
		keys[i] = o.outboxKey
	}
	return without(slices.Concat(w.sent, w.staged), keys)
}

func without(list, others []string) []string {
	drop := make(map[string]struct{}, len(others))
	for _, key := range others {
		drop[key] = struct{}{}
	}
	return slices.DeleteFunc(list, func(key string) bool { _, ok := drop[key]; return ok })
}

// abandon forgets everything but the messages: the instance was purged or replaced.
func (w *localWork) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.execution, w.written, w.stale, w.sent, w.staged = "", nil, false, nil, nil
	clear(w.actions)
	clear(w.elsewhere)
	clear(w.outbox)
}

// anchor keeps messages for others to find the instance by.
func (w *localWork) anchor(hs []*hold) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range hs {
		if !slices.Contains(w.anchors, h) {
			h.setAnchor()
			w.anchors = append(w.anchors, h)
		}
	}
}

// spare takes out the anchors that are not needed: all of them, or all but the one locked longest.
func (w *localWork) spare(all bool) []*hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	if all || len(w.anchors) < 2 {
		if !all {
			return nil
		}
		list := w.anchors
		w.anchors = nil
		return list
	}
	slices.SortFunc(w.anchors, func(a, b *hold) int {
		_, x := a.snapshot()
		_, y := b.snapshot()
		return y.Compare(x)
	})
	list := slices.Clone(w.anchors[1:])
	w.anchors = w.anchors[:1]
	return list
}

func (w *localWork) anchored() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.anchors) > 0
}
