package partition

import (
	"fmt"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/tables"
)

// Limits bound what an instance may grow to. One that grows beyond fails, with a text that says so, instead of taking the
// memory of its worker and the time of its replays. Negative numbers stand for no bound.
type Limits struct {
	// WarnEvents is the number of events in an instance's history from which on the log says that it is long.
	// Defaults to 10,000.
	WarnEvents int
	// MaxEvents is the number of events that an instance's history may have. Defaults to 200,000.
	MaxEvents int
	// WarnPayload is the size, in bytes, of an input, a result or an event from which on the log says that it is large.
	// Defaults to 1 MiB.
	WarnPayload int
	// MaxPayload is the size, in bytes, that an input, a result or an event may have. Defaults to 64 MiB.
	MaxPayload int
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.WarnEvents, 10_000)
	setDefault(&l.MaxEvents, 200_000)
	setDefault(&l.WarnPayload, 1<<20)
	setDefault(&l.MaxPayload, 64<<20)
	return l
}

// exceeds says whether a number is beyond a bound.
func exceeds(n, bound int) bool { return bound >= 0 && n > bound }

// LimitError is the type of failures of instances that grew too large.
const LimitError = "LimitExceeded"

// bounded replaces what an orchestrator has decided by a failure, if the instance would grow beyond its limits. What it was
// about to begin is not begun.
func (s *session) bounded(ep *episode, turn *replay.Turn) *replay.Turn {
	if turn.Outcome != nil && turn.Outcome.Status == history.Terminated {
		return turn
	}
	l := s.p.cfg.Limits
	rows := ep.firstRow + len(ep.records) + len(turn.Actions)
	size, what := largest(ep.records, turn)
	switch {
	case turn.Outcome == nil && exceeds(rows, l.MaxEvents):
		return s.exceeded(turn, fmt.Sprintf("the history would have %d events, and %d are allowed; let the orchestrator continue as new, or raise the limit and rewind the instance", rows, l.MaxEvents))
	case exceeds(size, l.MaxPayload):
		return s.exceeded(turn, fmt.Sprintf("%s has %d bytes, and %d are allowed; pass a reference to what is stored elsewhere, or raise the limit and rewind the instance", what, size, l.MaxPayload))
	}
	if exceeds(rows, l.WarnEvents) && !exceeds(ep.firstRow, l.WarnEvents) {
		s.log.Warn("the history is long, and every load replays it; let the orchestrator continue as new from time to time", keyCount, rows, keyLimit, l.MaxEvents)
	}
	if exceeds(size, l.WarnPayload) {
		s.log.Warn("a payload is large; consider passing a reference to what is stored elsewhere", keyName, what, keySize, size, keyLimit, l.MaxPayload)
	}
	return turn
}

func (s *session) exceeded(turn *replay.Turn, text string) *replay.Turn {
	s.log.Error("the instance is failed", keyReason, text)
	return &replay.Turn{Outcome: failure(s.freeID(turn), LimitError, text), CustomStatus: turn.CustomStatus}
}

// freeID is an event id that no action has.
func (s *session) freeID(turn *replay.Turn) int32 {
	if turn.Outcome != nil {
		return turn.Outcome.EventID
	}
	var id int32
	for _, a := range turn.Actions {
		id = max(id, a.ActionID()+1)
	}
	for ; s.st.replay != nil; id++ {
		if _, is, _ := s.st.replay.Lookup(id); is == replay.Unknown {
			break
		}
	}
	return id
}

// largest finds the largest payload that an episode brings or decides.
func largest(records []tables.Record, turn *replay.Turn) (size int, what string) {
	note := func(text *string, kind string, name string) {
		if text != nil && len(*text) > size {
			size, what = len(*text), kind
			if name != "" {
				what += " " + name
			}
		}
	}
	for _, r := range records {
		switch e := r.Event.(type) {
		case *history.ExecutionStarted:
			note(e.Input, "the input", "")
		case *history.EventRaised:
			note(e.Input, "event", e.Name)
		case *history.TaskCompleted:
			note(e.Result, "the result of an activity", "")
		case *history.SubOrchestrationCompleted:
			note(e.Result, "the result of a sub-orchestration", "")
		}
	}
	for _, a := range turn.Actions {
		switch a := a.(type) {
		case *replay.ScheduleTask:
			note(a.Input, "the input of activity", a.Name)
		case *replay.CreateSubOrchestration:
			note(a.Input, "the input of sub-orchestration", a.Name)
		case *replay.SendEvent:
			note(a.Input, "event", a.Name)
		}
	}
	if turn.Outcome != nil {
		note(turn.Outcome.Result, "the output", "")
		note(turn.Outcome.NewInput, "the input of the next generation", "")
	}
	note(turn.CustomStatus, "the custom status", "")
	return size, what
}

// mostIdle is how many idle sessions may stay in memory.
func (p *Partition) mostIdle() int {
	if p.cfg.Pressed() {
		return 0
	}
	return p.cfg.MaxSessions
}

// mostPending is how many received messages may wait for their turn.
func (p *Partition) mostPending() int {
	if p.cfg.Pressed() {
		return max(p.cfg.MaxPending/8, 1)
	}
	return p.cfg.MaxPending
}

// Trim unloads idle sessions beyond those that may stay in memory now.
func (p *Partition) Trim() {
	p.sessions.mu.Lock()
	evicted := p.sessions.evict(p.sessions.idle.Len())
	p.sessions.mu.Unlock()
	for _, s := range evicted {
		s.drop()
	}
}
