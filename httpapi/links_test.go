package httpapi

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers map[string]string
		secure  bool
		ignore  bool
		want    string
	}{
		"plain":             {nil, false, false, "http://host:1"},
		"TLS":               {nil, true, false, "https://host:1"},
		"proxy":             {map[string]string{"X-Forwarded-Host": "api.example.com", "X-Forwarded-Proto": "https"}, false, false, "https://api.example.com"},
		"chain":             {map[string]string{"X-Forwarded-Host": "api.example.com:8443, inner", "X-Forwarded-Proto": "HTTPS,http"}, false, false, "https://api.example.com:8443"},
		"IPv6":              {map[string]string{"X-Forwarded-Host": "[2001:db8::1]:8443"}, false, false, "http://[2001:db8::1]:8443"},
		"only proto":        {map[string]string{"X-Forwarded-Proto": "https"}, false, false, "https://host:1"},
		"prefix":            {map[string]string{"X-Forwarded-Prefix": "/orders/"}, false, false, "http://host:1/orders"},
		"ignored":           {map[string]string{"X-Forwarded-Host": "api.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/x"}, false, true, "http://host:1"},
		"nonsense host":     {map[string]string{"X-Forwarded-Host": "a/b@c\"", "X-Forwarded-Proto": "https"}, false, false, "https://host:1"},
		"nonsense protocol": {map[string]string{"X-Forwarded-Proto": "javascript"}, false, false, "http://host:1"},
		"nonsense prefix":   {map[string]string{"X-Forwarded-Prefix": "//evil.example"}, false, false, "http://host:1"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), get, "http://host:1/x", nil)
		for k, v := range test.headers {
			r.Header.Set(k, v)
		}
		r.TLS = nil
		if test.secure {
			r.TLS = &tls.ConnectionState{}
		}
		if got := (&API{cfg: Config{IgnoreForwarded: test.ignore}}).origin(r); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestBehindProxy: links and Location have the address that the client used.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{Connection: "My Storage"})
	proxy := []string{"X-Forwarded-Host", "api.example.com", "X-Forwarded-Proto", "https"}
	a := s.do(post, "/orchestrators/Nobody/x", "", proxy...)
	want := "https://api.example.com" + base + "/instances/x?taskHub=" + s.hub.Name() + "&connection=My%20Storage"
	a.want(t, http.StatusAccepted, `"statusQueryGetUri":"`+want+`"`)
	a = s.do(get, "/instances/x/?showInput=false&a=%zz;b", "", proxy...)
	if got := a.header.Get("Location"); got != "https://api.example.com"+base+"/instances/x/?showInput=false&a=%zz;b" {
		t.Errorf("Location %s", got)
	}
	s.do(get, "/instances/x?connection=my+storage", "").want(t, http.StatusAccepted, "{")
}

// TestHandlersOfUsers makes the answers for requests to other handlers.
func TestHandlersOfUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{Keys: map[string]string{"a": "key"}})
	s.put("running", history.Running, "")
	s.put("done", history.Completed, `{"a":"<&>"}`)
	s.put("failed", history.Failed, "no")
	ask := func(handler func(http.ResponseWriter, *http.Request)) answer {
		w := httptest.NewRecorder()
		handler(w, httptest.NewRequestWithContext(t.Context(), get, "https://shop.example/buy", nil))
		return answer{w.Code, w.Header(), w.Body.String()}
	}
	wait := func(id string, options ...WaitOption) answer {
		return ask(func(w http.ResponseWriter, r *http.Request) {
			s.api.WaitForCompletionOrCreateCheckStatusResponse(w, r, id, options...)
		})
	}
	a := ask(func(w http.ResponseWriter, r *http.Request) { s.api.CreateCheckStatusResponse(w, r, "running") })
	uri := "https://shop.example" + base + "/instances/running?taskHub=" + s.hub.Name() + "&connection=Storage&code=key"
	a.want(t, http.StatusAccepted, `{"id":"running","statusQueryGetUri":"`+uri+`"`)
	if a.header.Get("Location") != uri || a.header.Get("Retry-After") != "10" {
		t.Errorf("%v", a.header)
	}
	wait("running", WithTimeout(time.Millisecond)).want(t, http.StatusAccepted, uri)
	if a := wait("done").want(t, http.StatusOK, "{"); a.body != `{"a":"<&>"}` {
		t.Errorf("%s", a.body)
	}
	wait("failed").want(t, http.StatusOK, `"output":"no"`)
	wait("failed", WithFailureAsError()).want(t, http.StatusInternalServerError, `"output":"no"`)
	wait("nobody").want(t, http.StatusNotFound, `"Message"`)

	r := httptest.NewRequestWithContext(t.Context(), get, "/", nil)
	p := s.api.CreateHTTPManagementPayload(r, "a/b")
	if !strings.Contains(p.RewindPostURI, "/instances/a%2Fb/rewind?reason={text}&taskHub=") || p.ID != "a/b" {
		t.Errorf("%+v", p)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	q := parseQuery("A=+x%20y+&b=50%%20more&c=%zz;d&=e&f&g=%C3%A9&a=second&s=TRUE&n=-3&m=1.5&i=inf&runtimestatus=Running,%20Failed,odd&RuntimeStatus=5,-1,99")
	for name, want := range map[string]string{"a": "x y", "B": "50% more", "c": "%zz;d", "f": "", "g": "é", "h": ""} {
		if got := q.get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !q.flag("s", false) || q.flag("a", false) || !q.flag("a", true) || q.number("n", 7) != 7 {
		t.Error("flags or numbers")
	}
	if d, ok := q.seconds("m"); !ok || d != 1500*time.Millisecond {
		t.Errorf("%v %v", d, ok)
	}
	if _, ok := q.seconds("i"); ok {
		t.Error("infinity")
	}
	if got := q.statuses(); len(got) != 4 || got[0] != history.Running || got[1] != history.Failed || got[2] != history.Terminated || got[3] != unknownStatus {
		t.Errorf("%v", got)
	}
	at := time.Date(2026, 11, 21, 1, 5, 34, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-21T01:05:34.700Z":          at.Add(700 * time.Millisecond),
		"2026-11-21T01:05:34.7001234Z":      at.Add(700123400),
		"2026-11-21T02:05:34%2B01:00":       at,
		"2026-11-21T02:05:34+01:00":         at,
		"2026-11-21T01:05:34":               at,
		"2026-11-21 01:05:34":               at,
		"2026-11-21":                        at.Truncate(24 * time.Hour),
		"11/21/2026 1:05:34 AM":             at,
		"Sat, 21 Nov 2026 01:05:34 GMT":     at,
		"1-01-01T00:00:00Z":                 time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		"yesterday":                         {},
		"2026-13-41":                        {},
		"":                                  {},
		strings.Repeat("9", 400) + "-01-01": {},
	} {
		got, ok := parseQuery("t=" + text).date("T")
		if !got.Equal(want) || ok == want.IsZero() && !strings.HasPrefix(text, "1-") {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
}
