package history

import (
	"time"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// earliestRowTime is the first date that a table can hold.
var earliestRowTime = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)

// rowWriter fills columns. The first error sticks.
type rowWriter struct {
	columns edm.Entity
	err     error
}

func (w *rowWriter) fail(column string, err error) {
	if w.err == nil {
		w.err = jsontext.AtKey([]byte(column), err)
	}
}

func (w *rowWriter) text(column, s string) { w.columns[column] = s }

func (w *rowWriter) optional(column string, s *string) {
	if s != nil {
		w.columns[column] = *s
	}
}

func (w *rowWriter) int32(column string, n int32) { w.columns[column] = n }

func (w *rowWriter) time(column string, t time.Time) {
	if t.Year() > 9999 {
		w.fail(column, jsontext.ErrDateRange)
		return
	}
	if !t.Before(earliestRowTime) {
		w.columns[column] = t.UTC().Truncate(100)
	}
}

func (w *rowWriter) status(s Status) {
	if s < 0 || int(s) >= len(statusNames) {
		w.fail(columnStatus, errStatus)
		return
	}
	w.columns[columnStatus] = s.String()
}

// cell puts an object into a column as text.
func (w *rowWriter) cell(column string, write func(*writer)) {
	var json writer
	write(&json)
	if json.err != nil {
		w.fail(column, json.err)
		return
	}
	w.columns[column] = string(json.buf)
}

func (w *rowWriter) instance(column string, i *Instance) {
	w.cell(column, func(json *writer) {
		json.openPlain()
		json.instanceMembers(i)
	})
}

func (w *rowWriter) parent(column string, p *ParentInstance) {
	if p == nil {
		w.columns[column] = jsonNull
		return
	}
	w.cell(column, func(json *writer) { json.parentObject(p) })
}

func (w *rowWriter) trace(t *TraceContext) {
	if t == nil {
		w.columns["ParentTraceContext"] = jsonNull
		return
	}
	w.cell("ParentTraceContext", func(json *writer) { json.traceObject(t) })
}

func (w *rowWriter) failure(f *FailureDetails) {
	if f == nil {
		w.columns["FailureDetails"] = jsonNull
		return
	}
	w.cell("FailureDetails", func(json *writer) { json.failureObject(f) })
}

func (w *rowWriter) tags(t *Tags) {
	if t == nil {
		w.columns["Tags"] = jsonNull
		return
	}
	w.cell("Tags", func(json *writer) { json.tagsObject(t) })
}

// jsonNull is in the cell of an object that is not there.
const jsonNull = "null"
