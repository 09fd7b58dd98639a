package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/taskhub"
)

// scheduleJSON is a schedule as -o json shows it.
type scheduleJSON struct {
	Name         string            `json:"name"`
	Orchestrator string            `json:"orchestrator"`
	Version      string            `json:"version"`
	Input        any               `json:"input"`
	Tags         map[string]string `json:"tags"`
	Cron         *string           `json:"cron"`
	TimeZone     *string           `json:"timeZone"`
	Every        *string           `json:"every"`
	Anchor       *string           `json:"anchor"`
	StartAt      *string           `json:"startAt"`
	EndAt        *string           `json:"endAt"`
	MaxRuns      int64             `json:"maxRuns"`
	Overlap      string            `json:"overlap"`
	CatchUp      string            `json:"catchUp"`
	Jitter       string            `json:"jitter"`
	State        string            `json:"state"`
	Note         string            `json:"note"`
	NextTick     *string           `json:"nextTick"`
	LastTick     *string           `json:"lastTick"`
	LastInstance *string           `json:"lastInstanceId"`
	LastStarted  *string           `json:"lastStartedTime"`
	Runs         int64             `json:"runs"`
	Started      int64             `json:"started"`
	Skipped      int64             `json:"skipped"`
	Missed       int64             `json:"missed"`
	Queued       []string          `json:"queued"`
	Running      []string          `json:"running"`
	Backfills    int               `json:"backfills"`
	CreatedTime  *string           `json:"createdTime"`
	UpdatedTime  *string           `json:"lastUpdatedTime"`
	LastError    *string           `json:"lastError"`
	LastErrorAt  *string           `json:"lastErrorTime"`
	Problem      *string           `json:"problem"`
}

func newScheduleJSON(s *taskhub.Schedule) scheduleJSON {
	queued := make([]string, len(s.Queued))
	for i, tick := range s.Queued {
		queued[i] = tick.UTC().Format(time.RFC3339)
	}
	view := scheduleJSON{
		Name: s.Name, Orchestrator: s.Orchestrator, Version: s.Version, Input: jsonValue(s.Input), Tags: s.Tags,
		Cron: optionalText(s.Cron), TimeZone: optionalText(s.TimeZone), Anchor: jsonTime(s.Anchor), StartAt: jsonTime(s.StartAt), EndAt: jsonTime(s.EndAt),
		MaxRuns: s.MaxRuns, Overlap: string(s.Overlap), CatchUp: s.CatchUp.String(), Jitter: s.Jitter.String(), State: s.State(), Note: s.Note,
		NextTick: jsonTime(s.NextTick), LastTick: jsonTime(s.LastTick), LastInstance: optionalText(s.LastInstanceID), LastStarted: jsonTime(s.LastStartedAt),
		Runs: s.Runs, Started: s.Started, Skipped: s.Skipped, Missed: s.Missed, Queued: queued, Running: append([]string{}, s.Running...), Backfills: len(s.Backfills),
		CreatedTime: jsonTime(s.CreatedAt), UpdatedTime: jsonTime(s.UpdatedAt), LastError: optionalText(s.LastError), LastErrorAt: jsonTime(s.LastErrorAt), Problem: optionalText(s.Problem),
	}
	if s.Every != 0 {
		view.Every = optionalText(s.Every.String())
	}
	return view
}

func optionalText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// timingText says in short when a schedule ticks.
func timingText(s *taskhub.Schedule) string {
	switch {
	case s.Cron != "" && s.TimeZone != "":
		return s.Cron + " " + s.TimeZone
	case s.Cron != "":
		return s.Cron
	}
	return "every " + s.Every.String()
}

func describeSchedule(s *taskhub.Schedule, now time.Time) string {
	var text strings.Builder
	line := func(title, value string) {
		if value != "" && value != "0" {
			fmt.Fprintf(&text, "%-13s %s\n", title, clean(value))
		}
	}
	at := func(title string, when time.Time) {
		if !when.IsZero() {
			line(title, formatTime(when)+" "+relative(when, now))
		}
	}
	number := func(title string, n int64) { line(title, strconv.FormatInt(n, 10)) }
	line("Schedule", s.Name)
	line("State", s.State())
	line("Note", s.Note)
	line("Problem", s.Problem)
	line("Orchestrator", s.Orchestrator)
	line("Version", s.Version)
	if s.Input != nil {
		line("Input", *s.Input)
	}
	line("Ticks", timingText(s))
	at("Anchor", s.Anchor)
	at("From", s.StartAt)
	at("Until", s.EndAt)
	line("Overlap", string(s.Overlap))
	line("Catch-up", s.CatchUp.String())
	if s.Jitter > 0 {
		line("Jitter", s.Jitter.String())
	}
	at("Next", s.NextTick)
	at("Last", s.LastTick)
	line("Last instance", s.LastInstanceID)
	if s.MaxRuns > 0 {
		line("Runs", fmt.Sprintf("%d of %d", s.Runs, s.MaxRuns))
	}
	number("Started", s.Started)
	number("Skipped", s.Skipped)
	number("Missed", s.Missed)
	number("Waiting", int64(len(s.Queued)))
	number("Backfills", int64(len(s.Backfills)))
	line("Running", strings.Join(s.Running, ", "))
	line("Last error", s.LastError)
	at("Failed", s.LastErrorAt)
	at("Created", s.CreatedAt)
	at("Updated", s.UpdatedAt)
	return text.String()
}
