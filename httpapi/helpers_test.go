package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for what must happen, on a machine that may be busy.
const patience = 150 * time.Second

const base = DefaultBasePath

// site is a hub's API on a port.
type site struct {
	t   *testing.T
	hub *taskhub.Hub
	api *API
	url string
}

// newSite serves the API of a fresh hub that exists.
func newSite(t *testing.T, cfg Config) *site {
	t.Helper()
	s := newSiteWithoutHub(t, cfg)
	if err := s.hub.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newSiteWithoutHub(t *testing.T, cfg Config) *site {
	t.Helper()
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: testkit.Hub(t), Account: testkit.Account(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	api := Handler(hub, cfg)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return &site{t: t, hub: hub, api: api, url: server.URL}
}

// work runs the test programs on the hub.
func (s *site) work() *site {
	s.t.Helper()
	w, err := worker.New(s.hub, worker.Config{MaxPoll: 300 * time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := w.Register(append(programs.Orchestrators(), programs.Activities()...)...); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := w.Start(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			s.t.Errorf("stopping the worker: %v", err)
		}
	})
	return s
}

// answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request to a path below the base, and checks the answer against the OpenAPI document. Headers come in pairs.
func (s *site) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	a := s.send(method, s.url+base+path, body, headers...)
	checkDocumented(s.t, method, path, a)
	return a
}

func (s *site) send(method, url, body string, headers ...string) answer {
	s.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

const jsonType = "application/json"

// want checks code and body; parts must all be in the body, and no parts mean no body.
func (a answer) want(t *testing.T, status int, parts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	if len(parts) == 0 && (a.body != "" || a.header.Get("Content-Type") != "" || a.header.Get("Content-Length") != "0") {
		t.Errorf("want no body, got %q, %v", a.body, a.header)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("no %s in %s", part, a.body)
		}
	}
	return a
}

// read decodes the body.
func read[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// until waits for a state.
func (s *site) until(id string, status history.Status) *durable.Instance {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		in, err := s.hub.Client().GetInstance(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		if in.Status == status {
			return in
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is %s, want %s", id, in.Status, status)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// put makes an instance of a state that no worker has a hand in.
func (s *site) put(id string, status history.Status, output string) {
	s.t.Helper()
	input := `{"n":1}`
	if _, err := s.hub.Client().Start(s.t.Context(), durable.StartRequest{Name: "Nobody", InstanceID: id, Input: &input}); err != nil {
		s.t.Fatal(err)
	}
	at := time.Now().UTC()
	update := tables.InstanceUpdate{InstanceID: id, Status: &status, LastUpdatedTime: &at}
	if output != "" {
		update.Output = &output
	}
	if status.IsTerminal() {
		update.CompletedTime = &at
	}
	if _, err := s.hub.Tables().MergeInstance(s.t.Context(), update, tables.AnyVersion); err != nil {
		s.t.Fatal(err)
	}
}

// order lists the names of an object's members as they stand.
func order(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	var names []string
	for depth, isName := 0, true; ; {
		token, err := d.Token()
		if err == io.EOF {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if delim, ok := token.(json.Delim); ok {
			if delim == '{' || delim == '[' {
				depth++
			} else {
				depth--
			}
			isName = depth == 1
			continue
		}
		if depth == 1 {
			if isName {
				names = append(names, token.(string))
			}
			isName = !isName
		}
	}
}
