package history

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// reader reads JSON into the structs of this package. Each method consumes a
// value.
type reader struct {
	jsontext.Reader
}

var errMissing = errors.New("is missing")

// object reads an object and hands each member that has a known name to member,
// which must consume the value. Others are ignored.
func (r *reader) object(member func(field) error) error {
	return r.Object(func(key []byte) error {
		if f := fieldOf(key); f != fieldUnknown {
			return member(f)
		}
		return r.Skip()
	})
}

// text reads a string; null is "".
func (r *reader) text(into *string) error {
	isNull, err := r.IsNull()
	if err != nil || isNull {
		*into = ""
		return err
	}
	*into, err = r.String()
	return err
}

// optional reads a string or null.
func (r *reader) optional(into **string) error {
	isNull, err := r.IsNull()
	if err != nil || isNull {
		*into = nil
		return err
	}
	s, err := r.String()
	*into = &s
	return err
}

func (r *reader) int32(into *int32) error {
	n, err := r.Int(32)
	*into = int32(n)
	return err
}

func (r *reader) optionalInt32(into **int32) error {
	isNull, err := r.IsNull()
	if err != nil || isNull {
		*into = nil
		return err
	}
	n, err := r.Int(32)
	*into = Int32(int32(n))
	return err
}

func (r *reader) int64(into *int64) error {
	var err error
	*into, err = r.Int(64)
	return err
}

func (r *reader) boolean(into *bool) error {
	var err error
	*into, err = r.Bool()
	return err
}

// time reads a date and turns it to UTC.
func (r *reader) time(into *time.Time) error {
	b, err := r.StringBytes()
	if err != nil {
		return err
	}
	*into, err = ParseTime(string(b))
	return err
}

func (r *reader) optionalTime(into **time.Time) error {
	isNull, err := r.IsNull()
	if err != nil || isNull {
		*into = nil
		return err
	}
	var t time.Time
	err = r.time(&t)
	*into = &t
	return err
}

// offsetTime reads a date or null and keeps its offset from UTC.
func (r *reader) offsetTime(into **time.Time) error {
	isNull, err := r.IsNull()
	if err != nil || isNull {
		*into = nil
		return err
	}
	b, err := r.StringBytes()
	if err != nil {
		return err
	}
	t, err := jsontext.ParseTime(string(b))
	*into = &t
	return err
}

// status reads a status by its number or, as some tools write it, by its name.
func (r *reader) status(into *Status) error {
	k, err := r.Peek()
	if err != nil {
		return err
	}
	if k == jsontext.String {
		b, err := r.StringBytes()
		if err != nil {
			return err
		}
		s, ok := ParseStatus(string(b))
		if !ok {
			return errStatus
		}
		*into = s
		return nil
	}
	n, err := r.Int(32)
	if err != nil {
		return err
	}
	if n < 0 || int(n) >= len(statusNames) {
		return errStatus
	}
	*into = Status(n)
	return nil
}

var errStatus = errors.New("is not the status of an orchestration")

func (r *reader) instance(into *Instance) error {
	*into = Instance{}
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	return r.object(func(f field) error {
		switch f {
		case fieldInstanceID:
			return r.text(&into.InstanceID)
		case fieldExecutionID:
			return r.optional(&into.ExecutionID)
		default:
			return r.Skip()
		}
	})
}

func (r *reader) parent(into **ParentInstance) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	p := new(ParentInstance)
	*into = p
	return r.object(func(f field) error {
		switch f {
		case fieldName:
			return r.text(&p.Name)
		case fieldOrchestrationInstance:
			return r.instance(&p.Instance)
		case fieldTaskScheduleID:
			return r.int32(&p.TaskScheduleID)
		case fieldVersion:
			return r.optional(&p.Version)
		default:
			return r.Skip()
		}
	})
}

func (r *reader) trace(into **TraceContext) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	t := new(TraceContext)
	*into = t
	return r.object(func(f field) error {
		switch f {
		case fieldTraceParent:
			return r.optional(&t.TraceParent)
		case fieldTraceState:
			return r.optional(&t.TraceState)
		case fieldID:
			return r.optional(&t.ID)
		case fieldSpanID:
			return r.optional(&t.SpanID)
		case fieldActivityStartTime:
			return r.offsetTime(&t.ActivityStartTime)
		default:
			return r.Skip()
		}
	})
}

