package replay

import "maps"

// Waiting is what an execution waits for besides the answers to its decisions, and what has come that it does not
// wait for.
type Waiting struct {
	// Events are the names of the events waited for, as the code wrote them, in the order the waits began.
	Events []string
	// AnyEvent tells that an event of any name would be taken.
	AnyEvent bool
	// Kept are the names of events that have arrived and that nobody has taken, in the order they came.
	Kept []string
	// Suspended tells that nothing is taken before the execution is resumed.
	Suspended bool
}

// Waiting tells what the execution waits for. It is meant for those who explain why an execution does not go on.
func (s *Session) Waiting() Waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := Waiting{Suspended: s.suspended}
	if s.broken != nil || s.outcome != nil {
		return w
	}
	for _, r := range s.inbox.receivers {
		if r.anyName {
			w.AnyEvent = true
		} else {
			w.Events = append(w.Events, r.name)
		}
	}
	kept := inbox{kept: maps.Clone(s.inbox.kept)} // listing them takes them out
	for _, e := range kept.unconsumed() {
		w.Kept = append(w.Kept, e.Name)
	}
	return w
}
