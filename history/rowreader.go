package history

import (
	"time"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// rowReader takes columns. The first error sticks.
type rowReader struct {
	columns edm.Entity
	err     error
}

func (r *rowReader) fail(column string, err error) {
	if r.err == nil {
		r.err = jsontext.AtKey([]byte(column), err)
	}
}

// take returns a column of the type T. A missing one is not an error.
func take[T any](r *rowReader, column, edmType string) (T, bool) {
	var zero T
	value := r.columns[column]
	if value == nil {
		return zero, false
	}
	v, ok := value.(T)
	if !ok {
		r.fail(column, typeError(value, edmType))
	}
	return v, ok
}

func (r *rowReader) text(column string, into *string) {
	*into, _ = take[string](r, column, "Edm.String")
}

func (r *rowReader) optional(column string, into **string) {
	if s, ok := take[string](r, column, "Edm.String"); ok {
		*into = &s
	}
}

func (r *rowReader) int32(column string, into *int32) {
	*into, _ = take[int32](r, column, "Edm.Int32")
}

func (r *rowReader) optionalInt32(column string, into **int32) {
	if n, ok := take[int32](r, column, "Edm.Int32"); ok {
		*into = &n
	}
}

func (r *rowReader) boolean(column string, into *bool) {
	*into, _ = take[bool](r, column, "Edm.Boolean")
}

func (r *rowReader) time(column string, into *time.Time) {
	var t *time.Time
	if r.optionalTime(column, &t); t != nil {
		*into = *t
	}
}

// optionalTime reads a date. One that tables cannot hold was never set.
func (r *rowReader) optionalTime(column string, into **time.Time) {
	t, ok := take[time.Time](r, column, "Edm.DateTime")
	if !ok || t.Before(earliestRowTime) {
		return
	}
	t = t.UTC().Truncate(100)
	*into = &t
}

func (r *rowReader) status(into *Status) {
	name, ok := take[string](r, columnStatus, "Edm.String")
	if !ok {
		return
	}
	s, ok := ParseStatus(name)
	if !ok {
		r.fail(columnStatus, errStatus)
	}
	*into = s
}

// cell reads the object whose text is in a column. An empty text is no object,
// as it is for Newtonsoft.Json.
func (r *rowReader) cell(column string, read func(*reader) error) {
	text, _ := take[string](r, column, "Edm.String")
	if text == "" || text == jsonNull {
		return
	}
	json := reader{jsontext.NewReader([]byte(text))}
	err := read(&json)
	if err == nil {
		err = json.End()
	}
	if err != nil {
		r.fail(column, err)
	}
}

func (r *rowReader) instance(column string, into *Instance) {
	r.cell(column, func(json *reader) error { return json.instance(into) })
}

func (r *rowReader) parent(column string, into **ParentInstance) {
	r.cell(column, func(json *reader) error { return json.parent(into) })
}

func (r *rowReader) trace(into **TraceContext) {
	r.cell("ParentTraceContext", func(json *reader) error { return json.trace(into) })
}

func (r *rowReader) failure(into **FailureDetails) {
	r.cell("FailureDetails", func(json *reader) error { return json.failure(into) })
}

func (r *rowReader) tags(into **Tags) {
	r.cell("Tags", func(json *reader) error { return json.tags(into) })
}
