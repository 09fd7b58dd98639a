package history

import (
	"time"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// String returns a pointer to a copy of s, for the fields that may be null.
func String(s string) *string { return &s }

// Int32 returns a pointer to a copy of n, for the fields that may be null.
func Int32(n int32) *int32 { return &n }

// unsetTime is how .NET writes a date that was never set. It has no zone.
const unsetTime = "0001-01-01T00:00:00"

// FormatTime writes a date as Newtonsoft.Json does for .NET's DateTime in UTC:
// "2026-06-01T12:34:56.789012Z", with up to seven digits of a second and no
// trailing zeros. What is finer than 100 ns is cut off. The zero time is
// "0001-01-01T00:00:00". Dates outside the years 1 to 9999, which .NET does not
// have, give "".
func FormatTime(t time.Time) string {
	b, err := appendTime(nil, t)
	if err != nil {
		return ""
	}
	return string(b)
}

// appendTime is [FormatTime] into a buffer.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return append(dst, unsetTime...), nil
	}
	dst, err := jsontext.AppendTime(dst, t.UTC(), true)
	if err != nil {
		return dst, err
	}
	return append(dst, 'Z'), nil
}

// ParseTime reads a date in ISO 8601 form, with or without a fraction of a
// second and with any zone; without one it is in UTC. The result is in UTC and
// has a resolution of 100 ns.
func ParseTime(s string) (time.Time, error) {
	t, err := jsontext.ParseTime(s)
	if err != nil {
		return time.Time{}, err
	}
	return t.UTC(), nil
}
