package httpapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// query is the query of a URL. Names are in lower case.
type query map[string][]string

// parseQuery reads whatever there is: what is escaped wrongly stands for itself, and a semicolon is a character like others.
func parseQuery(raw string) query {
	q := query{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = strings.ToLower(strings.TrimSpace(decode(name, true)))
		if name != "" {
			q[name] = append(q[name], strings.TrimSpace(decode(value, true)))
		}
	}
	return q
}

// decode replaces %XX, and in forms the plus, which stands for a blank. A percent sign without two digits stays.
func decode(s string, form bool) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+' && form:
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8) // two hex digits
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// get returns the first value of a parameter; empty when it is absent or blank.
func (q query) get(name string) string {
	if values := q[strings.ToLower(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// flag reads a boolean. What is none counts as absent.
func (q query) flag(name string, otherwise bool) bool {
	switch strings.ToLower(q.get(name)) {
	case "true":
		return true
	case "false":
		return false
	}
	return otherwise
}

// number reads a positive whole number. What is none counts as absent.
func (q query) number(name string, otherwise int) int {
	n, err := strconv.Atoi(q.get(name))
	if err != nil || n <= 0 {
		return otherwise
	}
	return n
}

// seconds reads a time span. What is none counts as absent.
func (q query) seconds(name string) (time.Duration, bool) {
	s, err := strconv.ParseFloat(q.get(name), 64)
	if err != nil || math.IsNaN(s) || math.IsInf(s, 0) || s < 0 {
		return 0, false
	}
	const longest = 1e9 // some thirty years; what is longer would not fit
	return time.Duration(min(s, longest) * float64(time.Second)), true
}

// dateForms are the forms of dates that are understood, time zone or not. Fractions of a second may follow the seconds.
var dateForms = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15Z07:00", "2006-01-02Z07:00", "2006-01-02", "2006-01", "2006/01/02 15:04:05", "2006/01/02",
	"1/2/2006 3:04:05 PM", "1/2/2006 15:04:05", "1/2/2006 15:04", "1/2/2006",
	time.RFC1123, "Mon, 02 Jan 2006 15:04:05 -0700",
}

// date reads a point in time; without a zone it is UTC. What is none counts as absent.
func (q query) date(name string) (time.Time, bool) {
	text := q.get(name)
	if year, rest, ok := strings.Cut(text, "-"); ok && len(year) < 4 && isNumber(year) { // Python writes years that way
		text = strings.Repeat("0", 4-len(year)) + year + "-" + rest
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), true
		}
		// A plus that was not escaped arrives as a blank.
		if at := strings.LastIndexByte(text, ' '); at > 0 && strings.HasSuffix(form, "Z07:00") {
			if t, err := time.Parse(form, text[:at]+"+"+text[at+1:]); err == nil {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// unknownStatus is what filters call a state that has no name.
const unknownStatus history.Status = -1

// statuses reads the names or numbers of states, apart by commas or given several times. Others are dropped.
func (q query) statuses() (wanted []history.Status) {
	for _, list := range q["runtimestatus"] {
		for name := range strings.SplitSeq(list, ",") {
			if status, ok := parseStatus(strings.TrimSpace(name)); ok {
				wanted = append(wanted, status)
			}
		}
	}
	return wanted
}

func parseStatus(text string) (history.Status, bool) {
	if text == "Unknown" {
		return unknownStatus, true
	}
	if status, ok := history.ParseStatus(text); ok {
		return status, true
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < int64(unknownStatus) || n > int64(history.Suspended) {
		return 0, false
	}
	return history.Status(n), true
}
