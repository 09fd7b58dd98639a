package queues

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// view is a message as it was when an answer was made.
type view struct {
	id, receipt                string
	body                       []byte
	inserted, expires, visible rest.Ticks
	dequeued                   int64
}

func (m *message) view() view {
	return view{m.id, m.popReceipt().String(), m.body, m.inserted, m.expires, m.visible, m.dequeued}
}

// form says which elements of a message an answer shows.
type form uint8

const (
	putForm form = iota
	getForm
	peekForm
)

func listMessages(views []view, f form) []byte {
	size := 128
	for _, v := range views {
		size += 400 + len(v.body) + len(v.body)/8
	}
	b := rest.AppendXMLHeader(make([]byte, 0, size))
	b = append(b, "<QueueMessagesList>"...)
	for _, v := range views {
		b = append(b, "<QueueMessage>"...)
		b = rest.AppendXMLElement(b, "MessageId", v.id)
		b = rest.AppendXMLElement(b, "InsertionTime", rest.HTTPDate(v.inserted.Time()))
		b = rest.AppendXMLElement(b, "ExpirationTime", rest.HTTPDate(v.expires.Time()))
		if f != peekForm {
			b = rest.AppendXMLElement(b, "PopReceipt", v.receipt)
			b = rest.AppendXMLElement(b, "TimeNextVisible", rest.HTTPDate(v.visible.Time()))
		}
		if f != putForm {
			b = rest.AppendXMLInt(b, "DequeueCount", v.dequeued)
			b = append(b, "<MessageText>"...)
			b = rest.AppendXMLText(b, v.body)
			b = append(b, "</MessageText>"...)
		}
		b = append(b, "</QueueMessage>"...)
	}
	return append(b, "</QueueMessagesList>"...)
}

// parseMessage reads the text of a QueueMessage document. Documents as SDKs
// write them take a short way; the rest goes through the full XML reader.
func parseMessage(body []byte) ([]byte, error) {
	if message, ok := parsePlainMessage(body); ok {
		return message, nil
	}
	var doc struct {
		XMLName xml.Name `xml:"QueueMessage"`
		Text    *string  `xml:"MessageText"`
	}
	if err := rest.DecodeXML(bytes.TrimPrefix(body, utf8BOM), &doc); err != nil || doc.Text == nil {
		return nil, rest.ErrInvalidXML
	}
	return []byte(*doc.Text), nil
}

var utf8BOM = []byte("\uFEFF")

// parsePlainMessage reads a document that consists of the two elements and
// nothing else but white space and a declaration.
func parsePlainMessage(body []byte) ([]byte, bool) {
	b := bytes.TrimSpace(bytes.TrimPrefix(body, utf8BOM))
	if bytes.HasPrefix(b, []byte("<?xml ")) {
		declaration, after, ok := bytes.Cut(b, []byte("?>"))
		if !ok || !plainDeclaration(string(declaration)) {
			return nil, false
		}
		b = bytes.TrimSpace(after)
	}
	b, ok := between(b, "<QueueMessage>", "</QueueMessage>")
	if !ok {
		return nil, false
	}
	b, ok = between(bytes.TrimSpace(b), "<MessageText>", "</MessageText>")
	if !ok || bytes.IndexByte(b, '<') >= 0 || bytes.IndexByte(b, '\r') >= 0 || bytes.Contains(b, []byte("]]>")) || !rest.ValidXMLText(b) {
		return nil, false
	}
	return unescape(b)
}

func plainDeclaration(text string) bool {
	switch strings.ToLower(strings.ReplaceAll(text, "'", `"`)) {
	case `<?xml version="1.0" encoding="utf-8"`, `<?xml version="1.0" encoding="utf-8" `,
		`<?xml version="1.0"`, `<?xml version="1.0" encoding="utf-8" standalone="yes"`:
		return true
	}
	return false
}

func between(b []byte, open, end string) ([]byte, bool) {
	if len(b) < len(open)+len(end) || !bytes.HasPrefix(b, []byte(open)) || !bytes.HasSuffix(b, []byte(end)) {
		return nil, false
	}
	return b[len(open) : len(b)-len(end)], true
}

// unescape resolves character references; the result never shares memory with
// the request.
func unescape(b []byte) ([]byte, bool) {
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			return append(out, b...), true
		}
		out = append(out, b[:i]...)
		b = b[i+1:]
		end := bytes.IndexByte(b[:min(len(b), 12)], ';')
		if end < 0 {
			return nil, false
		}
		r, ok := reference(string(b[:end]))
		if !ok {
			return nil, false
		}
		out = append(out, r...)
		b = b[end+1:]
	}
}

func reference(name string) (string, bool) {
	switch name {
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "amp":
		return "&", true
	case "quot":
		return `"`, true
	case "apos":
		return "'", true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return "", false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil {
		return "", false
	}
	text := string(rune(n)) // U+FFFD for what is no character
	return text, rest.ValidXMLText(text) && (text != "\uFFFD" || n == 0xFFFD)
}
