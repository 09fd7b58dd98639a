package history

import (
	"strings"

	"github.com/go-taskhub/taskhub/internal/edm"
)

// This file says, for each class, which columns its rows have besides the
// common ones.

func (e *ExecutionStarted) putColumns(w *rowWriter) {
	w.instance("OrchestrationInstance", &e.Instance)
	w.parent("ParentInstance", e.Parent)
	w.text("Name", e.Name)
	w.optional("Version", e.Version)
	w.optional("Input", e.Input)
	w.tags(e.Tags)
	w.optional("Correlation", e.Correlation)
	w.trace(e.ParentTrace)
	if e.ScheduledStart != nil {
		w.time("ScheduledStartTime", *e.ScheduledStart)
	}
	if e.Generation != nil {
		w.int32("Generation", *e.Generation)
	}
	w.columns["GenerateNewTrace"] = e.GenerateNewTrace
}

func (e *ExecutionStarted) takeColumns(r *rowReader) {
	r.instance("OrchestrationInstance", &e.Instance)
	r.parent("ParentInstance", &e.Parent)
	r.text("Name", &e.Name)
	r.optional("Version", &e.Version)
	r.optional("Input", &e.Input)
	r.tags(&e.Tags)
	r.optional("Correlation", &e.Correlation)
	r.trace(&e.ParentTrace)
	r.optionalTime("ScheduledStartTime", &e.ScheduledStart)
	r.optionalInt32("Generation", &e.Generation)
	r.boolean("GenerateNewTrace", &e.GenerateNewTrace)
}

func (e *ExecutionCompleted) putColumns(w *rowWriter) {
	w.status(e.Status)
	w.optional("Result", e.Result)
	w.failure(e.Failure)
}

func (e *ExecutionCompleted) takeColumns(r *rowReader) {
	r.status(&e.Status)
	r.optional("Result", &e.Result)
	r.failure(&e.Failure)
}

func (e *ContinueAsNew) putColumns(w *rowWriter) {
	w.status(e.Status)
	w.optional("Result", e.Result)
	w.failure(e.Failure)
}

func (e *ContinueAsNew) takeColumns(r *rowReader) {
	r.status(&e.Status)
	r.optional("Result", &e.Result)
	r.failure(&e.Failure)
}

func (e *ExecutionTerminated) putColumns(w *rowWriter)  { w.optional("Input", e.Input) }
func (e *ExecutionTerminated) takeColumns(r *rowReader) { r.optional("Input", &e.Input) }

func (e *ExecutionSuspended) putColumns(w *rowWriter)  { w.optional(columnReason, e.Reason) }
func (e *ExecutionSuspended) takeColumns(r *rowReader) { r.optional(columnReason, &e.Reason) }

func (e *ExecutionResumed) putColumns(w *rowWriter)  { w.optional(columnReason, e.Reason) }
func (e *ExecutionResumed) takeColumns(r *rowReader) { r.optional(columnReason, &e.Reason) }

func (e *ExecutionRewound) putColumns(w *rowWriter) {
	w.optional(columnReason, e.Reason)
	w.optional("ParentExecutionId", e.ParentExecutionID)
	w.optional("InstanceId", e.InstanceID)
	w.trace(e.ParentTrace)
}

func (e *ExecutionRewound) takeColumns(r *rowReader) {
	r.optional(columnReason, &e.Reason)
	r.optional("ParentExecutionId", &e.ParentExecutionID)
	r.optional("InstanceId", &e.InstanceID)
	r.trace(&e.ParentTrace)
}

func (e *TaskScheduled) putColumns(w *rowWriter) {
	w.text("Name", e.Name)
	w.optional("Version", e.Version)
	w.optional("Input", e.Input)
	w.trace(e.ParentTrace)
	w.tags(e.Tags)
}

func (e *TaskScheduled) takeColumns(r *rowReader) {
	r.text("Name", &e.Name)
	r.optional("Version", &e.Version)
	r.optional("Input", &e.Input)
	r.trace(&e.ParentTrace)
	r.tags(&e.Tags)
}

func (e *TaskCompleted) putColumns(w *rowWriter) {
	w.int32("TaskScheduledId", e.TaskScheduledID)
	w.optional("Result", e.Result)
}

func (e *TaskCompleted) takeColumns(r *rowReader) {
	r.int32("TaskScheduledId", &e.TaskScheduledID)
	r.optional("Result", &e.Result)
}

func (e *SubOrchestrationCompleted) putColumns(w *rowWriter) {
	w.int32("TaskScheduledId", e.TaskScheduledID)
	w.optional("Result", e.Result)
}

func (e *SubOrchestrationCompleted) takeColumns(r *rowReader) {
	r.int32("TaskScheduledId", &e.TaskScheduledID)
	r.optional("Result", &e.Result)
}

func (e *TaskFailed) putColumns(w *rowWriter) {
	w.int32("TaskScheduledId", e.TaskScheduledID)
	w.optional(columnReason, e.Reason)
	w.optional("Details", e.Details)
	w.failure(e.Failure)
}

func (e *TaskFailed) takeColumns(r *rowReader) {
	r.int32("TaskScheduledId", &e.TaskScheduledID)
	r.optional(columnReason, &e.Reason)
	r.optional("Details", &e.Details)
	r.failure(&e.Failure)
}

