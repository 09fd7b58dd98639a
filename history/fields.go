package history

// This file says, for each class, which members it has in JSON and in which
// order they are written: first the fields of the .NET class, then its
// properties from EventType on. The common members follow them.

func (e *ExecutionStarted) appendFields(w *writer) {
	w.instance("OrchestrationInstance", &e.Instance)
	w.kind(KindExecutionStarted)
	w.parent("ParentInstance", e.Parent)
	w.text("Name", e.Name)
	w.optional("Version", e.Version)
	w.optional("Input", e.Input)
	w.tags("Tags", e.Tags)
	w.optional("Correlation", e.Correlation)
	w.trace("ParentTraceContext", e.ParentTrace)
	if e.ScheduledStart == nil {
		w.optional("ScheduledStartTime", nil)
	} else {
		w.time("ScheduledStartTime", *e.ScheduledStart)
	}
	if e.Generation == nil {
		w.optional("Generation", nil)
	} else {
		w.integer("Generation", int64(*e.Generation))
	}
	w.boolean("GenerateNewTrace", e.GenerateNewTrace)
}

func (e *ExecutionStarted) readField(r *reader, f field) error {
	switch f {
	case fieldOrchestrationInstance:
		return r.instance(&e.Instance)
	case fieldParentInstance:
		return r.parent(&e.Parent)
	case fieldName:
		return r.text(&e.Name)
	case fieldVersion:
		return r.optional(&e.Version)
	case fieldInput:
		return r.optional(&e.Input)
	case fieldTags:
		return r.tags(&e.Tags)
	case fieldCorrelation:
		return r.optional(&e.Correlation)
	case fieldParentTraceContext:
		return r.trace(&e.ParentTrace)
	case fieldScheduledStartTime:
		return r.optionalTime(&e.ScheduledStart)
	case fieldGeneration:
		return r.optionalInt32(&e.Generation)
	case fieldGenerateNewTrace:
		return r.boolean(&e.GenerateNewTrace)
	default:
		return r.Skip()
	}
}

func (e *ExecutionCompleted) appendFields(w *writer) {
	w.kind(KindExecutionCompleted)
	w.integer("OrchestrationStatus", int64(e.Status))
	w.optional("Result", e.Result)
	w.failure("FailureDetails", e.Failure)
}

func (e *ExecutionCompleted) readField(r *reader, f field) error {
	return r.outcome(f, &e.Status, &e.Result, &e.Failure)
}

func (e *ContinueAsNew) appendFields(w *writer) {
	w.kind(KindContinueAsNew)
	w.integer("OrchestrationStatus", int64(e.Status))
	w.optional("Result", e.Result)
	w.failure("FailureDetails", e.Failure)
}

func (e *ContinueAsNew) readField(r *reader, f field) error {
	return r.outcome(f, &e.Status, &e.Result, &e.Failure)
}

// outcome reads the members that the end of an execution has.
func (r *reader) outcome(f field, status *Status, result **string, failure **FailureDetails) error {
	switch f {
	case fieldOrchestrationStatus:
		return r.status(status)
	case fieldResult:
		return r.optional(result)
	case fieldFailureDetails:
		return r.failure(failure)
	default:
		return r.Skip()
	}
}

func (e *ExecutionTerminated) appendFields(w *writer) {
	w.kind(KindExecutionTerminated)
	w.optional("Input", e.Input)
}

func (e *ExecutionTerminated) readField(r *reader, f field) error {
	if f == fieldInput {
		return r.optional(&e.Input)
	}
	return r.Skip()
}

func (e *ExecutionSuspended) appendFields(w *writer) {
	w.kind(KindExecutionSuspended)
	w.optional("Reason", e.Reason)
}

func (e *ExecutionSuspended) readField(r *reader, f field) error {
	if f == fieldReason {
		return r.optional(&e.Reason)
	}
	return r.Skip()
}

func (e *ExecutionResumed) appendFields(w *writer) {
	w.kind(KindExecutionResumed)
	w.optional("Reason", e.Reason)
}

