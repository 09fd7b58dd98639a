package history

import "time"

// Event is one event of any kind. Its dynamic type is a pointer to one of the
// structs of this package, such as *[TaskCompleted].
type Event interface {
	// Kind tells which struct this is.
	Kind() Kind
	// Common returns what every event has, for reading and writing.
	Common() *Base

	// appendFields writes the members of a class that precede the common ones.
	appendFields(*writer)
	// readField reads the value of a member that is not a common one.
	readField(*reader, field) error
	// putColumns adds the columns of the class to a row.
	putColumns(*rowWriter)
	// takeColumns reads the columns of the class from a row.
	takeColumns(*rowReader)
}

// Base is what every event has.
type Base struct {
	// EventID numbers what an orchestrator decided (tasks, timers, children,
	// sent events, its completion), from 0 on within an execution. The answer
	// to a decision carries the number as TaskScheduledID or TimerID. All other
	// events have -1.
	EventID int32
	// IsPlayed is true on rows of events that an orchestrator has consumed.
	// Nothing depends on it.
	IsPlayed bool
	// Timestamp is when the event was made, in UTC, with a resolution of 100 ns.
	Timestamp time.Time
}

// Answers returns the id of the decision that an event answers, and false for
// events that answer none.
func Answers(e Event) (id int32, ok bool) {
	switch e := e.(type) {
	case *TaskCompleted:
		return e.TaskScheduledID, true
	case *TaskFailed:
		return e.TaskScheduledID, true
	case *SubOrchestrationCompleted:
		return e.TaskScheduledID, true
	case *SubOrchestrationFailed:
		return e.TaskScheduledID, true
	case *TimerFired:
		return e.TimerID, true
	}
	return 0, false
}

// Common returns b itself.
func (b *Base) Common() *Base { return b }

// Instance names an orchestration instance and, unless ExecutionID is nil, one
// execution of it. .NET calls it OrchestrationInstance.
type Instance struct {
	// InstanceID is the id that clients use.
	InstanceID string
	// ExecutionID is 32 hex digits, new with each start and each continuation.
	// nil means whichever execution is current.
	ExecutionID *string
}

// ParentInstance says which decision of which orchestration started this one.
type ParentInstance struct {
	// Name is the name of the parent's orchestrator.
	Name string
	// Instance is the parent.
	Instance Instance
	// TaskScheduleID is the EventID of the parent's SubOrchestrationCreated.
	TaskScheduleID int32
	// Version is the version of the parent's orchestrator.
	Version *string
}

// TraceContext is a W3C trace context that a message carries to its receiver.
type TraceContext struct {
	// TraceParent is the header of that name.
	TraceParent *string
	// TraceState is the header of that name.
	TraceState *string
	// ID is the full id of a span that was already begun for the receiver.
	ID *string
	// SpanID is the span part of ID.
	SpanID *string
	// ActivityStartTime is when that span began, in the zone it was written
	// with; .NET writes UTC.
	ActivityStartTime *time.Time
}

// FailureDetails describes an error without the exception object itself, with
// the errors that caused it.
type FailureDetails struct {
	// ErrorType is the full name of the exception's class, or a name that the
	// application chose.
	ErrorType string
	// ErrorMessage is the error's text.
	ErrorMessage string
	// StackTrace is where it happened.
	StackTrace *string
	// Inner is the cause. What lies deeper than readers accept is left out in
	// writing, see the package's limits.
	Inner *FailureDetails
	// IsNonRetriable says that retry policies do not apply.
	IsNonRetriable bool
	// Properties are values the application added.
	Properties *Properties
}

// ExecutionStarted begins an execution of an orchestration.
type ExecutionStarted struct {
	Base
	// Instance is the execution that begins.
	Instance Instance
	// Parent is set when another orchestration started this one.
	Parent *ParentInstance
	// Name is the name of the orchestrator.
	Name string
	// Version is the version of the orchestrator, normally "".
	Version *string
	// Input is the serialized input.
	Input *string
	// Tags are passed on to children and activities.
	Tags *Tags
	// Correlation belongs to an older way of tracing and is normally nil.
	Correlation *string
	// ParentTrace is the trace the start belongs to.
	ParentTrace *TraceContext
	// ScheduledStart delays the start until then.
	ScheduledStart *time.Time
	// Generation counts the starts under one instance id, from 0 on. Only
	// clients set it: it is nil for children and continuations.
	Generation *int32
	// GenerateNewTrace asks for a trace of its own.
	GenerateNewTrace bool
}

