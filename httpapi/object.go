package httpapi

import (
	"bytes"
	"encoding/json"
	"time"
)

// object is a JSON object whose members are written in order.
type object struct{ buf []byte }

func (o *object) raw(name string, text []byte) {
	separator := byte(',')
	if len(o.buf) == 0 {
		separator = '{'
	}
	o.buf = append(o.buf, separator, '"')
	o.buf = append(o.buf, name...) // names are constants without anything to escape
	o.buf = append(o.buf, '"', ':')
	o.buf = append(o.buf, text...)
}

func (o *object) string(name string, s *string) {
	if s == nil {
		o.raw(name, []byte("null"))
		return
	}
	o.raw(name, quote(*s))
}

func (o *object) text(name, s string) { o.raw(name, quote(s)) }

func (o *object) time(name string, t time.Time) { o.text(name, stamp(t)) }

func (o *object) optionalTime(name string, t *time.Time) {
	if t == nil {
		o.raw(name, []byte("null"))
		return
	}
	o.time(name, *t)
}

func (o *object) bool(name string, v bool) {
	if v {
		o.raw(name, []byte("true"))
		return
	}
	o.raw(name, []byte("false"))
}

// done returns the whole object.
func (o *object) done() []byte {
	if len(o.buf) == 0 {
		return []byte("{}")
	}
	return append(o.buf, '}')
}

// stamp writes a time as .NET does: up to seven digits of a second, without zeros at the end.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// quote writes a JSON string, with <, > and & as they are.
func quote(s string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil { // cannot be: every string can be written
		return []byte(`""`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
