package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/worker"
)

// TestLimits takes limits through their life at the command line.
func TestLimits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if o := d.do("limit", "list"); o.status != 0 || o.out != "" || !strings.Contains(o.err, "no limits") {
		t.Errorf("a hub without limits: %+v", o)
	}
	declare(t, d)
	d.ok("limit", "list").wantOut(t, "LIMIT", "api", "100 per 1h0m0s", "db", "3 at a time")
	d.ok("limit", "set", "api", "--count", "10", "--per", "1m", "--burst", "2").wantOut(t, "10 per 1m0s, 2 at once", "Declared", "100 per 1h0m0s")
	d.ok("limit", "list", "-o", "wide").wantOut(t, "10 per 1m0s, 2 at once (set)", "100 per 1h0m0s")
	d.ok("limit", "set", "db", "--max", "7", "-o", "json").wantOut(t, `"max": 7`, `"max": 3`)
	var list []limitJSON
	d.parse(d.ok("limit", "list", "-o", "json"), &list)
	if len(list) != 2 || list[0].Allowed.Burst != 2 || list[0].Set == nil || list[1].Kind != "concurrency" || list[1].Allowed.Max != 7 {
		t.Errorf("the list is %+v", list)
	}
	d.ok("limit", "delete", "api", "--yes").wantOut(t, "100 per 1h0m0s again")
	d.ok("limit", "show", "api").wantOut(t, "rate", "100 per 1h0m0s", "0, 100 left")
	d.do("limit", "delete", "api", "--yes").wantError(t, exitState, "nothing was set", "--all")
	d.ok("limit", "delete", "api", "--all", "--yes").wantOut(t, "deleted")
	for _, line := range [][]string{{"show", "api"}, {"delete", "api", "--yes"}, {"set", "api", "--count", "1", "--per", "1h"}, {"show", "a/b"}} {
		d.do(append([]string{"limit"}, line...)...).wantError(t, exitNotFound, line[1])
	}
}

// declare starts and stops a worker whose code declares limits.
func declare(t *testing.T, d *desk) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w, err := worker.New(d.hub(), worker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	do := func(context.Context, int) (int, error) { return 0, nil }
	err = w.Register(durable.NewActivity("A", do, durable.WithLimit(durable.RateLimit{Name: "api", Count: 100, Per: time.Hour}), durable.WithLimit(durable.ConcurrencyLimit{Name: "db", Max: 3})))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestBadLimits: what cannot be used is refused with its flag, and nothing is stored.
func TestBadLimits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	declare(t, d)
	set := func(more ...string) []string { return append([]string{"limit", "set", "api"}, more...) }
	for flag, lines := range map[string][][]string{
		"--count": {set(), set("--per", "1h"), set("--count", "0", "--per", "1h"), set("--count", "-5", "--per", "1h"), set("--count", "x")},
		"--per":   {set("--count", "5"), set("--count", "5", "--per", "0s"), set("--count", "5", "--per", "1ms"), set("--count", "5", "--per", "soon")},
		"--burst": {set("--count", "5", "--per", "1h", "--burst", "6"), set("--count", "5", "--per", "1h", "--burst", "0"), set("--count", "5", "--per", "1h", "--burst", "-1")},
		"--max":   {set("--max", "1", "--count", "5"), {"limit", "set", "db", "--max", "0"}},
		"Kind":    {set("--max", "4")},
		"Name":    {{"limit", "set", "a/b", "--max", "4"}},
		"NAME":    {{"limit", "show"}, {"limit", "set", "--max", "4"}, {"limit", "delete"}},
	} {
		for _, line := range lines {
			d.do(line...).wantError(t, exitUsage, flag)
		}
	}
	d.ok("limit", "list").wantOut(t, "100 per 1h0m0s", "3 at a time")
}
