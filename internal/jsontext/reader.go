package jsontext

import (
	"bytes"
	"fmt"
	"math"
)

// MaxDepth is how many objects and arrays may be open at once. Newtonsoft.Json
// 13 stops at the same depth, so deeper text is unreadable for .NET as well.
const MaxDepth = 64

// Kind is the kind of a JSON value.
type Kind byte

// The kinds of JSON values.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Object
	Array
)

// String names the kind for error texts.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case String:
		return "a string"
	case Object:
		return "an object"
	case Array:
		return "an array"
	default:
		return "not JSON"
	}
}

// SyntaxError says that the text is not JSON, or nests too deeply.
type SyntaxError struct {
	// Offset is the position of the offending byte.
	Offset int
	// Reason says what is wrong there.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset)
}

// KindError says that a value is JSON, but not of the kind that is needed.
type KindError struct {
	// Got is the kind found.
	Got Kind
	// Want says what is needed, such as "a string".
	Want string
}

func (e *KindError) Error() string {
	return fmt.Sprintf("is %s where %s is needed", e.Got, e.Want)
}

// Reader walks through one JSON text. Its methods consume the next value; a
// copy of a Reader remembers the position, so that reading ahead is possible.
type Reader struct {
	data  []byte
	pos   int
	depth int
}

// NewReader returns a Reader at the beginning of data. A UTF-8 byte order mark
// in front is skipped. The reader keeps data, which must not change meanwhile.
func NewReader(data []byte) Reader {
	return Reader{data: bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))}
}

// Peek tells the kind of the next value without consuming it.
func (r *Reader) Peek() (Kind, error) {
	c, ok := r.space()
	if !ok {
		return Invalid, r.fail("text ends where a value is needed")
	}
	switch c {
	case 'n':
		return Null, nil
	case 't', 'f':
		return Bool, nil
	case '"':
		return String, nil
	case '{':
		return Object, nil
	case '[':
		return Array, nil
	}
	if c == '-' || '0' <= c && c <= '9' {
		return Number, nil
	}
	return Invalid, r.fail("unexpected character")
}

// End checks that nothing but white space is left.
func (r *Reader) End() error {
	if _, ok := r.space(); ok {
		return r.fail("unexpected text after the value")
	}
	return nil
}

// IsNull consumes a null and reports true, or leaves any other value alone.
func (r *Reader) IsNull() (bool, error) {
	k, err := r.Peek()
	if err != nil || k != Null {
		return false, err
	}
	return true, r.word("null")
}

// Bool consumes true or false.
func (r *Reader) Bool() (bool, error) {
	if err := r.expect(Bool, "a boolean"); err != nil {
		return false, err
	}
	if r.data[r.pos] == 't' {
		return true, r.word("true")
	}
	return false, r.word("false")
}

// Number consumes a number and returns its text, which stays valid as long as
// the input does.
func (r *Reader) Number() ([]byte, error) {
	if err := r.expect(Number, "a number"); err != nil {
		return nil, err
	}
	start := r.pos
	if err := r.skipNumber(); err != nil {
		return nil, err
	}
	return r.data[start:r.pos], nil
}

// Int consumes a whole number that fits in the given count of bits, 32 or 64.
func (r *Reader) Int(bits int) (int64, error) {
	if err := r.expect(Number, "a whole number"); err != nil {
		return 0, err
	}
	text, err := r.Number()
	if err != nil {
		return 0, err
	}
	n, ok := ParseInt(text, bits)
	if !ok {
		return 0, fmt.Errorf("is not a whole number of %d bits", bits)
	}
	return n, nil
}