// ExecutionCompleted ends an execution.
type ExecutionCompleted struct {
	Base
	// Status is how it ended.
	Status Status
	// Result is the serialized output, or the error's text.
	Result *string
	// Failure describes the error where the hub keeps failure details.
	Failure *FailureDetails
}

// ExecutionTerminated orders an execution to end.
type ExecutionTerminated struct {
	Base
	// Input is the reason, as plain text.
	Input *string
}

// ExecutionSuspended orders an execution to pause.
type ExecutionSuspended struct {
	Base
	// Reason is plain text.
	Reason *string
}

// ExecutionResumed orders a paused execution to go on.
type ExecutionResumed struct {
	Base
	// Reason is plain text.
	Reason *string
}

// ExecutionRewound says that a failed execution was taken back. .NET workers on
// Azure Storage cannot read it from a queue message, so it must not be sent.
type ExecutionRewound struct {
	Base
	// Reason is plain text.
	Reason *string
	// ParentExecutionID is the execution id of the parent, if any.
	ParentExecutionID *string
	// InstanceID is the instance that was rewound.
	InstanceID *string
	// ParentTrace is the trace the rewind belongs to.
	ParentTrace *TraceContext
}

// TaskScheduled is the decision to call an activity.
type TaskScheduled struct {
	Base
	// Name is the name of the activity.
	Name string
	// Version is the version of the activity, normally "".
	Version *string
	// Input is the serialized input, an array of the arguments. Rows normally
	// leave it out.
	Input *string
	// ParentTrace is the trace the call belongs to.
	ParentTrace *TraceContext
	// Tags are set on the call.
	Tags *Tags
}

// TaskCompleted is the result of an activity.
type TaskCompleted struct {
	Base
	// TaskScheduledID is the EventID of the TaskScheduled.
	TaskScheduledID int32
	// Result is the serialized result.
	Result *string
}

// TaskFailed is the failure of an activity.
type TaskFailed struct {
	Base
	// TaskScheduledID is the EventID of the TaskScheduled.
	TaskScheduledID int32
	// Reason is the error's text.
	Reason *string
	// Details is the serialized exception, where the hub keeps those.
	Details *string
	// Failure describes the error, where the hub keeps failure details.
	Failure *FailureDetails
}

// SubOrchestrationCreated is the decision to start a child orchestration.
type SubOrchestrationCreated struct {
	Base
	// Name is the name of the child's orchestrator.
	Name string
	// Version is the version of the child's orchestrator.
	Version *string
	// InstanceID is the id of the child.
	InstanceID *string
	// Input is the serialized input. Rows normally leave it out.
	Input *string
	// ClientSpanID is the span of the call.
	ClientSpanID *string
	// Tags are set on the call.
	Tags *Tags
	// RewindReason is set in rows whose child was rewound, and only there. It is
	// the column Reason.
	RewindReason *string
}

// SubOrchestrationCompleted is the result of a child orchestration.
type SubOrchestrationCompleted struct {
	Base
	// TaskScheduledID is the EventID of the SubOrchestrationCreated.
	TaskScheduledID int32
	// Result is the serialized output.
	Result *string
}

// SubOrchestrationFailed is the failure or termination of a child orchestration.
type SubOrchestrationFailed struct {
	Base
	// TaskScheduledID is the EventID of the SubOrchestrationCreated.
	TaskScheduledID int32
	// Reason is the child's error text or the reason of its termination.
	Reason *string
	// Details is the serialized exception, where the hub keeps those.
	Details *string
	// Failure describes the error, where the hub keeps failure details.
	Failure *FailureDetails
}

// TimerCreated is the decision to set a timer.
type TimerCreated struct {
	Base
	// FireAt is when it is due, in UTC.
	FireAt time.Time
}

// TimerFired says that a timer is due.
type TimerFired struct {
	Base
	// TimerID is the EventID of the TimerCreated.
	TimerID int32
	// FireAt is when it was due, in UTC.
	FireAt time.Time
}

// OrchestratorStarted begins an episode: one turn of the orchestrator.
type OrchestratorStarted struct{ Base }

// OrchestratorCompleted ends an episode.
type OrchestratorCompleted struct{ Base }

