package schedules

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if got, err := time.Parse(form, text); err == nil {
			return got.UTC()
		}
	}
	t.Fatalf("no time: %q", text)
	return time.Time{}
}

func timing(t *testing.T, s durable.ScheduleSpec) *Timing {
	t.Helper()
	s.Name, s.Orchestrator = "n", "O"
	_, got, err := Normalize(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestCronForms: both forms of texts, and what is beyond them.
func TestCronForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // the first tick after Wednesday 2026-07-01 06:59:30
		"0 0 7 * * *":       "2026-07-01T07:00:00Z",
		"0 7 * * *":         "2026-07-01T07:00:00Z",
		"*/10 * * * * *":    "2026-07-01T06:59:40Z",
		"* * * * *":         "2026-07-01T07:00:00Z",
		"0 0 * * MON-FRI":   "2026-07-02T00:00:00Z",
		"0 0 * * thu":       "2026-07-02T00:00:00Z",
		"0 0 * * THU,Sat":   "2026-07-02T00:00:00Z",
		"0 0 * * 0":         "2026-07-05T00:00:00Z",
		"0 0 * * 7":         "2026-07-05T00:00:00Z",
		"0 0 13 * 5":        "2026-07-03T00:00:00Z", // five fields: the 13th, and every Friday
		"0 0 0 13 * 5":      "2026-11-13T00:00:00Z", // six fields: a Friday the 13th
		"0 0 0 * * FRI#2":   "2026-07-10T00:00:00Z",
		"0 0 0 * * MON#L":   "2026-07-27T00:00:00Z",
		"0 0 0 L * *":       "2026-07-31T00:00:00Z",
		"0 0 0 L * ?":       "2026-07-31T00:00:00Z",
		"0 0 0 4W * *":      "2026-07-03T00:00:00Z", // the 4th is a Saturday
		"0 0 29 FEB *":      "2028-02-29T00:00:00Z",
		"0 0 0 29 2 1":      "2044-02-29T00:00:00Z",
		"0 22-2 * * *":      "2026-07-01T22:00:00Z",
		"  5   8  *  *  * ": "2026-07-01T08:05:00Z",
		"@hourly":           "2026-07-01T07:00:00Z",
		"@daily":            "2026-07-02T00:00:00Z",
		"@Weekly":           "2026-07-05T00:00:00Z",
		"@yearly":           "2027-01-01T00:00:00Z",
	} {
		got := timing(t, durable.ScheduleSpec{Cron: text}).After(at(t, "2026-07-01T06:59:30Z"))
		if got.Format(time.RFC3339) != want {
			t.Errorf("%s: %s, want %s", text, got.Format(time.RFC3339), want)
		}
	}
	for text, want := range map[string]string{
		"* * * *": "4 fields", "0 0 0 1 1 * 2026": "7 fields", "61 * * * *": "61", "* 24 * * *": "24", "* * 0 * *": "below", "* * 32 * *": "32",
		"* * * 13 *": "13", "* * * * 8": "8", "*/0 * * * *": "step", "a * * * *": "a", "-1 * * * *": "-1", "1--2 * * * *": "1--2", "* * * * MONDAY": "monday",
		"0 0 30 2 *": "does not come", "0 0 31 4,6 *": "does not come", "@every 5m": "fields", "@never": "@never", "TZ=Europe/Berlin 0 7 * * *": "TimeZone",
		"CRON_TZ=X 0 7 * * *": "TimeZone", "H * * * *": "H", "99999999999999999999 * * * *": "9999", "* * * * *\x00": "cannot be read",
		strings.Repeat("1,", 300) + "1 * * * *": "characters",
	} {
		_, _, err := Normalize(durable.ScheduleSpec{Name: "n", Orchestrator: "O", Cron: text})
		if err == nil || !strings.Contains(err.Error(), "Cron") || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestDaylightSaving: the rules for hours that are skipped and shown twice.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ zone, cron, from, want string }{
		// Berlin, 2026-03-29: 02:00 is 03:00. What is skipped ticks once, at the change, 01:00 UTC.
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z 2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		{"Europe/Berlin", "0 */10 2 * * *", "2026-03-28T01:45:00Z", "2026-03-28T01:50:00Z 2026-03-29T01:00:00Z 2026-03-30T00:00:00Z"},
		{"Europe/Berlin", "0 2,3 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T01:00:00Z"},
		{"Europe/Berlin", "0 * * * *", "2026-03-28T23:30:00Z", "2026-03-29T00:00:00Z 2026-03-29T01:00:00Z 2026-03-29T02:00:00Z"},
		{"Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:00:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z"},
		{"Europe/Berlin", "0 7 * * *", "2026-03-28T00:00:00Z", "2026-03-28T06:00:00Z 2026-03-29T05:00:00Z"},
		// Berlin, 2026-10-25: 03:00 is 02:00 again. What names hours ticks the first time only.
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"}, // asked in the first hour
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"}, // and in the second
		{"Europe/Berlin", "0 2,3 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z 2026-10-25T02:00:00Z"},
		{"Europe/Berlin", "*/30 2-3 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-25T02:00:00Z 2026-10-25T02:30:00Z"},
		{"Europe/Berlin", "* * 2 * * *", "2026-10-25T00:59:58Z", "2026-10-25T00:59:59Z 2026-10-26T01:00:00Z"},
		// What ticks in every hour goes on evenly.
		{"Europe/Berlin", "30 * * * *", "2026-10-24T23:45:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		{"Europe/Berlin", "30 0-23 * * *", "2026-10-24T23:45:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		{"Europe/Berlin", "0 */20 * * * *", "2026-10-25T00:40:00Z", "2026-10-25T01:00:00Z 2026-10-25T01:20:00Z 2026-10-25T01:40:00Z 2026-10-25T02:00:00Z"},
		// New York, 2026-03-08 and 2026-11-01.
		{"America/New_York", "30 2 * * *", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z 2026-03-09T06:30:00Z"},
		{"America/New_York", "30 1 * * *", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z 2026-11-02T06:30:00Z"},
		// Lord Howe: half an hour. 2026-04-05 02:00 is 01:30 again; 2026-10-04 02:00 is 02:30.
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z"},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z"},
		// São Paulo, 2018-11-04: midnight is 01:00.
		{"America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z 2018-11-05T02:00:00Z"},
		// Samoa left out the whole of 2011-12-30.
		{"Pacific/Apia", "0 7 * * *", "2011-12-29T00:00:00Z", "2011-12-29T17:00:00Z 2011-12-30T10:00:00Z 2011-12-30T17:00:00Z"},
		// No change at all.
		{"Asia/Kolkata", "30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-28T21:00:00Z 2026-03-29T21:00:00Z"},
		{"UTC", "30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-28T02:30:00Z 2026-03-29T02:30:00Z"},
	} {
		tm := timing(t, durable.ScheduleSpec{Cron: test.cron, TimeZone: test.zone})
		want := strings.Fields(test.want)
		var got []string
		for _, tick := range tm.Upcoming(at(t, test.from), len(want)) {
			got = append(got, tick.Format(time.RFC3339))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s in %s after %s:\n got %s\nwant %s", test.cron, test.zone, test.from, strings.Join(got, " "), test.want)
		}
	}
}

// TestDaylightSavingBySearch compares the ticks with a search over all seconds of some hours around changes.
func TestDaylightSavingBySearch(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Kolkata"}
	texts := []string{"0 * * * *", "30 2 * * *", "*/7 1-3 * * *", "15,45 * * * *", "0 0 0 * * *", "20 30 1 * * *", "0 */2 * * *", "59 2 * * SUN", "0 0 1 * *"}
	for range 16 {
		zone, text := zones[random.IntN(len(zones))], texts[random.IntN(len(texts))]
		tm := timing(t, durable.ScheduleSpec{Cron: text, TimeZone: zone})
		_, change := time.Date(2017+random.IntN(12), time.Month(1+random.IntN(12)), 1, 0, 0, 0, 0, tm.zone).ZoneBounds()
		if change.IsZero() {
			change = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		}
		from, to := change.Add(-2*time.Hour), change.Add(3*time.Hour)
		want := search(tm, from, to)
		got := 0
		for tick := tm.After(from); !tick.After(to); tick = tm.After(tick) {
			if got == len(want) || !want[got].Equal(tick) {
				t.Fatalf("%s in %s: tick %d is %v; want %v", text, zone, got, tick, want)
			}
			got++
		}
		if got != len(want) {
			t.Fatalf("%s in %s: %d ticks, want %v", text, zone, got, want)
		}
		some := from.Add(time.Duration(random.Int64N(int64(to.Sub(from)))))
		next := tm.After(some)
		for _, tick := range want {
			if tick.After(some) {
				if !tick.Equal(next) {
					t.Errorf("%s in %s after %v: %v, want %v", text, zone, some, next, tick)
				}
				break
			}
		}
	}
}

// search finds the ticks in (from, to] by the rules as they are written down.
func search(tm *Timing, from, to time.Time) (ticks []time.Time) {
	matches := func(clock time.Time) bool { return tm.cron.Next(clock.Add(-time.Second)).Equal(clock) }
	seen := map[int64]bool{}
	for at := from.Add(-2 * time.Hour); !at.After(to); at = at.Add(time.Second) {
		clock := shown(at, tm.offset(at))
		tick := matches(clock) && (tm.hourly || !seen[clock.Unix()])
		seen[clock.Unix()] = true
		for before := shown(at.Add(-time.Second), tm.offset(at.Add(-time.Second))).Add(time.Second); before.Before(clock) && !tick; before = before.Add(time.Second) {
			tick = matches(before) // skipped
		}
		if tick && at.After(from) {
			ticks = append(ticks, at.UTC())
		}
	}
	return ticks
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		every        time.Duration
		anchor, from string
		want         string
	}{
		{time.Hour, "", "2026-07-01T06:59:30Z", "2026-07-01T07:00:00Z"},
		{time.Hour, "", "2026-07-01T07:00:00Z", "2026-07-01T08:00:00Z"},
		{time.Hour, "2026-07-01T00:10:00Z", "2026-07-01T07:00:00Z", "2026-07-01T07:10:00Z"},
		{time.Hour, "2030-07-01T00:10:00Z", "2026-07-01T07:00:00Z", "2026-07-01T07:10:00Z"},
		{time.Hour, "2030-07-01T00:10:00Z", "2026-07-01T07:10:00Z", "2026-07-01T08:10:00Z"},
		{90 * time.Minute, "2026-03-29T00:00:00+01:00", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
		{time.Second, "", "2026-07-01T06:59:30Z", "2026-07-01T06:59:31Z"},
		{7 * 24 * time.Hour, "", "1960-01-01T00:00:00Z", "1960-01-07T00:00:00Z"},
	} {
		s := durable.ScheduleSpec{Every: test.every}
		if test.anchor != "" {
			s.Anchor = at(t, test.anchor)
		}
		if got := timing(t, s).After(at(t, test.from)); got.Format(time.RFC3339) != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestBoundsAndPreview(t *testing.T) {
	t.Parallel()
	tm := timing(t, durable.ScheduleSpec{Every: time.Hour, StartAt: at(t, "2026-07-01T07:00:00Z"), EndAt: at(t, "2026-07-01T09:00:00Z")})
	got := tm.Upcoming(at(t, "2026-01-01T00:00:00Z"), 10)
	if len(got) != 3 || !got[0].Equal(at(t, "2026-07-01T07:00:00Z")) || !got[2].Equal(at(t, "2026-07-01T09:00:00Z")) {
		t.Errorf("%v", got)
	}
	if n := tm.Count(at(t, "2026-07-01T08:00:00Z"), at(t, "2026-07-01T12:00:00Z"), 100); n != 2 {
		t.Errorf("%d ticks", n)
	}
	if n := tm.Count(at(t, "2026-01-01T08:00:00Z"), at(t, "2027-07-01T12:00:00Z"), 2); n != 2 {
		t.Errorf("%d ticks", n)
	}
}

// TestBadDefinitions: every field that cannot be used is named.
func TestBadDefinitions(t *testing.T) {
	t.Parallel()
	good := durable.ScheduleSpec{Name: "n", Orchestrator: "O", Every: time.Hour}
	for field, changes := range map[string][]func(*durable.ScheduleSpec){
		"Name": {
			func(s *durable.ScheduleSpec) { s.Name = "" }, func(s *durable.ScheduleSpec) { s.Name = "a/b" }, func(s *durable.ScheduleSpec) { s.Name = "-a" },
			func(s *durable.ScheduleSpec) { s.Name = "täglich" }, func(s *durable.ScheduleSpec) { s.Name = "a b" }, func(s *durable.ScheduleSpec) { s.Name = "@a@b" },
			func(s *durable.ScheduleSpec) { s.Name = strings.Repeat("a", 65) }, func(s *durable.ScheduleSpec) { s.Name = "a\n" },
		},
		"Orchestrator": {func(s *durable.ScheduleSpec) { s.Orchestrator = " " }, func(s *durable.ScheduleSpec) { s.Orchestrator = strings.Repeat("a", 1025) }, func(s *durable.ScheduleSpec) { s.Orchestrator = "a\xff" }},
		"Input":        {func(s *durable.ScheduleSpec) { text := strings.Repeat("a", MaxText+1); s.Input = &text }},
		"Tags":         {func(s *durable.ScheduleSpec) { s.Tags = map[string]string{"": "x"} }, func(s *durable.ScheduleSpec) { s.Tags = map[string]string{"taskhub.schedule": "x"} }},
		"Every": {
			func(s *durable.ScheduleSpec) { s.Every = -1 }, func(s *durable.ScheduleSpec) { s.Every = time.Millisecond }, func(s *durable.ScheduleSpec) { s.Every = 1500 * time.Millisecond },
			func(s *durable.ScheduleSpec) { s.Cron = "* * * * *" },
		},
		"Cron":     {func(s *durable.ScheduleSpec) { s.Every = 0 }, func(s *durable.ScheduleSpec) { s.Every, s.Cron = 0, "x" }},
		"TimeZone": {func(s *durable.ScheduleSpec) { s.TimeZone = "UTC" }},
		"Anchor":   {func(s *durable.ScheduleSpec) { s.Every, s.Cron, s.Anchor = 0, "* * * * *", time.Unix(0, 0) }, func(s *durable.ScheduleSpec) { s.Anchor = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"StartAt":  {func(s *durable.ScheduleSpec) { s.StartAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"EndAt":    {func(s *durable.ScheduleSpec) { s.StartAt, s.EndAt = time.Unix(10, 0), time.Unix(9, 0) }},
		"Overlap":  {func(s *durable.ScheduleSpec) { s.Overlap = "maybe" }},
		"CatchUp":  {func(s *durable.ScheduleSpec) { s.CatchUp = time.Second }, func(s *durable.ScheduleSpec) { s.CatchUp = -time.Hour }},
		"Jitter":   {func(s *durable.ScheduleSpec) { s.Jitter = -1 }, func(s *durable.ScheduleSpec) { s.Jitter = 25 * time.Hour }},
		"MaxRuns":  {func(s *durable.ScheduleSpec) { s.MaxRuns = -1 }},
	} {
		for i, change := range changes {
			s := good
			change(&s)
			_, _, err := Normalize(s)
			var named *durable.ScheduleError
			if err == nil || !errors.As(err, &named) || named.Field != field {
				t.Errorf("%s %d: %v", field, i, err)
			}
		}
	}
	for _, zone := range []string{"Mars/Olympus", "Local", "../etc/passwd", "W. Europe Standard Time", " ", "europe berlin"} {
		_, _, err := Normalize(durable.ScheduleSpec{Name: "n", Orchestrator: "O", Cron: "* * * * *", TimeZone: zone})
		if err == nil || !strings.Contains(err.Error(), "TimeZone") {
			t.Errorf("zone %q: %v", zone, err)
		}
	}
}

func TestJitter(t *testing.T) {
	t.Parallel()
	s := &durable.ScheduleSpec{Name: "n", Jitter: time.Minute}
	var lowest, highest time.Duration = time.Hour, 0
	for i := range 200 {
		tick := time.Unix(int64(i)*60, 0)
		d := due(s, tick).Sub(tick)
		if d < 0 || d >= time.Minute || d != due(s, tick).Sub(tick) {
			t.Fatalf("jitter %v", d)
		}
		lowest, highest = min(lowest, d), max(highest, d)
	}
	if lowest > 5*time.Second || highest < 55*time.Second {
		t.Errorf("jitter from %v to %v", lowest, highest)
	}
}
