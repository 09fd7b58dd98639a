package httpapi

import (
	"encoding/json"
	"strconv"

	"github.com/go-taskhub/taskhub/history"
)

// shaping turns a history into what clients get to see: what was decided is folded into its answer.
type shaping struct {
	inputs, outputs bool
	shaped          []json.RawMessage
	open            map[int32]decision // scheduled and not answered yet
}

// decision is a call of an activity or a child that has not been answered.
type decision struct {
	at    int // in shaped
	event history.Event
	name  string
	input *string
}

// shape returns the events as JSON objects, with inputs and outputs where wanted.
func shape(events []history.Event, inputs, outputs bool) []json.RawMessage {
	s := &shaping{inputs: inputs, outputs: outputs, shaped: make([]json.RawMessage, 0, len(events)), open: map[int32]decision{}}
	for _, event := range events {
		s.add(event)
	}
	shown := s.shaped[:0]
	for _, text := range s.shaped {
		if text != nil {
			shown = append(shown, text)
		}
	}
	return shown
}

func (s *shaping) add(event history.Event) {
	switch event.Kind() {
	case history.KindOrchestratorStarted, history.KindOrchestratorCompleted:
		return
	}
	o := &object{}
	if e, ok := event.(*history.GenericEvent); ok {
		o.string("Data", e.Data)
		o.text("EventType", event.Kind().String())
		o.time("Timestamp", event.Common().Timestamp)
		s.shaped = append(s.shaped, o.done())
		return
	}
	o.text("EventType", event.Kind().String())
	switch e := event.(type) {
	case *history.TaskScheduled:
		s.open[e.EventID] = decision{at: len(s.shaped), event: e, name: e.Name, input: e.Input}
		s.scheduled(o, e)
	case *history.SubOrchestrationCreated:
		s.open[e.EventID] = decision{at: len(s.shaped), event: e, name: e.Name, input: e.Input}
		s.created(o, e)
	case *history.TaskCompleted:
		s.result(o, e.Result)
	case *history.SubOrchestrationCompleted:
		s.result(o, e.Result)
	case *history.TaskFailed:
		failed(o, e.Reason, e.Details, e.Failure)
	case *history.SubOrchestrationFailed:
		failed(o, e.Reason, e.Details, e.Failure)
	default:
		s.execution(o, event)
	}
	o.time("Timestamp", event.Common().Timestamp)
	s.finish(o, event)
	s.shaped = append(s.shaped, o.done())
}

// finish adds what stands behind the time.
func (s *shaping) finish(o *object, event history.Event) {
	switch e := event.(type) {
	case *history.ExecutionStarted:
		o.text("FunctionName", e.Name)
	case *history.TaskCompleted:
		s.answer(o, e.TaskScheduledID)
	case *history.TaskFailed:
		s.answer(o, e.TaskScheduledID)
	case *history.SubOrchestrationCompleted:
		s.answer(o, e.TaskScheduledID)
	case *history.SubOrchestrationFailed:
		s.answer(o, e.TaskScheduledID)
	}
}

// answer takes over what the decision said, which is not shown any more.
func (s *shaping) answer(o *object, id int32) {
	asked, ok := s.open[id]
	if !ok {
		return
	}
	delete(s.open, id)
	s.shaped[asked.at] = nil
	o.time("ScheduledTime", asked.event.Common().Timestamp)
	o.text("FunctionName", asked.name)
	s.input(o, asked.input)
}

func (s *shaping) input(o *object, text *string) {
	if s.inputs {
		o.string("Input", text)
	}
}

func (s *shaping) result(o *object, text *string) {
	if s.outputs {
		o.raw("Result", value(text))
	}
}

func (s *shaping) scheduled(o *object, e *history.TaskScheduled) {
	o.text("Name", e.Name)
	s.input(o, e.Input)
	trace(o, e.ParentTrace)
	tags(o, e.Tags)
}

