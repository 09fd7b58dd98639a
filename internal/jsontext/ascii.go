package jsontext

import (
	"unicode/utf16"
	"unicode/utf8"
)

// ASCII returns a JSON text with all that is not ASCII as \u escapes, which means the same. .NET's table client writes
// bodies in this form, and for one receiver it matters: Azurite decodes a body packet by packet, and so spoils a character
// whose bytes come in two of them. A text without such characters is returned as it is. Bytes that are not UTF-8 become
// U+FFFD.
func ASCII(text []byte) []byte {
	at := 0
	for at < len(text) && text[at] < utf8.RuneSelf {
		at++
	}
	if at == len(text) {
		return text
	}
	const roomPerByte = 2 // a character of three bytes becomes six
	out := append(make([]byte, 0, at+(len(text)-at)*roomPerByte), text[:at]...)
	for at < len(text) {
		if c := text[at]; c < utf8.RuneSelf {
			out = append(out, c)
			at++
			continue
		}
		r, size := utf8.DecodeRune(text[at:])
		at += size
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			out = appendEscape(appendEscape(out, r1), r2)
			continue
		}
		out = appendEscape(out, r)
	}
	return out
}

func appendEscape(dst []byte, unit rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[unit>>12&0xF], hex[unit>>8&0xF], hex[unit>>4&0xF], hex[unit&0xF])
}
