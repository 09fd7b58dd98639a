package durable

import "strconv"

// Most payloads are single strings and numbers. Writing and reading those directly
// is quicker than encoding/json and needs little stack, which matters to a goroutine
// that is to be parked for days. Whatever is not plain is left to encoding/json.

// scalarJSON returns the JSON of a simple value.
func scalarJSON(v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil, Void:
		return []byte("null"), true
	case string:
		return quoted(v)
	case bool:
		return strconv.AppendBool(make([]byte, 0, 8), v), true
	case int:
		return integer(int64(v)), true
	case int32:
		return integer(int64(v)), true
	case int64:
		return integer(v), true
	default:
		return nil, false
	}
}

func integer(n int64) []byte { return strconv.AppendInt(make([]byte, 0, 24), n, 10) }

func quoted(s string) ([]byte, bool) {
	if !isPlain(s) {
		return nil, false
	}
	text := make([]byte, len(s)+2)
	text[0], text[len(s)+1] = '"', '"'
	copy(text[1:], s)
	return text, true
}

// readScalar reads JSON into a simple variable.
func readScalar(data []byte, v any) bool {
	switch v := v.(type) {
	case *string:
		last := len(data) - 1
		if last < 1 || data[0] != '"' || data[last] != '"' || !isPlain(data[1:last]) {
			return false
		}
		*v = string(data[1:last])
		return true
	case *int:
		n, ok := readInt(data, strconv.IntSize)
		if ok {
			*v = int(n)
		}
		return ok
	case *int32:
		n, ok := readInt(data, 32)
		if ok {
			*v = int32(n)
		}
		return ok
	case *int64:
		n, ok := readInt(data, 64)
		if ok {
			*v = n
		}
		return ok
	case *bool:
		*v = string(data) == "true"
		return *v || string(data) == "false"
	case *Void:
		return true
	default:
		return false
	}
}

// readInt reads an integer that is spelled as JSON spells them.
func readInt(data []byte, bits int) (int64, bool) {
	digits := data
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(data), 10, bits)
	return n, err == nil
}

// isPlain tells whether JSON spells a text as it is: printable ASCII without quotes
// and backslashes.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
