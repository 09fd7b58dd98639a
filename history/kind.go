package history

import "fmt"

// Kind is the kind of an event, with the numbers of .NET's EventType.
type Kind int32

// The kinds of events. Number 2 (ExecutionFailed) exists by name only: no event
// of that kind was ever written.
const (
	KindExecutionStarted          Kind = 0
	KindExecutionCompleted        Kind = 1
	KindExecutionFailed           Kind = 2
	KindExecutionTerminated       Kind = 3
	KindTaskScheduled             Kind = 4
	KindTaskCompleted             Kind = 5
	KindTaskFailed                Kind = 6
	KindSubOrchestrationCreated   Kind = 7
	KindSubOrchestrationCompleted Kind = 8
	KindSubOrchestrationFailed    Kind = 9
	KindTimerCreated              Kind = 10
	KindTimerFired                Kind = 11
	KindOrchestratorStarted       Kind = 12
	KindOrchestratorCompleted     Kind = 13
	KindEventSent                 Kind = 14
	KindEventRaised               Kind = 15
	KindContinueAsNew             Kind = 16
	KindGenericEvent              Kind = 17
	KindHistoryState              Kind = 18
	KindExecutionSuspended        Kind = 19
	KindExecutionResumed          Kind = 20
	KindExecutionRewound          Kind = 21
)

// kindInfo says how a kind is spelled and which struct stands for it.
type kindInfo struct {
	name  string       // in table rows and blob names
	class string       // behind classPrefix in queue messages; "" without a class
	empty func() Event // nil without a class
}

// classPrefix begins the class name of every event.
const classPrefix = "DurableTask.Core.History."

var kinds = [...]kindInfo{
	KindExecutionStarted:          {"ExecutionStarted", "ExecutionStartedEvent", func() Event { return new(ExecutionStarted) }},
	KindExecutionCompleted:        {"ExecutionCompleted", "ExecutionCompletedEvent", func() Event { return new(ExecutionCompleted) }},
	KindExecutionFailed:           {"ExecutionFailed", "", nil},
	KindExecutionTerminated:       {"ExecutionTerminated", "ExecutionTerminatedEvent", func() Event { return new(ExecutionTerminated) }},
	KindTaskScheduled:             {"TaskScheduled", "TaskScheduledEvent", func() Event { return new(TaskScheduled) }},
	KindTaskCompleted:             {"TaskCompleted", "TaskCompletedEvent", func() Event { return new(TaskCompleted) }},
	KindTaskFailed:                {"TaskFailed", "TaskFailedEvent", func() Event { return new(TaskFailed) }},
	KindSubOrchestrationCreated:   {"SubOrchestrationInstanceCreated", "SubOrchestrationInstanceCreatedEvent", func() Event { return new(SubOrchestrationCreated) }},
	KindSubOrchestrationCompleted: {"SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceCompletedEvent", func() Event { return new(SubOrchestrationCompleted) }},
	KindSubOrchestrationFailed:    {"SubOrchestrationInstanceFailed", "SubOrchestrationInstanceFailedEvent", func() Event { return new(SubOrchestrationFailed) }},
	KindTimerCreated:              {"TimerCreated", "TimerCreatedEvent", func() Event { return new(TimerCreated) }},
	KindTimerFired:                {"TimerFired", "TimerFiredEvent", func() Event { return new(TimerFired) }},
	KindOrchestratorStarted:       {"OrchestratorStarted", "OrchestratorStartedEvent", func() Event { return new(OrchestratorStarted) }},
	KindOrchestratorCompleted:     {"OrchestratorCompleted", "OrchestratorCompletedEvent", func() Event { return new(OrchestratorCompleted) }},
	KindEventSent:                 {"EventSent", "EventSentEvent", func() Event { return new(EventSent) }},
	KindEventRaised:               {"EventRaised", "EventRaisedEvent", func() Event { return new(EventRaised) }},
	KindContinueAsNew:             {"ContinueAsNew", "ContinueAsNewEvent", func() Event { return new(ContinueAsNew) }},
	KindGenericEvent:              {"GenericEvent", "GenericEvent", func() Event { return new(GenericEvent) }},
	KindHistoryState:              {"HistoryState", "HistoryStateEvent", func() Event { return new(HistoryState) }},
	KindExecutionSuspended:        {"ExecutionSuspended", "ExecutionSuspendedEvent", func() Event { return new(ExecutionSuspended) }},
	KindExecutionResumed:          {"ExecutionResumed", "ExecutionResumedEvent", func() Event { return new(ExecutionResumed) }},
	KindExecutionRewound:          {"ExecutionRewound", "ExecutionRewoundEvent", func() Event { return new(ExecutionRewound) }},
}

var kindsByName, kindsByClass = func() (names, classes map[string]Kind) {
	names, classes = map[string]Kind{}, map[string]Kind{}
	for k, info := range kinds {
		names[info.name] = Kind(k)
		if info.class != "" {
			classes[classPrefix+info.class] = Kind(k)
		}
	}
	return names, classes
}()

// String returns the name .NET has for the kind, such as
// "SubOrchestrationInstanceCreated". It is what table rows and the names of
// large-message blobs hold.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", int32(k))
	}
	return kinds[k].name
}

// ParseKind finds a kind by the name that [Kind.String] returns. Case matters.
func ParseKind(name string) (Kind, bool) {
	k, ok := kindsByName[name]
	return k, ok
}

// NewEvent returns an empty event of the kind, nil for a kind without events.
func NewEvent(k Kind) Event {
	if k < 0 || int(k) >= len(kinds) || kinds[k].empty == nil {
		return nil
	}
	return kinds[k].empty()
}
