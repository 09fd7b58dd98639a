package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeForms are how points in time can be given, besides relative ones. Without a zone they are in this machine's.
func timeForms() []string {
	return []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}
}

const timeHelp = `give a time such as 2026-06-01T12:00:00Z or 2026-06-01, or an age such as 2h, 30m or 7d`

// parseTime reads a point in time: an absolute one, "now", or how long ago, with or without "ago".
func parseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "now" {
		return now, nil
	}
	for _, form := range timeForms() {
		if at, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return at, nil
		}
	}
	age, err := parseDuration(strings.TrimSpace(strings.TrimSuffix(text, "ago")))
	if err != nil {
		return time.Time{}, errors.New(timeHelp)
	}
	return now.Add(-age), nil
}

// parseStart reads a point in time that is to come: an absolute one, or in how long.
func parseStart(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if in, err := parseDuration(strings.TrimSpace(strings.TrimPrefix(text, "in "))); err == nil {
		return now.Add(in), nil
	}
	for _, form := range timeForms() {
		if at, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("give a time such as 2026-06-01T12:00:00Z, or in how long, such as 90s or 2h")
}

const day = 24 * time.Hour

// parseDuration reads a length of time as Go writes it, and with days and weeks: 90s, 1h30m, 7d, 2w. It is not negative.
func parseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a length of time: give one such as 90s, 5m, 2h or 7d", text)
	text = strings.ReplaceAll(text, " ", "")
	var total time.Duration
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, rest, found := strings.Cut(text, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || time.Duration(n) > (1<<62)/unit.length {
			return 0, bad
		}
		if total, text = total+time.Duration(n)*unit.length, rest; text == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || total+d < 0 {
		return 0, bad
	}
	return total + d, nil
}

// duration is the value of a flag that takes a length of time.
type duration struct{ value time.Duration }

// String implements pflag.Value.
func (d *duration) String() string {
	if d.value == 0 {
		return ""
	}
	return d.value.String()
}

// Set implements pflag.Value.
func (d *duration) Set(text string) error {
	value, err := parseDuration(text)
	if err != nil {
		return errors.New("give a length of time such as 90s, 5m, 2h or 7d")
	}
	d.value = value
	return nil
}

// Type implements pflag.Value; help shows it.
func (d *duration) Type() string { return "duration" }

// instant is the value of a flag that takes a point in time.
type instant struct {
	world world
	value time.Time
	parse func(string, time.Time) (time.Time, error)
	text  string
}

// String implements pflag.Value.
func (i *instant) String() string { return i.text }

// Set implements pflag.Value.
func (i *instant) Set(text string) (err error) {
	if i.value, err = i.parse(text, i.world.now()); err == nil {
		i.text = text
	}
	return err
}

// Type implements pflag.Value; help shows it.
func (i *instant) Type() string { return "time" }

// formatTime writes a time for a table, to the second, in UTC as everything that a hub stores.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// formatAge writes how long ago a time was, roughly.
func formatAge(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return formatLength(now.Sub(t))
}

// formatLength writes a length of time, roughly.
func formatLength(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// jsonTime writes a time for JSON, nil for none.
func jsonTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339Nano)
	return &text
}
