package conformance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator"
)

const connVariable = "TASKHUB_TEST_CONN"

// target is a storage under test.
type target struct {
	name    string
	conn    string
	azurite bool
	client  *http.Client
	account string
	key     []byte
	// endpoints by service: "blob", "queue", "table".
	endpoints map[string]string
}

// roundTripper lets an http.Client use the in-process transport.
type roundTripper struct {
	do func(*http.Request) (*http.Response, error)
}

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r.do(req) }

func targets(t *testing.T) []*target {
	t.Helper()
	s, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen(context.Background(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	out := []*target{
		newTarget(t, "inprocess", s.ConnectionString(), roundTripper{s.Transport().Do}),
		newTarget(t, "listener", l.ConnectionString(), newHTTPTransport(t)),
	}
	if conn := os.Getenv(connVariable); conn != "" {
		azurite := newTarget(t, "azurite", conn, newHTTPTransport(t))
		azurite.azurite = true
		out = append(out, azurite)
	}
	return out
}

func newHTTPTransport(t *testing.T) http.RoundTripper {
	t.Helper()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.DisableCompression = true
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func newTarget(t *testing.T, name, conn string, tr http.RoundTripper) *target {
	t.Helper()
	fields := make(map[string]string)
	for part := range strings.SplitSeq(conn, ";") {
		if k, v, ok := strings.Cut(part, "="); ok {
			fields[k] = v
		}
	}
	key, err := base64.StdEncoding.DecodeString(fields["AccountKey"])
	if err != nil {
		t.Fatal(err)
	}
	return &target{
		name: name, conn: conn, account: fields["AccountName"], key: key,
		client: &http.Client{Transport: tr, Timeout: time.Minute},
		endpoints: map[string]string{"blob": strings.TrimSuffix(fields["BlobEndpoint"], "/"),
			"queue": strings.TrimSuffix(fields["QueueEndpoint"], "/"), "table": strings.TrimSuffix(fields["TableEndpoint"], "/")},
	}
}

// testCase is a named series of requests with what must come of them.
type testCase struct {
	name  string
	steps []step
}

// step is one request. "{name}" in its texts stands for a variable, "{name!}"
// for one with percent-encoding.
type step struct {
	service, method, path string
	headers               [][2]string
	content               string
	auth                  func(*target, *http.Request, string)
	expect                expectation
	// azurite is what Azurite answers instead, and why says which one the
	// service sides with.
	other *expectation
	why   string
	saves []save
	// own is set for what the emulator leaves out and Azurite has.
	own bool
}

type save struct{ name, header, pattern string }

type expectation struct {
	status  int
	code    string
	headers [][2]string // name, pattern; "" asks for absence
	body    []string    // patterns
	without []string    // patterns that must not match
}

// do begins a step: "queue GET {q}/messages?numofmessages=2".
func do(line string) step {
	fields := strings.SplitN(line, " ", 3)
	return step{service: fields[0], method: fields[1], path: fields[2], expect: expectation{status: 200}}
}

func (s step) header(name, value string) step {
	s.headers = append(slices.Clone(s.headers), [2]string{name, value})
	return s
}

func (s step) body(text string) step { s.content = text; return s }

func (s step) signed(fn func(*target, *http.Request, string)) step { s.auth = fn; return s }

func (s step) want(status int) step { s.expect.status = status; return s }

func (s step) fails(status int, code string) step {
	s.expect.status, s.expect.code = status, code
	return s
}

func (s step) has(header, pattern string) step {
	s.expect.headers = append(slices.Clone(s.expect.headers), [2]string{header, pattern})
	return s
}

func (s step) says(pattern string) step {
	s.expect.body = append(slices.Clone(s.expect.body), pattern)
	return s
}

func (s step) saysNot(pattern string) step {
	s.expect.without = append(slices.Clone(s.expect.without), pattern)
	return s
}

// keep saves the first group of a pattern in the body.
func (s step) keep(name, pattern string) step {
	s.saves = append(slices.Clone(s.saves), save{name: name, pattern: pattern})
	return s
}

func (s step) keepHeader(name, header string) step {
	s.saves = append(slices.Clone(s.saves), save{name: name, header: header})
	return s
}

// azurite says what Azurite does instead of what was expected so far, and
// why the emulator does not follow it.
func (s step) azurite(status int, code, why string) step {
	s.other, s.why = &expectation{status: status, code: code}, why
	return s
}

// leftOut marks a step that only the emulator is asked for.
func (s step) leftOut() step { s.own = true; return s }

// run carries out the cases on every target.
func run(t *testing.T, cases []testCase) {
	t.Helper()
	all := targets(t)
	for _, c := range cases {
		for _, target := range all {
			t.Run(c.name+"/"+target.name, func(t *testing.T) {
				vars := newVars()
				defer cleanUp(t, target, vars)
				for i, s := range c.steps {
					if s.own && target.azurite {
						continue
					}
					if !target.step(t, i, s, vars) {
						return
					}
				}
			})
		}
	}
}

// newVars has fresh names: {c} a container, {q} a queue, {t} a table.
func newVars() map[string]string {
	id := strconv.FormatUint(rand.Uint64(), 36)
	return map[string]string{
		"c": "c-" + id, "q": "q-" + id, "t": "T" + id, "t2": "Z" + id, "id": id,
		"guid1": "11111111-1111-4111-8111-111111111111", "guid2": "22222222-2222-4222-8222-222222222222",
		"past": httpDate(time.Now().Add(-time.Hour)), "future": httpDate(time.Now().Add(time.Hour)),
	}
}

func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// cleanUp removes what a case made, so that Azurite does not fill up.
func cleanUp(t *testing.T, target *target, vars map[string]string) {
	t.Helper()
	ctx := context.Background()
	for _, s := range []step{do("queue DELETE {q}"), do("blob PUT {c}?restype=container&comp=lease").header("x-ms-lease-action", "break").header("x-ms-lease-break-period", "0"),
		do("blob DELETE {c}?restype=container"), do("table DELETE Tables('{t}')").header("Accept", "application/json"),
		do("table DELETE Tables('{t2}')").header("Accept", "application/json")} {
		if _, _, err := target.send(ctx, s, vars); err != nil {
			t.Log(err)
		}
	}
}

var variable = regexp.MustCompile(`\{([a-z0-9A-Z]+)(!?)\}`)

func expand(text string, vars map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(m string) string {
		name := strings.Trim(m, "{}!")
		v, ok := vars[name]
		if !ok {
			return m
		}
		if strings.HasSuffix(m, "!}") {
			return url.QueryEscape(v)
		}
		return v
	})
}

func (g *target) send(ctx context.Context, s step, vars map[string]string) (*http.Response, []byte, error) {
	content := expand(s.content, vars)
	address := g.endpoints[s.service] + "/" + expand(s.path, vars)
	req, err := http.NewRequestWithContext(ctx, s.method, address, strings.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	if content == "" {
		req.Body, req.ContentLength = http.NoBody, 0
		if s.method == http.MethodPut || s.method == http.MethodPost {
			req.Header.Set("Content-Length", "0")
		}
	}
	req.Header.Set("x-ms-version", "2024-08-04")
	req.Header.Set("x-ms-date", httpDate(time.Now()))
	if s.service == "table" {
		req.Header.Set("Accept", "application/json;odata=minimalmetadata")
		req.Header.Set("DataServiceVersion", "3.0")
		if content != "" {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	for _, h := range s.headers {
		switch v := expand(h[1], vars); {
		case v == "":
			req.Header.Del(h[0])
		case strings.HasPrefix(h[0], "x-ms-meta-"): // spelled as it stands
			req.Header[h[0]] = []string{v}
		default:
			req.Header.Set(h[0], v)
		}
	}
	if s.auth != nil {
		s.auth(g, req, s.service)
	} else {
		signSharedKey(g, req, s.service)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// step sends a request and checks the answer; it reports whether the case can
// go on.
func (g *target) step(t *testing.T, i int, s step, vars map[string]string) bool {
	t.Helper()
	where := fmt.Sprintf("step %d, %s %s %s", i, s.service, s.method, expand(s.path, vars))
	resp, body, err := g.send(t.Context(), s, vars)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return false
	}
	expect := s.expect
	if g.azurite && s.other != nil {
		expect = *s.other
		t.Logf("difference: %s: %s", where, s.why)
	}
	for _, problem := range expect.problems(resp, body, vars) {
		t.Errorf("%s: %s", where, problem)
	}
	if t.Failed() {
		t.Logf("%s: answer %d %v\n%s", where, resp.StatusCode, resp.Header, body[:min(len(body), 2000)])
		return false
	}
	for _, k := range s.saves {
		if k.header != "" {
			vars[k.name] = resp.Header.Get(k.header)
			continue
		}
		m := regexp.MustCompile(expand(k.pattern, vars)).FindSubmatch(body)
		if m == nil {
			t.Errorf("%s: nothing matches %s in\n%s", where, k.pattern, body)
			return false
		}
		vars[k.name] = string(m[1])
	}
	return true
}

func (e *expectation) problems(resp *http.Response, body []byte, vars map[string]string) (out []string) {
	if resp.StatusCode != e.status {
		out = append(out, fmt.Sprintf("status %d, want %d %s", resp.StatusCode, e.status, e.code))
	}
	if code := errorCode(resp, body); e.code != "" && code != e.code {
		out = append(out, fmt.Sprintf("code %q, want %q", code, e.code))
	}
	for _, h := range e.headers {
		value := strings.Join(resp.Header.Values(h[0]), ",")
		pattern := expand(h[1], vars)
		if pattern == "" && value != "" || pattern != "" && !regexp.MustCompile(`^(?:`+pattern+`)$`).MatchString(value) {
			out = append(out, fmt.Sprintf("header %s is %q, want %q", h[0], value, pattern))
		}
	}
	for _, p := range e.body {
		if !regexp.MustCompile(`(?s)` + expand(p, vars)).Match(body) {
			out = append(out, fmt.Sprintf("the body does not match %s", expand(p, vars)))
		}
	}
	for _, p := range e.without {
		if regexp.MustCompile(`(?s)` + expand(p, vars)).Match(body) {
			out = append(out, fmt.Sprintf("the body matches %s", expand(p, vars)))
		}
	}
	return out
}

var codes = []*regexp.Regexp{regexp.MustCompile(`<[Cc]ode>([^<]+)</`), regexp.MustCompile(`"code":\s*"([^"]+)"`)}

func errorCode(resp *http.Response, body []byte) string {
	if code := resp.Header.Get("x-ms-error-code"); code != "" {
		return code
	}
	for _, p := range codes {
		if m := p.FindSubmatch(body); m != nil {
			return string(m[1])
		}
	}
	return ""
}

// The signing below follows "Authorize with Shared Key" and is independent of
// the emulator's.

func mac(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func signSharedKey(g *target, req *http.Request, service string) {
	signWith(g, req, service, g.key)
}

func signWith(g *target, req *http.Request, service string, key []byte) {
	var lines []string
	if service == "table" {
		lines = []string{req.Method, req.Header.Get("Content-MD5"), req.Header.Get("Content-Type"), req.Header.Get("x-ms-date"), tableResource(g, req)}
	} else {
		length := ""
		if req.ContentLength > 0 {
			length = strconv.FormatInt(req.ContentLength, 10)
		}
		h := req.Header.Get
		lines = []string{req.Method, h("Content-Encoding"), h("Content-Language"), length, h("Content-MD5"), h("Content-Type"), h("Date"),
			h("If-Modified-Since"), h("If-Match"), h("If-None-Match"), h("If-Unmodified-Since"), h("Range"), canonicalHeaders(req) + fullResource(g, req)}
	}
	req.Header.Set("Authorization", "SharedKey "+g.account+":"+mac(key, strings.Join(lines, "\n")))
}

func signLite(g *target, req *http.Request, service string) {
	h := req.Header.Get
	lines := []string{req.Method, h("Content-MD5"), h("Content-Type"), h("Date"), canonicalHeaders(req) + tableResource(g, req)}
	if service == "table" {
		lines = []string{h("x-ms-date"), tableResource(g, req)}
	}
	req.Header.Set("Authorization", "SharedKeyLite "+g.account+":"+mac(g.key, strings.Join(lines, "\n")))
}

func signWrongKey(g *target, req *http.Request, service string) {
	signWith(g, req, service, []byte("not the key of the account"))
}

func unsigned(*target, *http.Request, string) {}

func canonicalHeaders(req *http.Request) string {
	values := make(map[string]string)
	for name, v := range req.Header {
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-ms-") {
			values[low] = strings.TrimSpace(v[0])
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s:%s\n", name, values[name])
	}
	return b.String()
}

func fullResource(g *target, req *http.Request) string {
	lines := []string{"/" + g.account + req.URL.EscapedPath()}
	query := req.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		lines = append(lines, strings.ToLower(name)+":"+strings.Join(slices.Sorted(slices.Values(query[name])), ","))
	}
	return strings.Join(lines, "\n")
}

func tableResource(g *target, req *http.Request) string {
	out := "/" + g.account + req.URL.EscapedPath()
	if comp := req.URL.Query().Get("comp"); comp != "" {
		out += "?comp=" + comp
	}
	return out
}
