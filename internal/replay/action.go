package replay

import (
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// MarkerID is the event id of a [RecordMarker]. Markers take no number from the
// execution's counter: code that gains a marker must not renumber what follows.
const MarkerID int32 = -1

// splitTimerID is the event id of the timer .NET adds when it cuts a list of
// decisions in two. It belongs to nobody, and neither does its TimerFired.
const splitTimerID int32 = -100

// FireAndForgetTag marks a child that nobody waits for. .NET reads the tag in
// both places: the parent gets no open task, the child sends no answer.
const FireAndForgetTag = "FireAndForget"

// Action is something an orchestrator decided to do.
type Action interface {
	// ActionID is the event id of the decision.
	ActionID() int32
	// Event returns a new history event for the decision, with its EventID and
	// without a Timestamp. As .NET does by default, the events of activities and
	// children leave the input out: only their messages carry it.
	Event() history.Event

	setID(id int32)
}

// ScheduleTask calls an activity.
type ScheduleTask struct {
	ID            int32
	Name, Version string
	Input         *string
	Tags          *history.Tags
	// Idempotent says that the call may begin before it is in the history, which does not keep this.
	Idempotent bool
}

// CreateTimer asks for a TimerFired at FireAt.
type CreateTimer struct {
	ID     int32
	FireAt time.Time
}

// CreateSubOrchestration starts a child. Tags are the caller's merged over the
// parent's, without the parent's [FireAndForgetTag].
type CreateSubOrchestration struct {
	ID                        int32
	Name, Version, InstanceID string
	Input                     *string
	Tags                      *history.Tags
}

// OneWay tells whether nobody waits for the child.
func (a *CreateSubOrchestration) OneWay() bool {
	if a.Tags == nil {
		return false
	}
	_, ok := a.Tags.Get(FireAndForgetTag)
	return ok
}

// SendEvent raises an event for another instance.
type SendEvent struct {
	ID               int32
	InstanceID, Name string
	Input            *string
}

// RecordMarker writes a GenericEvent, which .NET skips, to remember that the
// execution took a patched path.
type RecordMarker struct {
	Data string
}

// ActionID implements [Action].
func (a *ScheduleTask) ActionID() int32 { return a.ID }

// ActionID implements [Action].
func (a *CreateTimer) ActionID() int32 { return a.ID }

// ActionID implements [Action].
func (a *CreateSubOrchestration) ActionID() int32 { return a.ID }

// ActionID implements [Action].
func (a *SendEvent) ActionID() int32 { return a.ID }

// ActionID returns [MarkerID].
func (a *RecordMarker) ActionID() int32 { return MarkerID }

func (a *ScheduleTask) setID(id int32)           { a.ID = id }
func (a *CreateTimer) setID(id int32)            { a.ID = id }
func (a *CreateSubOrchestration) setID(id int32) { a.ID = id }
func (a *SendEvent) setID(id int32)              { a.ID = id }
func (a *RecordMarker) setID(int32)              {}

// Event implements [Action].
func (a *ScheduleTask) Event() history.Event {
	return &history.TaskScheduled{Base: history.Base{EventID: a.ID}, Name: a.Name, Version: &a.Version, Tags: a.Tags}
}

// Event implements [Action].
func (a *CreateTimer) Event() history.Event {
	return &history.TimerCreated{Base: history.Base{EventID: a.ID}, FireAt: a.FireAt}
}

// Event implements [Action].
func (a *CreateSubOrchestration) Event() history.Event {
	return &history.SubOrchestrationCreated{
		Base: history.Base{EventID: a.ID}, Name: a.Name, Version: &a.Version, InstanceID: &a.InstanceID, Tags: a.Tags,
	}
}

// Event implements [Action].
func (a *SendEvent) Event() history.Event {
	return &history.EventSent{Base: history.Base{EventID: a.ID}, InstanceID: &a.InstanceID, Name: a.Name, Input: a.Input}
}

// Event implements [Action].
func (a *RecordMarker) Event() history.Event {
	return &history.GenericEvent{Base: history.Base{EventID: MarkerID}, Data: &a.Data}
}

// ActionState is how far an action has got, as the session sees it.
type ActionState uint8

const (
	// Unknown says that no action has the id.
	Unknown ActionState = iota
	// Open says that the action was decided and an answer would still be taken.
	Open
	// Done says that it was answered or canceled, or is of a kind without answers.
	Done
)

// String returns the lower-case name.
func (s ActionState) String() string {
	switch s {
	case Open:
		return "open"
	case Done:
		return "done"
	default:
		return "unknown"
	}
}

// op is what a session remembers of one action. Ids are dense, so ops live in a
// slice indexed by id.
type op struct {
	sink      Sink   // told of the answer; nil for one-way actions
	action    Action // nil once it was handed out, but for timers
	name      string
	kind      history.Kind
	done      bool
	confirmed bool // its event is in the history, or was handed out for it
	given     bool // handed out, as a decision or to be redriven
	oneWay    bool
}

// give returns the action to be handed out. Only of timers more is wanted later.
func (o *op) give() Action {
	a := o.action
	o.given = true
	if o.kind != history.KindTimerCreated {
		o.action = nil
	}
	return a
}

// fireAt returns when a timer is due.
func (o *op) fireAt() time.Time {
	if t, ok := o.action.(*CreateTimer); ok {
		return t.FireAt
	}
	return time.Time{}
}

// Sink is told the answer of an action: the TaskCompleted, TaskFailed,
// SubOrchestrationCompleted, SubOrchestrationFailed or TimerFired. It runs on the
// goroutine that feeds events and must not wait.
type Sink interface {
	Resolve(id int32, answer history.Event)
}
