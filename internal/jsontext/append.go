package jsontext

import (
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// longString is the length from which on room is made before a string is
// written, with an eighth of it for escapes.
const longString = 256

const hexDigits = "0123456789abcdef"

// escape tells, for each ASCII character, how it is written inside a string:
// 0 as it is, 'u' as \u00xx, anything else as a backslash and that letter.
var escape = func() (t [utf8.RuneSelf]byte) {
	for c := range 0x20 {
		t[c] = 'u'
	}
	t['\b'], t['\t'], t['\n'], t['\f'], t['\r'] = 'b', 't', 'n', 'f', 'r'
	t['"'], t['\\'] = '"', '\\'
	return t
}()

// AppendString appends s as a JSON string, quotes included.
//
// Newtonsoft.Json leaves every character literal but the ones named in the
// package comment; so does this, with one exception. U+FFFE and U+FFFF are
// written as \ufffe and \uffff, because the queue service carries text in XML,
// which cannot hold them. For the same reason half of a surrogate pair (three
// bytes ED A0 80 to ED BF BF, as [Reader.String] yields for a lone \ud800) is
// written as the escape it came from. Other bytes that are not UTF-8 become
// U+FFFD.
func AppendString(dst []byte, s string) []byte {
	if len(s) > longString {
		dst = slices.Grow(dst, len(s)+len(s)/8+2)
	}
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if e := escape[c]; e != 0 {
				dst = append(dst, s[start:i]...)
				dst = appendASCIIEscape(dst, c, e)
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			var n int
			dst, n = appendInvalid(dst, s[i:])
			i += n
			start = i
			continue
		}
		if r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xFFFE || r == 0xFFFF {
			dst = append(dst, s[start:i]...)
			dst = appendUnicodeEscape(dst, uint16(r))
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendASCIIEscape(dst []byte, c, e byte) []byte {
	if e == 'u' {
		return appendUnicodeEscape(dst, uint16(c))
	}
	return append(dst, '\\', e)
}

func appendUnicodeEscape(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

// appendInvalid writes the beginning of s, which is not UTF-8: a surrogate
// half as its escape, two halves that belong together as their character, any
// other byte as U+FFFD. It reports the bytes used.
func appendInvalid(dst []byte, s string) ([]byte, int) {
	half, ok := surrogate(s)
	if !ok {
		return append(dst, "\uFFFD"...), 1
	}
	if low, ok := surrogate(s[3:]); ok {
		if r := utf16.DecodeRune(half, low); r != utf8.RuneError {
			return utf8.AppendRune(dst, r), 6
		}
	}
	return appendUnicodeEscape(dst, uint16(half)), 3
}

// surrogate reads the three bytes of a surrogate half.
func surrogate(s string) (rune, bool) {
	if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2] < 0x80 || s[2] > 0xBF {
		return 0, false
	}
	return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}
