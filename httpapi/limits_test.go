package httpapi

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/limits"
)

// TestActivityLimits takes a limit through its life over HTTP.
func TestActivityLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	s.do(get, "/limits", "").want(t, http.StatusOK, "[]")
	s.do(get, "/limits/api", "").want(t, http.StatusNotFound, "no limit")
	store := limits.NewStore(s.hub.TrackingAccount(), s.hub.Names())
	for _, limit := range []durable.Limit{durable.RateLimit{Name: "api", Count: 5000, Per: time.Hour}, durable.ConcurrencyLimit{Name: "db", Max: 3}} {
		if _, err := store.Declare(t.Context(), limit.Spec(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	s.do(get, "/limits", "").want(t, http.StatusOK, `"name":"api"`, `"name":"db"`, `"max":3`, `"uses":[]`)
	s.do(put, "/limits/api", `{"count":10,"per":"1m","burst":2}`).want(t, http.StatusOK, `"allowed":{"count":10,"per":"1m0s","burst":2}`, `"declared":{"count":5000,"per":"1h0m0s","burst":5000}`)
	s.do(put, "/limits/db", `{"max":7}`).want(t, http.StatusOK, `"set":{"max":7}`)
	for body, word := range map[string]string{
		``: "missing", `{`: "JSON", `[]`: "read", `{"cout":1}`: "cout", `{"count":0,"per":"1h"}`: "Count", `{"count":1}`: "Per", `{"count":1,"per":"x"}`: "per", `{"count":1,"per":"-1h"}`: "Per",
		`{"count":1,"per":"1h","burst":2}`: "Burst", `{"count":1,"max":2}`: "max", `{"max":2}`: "Kind", `{"count":1,"per":"1h"} x`: "JSON",
	} {
		s.do(put, "/limits/api", body).want(t, http.StatusBadRequest, word)
	}
	s.do(put, "/limits/nope", `{"max":7}`).want(t, http.StatusNotFound, "no limit")
	s.do(put, "/limits/a%2Fb", `{"max":7}`).want(t, http.StatusBadRequest, "Name")
	s.do(get, "/limits/api", "").want(t, http.StatusOK, `"burst":2`)
	s.do(del, "/limits/api", "").want(t, http.StatusOK, `"set":null`)
	s.do(del, "/limits/api", "").want(t, http.StatusConflict, "Nothing was set")
	if a := s.do(del, "/limits/api?all=true", ""); a.status != http.StatusNoContent || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/limits/api", "/limits/api?all=true", "/limits/a%2Fb"} {
		s.do(del, path, "").want(t, http.StatusNotFound, "no limit")
	}
}
