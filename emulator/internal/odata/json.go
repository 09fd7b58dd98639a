package odata

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Property is a named value of an entity.
type Property struct {
	Name  string
	Value Value
}

// ErrSyntax says that a body is not a flat JSON object.
var ErrSyntax = errors.New("the body is not a JSON object of plain properties")

// member is one member of a JSON object before types are known.
type member struct {
	name string
	kind memberKind
	text string
}

type memberKind uint8

const (
	jsonNull memberKind = iota
	jsonTrue
	jsonFalse
	jsonNumber
	jsonString
	jsonNested
)

// jsonReader reads one object of scalar members. Nested values are skipped
// and marked; they are no error where the caller ignores the member.
//
// It reads text, not bytes, so that names and values without escape sequences
// are parts of the body and cost nothing.
type jsonReader struct {
	b  string
	at int
}

const maxJSONDepth = 32

func (r *jsonReader) space() {
	for r.at < len(r.b) {
		switch r.b[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

func (r *jsonReader) take(c byte) bool {
	r.space()
	if r.at < len(r.b) && r.b[r.at] == c {
		r.at++
		return true
	}
	return false
}

// readMembers reads a whole body; it appends to out.
func readMembers(body string, out []member) ([]member, error) {
	if !utf8.ValidString(body) {
		return nil, ErrSyntax
	}
	r := jsonReader{b: strings.TrimPrefix(body, "\uFEFF")}
	out, err := r.object(out)
	if err != nil {
		return nil, err
	}
	r.space()
	if r.at != len(r.b) {
		return nil, ErrSyntax
	}
	return out, nil
}

func (r *jsonReader) object(out []member) ([]member, error) {
	if !r.take('{') {
		return nil, ErrSyntax
	}
	if out == nil {
		out = make([]member, 0, 16)
	}
	if r.take('}') {
		return out, nil
	}
	for {
		r.space()
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if !r.take(':') {
			return nil, ErrSyntax
		}
		m, err := r.value()
		if err != nil {
			return nil, err
		}
		m.name = name
		out = append(out, m)
		if r.take('}') {
			return out, nil
		}
		if !r.take(',') {
			return nil, ErrSyntax
		}
	}
}

func (r *jsonReader) value() (member, error) {
	r.space()
	if r.at >= len(r.b) {
		return member{}, ErrSyntax
	}
	switch c := r.b[r.at]; c {
	case '"':
		text, err := r.string()
		return member{kind: jsonString, text: text}, err
	case '{', '[':
		return member{kind: jsonNested}, r.skip(0)
	case 't':
		return member{kind: jsonTrue}, r.word("true")
	case 'f':
		return member{kind: jsonFalse}, r.word("false")
	case 'n':
		return member{kind: jsonNull}, r.word("null")
	default:
		text, err := r.number()
		return member{kind: jsonNumber, text: text}, err
	}
}

func (r *jsonReader) word(w string) error {
	if len(r.b)-r.at < len(w) || r.b[r.at:r.at+len(w)] != w {
		return ErrSyntax
	}
	r.at += len(w)
	return nil
}

// number takes a number of JSON's grammar.
func (r *jsonReader) number() (string, error) {
	start := r.at
	digits := func() bool {
		from := r.at
		for r.at < len(r.b) && '0' <= r.b[r.at] && r.b[r.at] <= '9' {
			r.at++
		}
		return r.at > from
	}
	at := func(c byte) bool { return r.at < len(r.b) && r.b[r.at] == c }
	if at('-') {
		r.at++
	}
	if at('0') {
		r.at++
	} else if !digits() {
		return "", ErrSyntax
	}
	if at('.') {
		r.at++
		if !digits() {
			return "", ErrSyntax
		}
	}
	if at('e') || at('E') {
		r.at++
		if at('+') || at('-') {
			r.at++
		}
		if !digits() {
			return "", ErrSyntax
		}
	}
	return r.b[start:r.at], nil
}

// skip passes over a nested value.
func (r *jsonReader) skip(depth int) error {
	if depth > maxJSONDepth {
		return ErrSyntax
	}
	open := r.b[r.at]
	r.at++
	end := byte('}')
	if open == '[' {
		end = ']'
	}
	if r.take(end) {
		return nil
	}
	for {
		r.space()
		if open == '{' {
			if _, err := r.string(); err != nil {
				return err
			}
			if !r.take(':') {
				return ErrSyntax
			}
			r.space()
		}
		if r.at < len(r.b) && (r.b[r.at] == '{' || r.b[r.at] == '[') {
			if err := r.skip(depth + 1); err != nil {
				return err
			}
		} else if _, err := r.value(); err != nil {
			return err
		}
		if r.take(end) {
			return nil
		}
		if !r.take(',') {
			return ErrSyntax
		}
	}
}

func (r *jsonReader) string() (string, error) {
	if r.at >= len(r.b) || r.b[r.at] != '"' {
		return "", ErrSyntax
	}
	r.at++
	start := r.at
	for r.at < len(r.b) {
		switch c := r.b[r.at]; {
		case c == '"':
			text := r.b[start:r.at]
			r.at++
			return text, nil
		case c == '\\':
			return r.escaped(start)
		case c < 0x20:
			return "", ErrSyntax
		}
		r.at++
	}
	return "", ErrSyntax
}

// escaped reads the rest of a string that has escape sequences.
func (r *jsonReader) escaped(start int) (string, error) {
	out := append(make([]byte, 0, 2*(r.at-start)+64), r.b[start:r.at]...)
	for r.at < len(r.b) {
		c := r.b[r.at]
		r.at++
		switch {
		case c == '"':
			return string(out), nil
		case c < 0x20:
			return "", ErrSyntax
		case c != '\\':
			out = append(out, c)
			continue
		}
		if r.at >= len(r.b) {
			return "", ErrSyntax
		}
		c = r.b[r.at]
		r.at++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			char, ok := r.unicode()
			if !ok {
				return "", ErrSyntax
			}
			out = utf8.AppendRune(out, char)
		default:
			return "", ErrSyntax
		}
	}
	return "", ErrSyntax
}

// unicode reads what follows \u, and its second half if it has one. Half a
// pair alone becomes U+FFFD.
func (r *jsonReader) unicode() (rune, bool) {
	first, ok := r.hex4()
	if !ok || !utf16.IsSurrogate(first) {
		return first, ok
	}
	if r.at+1 < len(r.b) && r.b[r.at] == '\\' && r.b[r.at+1] == 'u' {
		mark := r.at
		r.at += 2
		second, ok := r.hex4()
		if !ok {
			return 0, false
		}
		if char := utf16.DecodeRune(first, second); char != utf8.RuneError {
			return char, true
		}
		r.at = mark
	}
	return utf8.RuneError, true
}

func (r *jsonReader) hex4() (rune, bool) {
	if r.at+4 > len(r.b) {
		return 0, false
	}
	n, err := strconv.ParseUint(r.b[r.at:r.at+4], 16, 16)
	if err != nil {
		return 0, false
	}
	r.at += 4
	return rune(n), true
}

// AppendString writes a JSON string.
func AppendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
