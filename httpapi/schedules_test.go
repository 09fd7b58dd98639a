package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

const put = http.MethodPut

// TestSchedules takes a schedule through its life over HTTP.
func TestSchedules(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	s.do(get, "/schedules", "").want(t, http.StatusOK, "[]")
	s.do(get, "/schedules/nightly", "").want(t, http.StatusNotFound, "no schedule")
	a := s.do(put, "/schedules/nightly", `{"orchestrator":"Report","cron":"0 0 7 * * *","timeZone":"Europe/Berlin","input":{"a":1},"tags":{"x":"y"},"overlap":"queue","catchUp":"1h","endAt":"2099-01-01T00:00:00Z"}`)
	a.want(t, http.StatusCreated, `"state":"active"`, `"cron":"0 0 7 * * *"`, `"input":{"a":1}`, `"catchUp":"1h0m0s"`, `"endAt":"2099-01-01T00:00:00Z"`)
	s.do(put, "/schedules/nightly", `{"orchestrator":"Report","every":"5m"}`).want(t, http.StatusOK, `"every":"5m0s"`, `"cron":null`, `"overlap":"skip"`)
	s.do(get, "/schedules/nightly", "").want(t, http.StatusOK, `"every":"5m0s"`)
	if ticks := read[[]string](t, s.do(get, "/schedules/nightly/next?count=3", "").want(t, http.StatusOK, "Z")); len(ticks) != 3 {
		t.Errorf("ticks %v", ticks)
	}
	s.do(post, "/schedules/nightly/pause?note=month%20end", "").want(t, http.StatusOK, `"state":"paused"`, `"note":"month end"`, `"nextTick":null`)
	s.do(post, "/schedules/nightly/resume", "").want(t, http.StatusOK, `"state":"active"`)
	links := read[checkStatus](t, s.do(post, "/schedules/nightly/trigger", "").want(t, http.StatusAccepted, "nightly-now-"))
	s.do(get, "/instances/"+links.ID, "").want(t, http.StatusAccepted, `"name":"Report"`)
	s.do(post, "/schedules/nightly/trigger", "").want(t, http.StatusConflict, links.ID)
	s.do(post, "/schedules/nightly/trigger?overlap=allow", "").want(t, http.StatusAccepted, "nightly-now-")
	s.do(post, "/schedules/nightly/trigger?overlap=perhaps", "").want(t, http.StatusBadRequest, "Overlap")
	s.do(post, "/schedules/nightly/backfill?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z", "").want(t, http.StatusAccepted, `{"ticks":13}`)
	s.do(post, "/schedules/nightly/backfill?to=2026-01-01T01:00:00Z", "").want(t, http.StatusBadRequest, "from")
	s.do(post, "/schedules/nightly/backfill?from=2026-01-01T00:00:00Z&to=2099-01-01T01:00:00Z", "").want(t, http.StatusBadRequest, "To")

	for _, name := range []string{"a", "b", "c"} {
		s.do(put, "/schedules/"+name, `{"orchestrator":"Report","every":"5m"}`).want(t, http.StatusCreated, name)
	}
	seen, token := 0, ""
	for first := true; first || token != ""; first = false {
		page := s.do(get, "/schedules?top=1", "", "x-ms-continuation-token", token).want(t, http.StatusOK, "orchestrator")
		seen += len(read[[]scheduleBody](t, page))
		token = page.header.Get("X-Ms-Continuation-Token")
	}
	if seen != 4 {
		t.Errorf("%d schedules on all pages", seen)
	}
	s.do(get, "/schedules", "", "x-ms-continuation-token", "!").want(t, http.StatusBadRequest, "token")
	if a := s.do(del, "/schedules/nightly", ""); a.status != http.StatusNoContent || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.do(del, "/schedules/nightly", "").want(t, http.StatusNotFound, "no schedule")
}

// TestBadSchedules: what cannot be used is named, and nothing is stored.
func TestBadSchedules(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	for body, word := range map[string]string{
		``: "missing", `{`: "JSON", `{"orchestrator":"R","every":"5m"} x`: "JSON", `[]`: "read", `{"orchestrator":"R","evry":"5m"}`: "evry", `{"orchestrator":"R","cron":5}`: "cron",
		`{"every":"5m"}`: "Orchestrator", `{"orchestrator":"R"}`: "Cron", `{"orchestrator":"R","every":"0s"}`: "every", `{"orchestrator":"R","every":"x"}`: "every",
		`{"orchestrator":"R","cron":"* * * *"}`: "Cron", `{"orchestrator":"R","cron":"* * * * *","timeZone":"Mars/One"}`: "TimeZone", `{"orchestrator":"R","every":"5m","overlap":"x"}`: "Overlap",
		`{"orchestrator":"R","every":"5m","startAt":"noon"}`: "noon", `{"orchestrator":"R","every":"5m","endAt":"2001-01-01T00:00:00Z"}`: "EndAt", `{"orchestrator":"R","every":"5m","maxRuns":-1}`: "MaxRuns",
	} {
		s.do(put, "/schedules/bad", body).want(t, http.StatusBadRequest, word)
	}
	for _, name := range []string{"a%2Fb", "%40x", "t%C3%A4glich", strings.Repeat("a", 65), "a%20b", "%FF"} {
		s.do(put, "/schedules/"+name, `{"orchestrator":"R","every":"5m"}`).want(t, http.StatusBadRequest, "Name")
		s.do(get, "/schedules/"+name, "").want(t, http.StatusNotFound, "no schedule")
		s.do(post, "/schedules/"+name+"/trigger", "").want(t, http.StatusNotFound, "no schedule")
	}
	s.do(get, "/schedules", "").want(t, http.StatusOK, "[]")
}
