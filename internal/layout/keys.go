package layout

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// SentinelRowKey is the row key of the row whose ETag guards an instance's history. It sorts after all event rows.
const SentinelRowKey = "sentinel"

// MaxInstanceIDLength is the length, in UTF-16 code units, up to which a client may choose an instance id.
const MaxInstanceIDLength = 100

const (
	escapeRune    = '^'
	controlOffset = 0xC0
	rowKeyDigits  = 16
)

// EscapeKey turns an instance id into a partition key, replacing what the Table service does not allow in keys.
// It is not idempotent: escape once.
func EscapeKey(id string) string {
	if !strings.ContainsFunc(id, needsEscape) {
		return id
	}
	var b strings.Builder
	b.Grow(len(id) + 8)
	for _, r := range id {
		switch r {
		case escapeRune:
			b.WriteString("^^")
		case '/':
			b.WriteString("^0")
		case '\\':
			b.WriteString("^1")
		case '#':
			b.WriteString("^2")
		case '?':
			b.WriteString("^3")
		default:
			if isControl(r) {
				b.WriteRune(escapeRune)
				r += controlOffset
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// UnescapeKey turns a partition key back into the instance id.
func UnescapeKey(key string) string {
	if !strings.ContainsRune(key, escapeRune) {
		return key
	}
	var b strings.Builder
	b.Grow(len(key))
	escaped := false
	for _, r := range key {
		switch {
		case escaped:
			b.WriteRune(unescapeRune(r))
			escaped = false
		case r == escapeRune:
			escaped = true
		default:
			b.WriteRune(r)
		}
	}
	if escaped { // nobody writes such a key, but it should stay distinguishable
		b.WriteRune(escapeRune)
	}
	return b.String()
}

func unescapeRune(r rune) rune {
	switch r {
	case '0':
		return '/'
	case '1':
		return '\\'
	case '2':
		return '#'
	case '3':
		return '?'
	}
	if shifted := r - controlOffset; r >= controlOffset && r <= 0xFFFF && utf8.ValidRune(shifted) {
		return shifted
	}
	return r
}

func needsEscape(r rune) bool {
	switch r {
	case escapeRune, '/', '\\', '#', '?':
		return true
	}
	return isControl(r)
}

func isControl(r rune) bool {
	return r >= 0 && r <= 0x1F || r >= 0x7F && r <= 0x9F
}

// RowKey returns the row key of the event at a position of the history, counted from 0: 16 upper-case hex digits.
func RowKey(ordinal int) string { return fmt.Sprintf("%016X", ordinal) }

// ParseRowKey returns the position that a row key made by [RowKey] stands for, and false for any other key.
func ParseRowKey(key string) (int, bool) {
	if len(key) != rowKeyDigits || strings.ContainsFunc(key, notUpperHex) {
		return 0, false
	}
	n, err := strconv.ParseInt(key, 16, strconv.IntSize)
	if err != nil {
		return 0, false
	}
	return int(n), true
}

func notUpperHex(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'F') }

// UTF16Len returns the length of a text in UTF-16 code units, in which .NET measures strings and the Table service
// measures string properties. Bytes that are not valid UTF-8 count as one unit each, as they are stored as U+FFFD.
func UTF16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// InvalidInstanceIDError says that an instance id may not be chosen by a client.
type InvalidInstanceIDError struct {
	ID     string // the id as given
	Reason string // what is wrong with it, for people
}

// Error implements error.
func (e *InvalidInstanceIDError) Error() string {
	const shown = 120
	id, more := e.ID, ""
	if len(id) > shown {
		id, more = id[:shown], "…"
	}
	return fmt.Sprintf("instance id %q%s cannot be used: %s; choose an id of 1 to %d characters without / \\ # ? and control characters",
		id, more, e.Reason, MaxInstanceIDLength)
}

// ValidateInstanceID checks an id that a client chooses: 1 to [MaxInstanceIDLength] UTF-16 code units of valid text,
// without / \ # ? and control characters, and neither "." nor ".." (the id is a segment of blob URLs, where those two
// mean something else). It returns nil or an [*InvalidInstanceIDError]. Ids that workers derive or find in messages
// need not pass.
func ValidateInstanceID(id string) error {
	reason := instanceIDFault(id)
	if reason == "" {
		return nil
	}
	return &InvalidInstanceIDError{ID: id, Reason: reason}
}

func instanceIDFault(id string) string {
	switch {
	case id == "":
		return "it is empty"
	case id == "." || id == "..":
		return "it is a relative path segment"
	case !utf8.ValidString(id):
		return "it is not valid UTF-8"
	}
	for _, r := range id {
		switch {
		case isControl(r):
			return fmt.Sprintf("it contains the control character %U", r)
		case r == '/' || r == '\\' || r == '#' || r == '?':
			return fmt.Sprintf("it contains the character %c", r)
		}
	}
	if n := UTF16Len(id); n > MaxInstanceIDLength {
		return fmt.Sprintf("it has %d characters", n)
	}
	return ""
}
