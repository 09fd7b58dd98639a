package partition

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// What an ending generation, or an ending instance, has still to send cannot be found out by replaying what follows. It is
// stored as rows beside the history, in the same transaction, and the rows are deleted once it is sent.

// retireMessages makes the messages of a generation that ends part of the outbox.
func (s *session) retireMessages(ep *episode) {
	list := ep.out
	ep.out = nil
	for _, o := range list {
		if !o.isTimer() { // that would fire for nobody
			s.store(ep, o)
		}
	}
	ep.stored = append(ep.stored, s.work.retire(s.keyFor(ep), func(o *outgoing) bool { return o.oneWay() && !o.answer || o.isStart() })...)
}

// storeUnawaited stores the work items and the children that an instance decides in its last episode, and children that are
// not known to have started: nobody would find them again.
func (s *session) storeUnawaited(ep *episode) {
	var rest []*outgoing
	for _, o := range ep.out {
		switch {
		case o.isActivity(), o.isStart():
			s.store(ep, o)
		case o.isTimer(): // it fires for nobody
		default:
			rest = append(rest, o)
		}
	}
	ep.out = rest
	ep.stored = append(ep.stored, s.work.retire(s.keyFor(ep), (*outgoing).isStart)...)
}

func (s *session) store(ep *episode, o *outgoing) {
	if o.ahead != nil { // its result would be for nobody: it is sent like others, and runs once more
		o.recall()
		s.work.setUnderWay(o, false)
	}
	o.outboxKey = s.keyFor(ep)(o.id)
	ep.stored = append(ep.stored, o)
}

// keyFor makes the keys of rows that an episode stores. They begin with the execution that the sentinel names until the
// commit is complete: rows that were only staged for it are known by that.
func (s *session) keyFor(ep *episode) func(id int32) string {
	prefix := ep.base
	if s.st.executionID != ep.base {
		prefix += "-" + s.st.executionID
	}
	return func(id int32) string { return fmt.Sprintf("%s-%08d", prefix, id) }
}

// staged are the rows of a commit that was not completed: the sentinel still names the execution that it was to end. Its
// decisions will be made again, perhaps otherwise.
func (st *state) staged(rows []tables.OutboxRow) []string {
	if st.ended != nil {
		return nil
	}
	var keys []string
	for _, row := range rows {
		if strings.HasPrefix(row.Key, st.executionID+"-") {
			keys = append(keys, row.Key)
		}
	}
	return keys
}

// mostCarried is how many events a generation hands to the next one as rows of its history, which are written in one
// transaction with its beginning.
const mostCarried = 64

// carryLater lets events that were not consumed follow as messages from the instance to itself, where there are too many
// for the transaction that begins the next generation. They have new ids: under the old ones they are known.
func (s *session) carryLater(ep *episode, carried []*history.EventRaised) []*history.EventRaised {
	if len(carried) <= mostCarried {
		return carried
	}
	for i, e := range carried[mostCarried:] {
		raised := &history.EventRaised{Name: e.Name, Input: e.Input, ParentTrace: e.ParentTrace}
		id := int32(i)
		o := s.envelope(ep, id, raised, history.Instance{InstanceID: s.id}, "carried "+e.Name, e.Input)
		raised.Timestamp = ep.now.Add(time.Duration(i) * tick)
		o.outboxKey = s.keyFor(ep)(id) + "-carried"
		ep.stored = append(ep.stored, s.control(o))
	}
	return carried[:mostCarried]
}

// isStart says whether the message starts a child.
func (o *outgoing) isStart() bool {
	_, ok := o.envelope.Message.Event.(*history.ExecutionStarted)
	return ok
}

// retire takes out actions that are not known to be sent, to be stored: their generation ends, or their instance.
func (w *localWork) retire(key func(id int32) string, which func(*outgoing) bool) []*outgoing {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*outgoing
	for id, o := range w.actions {
		if which(o) {
			delete(w.actions, id)
			o.outboxKey = key(id)
			list = append(list, o)
		}
	}
	return list
}

// rowsOf makes the rows of the stored messages. A message too large for a row is put at once: should the commit fail,
// making the decision again puts it again, with the same id.
func (s *session) rowsOf(ctx context.Context, ep *episode) ([]tables.OutboxRow, error) {
	var rows []tables.OutboxRow
	for _, o := range ep.stored {
		body, err := history.MarshalEnvelope(o.envelope)
		if err != nil {
			return nil, fmt.Errorf("storing %s: %w", o.envelope.Message.Event.Kind(), err)
		}
		if len(body) <= tables.MostOutboxBytes {
			rows = append(rows, tables.OutboxRow{Key: o.outboxKey, Envelope: body})
			continue
		}
		o.envelope.SequenceNumber = s.p.cfg.Queues.NextSequence()
		if _, err := o.queue.Put(ctx, o.envelope, 0); err != nil {
			return nil, fmt.Errorf("sending %s: %w", o.envelope.Message.Event.Kind(), err)
		}
		o.put = true
	}
	return rows, nil
}

// unsentOf turns stored rows into messages again.
func (s *session) unsentOf(rows []tables.OutboxRow) ([]*outgoing, error) {
	var list []*outgoing
	for _, row := range rows {
		env, err := history.UnmarshalEnvelope(row.Envelope)
		if err != nil {
			return nil, &tables.CorruptHistoryError{
				Hub: s.p.cfg.Names.Hub(), InstanceID: s.id, RowKey: "outbox-" + row.Key, Column: "Envelope", Err: err,
			}
		}
		o := &outgoing{envelope: env, outboxKey: row.Key}
		if o.isActivity() {
			o.queue, o.target = s.p.cfg.Queues.WorkItems(), workItems
		} else {
			id := env.Message.Target.InstanceID
			o.queue, o.target = s.p.cfg.Queues.ControlFor(id), s.p.home(id)
		}
		list = append(list, o)
	}
	return list, nil
}
