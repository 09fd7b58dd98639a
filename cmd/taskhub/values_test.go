package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-06-01T12:34:56Z":      time.Date(2026, 6, 1, 12, 34, 56, 0, time.UTC),
		"2026-06-01T12:34:56.5Z":    time.Date(2026, 6, 1, 12, 34, 56, 500_000_000, time.UTC),
		"2026-06-01T14:34:56+02:00": time.Date(2026, 6, 1, 12, 34, 56, 0, time.UTC),
		"2026-06-01 12:34:56Z":      time.Date(2026, 6, 1, 12, 34, 56, 0, time.UTC),
		"2026-06-01":                time.Date(2026, 6, 1, 0, 0, 0, 0, time.Local),
		"2026-06-01T10:00":          time.Date(2026, 6, 1, 10, 0, 0, 0, time.Local),
		"now":                       now,
		"2h":                        now.Add(-2 * time.Hour),
		"2h ago":                    now.Add(-2 * time.Hour),
		" 90s ago ":                 now.Add(-90 * time.Second),
		"7d":                        now.AddDate(0, 0, -7),
		"1w2d3h30m":                 now.Add(-(9*24*time.Hour + 3*time.Hour + 30*time.Minute)),
		"1d 12h ago":                now.Add(-36 * time.Hour),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "2026-13-01", "-2h", "2", "2x", "d", "ago", "99999999999d", "2026-06-01T25:00:00Z"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	for text, want := range map[string]time.Time{"2h": now.Add(2 * time.Hour), "in 90s": now.Add(90 * time.Second), "2026-07-01T00:00:00Z": time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := parseStart(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	for _, test := range []struct{ arg, in, want, fault string }{
		{`{"a":1}`, "", `{"a":1}`, ""},
		{` "x" `, "", `"x"`, ""},
		{"null", "", "null", ""},
		{"-", `[1, 2]` + "\n", `[1, 2]`, ""},
		{file("good.json", "\xef\xbb\xbf{\"a\":\r\n1}\n"), "", "{\"a\":\r\n1}", ""},
		{"Tokyo", "", "", `'"Tokyo"'`},
		{`{"a":1`, "", "", "is not JSON"},
		{`{"a":1} x`, "", "", "is not JSON"},
		{"", "", "", "is empty"},
		{"-", "", "", "is empty"},
		{"@", "", "", "name of a file is missing"},
		{"@" + filepath.Join(dir, "missing"), "", "", "cannot be read"},
		{"@" + dir, "", "", "cannot be read"},
		{file("bad.json", "\"\xff\""), "", "", "is not UTF-8"},
	} {
		cmd := &cobra.Command{}
		p := addPayload(cmd, world{in: strings.NewReader(test.in)}, "input", "input")
		if err := cmd.ParseFlags([]string{"--input", test.arg}); err != nil {
			t.Fatal(err)
		}
		got, err := p.read(cmd)
		switch {
		case test.fault == "":
			if err != nil || got == nil || *got != test.want {
				t.Errorf("%q: %v, %v", test.arg, got, err)
			}
		case err == nil || exitStatus(err) != exitUsage || !strings.Contains(err.Error(), test.fault) || !strings.Contains(err.Error(), "--input"):
			t.Errorf("%q: %v", test.arg, err)
		}
	}
	cmd := &cobra.Command{}
	if got, err := addPayload(cmd, world{}, "input", "input").read(cmd); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// A terminal must not be told what to do by what is stored.
func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain grüße 世界 😀":           "plain grüße 世界 😀",
		"a\x1b[31mb\nc\td\x7f\u009b": "a [31mb c d  ",
		"left\u202eright\u2066":      "left right ",
		"bad\xffbyte":                "bad\uFFFDbyte",
		"line\u2028end":              "line end",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := shorten("世界世界世界", 4); got != "世界世…" {
		t.Errorf("%q", got)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	status := column{title: "STATUS", paint: paintStatus}
	list := newTable(console{screen: true}.world(&out, nil), formatTable, column{title: "ID"}, status, column{title: "EXTRA", wide: true}, column{title: "LAST"})
	for range tableBatch {
		if err := list.add("a", "Failed", "hidden", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := list.add("a longer one", "Completed", "hidden", "x"); err != nil {
		t.Fatal(err)
	}
	if err := list.end(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if lines[0] != "ID   STATUS   LAST" || lines[1] != "a    \x1b[31mFailed\x1b[0m" || lines[tableBatch+1] != "a longer one   \x1b[32mCompleted\x1b[0m   x" || len(lines) != tableBatch+3 {
		t.Errorf("%q … %q, %d lines", lines[:2], lines[tableBatch:], len(lines))
	}
	out.Reset()
	w := console{screen: true, env: map[string]string{"NO_COLOR": "1"}}.world(&out, nil)
	list = newTable(w, formatWide, status, column{title: "EXTRA", wide: true})
	if err := errors.Join(list.add("Failed", ""), list.end()); err != nil || out.String() != "STATUS   EXTRA\nFailed\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	if err := newTable(w, formatTable, status, column{title: "EXTRA", wide: true}).end(); err != nil || out.String() != "STATUS\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestJSONArray(t *testing.T) {
	t.Parallel()
	for _, values := range [][]any{{}, {1}, {map[string]any{"a<b": []int{1, 2}}, "x"}} {
		var whole, parts bytes.Buffer
		if err := writeJSON(&whole, values); err != nil {
			t.Fatal(err)
		}
		array := jsonArray{w: &parts}
		for _, value := range values {
			if err := array.add(value); err != nil {
				t.Fatal(err)
			}
		}
		if err := array.end(); err != nil || whole.String() != parts.String() {
			t.Errorf("%q, not %q, %v", parts.String(), whole.String(), err)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	p := &progress{title: "Purging", thing: "instance", total: 4000, begun: start, now: func() time.Time { return start.Add(75 * time.Second) }}
	p.set(1234, "some\nnote")
	if got, want := p.line(), "Purging [######..............] 30%  1,234 instances of 4,000  some note  1m15s"; got != want {
		t.Errorf("%q", got)
	}
	p.set(5000, "")
	p.total = 4000
	if got := p.line(); !strings.Contains(got, "[####################] 100%  5,000 instances") {
		t.Errorf("%q", got)
	}
	p = &progress{title: "Waiting", begun: start, now: func() time.Time { return start }}
	if got := p.line(); got != "Waiting  0s" {
		t.Errorf("%q", got)
	}
	for _, c := range []console{{}, {screen: true, env: map[string]string{"TERM": "dumb"}}} {
		var out bytes.Buffer
		newProgress(c.world(nil, &out), "Waiting", "", 0).end()
		if out.Len() > 0 {
			t.Errorf("%q", out.String())
		}
	}
	var out bytes.Buffer
	newProgress(console{screen: true}.world(nil, &out), "Waiting", "", 0).end()
	if !strings.HasSuffix(out.String(), eraseLine) {
		t.Errorf("%q", out.String())
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for n, want := range map[int]string{1: "1 row", 2: "2 rows", 12345: "12,345 rows"} {
		if got := counted(n, "row"); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// What is not JSON is shown as a text, what is broken does not break the rest.
func TestInstanceJSON(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{`{"a": 1}`: `{"a": 1}`, "plain": `"plain"`, "": `""`, "1 2": `"1 2"`, "12345678901234567890.5": "12345678901234567890.5"} {
		if got := string(jsonValue(&stored)); got != want {
			t.Errorf("%q: %s", stored, got)
		}
	}
	if got := jsonValue(nil); string(got) != "null" {
		t.Errorf("%s", got)
	}
	view := newInstanceJSON(&durable.Instance{Status: -1}, errors.New("gone"), shown{})
	if view.RuntimeStatus != "Unknown" || view.Problem != "gone" || view.Input != nil || view.Tags == nil || view.CreatedTime != nil {
		t.Errorf("%+v", view)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := console{screen: true, now: now}
	in := &durable.Instance{
		InstanceID: "id\x1b[2J", Name: "Checkout", Status: history.Failed, CreatedAt: now.Add(-90 * time.Second), ScheduledStartAt: now.Add(time.Hour), CompletedAt: now.Add(-26 * time.Hour),
		Output: history.String(strings.Repeat("x", 3000)),
		Failure: &history.FailureDetails{ErrorType: "Outer", ErrorMessage: "one", StackTrace: history.String("at a\r\nat b"),
			Inner: &history.FailureDetails{ErrorType: "Inner", ErrorMessage: "two"}},
	}
	if err := describe(c.world(&out, nil), in, formatTable, shown{output: true}); err != nil {
		t.Fatal(err)
	}
	want := "Instance       id [2J\nOrchestrator   Checkout\nStatus         \x1b[31mFailed\x1b[0m\nCreated        2026-06-01 11:58:30Z  (1m30s ago)\n" +
		"Due to start   2026-06-01 13:00:00Z  (in 1h0m)\nCompleted      2026-05-31 10:00:00Z  (1d2h ago)\n" +
		"Output         " + strings.Repeat("x", 1999) + "…\nFailure        Outer: one\ncaused by      Inner: two\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	if err := describe(console{}.world(&out, nil), in, formatWide, shown{output: true}); err != nil || !strings.Contains(out.String(), "               at b\n") || strings.Contains(out.String(), "…") {
		t.Errorf("%q, %v", out.String(), err)
	}
}
