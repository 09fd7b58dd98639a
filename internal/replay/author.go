package replay

import (
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// ContinueError is the error with which an orchestrator asks for its next generation.
type ContinueError struct {
	// Input is the serialized input of the next generation.
	Input *string
	// Version is its version; nil keeps the present one.
	Version *string
	// DropEvents leaves behind the events that were not consumed.
	DropEvents bool
}

// Error explains itself to whoever logs it.
func (c *ContinueError) Error() string {
	return "continue as new: return this error from the orchestrator"
}

// Decide records an action and gives it the next event id. sink is told the
// answer; nil for actions without one. A child without an instance id gets
// "{execution id}:{event id}", as in .NET.
func (s *Session) Decide(a Action, sink Sink) int32 {
	id := s.nextID
	s.nextID++
	a.setID(id)
	o := op{sink: sink, action: a, oneWay: sink == nil, done: sink == nil}
	switch a := a.(type) {
	case *ScheduleTask:
		o.kind, o.name = history.KindTaskScheduled, a.Name
	case *CreateTimer:
		o.kind = history.KindTimerCreated
	case *CreateSubOrchestration:
		o.kind, o.name = history.KindSubOrchestrationCreated, a.Name
		if a.InstanceID == "" {
			a.InstanceID = s.childID(id)
		}
		a.Tags = s.childTags(a.Tags)
	case *SendEvent:
		o.kind, o.name = history.KindEventSent, a.Name
	}
	s.ops = append(s.ops, o)
	s.pending = append(s.pending, id)
	return id
}

// Abandon makes the answer to an action uninteresting. What was asked for still
// happens.
func (s *Session) Abandon(id int32) {
	if id >= 0 && int(id) < len(s.ops) {
		s.ops[id].done, s.ops[id].sink = true, nil
	}
}

// Now is the time of the current episode: the same in every replay.
func (s *Session) Now() time.Time { return s.now }

// Replaying tells whether the history is being replayed.
func (s *Session) Replaying() bool { return s.replaying }

// Unloading tells whether the bodies are being ended.
func (s *Session) Unloading() bool { return s.dead.Load() || s.unloading }

// Instance returns the ids of the execution.
func (s *Session) Instance() history.Instance { return s.instance }

// Started returns the event that began the execution.
func (s *Session) Started() *history.ExecutionStarted { return s.started }

// Definition returns the orchestrator.
func (s *Session) Definition() *Definition { return s.def }

// Logger returns the configured logger.
func (s *Session) Logger() *slog.Logger { return s.logger }

// NextSerial counts from 0 on, once per execution.
func (s *Session) NextSerial() uint64 {
	s.ids++
	return s.ids - 1
}

// HistorySize counts what the execution's history has grown by so far: one for
// every decision and one for every result or message. Rows that only mark episodes
// are not counted, because how decisions are spread over episodes may differ from
// one replay to the next.
func (s *Session) HistorySize() int { return int(s.nextID) + s.consumed }

// SetCustomStatus sets the status that clients see.
func (s *Session) SetCustomStatus(status *string) { s.status = status }