// EventSent is the decision to send an event to another instance.
type EventSent struct {
	Base
	// InstanceID is the receiver.
	InstanceID *string
	// Name is the name of the event.
	Name string
	// Input is the serialized value.
	Input *string
}

// EventRaised is an event from a client or another instance.
type EventRaised struct {
	Base
	// Name is the name of the event.
	Name string
	// Input is the serialized value.
	Input *string
	// ParentTrace is the trace the event belongs to.
	ParentTrace *TraceContext
}

// ContinueAsNew ends an execution that goes on as a new one. On Azure Storage
// it is never written.
type ContinueAsNew struct {
	Base
	// Status is always ContinuedAsNew.
	Status Status
	// Result is the input of the new execution.
	Result *string
	// Failure is not used.
	Failure *FailureDetails
}

// GenericEvent carries text that means nothing to orchestrators. A message with
// one wakes an instance after a rewind, and replay skips its rows.
//
// A rewind also turns rows of failed work into rows of this kind, and keeps
// what was in them. Such a row has a RewindReason and the event it was before.
type GenericEvent struct {
	Base
	// Data is plain text.
	Data *string
	// RewindReason is set in rows that a rewind took out of the history, and
	// only there: "Rewound: " and the kind the row had. It is the column Reason.
	RewindReason *string
	// Rewound is the event that such a row was, as far as it is still known:
	// the Reason of a failed task or child is lost.
	Rewound Event
}

// HistoryState holds the state of a whole instance. On Azure Storage it is never
// written.
type HistoryState struct {
	Base
	// State is an object of the class OrchestrationState.
	State *Value
}

// Kind returns [KindExecutionStarted].
func (*ExecutionStarted) Kind() Kind { return KindExecutionStarted }

// Kind returns [KindExecutionCompleted].
func (*ExecutionCompleted) Kind() Kind { return KindExecutionCompleted }

// Kind returns [KindExecutionTerminated].
func (*ExecutionTerminated) Kind() Kind { return KindExecutionTerminated }

// Kind returns [KindExecutionSuspended].
func (*ExecutionSuspended) Kind() Kind { return KindExecutionSuspended }

// Kind returns [KindExecutionResumed].
func (*ExecutionResumed) Kind() Kind { return KindExecutionResumed }

// Kind returns [KindExecutionRewound].
func (*ExecutionRewound) Kind() Kind { return KindExecutionRewound }

// Kind returns [KindTaskScheduled].
func (*TaskScheduled) Kind() Kind { return KindTaskScheduled }

// Kind returns [KindTaskCompleted].
func (*TaskCompleted) Kind() Kind { return KindTaskCompleted }

// Kind returns [KindTaskFailed].
func (*TaskFailed) Kind() Kind { return KindTaskFailed }

// Kind returns [KindSubOrchestrationCreated].
func (*SubOrchestrationCreated) Kind() Kind { return KindSubOrchestrationCreated }

// Kind returns [KindSubOrchestrationCompleted].
func (*SubOrchestrationCompleted) Kind() Kind { return KindSubOrchestrationCompleted }

// Kind returns [KindSubOrchestrationFailed].
func (*SubOrchestrationFailed) Kind() Kind { return KindSubOrchestrationFailed }

// Kind returns [KindTimerCreated].
func (*TimerCreated) Kind() Kind { return KindTimerCreated }

// Kind returns [KindTimerFired].
func (*TimerFired) Kind() Kind { return KindTimerFired }

// Kind returns [KindOrchestratorStarted].
func (*OrchestratorStarted) Kind() Kind { return KindOrchestratorStarted }

// Kind returns [KindOrchestratorCompleted].
func (*OrchestratorCompleted) Kind() Kind { return KindOrchestratorCompleted }

// Kind returns [KindEventSent].
func (*EventSent) Kind() Kind { return KindEventSent }

// Kind returns [KindEventRaised].
func (*EventRaised) Kind() Kind { return KindEventRaised }

// Kind returns [KindContinueAsNew].
func (*ContinueAsNew) Kind() Kind { return KindContinueAsNew }

// Kind returns [KindGenericEvent].
func (*GenericEvent) Kind() Kind { return KindGenericEvent }

// Kind returns [KindHistoryState].
func (*HistoryState) Kind() Kind { return KindHistoryState }