func (r *reader) failure(into **FailureDetails) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	d := new(FailureDetails)
	*into = d
	return r.object(func(f field) error {
		switch f {
		case fieldErrorType:
			return r.text(&d.ErrorType)
		case fieldErrorMessage:
			return r.text(&d.ErrorMessage)
		case fieldStackTrace:
			return r.optional(&d.StackTrace)
		case fieldInnerFailure:
			return r.failure(&d.Inner)
		case fieldIsNonRetriable:
			return r.boolean(&d.IsNonRetriable)
		case fieldProperties:
			return r.properties(&d.Properties)
		default:
			return r.Skip()
		}
	})
}

func (r *reader) tags(into **Tags) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	t := new(Tags)
	*into = t
	return r.Object(func(key []byte) error {
		if string(key) == typeMember {
			return r.class(&t.class)
		}
		isNull, err := r.IsNull()
		if err != nil {
			return err
		}
		if isNull {
			t.set(string(key), tagValue{isNull: true})
			return nil
		}
		s, err := r.String()
		t.set(string(key), tagValue{text: s})
		return err
	})
}

func (r *reader) properties(into **Properties) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	p := new(Properties)
	*into = p
	return r.Object(func(key []byte) error {
		if string(key) == typeMember {
			return r.class(&p.class)
		}
		v, err := readValue(&r.Reader)
		p.set(string(key), v)
		return err
	})
}

// dictionaryOfStrings is the class of tags wherever .NET 5 or later made them.
var dictionaryOfStrings = "System.Collections.Generic.Dictionary`2[[System.String, System.Private.CoreLib],[System.String, System.Private.CoreLib]]"

// class reads the class name of a dictionary.
func (r *reader) class(into **string) error {
	b, err := r.StringBytes()
	if err != nil {
		return err
	}
	if string(b) == dictionaryOfStrings {
		*into = &dictionaryOfStrings
		return nil
	}
	*into = String(string(b))
	return nil
}

func (r *reader) value(into **Value) error {
	*into = nil
	isNull, err := r.IsNull()
	if err != nil || isNull {
		return err
	}
	v, err := readValue(&r.Reader)
	*into = &v
	return err
}

// typedEvent reads an event whose class name says what it is.
func (r *reader) typedEvent() (Event, fieldSet, error) {
	class, found := r.Find(typeMember)
	if !found {
		return nil, 0, r.without(typeMember)
	}
	name, err := class.StringBytes()
	if err != nil {
		return nil, 0, jsontext.AtKey([]byte(typeMember), err)
	}
	k, ok := kindsByClass[string(className(name))]
	if !ok {
		return nil, 0, jsontext.AtKey([]byte(typeMember), fmt.Errorf("%s is not a kind of event", excerpt(name)))
	}
	return r.eventOf(k)
}

// numberedEvent reads an event whose member EventType says what it is.
func (r *reader) numberedEvent() (Event, fieldSet, error) {
	number, found := r.Find("EventType")
	if !found {
		return nil, 0, r.without("EventType")
	}
	n, err := number.Int(32)
	if err != nil {
		return nil, 0, jsontext.AtKey([]byte("EventType"), err)
	}
	if NewEvent(Kind(n)) == nil {
		return nil, 0, jsontext.AtKey([]byte("EventType"), fmt.Errorf("%d is not a kind of event", n))
	}
	return r.eventOf(Kind(n))
}

// without tells why an event lacks the member that says what it is.
func (r *reader) without(name string) error {
	if err := r.Object(func([]byte) error { return r.Skip() }); err != nil {
		return err
	}
	return jsontext.AtKey([]byte(name), errMissing)
}

// eventOf reads an event of a kind, and tells which members it came with.
func (r *reader) eventOf(k Kind) (Event, fieldSet, error) {
	e := NewEvent(k)
	b := e.Common()
	var seen fieldSet
	err := r.object(func(f field) error {
		seen.add(f)
		switch f {
		case fieldEventID:
			return r.int32(&b.EventID)
		case fieldIsPlayed:
			return r.boolean(&b.IsPlayed)
		case fieldTimestamp:
			return r.time(&b.Timestamp)
		default:
			return e.readField(r, f)
		}
	})
	if err != nil {
		return nil, 0, err
	}
	return e, seen, nil
}

// className cuts off the assembly that may follow the name of a class.
func className(name []byte) []byte {
	name, _, _ = bytes.Cut(name, []byte(","))
	return bytes.TrimSpace(name)
}

// excerpt quotes the beginning of a name for an error text.
func excerpt(name []byte) string {
	const most = 100
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}
