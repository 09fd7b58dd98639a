package history

import "errors"

const emptyGUID = "00000000-0000-0000-0000-000000000000"

var errGUID = errors.New("is not a GUID")

// appendGUID writes a GUID in lower case and with dashes. It takes what .NET
// reads: 32 hex digits, with dashes or without, bare or in braces or
// parentheses. Empty stands for all zeros.
func appendGUID[T string | []byte](dst []byte, id T) ([]byte, bool) {
	if len(id) == 0 {
		return append(dst, emptyGUID...), true
	}
	if first, last := id[0], id[len(id)-1]; first == '{' && last == '}' || first == '(' && last == ')' {
		id = id[1 : len(id)-1]
	}
	dashed := len(id) == len(emptyGUID)
	if !dashed && len(id) != len(emptyGUID)-4 {
		return dst, false
	}
	digits := 0
	for i := range len(id) {
		c := id[i]
		if dashed && emptyGUID[i] == '-' {
			if c != '-' {
				return dst, false
			}
			continue
		}
		if 'A' <= c && c <= 'F' {
			c += 'a' - 'A'
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return dst, false
		}
		if digits == 8 || digits == 12 || digits == 16 || digits == 20 {
			dst = append(dst, '-')
		}
		dst = append(dst, c)
		digits++
	}
	return dst, true
}

// guid reads a GUID.
func (r *reader) guid(into *string) error {
	b, err := r.StringBytes()
	if err != nil {
		return err
	}
	var room [len(emptyGUID)]byte
	id, ok := appendGUID(room[:0], b)
	if !ok || len(b) == 0 {
		return errGUID
	}
	*into = string(id)
	return nil
}
