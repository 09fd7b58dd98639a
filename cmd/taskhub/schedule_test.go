package main

import (
	"strings"
	"testing"
	"time"
)

// TestSchedules takes a schedule through its life at the command line.
func TestSchedules(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if o := d.do("schedule", "list"); o.status != 0 || o.out != "" || !strings.Contains(o.err, "no schedules") {
		t.Errorf("a hub without schedules: %+v", o)
	}
	d.ok("schedule", "create", "nightly", "Report", "--cron", "0 0 7 * * *", "--zone", "Europe/Berlin", "--input", `{"a":1}`, "--tag", "x=y", "--catch-up", "2h").wantOut(t, `"nightly" is active`, "next tick")
	d.ok("schedule", "create", "poll", "Fetch", "--every", "5m", "--overlap", "allow", "--jitter", "30s", "--max-runs", "3").wantOut(t, "poll")
	d.ok("schedule", "list").wantOut(t, "SCHEDULE", "nightly", "0 0 7 * * * Europe/Berlin", "every 5m0s", "active")
	d.ok("schedule", "list", "-o", "wide").wantOut(t, "OVERLAP", "allow", "skip")
	var list []scheduleJSON
	d.parse(d.ok("schedule", "list", "-o", "json"), &list)
	if len(list) != 2 || list[0].Name != "nightly" || *list[0].Cron != "0 0 7 * * *" || list[0].CatchUp != "2h0m0s" || list[1].MaxRuns != 3 || list[0].Tags["x"] != "y" {
		t.Errorf("the list is %+v", list)
	}
	d.do("schedule", "create", "nightly", "Report", "--every", "1h").wantError(t, exitState, "exists", "--replace")
	d.ok("schedule", "create", "nightly", "Report", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--replace")
	d.ok("schedule", "show", "nightly").wantOut(t, "nightly", "30 2 * * * Europe/Berlin", "Catch-up", "24h0m0s", "Next")
	d.ok("schedule", "next", "nightly", "--count", "2").wantOut(t, "02:30:00 CE")
	var ticks []string
	d.parse(d.ok("schedule", "next", "poll", "-n", "9", "-o", "json"), &ticks)
	if len(ticks) != 3 {
		t.Errorf("ticks %v", ticks)
	}

	d.ok("schedule", "pause", "nightly", "--note", "month end").wantOut(t, "paused")
	d.ok("schedule", "list", "-o", "wide").wantOut(t, "paused", "month end")
	d.ok("schedule", "resume", "nightly").wantOut(t, "active")
	id := strings.TrimSpace(d.ok("schedule", "trigger", "nightly").out)
	d.ok("get", id).wantOut(t, "Report", "Pending")
	d.do("schedule", "trigger", "nightly").wantError(t, exitState, id, "--overlap allow")
	d.ok("schedule", "trigger", "nightly", "--overlap", "allow", "-o", "json").wantOut(t, `"instanceId": "nightly-now-`)
	d.ok("schedule", "backfill", "poll", "--from", "2026-06-01T00:00:00Z", "--to", "2026-06-01T00:59:00Z", "--yes").wantOut(t, "12 ticks")
	d.ok("schedule", "delete", "nightly", "--yes").wantOut(t, "deleted")
	for _, verb := range []string{"show", "pause", "resume", "trigger", "next", "delete"} {
		d.do("schedule", verb, "nightly").wantError(t, exitNotFound, "nightly")
	}
	d.do("schedule", "backfill", "nightly", "--from", "2d").wantError(t, exitNotFound, "nightly")
}

// TestBadSchedules: what cannot be used is refused with its flag, and nothing is stored.
func TestBadSchedules(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	create := func(more ...string) []string { return append([]string{"schedule", "create", "n", "O"}, more...) }
	for flag, lines := range map[string][][]string{
		"--cron":     {create(), create("--cron", "* * * *"), create("--cron", "61 * * * *"), create("--cron", "0 0 30 2 *"), create("--cron", "@every 5m")},
		"--every":    {create("--every", "0s"), create("--every", "1ms"), create("--every", "x"), create("--every", "5m", "--cron", "* * * * *")},
		"--zone":     {create("--cron", "* * * * *", "--zone", "Mars/One"), create("--every", "5m", "--zone", "UTC")},
		"--until":    {create("--every", "5m", "--until", "2001-01-01"), create("--every", "5m", "--from", "2099-01-01", "--until", "2098-01-01")},
		"--overlap":  {create("--every", "5m", "--overlap", "x")},
		"--max-runs": {create("--every", "5m", "--max-runs", "-1")},
		"--catch-up": {create("--every", "5m", "--catch-up", "1s")},
		"--jitter":   {create("--every", "5m", "--jitter", "25h")},
		"--input":    {create("--every", "5m", "--input", "{")},
		"--preview":  {create("--every", "5m", "--preview", "-1")},
		"--from":     {{"schedule", "backfill", "n"}},
		"--count":    {{"schedule", "next", "n", "--count", "0"}},
		"NAME":       {{"schedule", "create"}, {"schedule", "show"}, {"schedule", "pause"}},
		"Name":       {{"schedule", "create", "a/b", "O", "--every", "5m"}, {"schedule", "create", "@a@b", "O", "--every", "5m"}},
	} {
		for _, line := range lines {
			d.do(line...).wantError(t, exitUsage, flag)
		}
	}
	d.do("schedule", "list", "-o", "json").wantOut(t, "[]")
}

// TestSchedulePreview: nothing is stored, and no account is needed.
func TestSchedulePreview(t *testing.T) {
	t.Parallel()
	c := console{now: time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)}
	o := c.do(t, "schedule", "create", "n", "O", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--preview", "3", "-o", "json")
	o.wantSuccess(t)
	o.wantOut(t, "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z")
}