func (s *shaping) created(o *object, e *history.SubOrchestrationCreated) {
	o.text("Name", e.Name)
	o.string("InstanceId", e.InstanceID)
	s.input(o, e.Input)
	o.string("ClientSpanId", e.ClientSpanID)
	tags(o, e.Tags)
}

func failed(o *object, reason, details *string, failure *history.FailureDetails) {
	o.string("Reason", reason)
	o.string("Details", details)
	o.raw("FailureDetails", failureDetails(failure))
}

// execution adds the members of all other events.
func (s *shaping) execution(o *object, event history.Event) {
	switch e := event.(type) {
	case *history.ExecutionStarted:
		s.started(o, e)
	case *history.ExecutionCompleted:
		o.text("OrchestrationStatus", statusName(e.Status))
		s.result(o, e.Result)
		o.raw("FailureDetails", failureDetails(e.Failure))
	case *history.ContinueAsNew:
		o.raw("OrchestrationStatus", strconv.AppendInt(nil, int64(e.Status), 10))
		s.result(o, e.Result)
		o.raw("FailureDetails", failureDetails(e.Failure))
	case *history.ExecutionTerminated:
		o.string("Input", e.Input)
	case *history.ExecutionSuspended:
		o.string("Reason", e.Reason)
	case *history.ExecutionResumed:
		o.string("Reason", e.Reason)
	case *history.ExecutionRewound:
		o.string("Reason", e.Reason)
		o.string("ParentExecutionId", e.ParentExecutionID)
		o.string("InstanceId", e.InstanceID)
		trace(o, e.ParentTrace)
	case *history.TimerCreated:
		o.time("FireAt", e.FireAt)
	case *history.TimerFired:
		o.time("FireAt", e.FireAt)
	case *history.EventRaised:
		o.text("Name", e.Name)
		s.input(o, e.Input)
		trace(o, e.ParentTrace)
	case *history.EventSent:
		o.string("InstanceId", e.InstanceID)
		o.text("Name", e.Name)
		s.input(o, e.Input)
	}
}

func (s *shaping) started(o *object, e *history.ExecutionStarted) {
	s.input(o, e.Input)
	o.string("Correlation", e.Correlation)
	trace(o, e.ParentTrace)
	o.optionalTime("ScheduledStartTime", e.ScheduledStart)
	generation := []byte("null")
	if e.Generation != nil {
		generation = strconv.AppendInt(nil, int64(*e.Generation), 10)
	}
	o.raw("Generation", generation)
	o.bool("GenerateNewTrace", e.GenerateNewTrace)
}

func trace(o *object, t *history.TraceContext) {
	if t == nil {
		o.raw("ParentTraceContext", []byte("null"))
		return
	}
	inner := &object{}
	inner.string("TraceParent", t.TraceParent)
	inner.string("TraceState", t.TraceState)
	inner.string("Id", t.ID)
	inner.string("SpanId", t.SpanID)
	inner.optionalTime("ActivityStartTime", t.ActivityStartTime)
	o.raw("ParentTraceContext", inner.done())
}

func tags(o *object, t *history.Tags) {
	text, err := json.Marshal(t.Map()) // nil gives null
	if err != nil {                    // cannot be: texts can be written
		text = []byte("null")
	}
	o.raw("Tags", text)
}

func failureDetails(f *history.FailureDetails) []byte {
	if f == nil {
		return []byte("null")
	}
	o := &object{}
	o.text("ErrorType", f.ErrorType)
	o.text("ErrorMessage", f.ErrorMessage)
	o.string("StackTrace", f.StackTrace)
	o.raw("InnerFailure", failureDetails(f.Inner))
	o.bool("IsNonRetriable", f.IsNonRetriable)
	properties := []byte("null")
	if f.Properties != nil {
		all := map[string]json.RawMessage{}
		for name, v := range f.Properties.All() {
			all[name] = json.RawMessage(v.JSON())
		}
		if text, err := json.Marshal(all); err == nil {
			properties = text
		}
	}
	o.raw("Properties", properties)
	return o.done()
}