func (e *ExecutionResumed) readField(r *reader, f field) error {
	if f == fieldReason {
		return r.optional(&e.Reason)
	}
	return r.Skip()
}

func (e *ExecutionRewound) appendFields(w *writer) {
	w.kind(KindExecutionRewound)
	w.optional("Reason", e.Reason)
	w.optional("ParentExecutionId", e.ParentExecutionID)
	w.optional("InstanceId", e.InstanceID)
	w.trace("ParentTraceContext", e.ParentTrace)
}

func (e *ExecutionRewound) readField(r *reader, f field) error {
	switch f {
	case fieldReason:
		return r.optional(&e.Reason)
	case fieldParentExecutionID:
		return r.optional(&e.ParentExecutionID)
	case fieldInstanceID:
		return r.optional(&e.InstanceID)
	case fieldParentTraceContext:
		return r.trace(&e.ParentTrace)
	default:
		return r.Skip()
	}
}

func (e *TaskScheduled) appendFields(w *writer) {
	w.kind(KindTaskScheduled)
	w.text("Name", e.Name)
	w.optional("Version", e.Version)
	w.optional("Input", e.Input)
	w.trace("ParentTraceContext", e.ParentTrace)
	w.tags("Tags", e.Tags)
}

func (e *TaskScheduled) readField(r *reader, f field) error {
	switch f {
	case fieldName:
		return r.text(&e.Name)
	case fieldVersion:
		return r.optional(&e.Version)
	case fieldInput:
		return r.optional(&e.Input)
	case fieldParentTraceContext:
		return r.trace(&e.ParentTrace)
	case fieldTags:
		return r.tags(&e.Tags)
	default:
		return r.Skip()
	}
}

func (e *TaskCompleted) appendFields(w *writer) {
	w.kind(KindTaskCompleted)
	w.integer("TaskScheduledId", int64(e.TaskScheduledID))
	w.optional("Result", e.Result)
}

func (e *TaskCompleted) readField(r *reader, f field) error {
	return r.success(f, &e.TaskScheduledID, &e.Result)
}

func (e *SubOrchestrationCompleted) appendFields(w *writer) {
	w.kind(KindSubOrchestrationCompleted)
	w.integer("TaskScheduledId", int64(e.TaskScheduledID))
	w.optional("Result", e.Result)
}

func (e *SubOrchestrationCompleted) readField(r *reader, f field) error {
	return r.success(f, &e.TaskScheduledID, &e.Result)
}

// success reads the members that a result has.
func (r *reader) success(f field, id *int32, result **string) error {
	switch f {
	case fieldTaskScheduledID:
		return r.int32(id)
	case fieldResult:
		return r.optional(result)
	default:
		return r.Skip()
	}
}

func (e *TaskFailed) appendFields(w *writer) {
	w.kind(KindTaskFailed)
	w.integer("TaskScheduledId", int64(e.TaskScheduledID))
	w.optional("Reason", e.Reason)
	w.optional("Details", e.Details)
	w.failure("FailureDetails", e.Failure)
}

func (e *TaskFailed) readField(r *reader, f field) error {
	return r.failed(f, &e.TaskScheduledID, &e.Reason, &e.Details, &e.Failure)
}

func (e *SubOrchestrationFailed) appendFields(w *writer) {
	w.kind(KindSubOrchestrationFailed)
	w.integer("TaskScheduledId", int64(e.TaskScheduledID))
	w.optional("Reason", e.Reason)
	w.optional("Details", e.Details)
	w.failure("FailureDetails", e.Failure)
}

func (e *SubOrchestrationFailed) readField(r *reader, f field) error {
	return r.failed(f, &e.TaskScheduledID, &e.Reason, &e.Details, &e.Failure)
}

// failed reads the members that a failure has.
func (r *reader) failed(f field, id *int32, reason, details **string, failure **FailureDetails) error {
	switch f {
	case fieldTaskScheduledID:
		return r.int32(id)
	case fieldReason:
		return r.optional(reason)
	case fieldDetails:
		return r.optional(details)
	case fieldFailureDetails:
		return r.failure(failure)
	default:
		return r.Skip()
	}
}

