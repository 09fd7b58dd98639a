package queues

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// received is a message as the service's answer describes it.
type received struct {
	id, popReceipt, text  string
	dequeueCount          int64
	insertedAt, visibleAt time.Time
}

var errAnswer = errors.New("the queue service's answer is not a list of messages")

// parseMessages reads the answer to a request for messages. It takes the few elements that the service writes and nothing else, and it
// is lenient within them: a parser of XML rejects the whole batch when one message contains a character that XML does not
// allow, which then would stand in the way of all others forever.
func parseMessages(answer []byte) ([]received, error) {
	text := string(answer)
	if _, after, ok := strings.Cut(text, "<QueueMessagesList"); !ok {
		return nil, errAnswer
	} else if text = after; strings.HasPrefix(strings.TrimLeft(text, " "), "/>") {
		return nil, nil
	}
	const start, end = "<QueueMessage>", "</QueueMessage>"
	var messages []received
	for {
		_, after, ok := strings.Cut(text, start)
		if !ok {
			return messages, nil
		}
		element, rest, ok := strings.Cut(after, end)
		if !ok {
			return nil, errAnswer
		}
		m, err := parseMessage(element)
		if err != nil {
			return nil, err
		}
		messages, text = append(messages, m), rest
	}
}

// parseMessage reads the children of a QueueMessage element. Values have their "<" escaped, so that the next one ends the value.
func parseMessage(element string) (m received, err error) {
	for {
		_, after, ok := strings.Cut(element, "<")
		if !ok {
			break
		}
		tag, after, ok := strings.Cut(after, ">")
		if !ok {
			return m, errAnswer
		}
		if strings.HasPrefix(tag, "/") || strings.HasSuffix(tag, "/") {
			element = after
			continue
		}
		value := after
		if i := strings.IndexByte(after, '<'); i >= 0 {
			value = after[:i]
		}
		element = after[len(value):]
		tag, _, _ = strings.Cut(tag, " ") // without attributes
		if err := m.set(tag, value); err != nil {
			return m, fmt.Errorf("%w: %s: %w", errAnswer, tag, err)
		}
	}
	if m.id == "" {
		return m, fmt.Errorf("%w: a message has no id", errAnswer)
	}
	return m, nil
}

func (m *received) set(tag, value string) (err error) {
	switch tag {
	case "MessageId":
		m.id = unescape(value)
	case "PopReceipt":
		m.popReceipt = unescape(value)
	case "MessageText":
		m.text = unescape(value)
	case "DequeueCount":
		m.dequeueCount, err = strconv.ParseInt(value, 10, 64)
	case "InsertionTime":
		m.insertedAt, err = parseTime(value)
	case "TimeNextVisible":
		m.visibleAt, err = parseTime(value)
	}
	return err
}

func parseTime(value string) (time.Time, error) {
	t, err := time.Parse(time.RFC1123, strings.TrimSpace(value))
	return t.UTC(), err
}

// unescape replaces entities and character references, leaves what is none, and makes the result valid UTF-8.
func unescape(value string) string {
	if !strings.ContainsAny(value, "&\r") {
		return strings.ToValidUTF8(value, string(utf8.RuneError))
	}
	var b strings.Builder
	b.Grow(len(value))
	value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\r", "\n") // as XML defines
	for {
		before, after, ok := strings.Cut(value, "&")
		b.WriteString(before)
		if !ok {
			break
		}
		const longestName = 12
		name, rest, ok := strings.Cut(after, ";")
		r, known := entity(name)
		if !ok || len(name) > longestName || !known {
			b.WriteByte('&')
			value = after
			continue
		}
		b.WriteRune(r)
		value = rest
	}
	return strings.ToValidUTF8(b.String(), string(utf8.RuneError))
}

func entity(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return rune(n), ok && err == nil && n <= utf8.MaxRune
}