// ParseInt reads a whole number of the given count of bits, 32 or 64.
func ParseInt(text []byte, bits int) (int64, bool) {
	neg := len(text) > 0 && text[0] == '-'
	digits := text
	if neg {
		digits = text[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var u uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	limit := uint64(math.MaxInt64)
	if bits == 32 {
		limit = math.MaxInt32
	}
	if neg {
		limit++
	}
	if u > limit {
		return 0, false
	}
	if neg {
		return -int64(u), true
	}
	return int64(u), true
}

// Object consumes an object and calls field for each key, which must consume
// the value. Errors are wrapped with the key, see [PathError].
func (r *Reader) Object(field func(key []byte) error) error {
	if err := r.open(Object, "an object"); err != nil {
		return err
	}
	c, _ := r.space()
	if c == '}' {
		r.pos++
		r.depth--
		return nil
	}
	for {
		key, err := r.key()
		if err != nil {
			return err
		}
		if err := field(key); err != nil {
			return AtKey(key, err)
		}
		c, ok := r.space()
		switch {
		case !ok:
			return r.fail("text ends inside an object")
		case c == ',':
			r.pos++
		case c == '}':
			r.pos++
			r.depth--
			return nil
		default:
			return r.fail("comma or closing brace missing")
		}
	}
}

// Array consumes an array and calls element for each entry, which must consume
// it. Errors are wrapped with the index, see [PathError].
func (r *Reader) Array(element func(i int) error) error {
	if err := r.open(Array, "an array"); err != nil {
		return err
	}
	c, _ := r.space()
	if c == ']' {
		r.pos++
		r.depth--
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return AtIndex(i, err)
		}
		c, ok := r.space()
		switch {
		case !ok:
			return r.fail("text ends inside an array")
		case c == ',':
			r.pos++
		case c == ']':
			r.pos++
			r.depth--
			return nil
		default:
			return r.fail("comma or closing bracket missing")
		}
	}
}

// Skip consumes a value of any kind, and checks that it is JSON.
func (r *Reader) Skip() error {
	k, err := r.Peek()
	if err != nil {
		return err
	}
	switch k {
	case Object:
		return r.Object(func([]byte) error { return r.Skip() })
	case Array:
		return r.Array(func(int) error { return r.Skip() })
	case String:
		return r.skipString()
	case Number:
		return r.skipNumber()
	case Bool:
		_, err := r.Bool()
		return err
	default:
		return r.word("null")
	}
}

// Raw consumes a value of any kind and returns its text, which stays valid as
// long as the input does.
func (r *Reader) Raw() ([]byte, error) {
	r.space()
	start := r.pos
	if err := r.Skip(); err != nil {
		return nil, err
	}
	return r.data[start:r.pos], nil
}

// Find looks for a member of the object that comes next, and returns a reader
// at its value. It consumes nothing, and finds nothing in text that is not
// JSON up to there.
func (r Reader) Find(name string) (value Reader, found bool) {
	if r.open(Object, "") != nil {
		return Reader{}, false
	}
	if c, _ := r.space(); c == '}' {
		return Reader{}, false
	}
	for {
		key, err := r.key()
		if err != nil {
			return Reader{}, false
		}
		if string(key) == name {
			return r, true
		}
		if r.Skip() != nil {
			return Reader{}, false
		}
		if c, _ := r.space(); c != ',' {
			return Reader{}, false
		}
		r.pos++
	}
}

// expect checks the kind of the next value.
func (r *Reader) expect(want Kind, name string) error {
	k, err := r.Peek()
	if err != nil {
		return err
	}
	if k != want {
		return &KindError{Got: k, Want: name}
	}
	return nil
}

// open enters an object or array.
func (r *Reader) open(k Kind, name string) error {
	if err := r.expect(k, name); err != nil {
		return err
	}
	if r.depth >= MaxDepth {
		return r.fail(fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	}
	r.depth++
	r.pos++
	return nil
}

// key consumes a key and the colon behind it.
func (r *Reader) key() ([]byte, error) {
	c, ok := r.space()
	if !ok {
		return nil, r.fail("text ends inside an object")
	}
	if c != '"' {
		return nil, r.fail("key missing")
	}
	key, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if c, _ := r.space(); c != ':' {
		return nil, r.fail("colon missing")
	}
	r.pos++
	return key, nil
}

// space skips white space and returns the byte behind it.
func (r *Reader) space() (byte, bool) {
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, true
		}
		r.pos++
	}
	return 0, false
}

func (r *Reader) word(w string) error {
	end := r.pos + len(w)
	if end > len(r.data) || string(r.data[r.pos:end]) != w {
		return r.fail("unknown word")
	}
	r.pos = end
	return nil
}

// skipNumber consumes a number by the grammar of RFC 8259.
func (r *Reader) skipNumber() error {
	if r.at('-') {
		r.pos++
	}
	if r.at('0') {
		r.pos++
	} else if !r.digits() {
		return r.fail("digit missing")
	}
	if r.at('.') {
		r.pos++
		if !r.digits() {
			return r.fail("digit missing")
		}
	}
	if r.at('e') || r.at('E') {
		r.pos++
		if r.at('+') || r.at('-') {
			r.pos++
		}
		if !r.digits() {
			return r.fail("digit missing")
		}
	}
	return nil
}

func (r *Reader) at(c byte) bool {
	return r.pos < len(r.data) && r.data[r.pos] == c
}

func (r *Reader) digits() bool {
	start := r.pos
	for r.pos < len(r.data) && '0' <= r.data[r.pos] && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > start
}

func (r *Reader) fail(reason string) error {
	return &SyntaxError{Offset: r.pos, Reason: reason}
}
