package jsontext

import (
	"errors"
	"time"
)

// Errors of dates.
var (
	ErrNotDate   = errors.New("is not a date in ISO 8601 form")
	ErrDateRange = errors.New("is a date outside the years 1 to 9999")
)

// tick is the resolution of .NET's dates. Anything finer is cut off.
const tick = 100 * time.Nanosecond

// AppendTime appends a date without quotes, as yyyy-MM-ddTHH:mm:ss and a
// fraction of seven digits, in the location that t carries. With trim, zeros
// at the end of the fraction are left out, and a zero fraction altogether. The
// zone is the caller's to append. The year must be between 1 and 9999.
func AppendTime(dst []byte, t time.Time, trim bool) ([]byte, error) {
	year, month, day := t.Date()
	if year < 1 || year > 9999 {
		return dst, ErrDateRange
	}
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	fraction := t.Nanosecond() / int(tick)
	if trim && fraction == 0 {
		return dst, nil
	}
	dst = appendDigits(append(dst, '.'), fraction, 7)
	for trim && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst, nil
}

func appendDigits(dst []byte, n, width int) []byte {
	var digits [8]byte
	for i := width - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, digits[:width]...)
}

// ParseTime reads a date of the form yyyy-MM-ddTHH:mm:ss with an optional
// fraction and an optional zone, which is Z, +hh:mm, +hhmm or +hh. Without a
// zone the date is in UTC. The result is in the zone read; digits beyond the
// seventh of the fraction are cut off.
func ParseTime(s string) (time.Time, error) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, ErrNotDate
	}
	year, ok1 := number(s[0:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:10])
	hour, ok4 := number(s[11:13])
	minute, ok5 := number(s[14:16])
	second, ok6 := number(s[17:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, ErrNotDate
	}
	ticks, rest, ok := parseFraction(s[19:])
	if !ok {
		return time.Time{}, ErrNotDate
	}
	zone, ok := parseZone(rest)
	if !ok {
		return time.Time{}, ErrNotDate
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, ticks*int(tick), zone)
	if t.Day() != day || int(t.Month()) != month {
		return time.Time{}, ErrNotDate
	}
	if u := t.UTC().Year(); year < 1 || u < 1 || u > 9999 {
		return time.Time{}, ErrDateRange
	}
	return t, nil
}

// number reads decimal digits and nothing else.
func number(s string) (int, bool) {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// parseFraction reads an optional fraction of a second in units of 100 ns.
func parseFraction(s string) (ticks int, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	i := 1
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if i <= 7 {
			ticks = ticks*10 + int(s[i]-'0')
		}
	}
	for n := i; n <= 7; n++ {
		ticks *= 10
	}
	return ticks, s[i:], i > 1
}

// parseZone reads what stands behind the seconds.
func parseZone(s string) (*time.Location, bool) {
	if s == "" || s == "Z" {
		return time.UTC, true
	}
	if s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	hours, minutes := s[1:], "00"
	switch {
	case len(s) == 6 && s[3] == ':':
		hours, minutes = s[1:3], s[4:]
	case len(s) == 5:
		hours, minutes = s[1:3], s[3:]
	case len(s) != 3:
		return nil, false
	}
	h, ok1 := number(hours)
	m, ok2 := number(minutes)
	if !ok1 || !ok2 || h > 14 || m > 59 {
		return nil, false
	}
	seconds := h*3600 + m*60
	if seconds == 0 {
		return time.UTC, true
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}
