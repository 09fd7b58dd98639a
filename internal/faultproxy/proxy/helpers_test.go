package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a stand-in for a storage service that keeps the requests it got.
type service struct {
	*httptest.Server

	mu       sync.Mutex
	requests []string // "METHOD URI body"
}

// newService answers every request with the status and body of reply, by default 201 and "made".
func newService(t *testing.T, reply http.HandlerFunc) *service {
	t.Helper()
	if reply == nil {
		reply = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "made")
		}
	}
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
		s.mu.Unlock()
		reply(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *service) addresses() Addresses {
	at := s.Listener.Addr().String()
	return Addresses{Blob: at, Queue: at, Table: at}
}

// start runs a proxy in front of addresses.
func start(t *testing.T, target Addresses, changes ...func(*Config)) *Proxy {
	t.Helper()
	cfg := Config{Target: target, Record: true}
	for _, change := range changes {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func addRule(t *testing.T, p *Proxy, r Rule) *ActiveRule {
	t.Helper()
	a, err := p.AddRule(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newClient returns an HTTP client of its own that never repeats a request.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// response is what a request came to.
type response struct {
	status int
	header http.Header
	body   string
	err    error // of sending, or of reading the body
}

// do sends a request to the proxy's queue port.
func do(ctx context.Context, c *http.Client, p *Proxy, method, uri, body string) response {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.Addresses().Queue+uri, strings.NewReader(body))
	if err != nil {
		return response{err: err}
	}
	req.GetBody = nil // the client must not send it again by itself
	res, err := c.Do(req)
	if err != nil {
		return response{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header, string(text), err}
}

const putMessage = "/acct/hub-control-00/messages"

func put(t *testing.T, c *http.Client, p *Proxy, body string) response {
	t.Helper()
	return do(t.Context(), c, p, http.MethodPost, putMessage, body)
}

// rawService accepts connections and hands each to serve, which gets what was sent as it was sent.
func rawService(t *testing.T, serve func(c net.Conn, r *bufio.Reader)) Addresses {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	at := l.Addr().String()
	return Addresses{Blob: at, Queue: at, Table: at}
}

// dial opens a plain connection to the proxy's queue port.
func dial(t *testing.T, p *Proxy) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addresses().Queue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly the text from r.
func expect(t *testing.T, r io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(r, got)
	if err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got[:n], err, text)
	}
}
