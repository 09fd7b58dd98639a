package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// String consumes a string. Bytes that are not UTF-8 read as U+FFFD. An
// escaped surrogate without its other half is kept as three bytes, ED A0 80 to
// ED BF BF, which [AppendString] turns back into the same escape.
func (r *Reader) String() (string, error) {
	if err := r.expect(String, "a string"); err != nil {
		return "", err
	}
	start := r.pos
	b, err := r.bytes()
	if large := len(b) > largeString; large && r.pos-start-2 != len(b) {
		return unsafe.String(unsafe.SliceData(b), len(b)), err // it was unescaped into memory of its own, which nobody changes
	}
	return string(b), err
}

// largeString is the length, in bytes, from which on an unescaped string is not copied into a place of the right size.
const largeString = 256 << 10

// StringBytes is [Reader.String] without the copy. The result stays valid as
// long as the input does.
func (r *Reader) StringBytes() ([]byte, error) {
	if err := r.expect(String, "a string"); err != nil {
		return nil, err
	}
	return r.bytes()
}

// bytes consumes a string, the next byte being its opening quote. The result
// is part of the input when that holds no escapes.
func (r *Reader) bytes() ([]byte, error) {
	start := r.pos + 1
	end, form := scanString(r.data, start)
	if end < 0 {
		r.pos = len(r.data)
		return nil, r.fail("text ends inside a string")
	}
	text := r.data[start:end]
	if form == ascii || form == literal && utf8.Valid(text) {
		r.pos = end + 1
		return text, nil
	}
	b, bad := unescape(text)
	if bad >= 0 {
		r.pos = start + bad
		return nil, r.fail("unknown escape in a string")
	}
	r.pos = end + 1
	return b, nil
}

// skipString consumes a string and checks its escapes.
func (r *Reader) skipString() error {
	start := r.pos + 1
	end, form := scanString(r.data, start)
	if end < 0 {
		r.pos = len(r.data)
		return r.fail("text ends inside a string")
	}
	if form == escaped {
		if bad := checkEscapes(r.data[start:end]); bad >= 0 {
			r.pos = start + bad
			return r.fail("unknown escape in a string")
		}
	}
	r.pos = end + 1
	return nil
}

// stringForm says how much work a string is.
type stringForm byte

const (
	ascii   stringForm = iota // to be taken as it is
	literal                   // without escapes, but perhaps not UTF-8
	escaped
)

// scanString finds the closing quote from start on; -1 means there is none.
// Names and ids are short and looked at byte by byte, long texts are searched.
func scanString(data []byte, start int) (end int, form stringForm) {
	const most = 48
	var seen byte
	i := start
	for ; i < len(data) && i < start+most; i++ {
		switch c := data[i]; c {
		case '"':
			if seen >= utf8.RuneSelf {
				return i, literal
			}
			return i, ascii
		case '\\':
			return scanEscaped(data, i), escaped
		default:
			seen |= c
		}
	}
	q := bytes.IndexByte(data[i:], '"')
	if q < 0 {
		return -1, literal
	}
	if backslash := bytes.IndexByte(data[i:i+q], '\\'); backslash >= 0 {
		return scanEscaped(data, i+backslash), escaped
	}
	return i + q, literal
}

// scanEscaped is scanString from a backslash on.
func scanEscaped(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unescape decodes the inside of a string. bad is the offset of an escape that
// does not exist, or -1.
func unescape(text []byte) (out []byte, bad int) {
	out = make([]byte, 0, len(text))
	start := 0 // of what is still to be copied
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\':
			var n int
			out = append(out, text[start:i]...)
			if out, n = appendUnescaped(out, text[i:]); n == 0 {
				return nil, i
			}
			i += n
			start = i
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				out = append(out, text[start:i]...)
				out = utf8.AppendRune(out, r)
				start = i + 1
			}
			i += size
		}
	}
	return append(out, text[start:]...), -1
}

// appendUnescaped decodes the escape at the beginning of text and reports its
// length, 0 when there is no such escape.
func appendUnescaped(out, text []byte) ([]byte, int) {
	if len(text) < 2 {
		return out, 0
	}
	switch text[1] {
	case '"', '\\', '/', '\'':
		return append(out, text[1]), 2
	case 'b':
		return append(out, '\b'), 2
	case 't':
		return append(out, '\t'), 2
	case 'n':
		return append(out, '\n'), 2
	case 'f':
		return append(out, '\f'), 2
	case 'r':
		return append(out, '\r'), 2
	case 'u':
		return appendCodeUnit(out, text)
	}
	return out, 0
}

// appendCodeUnit decodes a \uXXXX escape, or two that form a surrogate pair.
func appendCodeUnit(out, text []byte) ([]byte, int) {
	u, ok := hex4(text)
	if !ok {
		return out, 0
	}
	if !utf16.IsSurrogate(u) {
		return utf8.AppendRune(out, u), 6
	}
	if low, ok := hex4(text[6:]); ok {
		if r := utf16.DecodeRune(u, low); r != utf8.RuneError {
			return utf8.AppendRune(out, r), 12
		}
	}
	return append(out, 0xED, byte(0x80|u>>6&0x3F), byte(0x80|u&0x3F)), 6
}

// hex4 reads the escape \uXXXX at the beginning of text.
func hex4(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var u rune
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			u = u<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			u = u<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			u = u<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

// checkEscapes returns the offset of the first escape that does not exist, or
// -1 when there is none.
func checkEscapes(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		var room [12]byte
		_, n := appendUnescaped(room[:0], text[i:min(i+6, len(text))])
		if n == 0 {
			return i
		}
		i += n - 1
	}
	return -1
}
