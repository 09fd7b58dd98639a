package schedules

import (
	"errors"
	"fmt"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// The cron texts are read by a library, and it finds matches on the calendar. It is asked about UTC only, where every day has 24
// hours; what becomes of hours that a zone skips or repeats is decided in this package, in one place, so that neither another
// version of the library nor another one changes which ticks a schedule has.

const (
	// unixFields and secondFields are how many fields the two forms of cron texts have.
	unixFields   = 5
	secondFields = 6
	// searchYears is how far ahead a match is looked for: February 29 on a given weekday can be 40 years away.
	searchYears = 41
	// longestCron is the longest cron text.
	longestCron = 512
)

const cronForm = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Extended

// parseCron reads a cron text. hourly says that it names no hours: it ticks in every hour of the day.
func parseCron(text string) (spec *cron.SpecSchedule, hourly bool, err error) {
	if len(text) > longestCron {
		return nil, false, fmt.Errorf("has %d characters; %d are the most", len(text), longestCron)
	}
	if strings.Contains(text, "=") {
		return nil, false, errors.New("names a time zone; give it in the field TimeZone")
	}
	fields := strings.Fields(strings.ToLower(text))
	var options cron.ParseOption
	switch {
	case len(fields) == 1 && strings.HasPrefix(fields[0], "@"):
		options = cronForm | cron.Descriptor
	case len(fields) == unixFields:
		options = cronForm | cron.DowOrDom
	case len(fields) == secondFields:
		options = cronForm | cron.Second
	default:
		return nil, false, fmt.Errorf("%q has %d fields; give five (minute, hour, day of month, month, day of week), or six with the seconds in front", text, len(fields))
	}
	parsed, err := cron.MustNewParser(options).WithMaxSearchYears(searchYears).Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, false, fmt.Errorf("%q cannot be read: %w", text, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, false, fmt.Errorf("%q is an interval; give it in the field Every", text)
	}
	spec.Location = time.UTC
	const everyHour = 1<<24 - 1
	return spec, spec.Hour&everyHour == everyHour, nil
}
