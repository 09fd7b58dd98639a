package history

import (
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// writer appends JSON in the order of .NET's members. The first error sticks,
// and the text is worthless then.
type writer struct {
	buf   []byte
	typed bool // objects begin with the name of their class
	depth int  // objects that are open
	err   error
}

// Class names of the objects that are no events.
const (
	classEnvelope     = "DurableTask.AzureStorage.MessageData"
	classMessage      = "DurableTask.Core.TaskMessage"
	classInstance     = "DurableTask.Core.OrchestrationInstance"
	classContext      = "DurableTask.Core.OrchestrationExecutionContext"
	classParent       = "DurableTask.Core.ParentInstance"
	classFailure      = "DurableTask.Core.FailureDetails"
	classTraceContext = "DurableTask.Core.Tracing.DistributedTraceContext"
)

// open begins an object of a class.
func (w *writer) open(prefix, class string) {
	w.openPlain()
	if w.typed {
		w.buf = append(w.buf, `"$type":"`...)
		w.buf = append(w.buf, prefix...)
		w.buf = append(w.buf, class...)
		w.buf = append(w.buf, '"')
	}
}

// openPlain begins an object without a class.
func (w *writer) openPlain() {
	w.depth++
	w.buf = append(w.buf, '{')
}

func (w *writer) close() {
	w.depth--
	w.buf = append(w.buf, '}')
}

// room tells whether readers accept that many more levels of nesting.
func (w *writer) room(levels int) bool {
	return w.depth+levels <= jsontext.MaxDepth
}

// name begins a member. Names of members need no escapes.
func (w *writer) name(name string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) null() { w.buf = append(w.buf, "null"...) }

func (w *writer) text(name, s string) {
	w.name(name)
	w.buf = jsontext.AppendString(w.buf, s)
}

func (w *writer) optional(name string, s *string) {
	w.name(name)
	if s == nil {
		w.null()
		return
	}
	w.buf = jsontext.AppendString(w.buf, *s)
}

func (w *writer) integer(name string, n int64) {
	w.name(name)
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

func (w *writer) boolean(name string, b bool) {
	w.name(name)
	w.buf = strconv.AppendBool(w.buf, b)
}

func (w *writer) time(name string, t time.Time) {
	w.name(name)
	w.buf = append(w.buf, '"')
	var err error
	if w.buf, err = appendTime(w.buf, t); err != nil {
		w.fail(name, err)
	}
	w.buf = append(w.buf, '"')
}

// offsetTime writes a date with its offset from UTC, as Newtonsoft.Json does
// for DateTimeOffset.
func (w *writer) offsetTime(name string, t *time.Time) {
	w.name(name)
	if t == nil {
		w.null()
		return
	}
	at := *t
	_, seconds := at.Zone()
	if seconds%60 != 0 || seconds < -14*3600 || seconds > 14*3600 { // .NET has no such zone
		at, seconds = at.UTC(), 0
	}
	w.buf = append(w.buf, '"')
	var err error
	if w.buf, err = jsontext.AppendTime(w.buf, at, true); err != nil {
		w.fail(name, err)
	}
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	hours, minutes := seconds/3600, seconds/60%60
	w.buf = append(w.buf, sign, byte('0'+hours/10), byte('0'+hours%10), ':', byte('0'+minutes/10), byte('0'+minutes%10), '"')
}

func (w *writer) fail(name string, err error) {
	if w.err == nil {
		w.err = jsontext.AtKey([]byte(name), err)
	}
}

func (w *writer) instance(name string, i *Instance) {
	w.name(name)
	w.open(classInstance, "")
	w.instanceMembers(i)
}

// sender writes an instance without its class, as .NET does there.
func (w *writer) sender(name string, i *Instance) {
	w.name(name)
	w.openPlain()
	w.instanceMembers(i)
}

func (w *writer) instanceMembers(i *Instance) {
	w.text("InstanceId", i.InstanceID)
	w.optional("ExecutionId", i.ExecutionID)
	w.close()
}

func (w *writer) parent(name string, p *ParentInstance) {
	w.name(name)
	w.parentObject(p)
}

func (w *writer) parentObject(p *ParentInstance) {
	if p == nil {
		w.null()
		return
	}
	w.open(classParent, "")
	w.text("Name", p.Name)
	w.instance("OrchestrationInstance", &p.Instance)
	w.integer("TaskScheduleId", int64(p.TaskScheduleID))
	w.optional("Version", p.Version)
	w.close()
}

func (w *writer) trace(name string, t *TraceContext) {
	w.name(name)
	w.traceObject(t)
}

func (w *writer) traceObject(t *TraceContext) {
	if t == nil {
		w.null()
		return
	}
	w.open(classTraceContext, "")
	w.optional("TraceParent", t.TraceParent)
	w.optional("TraceState", t.TraceState)
	w.optional("Id", t.ID)
	w.optional("SpanId", t.SpanID)
	w.offsetTime("ActivityStartTime", t.ActivityStartTime)
	w.close()
}

func (w *writer) failure(name string, f *FailureDetails) {
	w.name(name)
	w.failureObject(f)
}

func (w *writer) failureObject(f *FailureDetails) {
	if f == nil || !w.room(1) {
		w.null()
		return
	}
	w.open(classFailure, "")
	w.text("ErrorType", f.ErrorType)
	w.text("ErrorMessage", f.ErrorMessage)
	w.optional("StackTrace", f.StackTrace)
	w.failure("InnerFailure", f.Inner)
	w.boolean("IsNonRetriable", f.IsNonRetriable)
	w.name("Properties")
	w.properties(f.Properties)
	w.close()
}

func (w *writer) tags(name string, t *Tags) {
	w.name(name)
	w.tagsObject(t)
}

func (w *writer) tagsObject(t *Tags) {
	if t == nil {
		w.null()
		return
	}
	w.openDictionary(t.class)
	for _, e := range t.entries {
		w.key(e.name)
		if e.value.isNull {
			w.null()
		} else {
			w.buf = jsontext.AppendString(w.buf, e.value.text)
		}
	}
	w.close()
}

func (w *writer) properties(p *Properties) {
	if p == nil || !w.room(1) {
		w.null()
		return
	}
	w.openDictionary(p.class)
	for _, e := range p.entries {
		w.key(e.name)
		w.value(e.value)
	}
	w.close()
}

// openDictionary begins an object whose class name is the one it was read with.
func (w *writer) openDictionary(class *string) {
	w.openPlain()
	if w.typed && class != nil {
		w.text(typeMember, *class)
	}
}

// key begins a member with a name from outside.
func (w *writer) key(name string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = jsontext.AppendString(w.buf, name)
	w.buf = append(w.buf, ':')
}

func (w *writer) value(v Value) {
	switch {
	case !w.room(v.depth):
		w.null()
	case w.typed:
		w.buf = append(w.buf, v.JSON()...)
	default:
		w.buf = append(w.buf, v.plain()...)
	}
}

// event writes an event: its class, its own members, and the common ones.
func (w *writer) event(e Event) {
	w.open(classPrefix, kinds[e.Kind()].class)
	e.appendFields(w)
	b := e.Common()
	w.integer("EventId", int64(b.EventID))
	w.boolean("IsPlayed", b.IsPlayed)
	w.time("Timestamp", b.Timestamp)
	w.close()
}

// kind writes the number of an event's kind, which is a member like others.
func (w *writer) kind(k Kind) { w.integer("EventType", int64(k)) }
