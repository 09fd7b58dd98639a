package telemetry

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-taskhub/taskhub/history"
)

// Begin gives an orchestration that begins its span: the id and the instant go into the context of the start, which is stored
// with it, as StartTraceActivityForOrchestrationExecution of .NET's TraceHelper.cs does. It does nothing to one that has
// begun already.
//
// A start without a context comes from a client that does not trace, which leaves .NET without a trace. Here it begins one,
// in the way that .NET does for a start with GenerateNewTrace: with a producer span of the worker's. A sub-orchestration
// without a context is one of a parent without a trace, and gets none.
func (r *Recorder) Begin(e *history.ExecutionStarted, at time.Time) {
	if !r.Tracing() || e.ParentTrace != nil && e.ParentTrace.SpanID != nil {
		return
	}
	if e.GenerateNewTrace || e.ParentTrace == nil && e.Parent == nil {
		r.create(e, at)
	}
	parent := parse(e.ParentTrace)
	if !parent.IsValid() {
		return
	}
	mine := parent.WithSpanID(spanID(spanOfRun, deref(e.Instance.ExecutionID)))
	began := at.UTC()
	t := *e.ParentTrace
	t.ID, t.SpanID, t.ActivityStartTime = history.String(parentText(mine)), history.String(mine.SpanID().String()), &began
	e.ParentTrace = &t
}

// create writes the producer span that the client did not.
func (r *Recorder) create(e *history.ExecutionStarted, at time.Time) {
	execution := deref(e.Instance.ExecutionID)
	start := e.Timestamp
	if start.IsZero() || start.After(at) {
		start = at
	}
	sc := r.write(span{
		name: spanName(nameCreate, e.Name, deref(e.Version)), kind: trace.SpanKindProducer, parent: parse(e.ParentTrace),
		trace: traceID(execution), id: spanID(spanOfCreate, execution), start: start, end: at,
		attributes: taskAttributes(typeOrchestration, e.Name, deref(e.Version),
			taskInstance.String(e.Instance.InstanceID), taskExecution.String(execution)),
	})
	if sc.IsValid() {
		e.ParentTrace, e.GenerateNewTrace = format(sc), false
	}
}

// Call is the context of a call that an orchestration decides, to be stored with the decision and sent with its message: the
// trace, and the id of the span of the call. round counts how often numbers were given anew because a rewind undid decisions.
// Nil without a trace.
func (r *Recorder) Call(started *history.ExecutionStarted, executionID string, id, round int32) *history.TraceContext {
	if !r.Tracing() {
		return nil
	}
	mine := own(started)
	if !mine.IsValid() {
		return nil
	}
	return format(mine.WithSpanID(spanID(spanOfCall, executionID, id, round)))
}

// SpanOf is the id of the span in a context; nil for none.
func SpanOf(t *history.TraceContext) *string {
	sc := parse(t)
	if !sc.IsValid() {
		return nil
	}
	return history.String(sc.SpanID().String())
}

// Event is the context that an event of an orchestration is sent with: its own. Nil without a trace.
func (r *Recorder) Event(started *history.ExecutionStarted) *history.TraceContext {
	if !r.Tracing() {
		return nil
	}
	mine := own(started)
	if !mine.IsValid() {
		return nil
	}
	return format(mine)
}

// Trail follows the history of one instance, and writes the spans that end with what is committed. Nil follows nothing. It is
// not safe for concurrent use.
type Trail struct {
	r    *Recorder
	open map[int32]history.Event // decisions without an answer
	at   time.Time               // of the episode
}

// Trail returns what follows an instance; nil without traces.
func (r *Recorder) Trail() *Trail {
	if !r.Tracing() {
		return nil
	}
	return &Trail{r: r, open: map[int32]history.Event{}}
}

// Generation forgets the decisions of a generation that is over.
func (t *Trail) Generation() {
	if t != nil {
		clear(t.open)
	}
}

// Known takes an event that was committed before: its spans were written then.
func (t *Trail) Known(e history.Event) {
	if t != nil {
		t.follow(e)
	}
}

// follow keeps decisions until they are answered, and returns the decision that the event answers.
func (t *Trail) follow(e history.Event) (answered history.Event) {
	switch e := e.(type) {
	case *history.OrchestratorStarted:
		t.at = e.Timestamp
	case *history.SubOrchestrationCreated:
		if nobodyWaits(e) {
			return e // .NET leaves out a span that the child's is below; here it ends at once
		}
		t.open[e.EventID] = e
	case *history.TaskScheduled, *history.TimerCreated:
		t.open[e.Common().EventID] = e
	default:
		if id, ok := history.Answers(e); ok {
			answered = t.open[id]
			delete(t.open, id)
		}
	}
	return answered
}

// fireAndForget is the tag of a child that never answers, as .NET's OrchestrationTags.cs has it.
const fireAndForget = "FireAndForget"

func nobodyWaits(e *history.SubOrchestrationCreated) bool {
	if e.Tags == nil {
		return false
	}
	_, tagged := e.Tags.Map()[fireAndForget]
	return tagged
}

// Run says whose history it is.
type Run struct {
	Started     *history.ExecutionStarted
	InstanceID  string
	ExecutionID string
}

