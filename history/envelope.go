package history

import (
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// MarshalEnvelope writes a queue message in queue form. The text is JSON in
// UTF-8 that the XML of the queue service can carry.
//
// It fails when there is neither a message nor the name of a blob, when a
// message lacks its event or its target, when ActivityID is no GUID, and for
// dates that .NET does not have.
func MarshalEnvelope(e *Envelope) ([]byte, error) {
	if err := checkEnvelope(e); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", FormatMessage, err)
	}
	w := writer{buf: make([]byte, 0, 1280), typed: true}
	w.envelope(e)
	if w.err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", FormatMessage, w.err)
	}
	return w.buf, nil
}

func checkEnvelope(e *Envelope) error {
	switch {
	case e == nil:
		return errors.New("the envelope is nil")
	case e.Message == nil && e.CompressedBlobName == nil:
		return errors.New("the envelope has neither a message nor the name of a blob")
	case e.Message != nil && e.Message.Event == nil:
		return errors.New("the message has no event")
	case e.Message != nil && e.Message.Target.InstanceID == "":
		return errors.New("the message has no target")
	}
	return nil
}

func (w *writer) envelope(e *Envelope) {
	w.open(classEnvelope, "")
	w.guid("ActivityId", e.ActivityID)
	w.name("TaskMessage")
	w.message(e.Message)
	w.optional("CompressedBlobName", e.CompressedBlobName)
	w.integer("SequenceNumber", e.SequenceNumber)
	if e.Episode != nil {
		w.integer("Episode", int64(*e.Episode))
	}
	switch {
	case e.Sender != nil:
		w.sender("Sender", e.Sender)
	case e.Message != nil:
		w.sender("Sender", client())
	default:
		w.optional("Sender", nil)
	}
	w.optional("SerializableTraceContext", e.TraceContext)
	w.close()
}

// client is the sender of messages that come from no orchestration.
func client() *Instance { return &Instance{ExecutionID: String("")} }

func (w *writer) guid(name, id string) {
	w.name(name)
	w.buf = append(w.buf, '"')
	var ok bool
	if w.buf, ok = appendGUID(w.buf, id); !ok {
		w.fail(name, errGUID)
	}
	w.buf = append(w.buf, '"')
}

func (w *writer) message(m *Message) {
	if m == nil {
		w.null()
		return
	}
	w.open(classMessage, "")
	w.name("Event")
	w.event(m.Event)
	w.integer("SequenceNumber", m.SequenceNumber)
	w.instance("OrchestrationInstance", &m.Target)
	w.name("OrchestrationExecutionContext")
	w.context(m.Context)
	w.close()
}

func (w *writer) context(c *ExecutionContext) {
	if c == nil {
		w.null()
		return
	}
	w.open(classContext, "")
	w.name("OrchestrationTags")
	if c.Tags == nil { // .NET does not expect a null here
		w.openPlain()
		w.close()
	} else {
		w.tagsObject(c.Tags)
	}
	w.close()
}

// UnmarshalEnvelope reads a queue message in queue form. The error is a
// [*DecodeError].
//
// A message must say who it is for, what its event is and when that was made,
// and a start must say which execution begins; an envelope without a message
// must name a blob. Everything else may be missing.
func UnmarshalEnvelope(text []byte) (*Envelope, error) {
	r := reader{jsontext.NewReader(text)}
	e, err := r.envelope()
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, decodeError(FormatMessage, err)
	}
	return e, nil
}

func (r *reader) envelope() (*Envelope, error) {
	e := &Envelope{ActivityID: emptyGUID}
	err := r.object(func(f field) error {
		switch f {
		case fieldType:
			return r.isClass(classEnvelope)
		case fieldActivityID:
			return r.guid(&e.ActivityID)
		case fieldTaskMessage:
			return r.message(&e.Message)
		case fieldCompressedBlobName:
			return r.optional(&e.CompressedBlobName)
		case fieldSequenceNumber:
			return r.int64(&e.SequenceNumber)
		case fieldEpisode:
			return r.optionalInt32(&e.Episode)
		case fieldSender:
			return r.sender(&e.Sender)
		case fieldSerializableTraceContext:
			return r.optional(&e.TraceContext)
		default:
			return r.Skip()
		}
	})
	switch {
	case err != nil:
		return nil, err
	case e.Message == nil && (e.CompressedBlobName == nil || *e.CompressedBlobName == ""):
		return nil, jsontext.AtKey([]byte("TaskMessage"), errMissing)
	case e.Message != nil && e.Sender == nil:
		e.Sender = client()
	}
	return e, nil
}

// isClass checks the class name of an object that could be something else.
func (r *reader) isClass(want string) error {
	name, err := r.StringBytes()
	if err != nil {
		return err
	}
	if string(className(name)) != want {
		return fmt.Errorf("%s is not %s", excerpt(name), want)
	}
	return nil
}

func (r *reader) sender(into **Instance) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	*into = new(Instance)
	return r.instance(*into)
}

func (r *reader) message(into **Message) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	m := new(Message)
	*into = m
	err = r.object(func(f field) error {
		switch f {
		case fieldEvent:
			return r.sentEvent(&m.Event)
		case fieldSequenceNumber:
			return r.int64(&m.SequenceNumber)
		case fieldOrchestrationInstance:
			return r.instance(&m.Target)
		case fieldOrchestrationExecutionContext:
			return r.context(&m.Context)
		default:
			return r.Skip()
		}
	})
	switch {
	case err != nil:
		return err
	case m.Event == nil:
		return jsontext.AtKey([]byte("Event"), errMissing)
	case m.Target.InstanceID == "":
		return jsontext.AtKey([]byte("OrchestrationInstance"), errNoInstance)
	}
	return nil
}

var errNoInstance = errors.New("names no instance")

// sentEvent reads the event of a message.
func (r *reader) sentEvent(into *Event) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	e, seen, err := r.typedEvent()
	if err != nil {
		return err
	}
	if !seen.has(fieldTimestamp) {
		return jsontext.AtKey([]byte("Timestamp"), errMissing)
	}
	if start, ok := e.(*ExecutionStarted); ok && start.Instance.InstanceID == "" {
		return jsontext.AtKey([]byte("OrchestrationInstance"), errNoInstance)
	}
	*into = e
	return nil
}

func (r *reader) context(into **ExecutionContext) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	c := new(ExecutionContext)
	*into = c
	err = r.object(func(f field) error {
		if f == fieldOrchestrationTags {
			return r.tags(&c.Tags)
		}
		return r.Skip()
	})
	if c.Tags == nil {
		c.Tags = new(Tags)
	}
	return err
}
