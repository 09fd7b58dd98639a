package rest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// AppendXMLHeader begins an XML body.
func AppendXMLHeader(b []byte) []byte {
	return append(b, `<?xml version="1.0" encoding="utf-8"?>`...)
}

// AppendXMLElement writes an element that holds text.
func AppendXMLElement(b []byte, name, text string) []byte {
	if text == "" {
		return append(append(append(b, '<'), name...), " />"...)
	}
	b = append(append(append(b, '<'), name...), '>')
	b = AppendXMLText(b, text)
	return append(append(append(b, "</"...), name...), '>')
}

// AppendXMLInt writes an element that holds a number.
func AppendXMLInt(b []byte, name string, n int64) []byte {
	return AppendXMLElement(b, name, strconv.FormatInt(n, 10))
}

// AppendXMLText escapes text for an element: the markup characters, and the
// carriage return, which readers would otherwise turn into a line feed.
func AppendXMLText[T string | []byte](b []byte, text T) []byte {
	start := 0
	for i := range len(text) {
		var escaped string
		switch text[i] {
		case '<':
			escaped = "&lt;"
		case '>':
			escaped = "&gt;"
		case '&':
			escaped = "&amp;"
		case '\r':
			escaped = "&#xD;"
		default:
			continue
		}
		b = append(append(b, text[start:i]...), escaped...)
		start = i + 1
	}
	return append(b, text[start:]...)
}

// AppendXMLAttribute writes ` name="value"`.
func AppendXMLAttribute(b []byte, name, value string) []byte {
	b = append(append(append(b, ' '), name...), `="`...)
	for i := range len(value) {
		switch c := value[i]; c {
		case '<':
			b = append(b, "&lt;"...)
		case '&':
			b = append(b, "&amp;"...)
		case '"':
			b = append(b, "&quot;"...)
		case '\t', '\n', '\r':
			b = append(b, "&#"...)
			b = strconv.AppendInt(b, int64(c), 10)
			b = append(b, ';')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// ValidXMLText reports whether XML 1.0 can carry the text.
func ValidXMLText[T string | []byte](text T) bool {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		if r == utf8.RuneError && size <= 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += size
	}
	return true
}

// DecodeXML reads one XML document into v. Anything that is not well formed,
// or that has a document type, is InvalidXmlDocument.
func DecodeXML(body []byte, v any) error {
	if !validReferences(body) {
		return ErrInvalidXML
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) {
		return nil, errors.New("only UTF-8 is understood")
	}
	start, err := rootElement(d)
	if err != nil {
		return err
	}
	if err := d.DecodeElement(v, &start); err != nil {
		return ErrInvalidXML
	}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ErrInvalidXML
		}
		switch t := tok.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return ErrInvalidXML
			}
		case xml.Comment, xml.ProcInst:
		default:
			return ErrInvalidXML
		}
	}
}

// validReferences refuses references to half a surrogate pair, which the XML
// reader would turn into U+FFFD. Inside CDATA they would be text.
func validReferences(body []byte) bool {
	if bytes.Contains(body, []byte("<![CDATA[")) {
		return true
	}
	for {
		i := bytes.Index(body, []byte("&#"))
		if i < 0 {
			return true
		}
		body = body[i+2:]
		digits, base := body[:max(bytes.IndexByte(body[:min(len(body), 12)], ';'), 0)], 10
		if hex, ok := bytes.CutPrefix(digits, []byte("x")); ok {
			digits, base = hex, 16
		}
		if n, err := strconv.ParseUint(string(digits), base, 32); err == nil && 0xD800 <= n && n <= 0xDFFF {
			return false
		}
	}
}

func rootElement(d *xml.Decoder) (xml.StartElement, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return xml.StartElement{}, ErrInvalidXML
		}
		switch t := tok.(type) {
		case xml.StartElement:
			return t, nil
		case xml.Directive:
			return xml.StartElement{}, ErrInvalidXML
		}
	}
}
