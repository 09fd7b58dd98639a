package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{Keys: map[string]string{"ops": "k1+/=", "other": "k2", "empty": ""}})
	for name, test := range map[string]struct {
		query  string
		header []string
		status int
		code   string // in links
	}{
		"none":                    {"", nil, 401, ""},
		"empty":                   {"?code=", []string{headerKey, ""}, 401, ""},
		"wrong":                   {"?code=k3", nil, 401, ""},
		"beginning":               {"?code=k", nil, 401, ""},
		"longer":                  {"?code=k22", nil, 401, ""},
		"another case":            {"?code=K2", nil, 401, ""},
		"name of a key":           {"?code=ops", nil, 401, ""},
		"wrong header":            {"", []string{headerKey, "k3"}, 401, ""},
		"query":                   {"?code=k2", nil, 202, "k2"},
		"name in another case":    {"?Code=k2", nil, 202, "k2"},
		"escaped":                 {"?code=k1%2B%2F%3D", nil, 202, "k1%2B%2F%3D"},
		"header":                  {"", []string{"x-functions-key", "k1+/="}, 202, "k1%2B%2F%3D"},
		"header beside wrong key": {"?code=k3", []string{"x-functions-key", "k2"}, 202, "k2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{t: t, hub: s.hub, api: s.api, url: s.url}
			a := s.do(post, "/orchestrators/Nobody"+test.query, "", test.header...)
			if test.status == http.StatusUnauthorized {
				a.want(t, test.status)
				s.do(get, "/nothing"+test.query, "", test.header...).want(t, test.status)
				return
			}
			a.want(t, test.status, `&code=`+test.code+`"`)
			// All links work.
			links := read[checkStatus](t, a)
			s.send(get, links.StatusQueryGetURI, "").want(t, http.StatusAccepted, "Pending")
			s.send(post, links.TerminatePostURI, "").want(t, http.StatusAccepted)
		})
	}
}

// TestLinkKey chooses the key for links in handlers of the user's own.
func TestLinkKey(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]Config{
		"":       {},
		"first":  {Keys: map[string]string{"b": "second", "a": "first"}},
		"system": {Keys: map[string]string{"a": "first", "durabletask_extension": "system"}},
		"chosen": {Keys: map[string]string{"a": "first", "b": "chosen"}, LinkKey: "b"},
	} {
		if got := (&API{cfg: cfg, keys: newKeys(cfg.Keys)}).linkKey(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (&API{cfg: Config{LinkKey: "typo"}, keys: newKeys(map[string]string{"a": "first"})}).linkKey(); got != "" {
		t.Errorf("%q for a name that does not exist", got)
	}
}

// TestLoopbackOnly sends requests as from elsewhere.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	open, closed := newSite(t, Config{}), newSite(t, Config{Keys: map[string]string{"a": "key"}})
	for _, test := range []struct {
		remote, host, forwardedFor string
		ok                         bool
	}{
		{"127.0.0.1:5000", "127.0.0.1:7071", "", true},
		{"[::1]:5000", "localhost:7071", "", true},
		{"[::ffff:127.0.0.1]:5000", "LOCALHOST", "", true},
		{"127.9.9.9:1", "[::1]:7071", "127.0.0.1, ::1", true},
		{"127.0.0.1:5000", "app.localhost", "", true},
		{"192.0.2.1:5000", "127.0.0.1:7071", "", false},
		{"[2001:db8::1]:5000", "127.0.0.1:7071", "", false},
		{"", "127.0.0.1:7071", "", false},
		{"127.0.0.1:5000", "evil.example", "", false},
		{"127.0.0.1:5000", "evil.example:7071", "", false},
		{"127.0.0.1:5000", "127.0.0.1.evil.example", "", false},
		{"127.0.0.1:5000", "notlocalhost", "", false},
		{"127.0.0.1:5000", "", "", false},
		{"127.0.0.1:5000", "127.0.0.1", "127.0.0.1, 192.0.2.1", false},
		{"127.0.0.1:5000", "127.0.0.1", "unknown", false},
	} {
		for _, s := range []*site{open, closed} {
			for _, path := range []string{base + "/instances?code=key", "/openapi.json"} {
				r := httptest.NewRequestWithContext(t.Context(), get, path, nil)
				r.RemoteAddr, r.Host = test.remote, test.host
				if test.forwardedFor != "" {
					r.Header.Set("X-Forwarded-For", test.forwardedFor)
				}
				w := httptest.NewRecorder()
				s.api.ServeHTTP(w, r)
				want := http.StatusOK
				if !test.ok && s == open {
					want = http.StatusForbidden
				}
				if w.Code != want || want == http.StatusForbidden && !strings.Contains(w.Body.String(), "configure keys") {
					t.Errorf("%+v %s: %d %s", test, path, w.Code, w.Body)
				}
			}
		}
	}
}

// TestForeignPages lets no page of another site change anything where no key protects.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{AllowedOrigins: []string{"https://ops.example.com/"}})
	own := s.url
	for _, test := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{post, "/orchestrators/Nobody", []string{"Origin", "https://evil.example"}, 403},
		{get, "/orchestrators/Nobody", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{post, "/orchestrators/Nobody", []string{"Sec-Fetch-Site", "same-site", "Origin", own}, 403},
		{post, "/orchestrators/Nobody", []string{"Origin", "null"}, 403},
		{del, "/instances/x", []string{"Origin", "https://evil.example"}, 403},
		{get, "/makeprimary", []string{"Origin", "https://evil.example"}, 403},
		{post, "/orchestrators/Nobody", []string{"Origin", own}, 202},
		{post, "/orchestrators/Nobody", []string{"Sec-Fetch-Site", "same-origin", "Origin", own}, 202},
		{get, "/orchestrators/Nobody", []string{"Sec-Fetch-Site", "none"}, 202},
		{post, "/orchestrators/Nobody", []string{"Origin", "https://ops.example.com", "Sec-Fetch-Site", "cross-site"}, 202},
		{get, "/instances", []string{"Origin", "https://evil.example"}, 200},
	} {
		s.do(test.method, test.path, "", test.headers...).want(t, test.status, "")
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const friend, evil = "https://ops.example.com", "https://evil.example"
	keys := map[string]string{"a": "key"}
	off, on, all := newSite(t, Config{Keys: keys}), newSite(t, Config{Keys: keys, AllowedOrigins: []string{friend}}), newSite(t, Config{Keys: keys, AllowedOrigins: []string{"*"}})
	for _, test := range []struct {
		s               *site
		origin, allowed string
	}{{off, friend, ""}, {on, friend, friend}, {on, evil, ""}, {all, evil, evil}} {
		a := test.s.do(get, "/instances?code=key", "", "Origin", test.origin).want(t, http.StatusOK, "[]")
		if got := a.header.Get("Access-Control-Allow-Origin"); got != test.allowed {
			t.Errorf("%s: %q", test.origin, got)
		}
		a = test.s.send(http.MethodOptions, test.s.url+base+"/instances", "", "Origin", test.origin, "Access-Control-Request-Method", "POST")
		if test.allowed == "" {
			if a.status != http.StatusUnauthorized || a.header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%s: %d %v", test.origin, a.status, a.header)
			}
			continue
		}
		if a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), headerKey) || a.header.Get("Access-Control-Allow-Origin") != test.origin {
			t.Errorf("%s: %d %v", test.origin, a.status, a.header)
		}
	}
}
