// Package codec is the binary form of journal records: varints, length-prefixed
// bytes and strings, one after the other.
package codec

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrCorrupt says that a record's bytes do not hold what its kind promises.
var ErrCorrupt = errors.New("the record is malformed")

// Writer appends values to a record.
type Writer struct{ B []byte }

// Byte appends one byte.
func (w *Writer) Byte(v byte) { w.B = append(w.B, v) }

// Bool appends a truth value.
func (w *Writer) Bool(v bool) {
	if v {
		w.Byte(1)
	} else {
		w.Byte(0)
	}
}

// Uint appends an unsigned number.
func (w *Writer) Uint(v uint64) { w.B = binary.AppendUvarint(w.B, v) }

// Int appends a signed number.
func (w *Writer) Int(v int64) { w.B = binary.AppendVarint(w.B, v) }

// String appends text with its length.
func (w *Writer) String(v string) {
	w.Uint(uint64(len(v)))
	w.B = append(w.B, v...)
}

// Bytes appends bytes with their length.
func (w *Writer) Bytes(v []byte) {
	w.Uint(uint64(len(v)))
	w.B = append(w.B, v...)
}

// Reader takes values from a record. After the first error every value is
// zero; Err tells it.
type Reader struct {
	b   []byte
	err error
}

// NewReader reads a record.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err is ErrCorrupt if anything could not be read, or if something is left.
func (r *Reader) Err() error {
	if r.err == nil && len(r.b) > 0 {
		return ErrCorrupt
	}
	return r.err
}

func (r *Reader) fail() {
	r.b, r.err = nil, ErrCorrupt
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// Bool takes a truth value.
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// Uint takes an unsigned number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Int takes a signed number.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Len takes a count of things that take at least one byte each, so that a
// damaged count cannot ask for more memory than the record has bytes.
func (r *Reader) Len() int {
	n := r.Uint()
	if n > uint64(len(r.b)) || n > math.MaxInt32 {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *Reader) take() []byte {
	n := r.Uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// String takes text.
func (r *Reader) String() string { return string(r.take()) }

// Bytes takes a copy of bytes.
func (r *Reader) Bytes() []byte {
	v := r.take()
	if len(v) == 0 {
		return nil
	}
	return append([]byte(nil), v...)
}
