package telemetry

import "go.opentelemetry.io/otel/attribute"

// Attributes of spans, from DurableTask.Core's Tracing/Schema.cs.
const (
	taskType      = attribute.Key("durabletask.type")
	taskName      = attribute.Key("durabletask.task.name")
	taskVersion   = attribute.Key("durabletask.task.version")
	taskInstance  = attribute.Key("durabletask.task.instance_id")
	taskExecution = attribute.Key("durabletask.task.execution_id")
	taskStatus    = attribute.Key("durabletask.task.status")
	taskID        = attribute.Key("durabletask.task.task_id")
	eventTarget   = attribute.Key("durabletask.event.target_instance_id")
	timerFireAt   = attribute.Key("durabletask.fire_at")
)

// Types of spans and parts of their names, from DurableTask.Core's Tracing/TraceActivityConstants.cs.
const (
	typeOrchestration = "orchestration"
	typeActivity      = "activity"
	typeEvent         = "event"
	typeTimer         = "timer"

	nameCreate = "create_orchestration"
	nameEvent  = "orchestration_event"
)

// roundTrip is .NET's format "o" of a UTC time, which the attribute of a timer has.
const roundTrip = "2006-01-02T15:04:05.0000000Z"

// spanName is the name of a span: what it is, the name of the task, and its version if it has one.
func spanName(what, name, version string) string {
	if version == "" {
		return what + ":" + name
	}
	return what + ":" + name + "@(" + version + ")"
}

func timerSpanName(orchestration string) string {
	return typeOrchestration + ":" + orchestration + ":" + typeTimer
}

// taskAttributes are those that most spans have.
func taskAttributes(kind, name, version string, more ...attribute.KeyValue) []attribute.KeyValue {
	list := append(make([]attribute.KeyValue, 0, 4+len(more)), taskType.String(kind), taskName.String(name))
	if version != "" {
		list = append(list, taskVersion.String(version))
	}
	return append(list, more...)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
