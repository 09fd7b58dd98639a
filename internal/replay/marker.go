package replay

import (
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// markerPrefix begins the Data of the GenericEvent rows that remember patches.
const markerPrefix = "taskhub:patched:"

// markers remembers which patched paths an execution takes.
type markers struct {
	recorded map[string]bool // in the history
	answers  map[string]bool // what Patched said, once and for all
	fresh    []Action
}

// learn reads the markers of a history before it is replayed: their rows follow
// the events in whose episode they were made.
func (m *markers) learn(events []history.Event) {
	for _, e := range events {
		g, ok := e.(*history.GenericEvent)
		if !ok || g.Data == nil || g.EventID != MarkerID {
			continue
		}
		if name, ok := strings.CutPrefix(*g.Data, markerPrefix); ok {
			if m.recorded == nil {
				m.recorded = map[string]bool{}
			}
			m.recorded[name] = true
		}
	}
}

func (m *markers) drain() []Action {
	fresh := m.fresh
	m.fresh = nil
	return fresh
}

// Patched tells whether the execution takes the path that a change introduced. An
// execution that passed this point before the change keeps the old path; any other
// takes the new one and remembers so in its history. The first answer for a name
// holds for the rest of the execution.
func (s *Session) Patched(name string) bool {
	m := &s.markers
	answer, known := m.answers[name]
	if known {
		return answer
	}
	switch {
	case m.recorded[name]:
		answer = true
	case !s.replaying:
		answer = true
		m.fresh = append(m.fresh, &RecordMarker{Data: markerPrefix + name})
	}
	if m.answers == nil {
		m.answers = map[string]bool{}
	}
	m.answers[name] = answer
	return answer
}
