package httpapi

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRequest reads what a request brings: its query and its body.
func FuzzRequest(f *testing.F) {
	for _, seed := range []struct{ query, body string }{
		{"showInput=true&top=10&createdTimeFrom=2026-06-01T12:00:00Z&runtimeStatus=Running,Failed", `{"a":1}`},
		{"timeout=10&pollingInterval=2&reason=%zz", `"text"`}, {"&&=&a", ""}, {"top=99999999999999999999", "{"}, {"%", "null"}, {"a=+b%20c", "1 2"},
	} {
		f.Add(seed.query, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, raw string, body []byte) {
		q := parseQuery(raw)
		for _, name := range []string{"showInput", "top", "timeout", "createdTimeFrom", "runtimeStatus", "reason", ""} {
			_, _ = q.get(name), q.flag(name, true)
			if n := q.number(name, 7); n < 0 && !strings.Contains(raw, "-") {
				t.Errorf("%q gives %d", raw, n)
			}
			_, _ = q.seconds(name)
			_, _ = q.date(name)
		}
		_ = q.statuses()
		text, err := jsonText(body)
		if err == nil && text != nil && !json.Valid([]byte(*text)) {
			t.Errorf("%q is taken for JSON", body)
		}
		if quoted := quote(raw); utf8.ValidString(raw) && !json.Valid(quoted) {
			t.Errorf("%q is written as %q", raw, quoted)
		}
	})
}