func (e *SubOrchestrationCreated) appendFields(w *writer) {
	w.kind(KindSubOrchestrationCreated)
	w.text("Name", e.Name)
	w.optional("Version", e.Version)
	w.optional("InstanceId", e.InstanceID)
	w.optional("Input", e.Input)
	w.optional("ClientSpanId", e.ClientSpanID)
	w.tags("Tags", e.Tags)
}

func (e *SubOrchestrationCreated) readField(r *reader, f field) error {
	switch f {
	case fieldName:
		return r.text(&e.Name)
	case fieldVersion:
		return r.optional(&e.Version)
	case fieldInstanceID:
		return r.optional(&e.InstanceID)
	case fieldInput:
		return r.optional(&e.Input)
	case fieldClientSpanID:
		return r.optional(&e.ClientSpanID)
	case fieldTags:
		return r.tags(&e.Tags)
	default:
		return r.Skip()
	}
}

func (e *TimerCreated) appendFields(w *writer) {
	w.kind(KindTimerCreated)
	w.time("FireAt", e.FireAt)
}

func (e *TimerCreated) readField(r *reader, f field) error {
	if f == fieldFireAt {
		return r.time(&e.FireAt)
	}
	return r.Skip()
}

func (e *TimerFired) appendFields(w *writer) {
	w.kind(KindTimerFired)
	w.integer("TimerId", int64(e.TimerID))
	w.time("FireAt", e.FireAt)
}

func (e *TimerFired) readField(r *reader, f field) error {
	switch f {
	case fieldTimerID:
		return r.int32(&e.TimerID)
	case fieldFireAt:
		return r.time(&e.FireAt)
	default:
		return r.Skip()
	}
}

func (e *OrchestratorStarted) appendFields(w *writer) { w.kind(KindOrchestratorStarted) }

func (e *OrchestratorStarted) readField(r *reader, _ field) error { return r.Skip() }

func (e *OrchestratorCompleted) appendFields(w *writer) { w.kind(KindOrchestratorCompleted) }

func (e *OrchestratorCompleted) readField(r *reader, _ field) error { return r.Skip() }

func (e *EventSent) appendFields(w *writer) {
	w.kind(KindEventSent)
	w.optional("InstanceId", e.InstanceID)
	w.text("Name", e.Name)
	w.optional("Input", e.Input)
}

func (e *EventSent) readField(r *reader, f field) error {
	switch f {
	case fieldInstanceID:
		return r.optional(&e.InstanceID)
	case fieldName:
		return r.text(&e.Name)
	case fieldInput:
		return r.optional(&e.Input)
	default:
		return r.Skip()
	}
}

func (e *EventRaised) appendFields(w *writer) {
	w.kind(KindEventRaised)
	w.text("Name", e.Name)
	w.optional("Input", e.Input)
	w.trace("ParentTraceContext", e.ParentTrace)
}

func (e *EventRaised) readField(r *reader, f field) error {
	switch f {
	case fieldName:
		return r.text(&e.Name)
	case fieldInput:
		return r.optional(&e.Input)
	case fieldParentTraceContext:
		return r.trace(&e.ParentTrace)
	default:
		return r.Skip()
	}
}

func (e *GenericEvent) appendFields(w *writer) {
	w.optional("Data", e.Data)
	w.kind(KindGenericEvent)
}

func (e *GenericEvent) readField(r *reader, f field) error {
	if f == fieldData {
		return r.optional(&e.Data)
	}
	return r.Skip()
}

func (e *HistoryState) appendFields(w *writer) {
	w.kind(KindHistoryState)
	w.name("State")
	if e.State == nil {
		w.null()
		return
	}
	w.value(*e.State)
}

func (e *HistoryState) readField(r *reader, f field) error {
	if f == fieldState {
		return r.value(&e.State)
	}
	return r.Skip()
}