func (e *SubOrchestrationFailed) putColumns(w *rowWriter) {
	w.int32("TaskScheduledId", e.TaskScheduledID)
	w.optional(columnReason, e.Reason)
	w.optional("Details", e.Details)
	w.failure(e.Failure)
}

func (e *SubOrchestrationFailed) takeColumns(r *rowReader) {
	r.int32("TaskScheduledId", &e.TaskScheduledID)
	r.optional(columnReason, &e.Reason)
	r.optional("Details", &e.Details)
	r.failure(&e.Failure)
}

func (e *SubOrchestrationCreated) putColumns(w *rowWriter) {
	w.text("Name", e.Name)
	w.optional("Version", e.Version)
	w.optional("InstanceId", e.InstanceID)
	w.optional("Input", e.Input)
	w.optional("ClientSpanId", e.ClientSpanID)
	w.tags(e.Tags)
	w.optional(columnReason, e.RewindReason)
}

func (e *SubOrchestrationCreated) takeColumns(r *rowReader) {
	r.text("Name", &e.Name)
	r.optional("Version", &e.Version)
	r.optional("InstanceId", &e.InstanceID)
	r.optional("Input", &e.Input)
	r.optional("ClientSpanId", &e.ClientSpanID)
	r.tags(&e.Tags)
	r.optional(columnReason, &e.RewindReason)
}

func (e *TimerCreated) putColumns(w *rowWriter)  { w.time("FireAt", e.FireAt) }
func (e *TimerCreated) takeColumns(r *rowReader) { r.time("FireAt", &e.FireAt) }

func (e *TimerFired) putColumns(w *rowWriter) {
	w.int32("TimerId", e.TimerID)
	w.time("FireAt", e.FireAt)
}

func (e *TimerFired) takeColumns(r *rowReader) {
	r.int32("TimerId", &e.TimerID)
	r.time("FireAt", &e.FireAt)
}

func (*OrchestratorStarted) putColumns(*rowWriter)  {}
func (*OrchestratorStarted) takeColumns(*rowReader) {}

func (*OrchestratorCompleted) putColumns(*rowWriter)  {}
func (*OrchestratorCompleted) takeColumns(*rowReader) {}

func (e *EventSent) putColumns(w *rowWriter) {
	w.optional("InstanceId", e.InstanceID)
	w.text("Name", e.Name)
	w.optional("Input", e.Input)
}

func (e *EventSent) takeColumns(r *rowReader) {
	r.optional("InstanceId", &e.InstanceID)
	r.text("Name", &e.Name)
	r.optional("Input", &e.Input)
}

func (e *EventRaised) putColumns(w *rowWriter) {
	w.text("Name", e.Name)
	w.optional("Input", e.Input)
	w.trace(e.ParentTrace)
}

func (e *EventRaised) takeColumns(r *rowReader) {
	r.text("Name", &e.Name)
	r.optional("Input", &e.Input)
	r.trace(&e.ParentTrace)
}

func (e *GenericEvent) putColumns(w *rowWriter) {
	if e.Rewound != nil {
		if e.Rewound.Kind() == KindGenericEvent {
			w.fail(columnEventType, errRewound)
			return
		}
		e.Rewound.putColumns(w)
	}
	w.optional("Data", e.Data)
	w.optional(columnReason, e.RewindReason)
}

func (e *GenericEvent) takeColumns(r *rowReader) {
	r.optional("Data", &e.Data)
	r.optional(columnReason, &e.RewindReason)
	if e.RewindReason != nil && r.err == nil {
		e.Rewound = rewoundEvent(r, *e.RewindReason)
	}
}

// rewoundEvent reads the event that a row was before a rewind, nil when that
// cannot be told. Nothing depends on it, so leftovers that do not fit are no
// error.
func rewoundEvent(r *rowReader, reason string) Event {
	name, ok := strings.CutPrefix(reason, rewoundPrefix)
	if !ok {
		return nil
	}
	k, ok := ParseKind(name)
	if !ok {
		return nil
	}
	if _, ended := r.columns[columnStatus]; ended && k == KindGenericEvent {
		k = KindExecutionCompleted // .NET rewinds the end of an execution again each time
	}
	if k == KindGenericEvent || NewEvent(k) == nil {
		return nil
	}
	e, err := decodeRowAs(r.columns, k)
	if err != nil {
		return nil
	}
	forgetReason(e)
	w := rowWriter{columns: edm.Entity{}}
	e.putColumns(&w)
	for name := range w.columns {
		if r.columns[name] == nil { // the row never was such an event
			return nil
		}
	}
	return e
}

// forgetReason drops the Reason that the rewind wrote over the event's own.
func forgetReason(e Event) {
	switch e := e.(type) {
	case *TaskFailed:
		e.Reason = nil
	case *SubOrchestrationFailed:
		e.Reason = nil
	case *SubOrchestrationCreated:
		e.RewindReason = nil
	case *ExecutionSuspended:
		e.Reason = nil
	case *ExecutionResumed:
		e.Reason = nil
	case *ExecutionRewound:
		e.Reason = nil
	}
}

func (e *HistoryState) putColumns(w *rowWriter) {
	if e.State == nil {
		w.columns["State"] = jsonNull
		return
	}
	w.cell("State", func(json *writer) { json.value(*e.State) })
}

func (e *HistoryState) takeColumns(r *rowReader) {
	r.cell("State", func(json *reader) error { return json.value(&e.State) })
}