// Committed takes an event that was committed just now, and writes the span that it ends.
func (t *Trail) Committed(run Run, e history.Event) {
	if t == nil {
		return
	}
	answered := t.follow(e)
	mine := own(run.Started)
	if !mine.IsValid() {
		return
	}
	if s, ok := t.span(run, mine, answered, e); ok {
		t.r.write(s)
	}
}

func (t *Trail) span(run Run, mine trace.SpanContext, answered, e history.Event) (s span, ok bool) {
	switch e := e.(type) {
	case *history.ExecutionCompleted:
		return runSpan(run, mine, e), true
	case *history.EventSent:
		s = eventSpan(run, e)
		s.start = e.Timestamp
		ok = !strings.HasPrefix(deref(e.InstanceID), "@") && !strings.HasPrefix(run.InstanceID, "@") // entities have other spans
	case *history.TimerFired:
		s, ok = timerSpan(run, answered, e), true
	default:
		s, ok = callSpan(run, answered)
		s.failure, s.status = failureOf(e)
	}
	s.parent, s.end = mine, t.at
	return s, ok
}

// runSpan is the span of the orchestration: ResetDistributedTraceActivity and SetOrchestrationActivityStatus of .NET's
// TaskOrchestrationDispatcher.cs.
func runSpan(run Run, mine trace.SpanContext, e *history.ExecutionCompleted) span {
	started := run.Started
	s := span{
		name: spanName(typeOrchestration, started.Name, deref(started.Version)), kind: trace.SpanKindServer,
		parent: parse(started.ParentTrace), id: mine.SpanID(), start: started.Timestamp, end: time.Now(),
		attributes: taskAttributes(typeOrchestration, started.Name, deref(started.Version),
			taskInstance.String(run.InstanceID), taskStatus.String(e.Status.String())),
		status: codes.Ok,
	}
	if at := started.ParentTrace.ActivityStartTime; at != nil {
		s.start = *at
	}
	switch e.Status {
	case history.Failed:
		s.status, s.failure = codes.Error, e.Status.String()
		if e.Failure != nil {
			s.failure = e.Failure.ErrorMessage
		} else if e.Result != nil {
			s.failure = *e.Result
		}
	case history.Terminated, history.Canceled:
		s.status, s.failure = codes.Error, e.Status.String()
	}
	return s
}

// callSpan is the client span of a call of an activity or a sub-orchestration.
func callSpan(run Run, decided history.Event) (s span, ok bool) {
	s.kind = trace.SpanKindClient
	switch d := decided.(type) {
	case *history.TaskScheduled:
		s.name, s.start = spanName(typeActivity, d.Name, deref(d.Version)), d.Timestamp
		s.attributes = taskAttributes(typeActivity, d.Name, deref(d.Version), taskInstance.String(run.InstanceID), taskID.Int(int(d.EventID)))
		if s.id = parse(d.ParentTrace).SpanID(); !s.id.IsValid() {
			s.id = spanID(spanOfCall, run.ExecutionID, d.EventID)
		}
	case *history.SubOrchestrationCreated:
		s.name, s.start = spanName(typeOrchestration, d.Name, deref(d.Version)), d.Timestamp
		s.attributes = taskAttributes(typeOrchestration, d.Name, deref(d.Version), taskInstance.String(run.InstanceID))
		id, err := trace.SpanIDFromHex(deref(d.ClientSpanID))
		if s.id = id; err != nil {
			s.id = spanID(spanOfCall, run.ExecutionID, d.EventID)
		}
	default:
		return s, false
	}
	return s, true
}

func failureOf(answer history.Event) (reason string, status codes.Code) {
	switch e := answer.(type) {
	case *history.TaskFailed:
		return reasonOr(e.Reason, "Unspecified task activity failure"), codes.Error
	case *history.SubOrchestrationFailed:
		return reasonOr(e.Reason, "Unspecified sub-orchestration failure"), codes.Error
	}
	return "", codes.Unset
}

func reasonOr(reason *string, otherwise string) string {
	if reason == nil {
		return otherwise
	}
	return *reason
}

func timerSpan(run Run, created history.Event, e *history.TimerFired) span {
	s := span{
		name: timerSpanName(run.Started.Name), kind: trace.SpanKindInternal, id: spanID(spanOfTimer, run.ExecutionID, e.TimerID), start: e.Timestamp,
		attributes: taskAttributes(typeTimer, run.Started.Name, "", taskInstance.String(run.InstanceID),
			timerFireAt.String(e.FireAt.UTC().Format(roundTrip)), taskID.Int(int(e.TimerID))),
	}
	if created != nil {
		s.start = created.Common().Timestamp
	}
	return s
}

func eventSpan(run Run, e *history.EventSent) span {
	s := span{
		name: spanName(nameEvent, e.Name, ""), kind: trace.SpanKindProducer, id: spanID(spanOfEvent, run.ExecutionID, e.EventID),
		attributes: taskAttributes(typeEvent, e.Name, "", taskInstance.String(run.InstanceID), taskExecution.String(run.ExecutionID)),
	}
	if target := deref(e.InstanceID); target != "" {
		s.attributes = append(s.attributes, eventTarget.String(target))
	}
	return s
}
