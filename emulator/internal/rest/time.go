package rest

import "time"

// Ticks are the 100-nanosecond steps since 0001-01-01 UTC in which the
// services count time; ETags and entity time stamps are made of them.
type Ticks int64

// TicksPerSecond and the ticks of the Unix epoch tie ticks to time.Time.
const (
	TicksPerSecond = 10_000_000
	// unixEpochSeconds is 1970-01-01 counted from 0001-01-01.
	unixEpochSeconds = 62_135_596_800
)

// TicksOf converts a time, cutting off what is finer than a tick.
func TicksOf(t time.Time) Ticks {
	return Ticks((t.Unix()+unixEpochSeconds)*TicksPerSecond + int64(t.Nanosecond())/100)
}

// Time converts ticks to a time in UTC.
func (t Ticks) Time() time.Time {
	return time.Unix(int64(t)/TicksPerSecond-unixEpochSeconds, int64(t)%TicksPerSecond*100).UTC()
}

// Add moves a tick count by a duration.
func (t Ticks) Add(d time.Duration) Ticks { return t + Ticks(d/100) }

// Sub is the duration between two tick counts.
func (t Ticks) Sub(u Ticks) time.Duration { return time.Duration(t-u) * 100 }

// HTTPDate writes a time as RFC 1123 with GMT, the form of date headers.
func HTTPDate(t time.Time) string {
	return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

// FormatTicks writes a time in ISO 8601 with seven digits and Z.
func FormatTicks(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// IsVersion reports whether a text has the form of a version of the services: a date such as 2026-06-06.
func IsVersion(s string) bool {
	if len(s) != len(time.DateOnly) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') || (c == '-') != (i == 4 || i == 7) {
			return false
		}
	}
	return s[5:7] >= "01" && s[5:7] <= "12" && s[8:] >= "01" && s[8:] <= "31"
}

// ParseHTTPDate reads a date header in any of the forms HTTP allows.
func ParseHTTPDate(s string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
