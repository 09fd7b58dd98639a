package queues

import (
	"fmt"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Kinds of journal records. Each says how something is afterwards, so that
// repeating a record on a later state does no harm.
const (
	recProperties byte = iota + 1
	recQueue           // a queue's metadata and policies; makes the queue
	recDrop            // a queue is gone
	recMessage         // a whole message
	recStates          // visibility, receipt and count of messages
	recRemove          // a message is gone
	recClear           // all messages of a queue are gone
)

func (s *Store) append(w *codec.Writer) journal.LSN { return s.env.Log.Append(w.B) }

func encodeProperties(a *account) *codec.Writer {
	w := service.Record(rest.Queue, recProperties)
	w.String(a.name)
	w.Bytes(a.properties.XML())
	return w
}

func encodeQueue(accountName string, q *queue) *codec.Writer {
	w := service.Record(rest.Queue, recQueue)
	w.String(accountName)
	w.String(q.name)
	service.EncodeMetadata(w, q.metadata)
	q.policies.Encode(w)
	return w
}

func encodeMessage(accountName, name string, m *message) *codec.Writer {
	w := service.Record(rest.Queue, recMessage)
	w.String(accountName)
	w.String(name)
	w.String(m.id)
	w.Uint(m.seq)
	w.Bytes(m.body)
	w.Int(int64(m.inserted))
	w.Int(int64(m.expires))
	encodeState(w, m)
	return w
}

func encodeState(w *codec.Writer, m *message) {
	w.Int(int64(m.visible))
	w.Uint(m.receipt)
	w.Int(m.dequeued)
}

func (s *Store) logProperties(a *account) journal.LSN {
	if s.env.Log == nil {
		return 0
	}
	return s.append(encodeProperties(a))
}

func (s *Store) logQueue(accountName string, q *queue) journal.LSN {
	if s.env.Log == nil {
		return 0
	}
	return s.append(encodeQueue(accountName, q))
}

func (s *Store) logMessage(accountName, name string, m *message) journal.LSN {
	if s.env.Log == nil {
		return 0
	}
	return s.append(encodeMessage(accountName, name, m))
}

func (s *Store) logStates(accountName, name string, changed []*message) journal.LSN {
	if s.env.Log == nil || len(changed) == 0 {
		return 0
	}
	w := service.Record(rest.Queue, recStates)
	w.String(accountName)
	w.String(name)
	w.Uint(uint64(len(changed)))
	for _, m := range changed {
		w.String(m.id)
		encodeState(w, m)
	}
	return s.append(w)
}

func (s *Store) logNamed(kind byte, names ...string) journal.LSN {
	if s.env.Log == nil {
		return 0
	}
	w := service.Record(rest.Queue, kind)
	for _, name := range names {
		w.String(name)
	}
	return s.append(w)
}

func (s *Store) logDrop(accountName, name string) journal.LSN {
	return s.logNamed(recDrop, accountName, name)
}

func (s *Store) logClear(accountName, name string) journal.LSN {
	return s.logNamed(recClear, accountName, name)
}

func (s *Store) logRemove(accountName, name, id string) journal.LSN {
	return s.logNamed(recRemove, accountName, name, id)
}

// Apply implements service.Backend.
func (s *Store) Apply(r *codec.Reader) error {
	kind, accountName := r.Byte(), r.String()
	a, ok := s.accounts[accountName]
	if !ok {
		if accountName == "" {
			return codec.ErrCorrupt
		}
		return fmt.Errorf("it holds data of account %q, which is not configured", accountName)
	}
	switch kind {
	case recProperties:
		body := r.Bytes()
		if err := r.Err(); err != nil {
			return err
		}
		p, err := service.ParseProperties(body)
		if err != nil {
			return err
		}
		a.properties = p
	case recQueue:
		applyQueue(a, r)
	case recDrop:
		a.queues.Delete(r.String())
	default:
		if err := s.applyMessages(a, kind, r); err != nil {
			return err
		}
	}
	return r.Err()
}

func applyQueue(a *account, r *codec.Reader) {
	name, metadata, policies := r.String(), service.DecodeMetadata(r), service.DecodePolicies(r)
	if r.Err() != nil {
		return
	}
	q, ok := a.queues.Get(name)
	if !ok {
		q = newQueue(name, nil)
		a.queues.Set(name, q)
	}
	q.metadata, q.policies = metadata, policies
}

func (s *Store) applyMessages(a *account, kind byte, r *codec.Reader) error {
	name := r.String()
	q, ok := a.queues.Get(name)
	if !ok { // deleted by the time of the snapshot this record follows
		q = newQueue(name, nil)
	}
	switch kind {
	case recMessage:
		m := &message{id: r.String(), seq: r.Uint(), body: r.Bytes(),
			inserted: rest.Ticks(r.Int()), expires: rest.Ticks(r.Int())}
		applyState(m, r)
		if r.Err() == nil {
			q.add(m)
		}
	case recStates:
		for range r.Len() {
			id := r.String()
			var state message
			applyState(&state, r)
			if m, ok := q.messages[id]; ok {
				q.remove(m)
				m.visible, m.receipt, m.dequeued = state.visible, state.receipt, state.dequeued
				q.add(m)
			}
		}
	case recRemove:
		if m, ok := q.messages[r.String()]; ok {
			q.remove(m)
		}
	case recClear:
		q.clear()
	default:
		return fmt.Errorf("unknown queue record %d", kind)
	}
	return nil
}

func applyState(m *message, r *codec.Reader) {
	m.visible, m.receipt, m.dequeued = rest.Ticks(r.Int()), r.Uint(), r.Int()
}

// Loaded implements service.Backend.
func (s *Store) Loaded() error { return nil }

// Snapshot implements service.Backend.
func (s *Store) Snapshot(emit func([]byte) error) error {
	for _, a := range s.accounts {
		a.mu.RLock()
		props := encodeProperties(a).B
		queues := make([]*queue, 0, a.queues.Len())
		for _, q := range a.queues.All {
			queues = append(queues, q)
		}
		a.mu.RUnlock()
		if err := emit(props); err != nil {
			return err
		}
		for _, q := range queues {
			if err := s.snapshotQueue(a.name, q, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) snapshotQueue(accountName string, q *queue, emit func([]byte) error) error {
	q.mu.Lock()
	if q.deleted {
		q.mu.Unlock()
		return nil
	}
	q.now(s.env.Clock)
	head := encodeQueue(accountName, q).B
	copies := make([]message, 0, len(q.messages))
	for _, m := range q.messages {
		copies = append(copies, *m)
	}
	q.mu.Unlock()
	if err := emit(head); err != nil {
		return err
	}
	for i := range copies {
		if err := emit(encodeMessage(accountName, q.name, &copies[i]).B); err != nil {
			return err
		}
	}
	return nil
}
