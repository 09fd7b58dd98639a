package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  Fault
		status int
		code   string
		retry  string
	}{
		{Fault{Kind: Refuse}, 503, "ServerBusy", ""},
		{Fault{Kind: Refuse, Status: 500}, 500, "InternalError", ""},
		{Fault{Kind: Refuse, Status: 429, RetryAfter: 1500 * time.Millisecond}, 429, "TooManyRequests", "2"},
		{Fault{Kind: Refuse, Status: 412, Code: "LeaseLost"}, 412, "LeaseLost", ""},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			s := newService(t, nil)
			p := start(t, s.addresses())
			addRule(t, p, Rule{Times: 1, Fault: tt.fault})
			c := newClient(t)
			got := put(t, c, p, "one")
			var body struct {
				Code, Message string
			}
			if err := xml.Unmarshal([]byte(got.body), &body); err != nil {
				t.Fatal(err)
			}
			if got.status != tt.status || got.header.Get("X-Ms-Error-Code") != tt.code || body.Code != tt.code || got.header.Get("Retry-After") != tt.retry {
				t.Errorf("got %+v", got)
			}
			if got := put(t, c, p, "two"); got.err != nil || got.status != http.StatusCreated { // on the same connection
				t.Errorf("the next one: %+v", got)
			}
			if got := s.got(); len(got) != 1 || !strings.HasSuffix(got[0], "two") {
				t.Errorf("the service got %q", got)
			}
			n := p.Counts()["queue.put"]
			if n.Calls != 2 || n.Disturbed != 1 || n.Failed != 0 {
				t.Errorf("counted %+v", n)
			}
		})
	}
}

// TestRefuseByService checks the forms that the services' clients understand: JSON for tables, XML for the others, no body for HEAD.
func TestRefuseByService(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	p := start(t, s.addresses())
	addRule(t, p, Rule{Fault: Fault{Kind: Refuse}})
	get := func(method, address string) (*http.Response, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/acct/x/y", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := newClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, body
	}
	_, body := get(http.MethodGet, p.Addresses().Table)
	var table struct {
		Error struct {
			Code    string `json:"code"`
			Message struct {
				Value string `json:"value"`
			} `json:"message"`
		} `json:"odata.error"`
	}
	if err := json.Unmarshal(body, &table); err != nil || table.Error.Code != "ServerBusy" || table.Error.Message.Value == "" {
		t.Errorf("table body %s: %v", body, err)
	}
	res, body := get(http.MethodHead, p.Addresses().Blob)
	if res.StatusCode != http.StatusServiceUnavailable || len(body) != 0 || res.Header.Get("X-Ms-Error-Code") != "ServerBusy" {
		t.Errorf("HEAD: %v %q", res.StatusCode, body)
	}
}

func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind    Kind
		arrived int // requests that reach the service
		reset   bool
	}{
		{Reset, 0, true},
		{Lost, 1, true},
		{Truncate, 1, false},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			t.Parallel()
			s := newService(t, nil)
			p := start(t, s.addresses())
			addRule(t, p, Rule{Times: 1, Fault: Fault{Kind: tt.kind}})
			c := newClient(t)
			got := put(t, c, p, "one")
			if got.err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			if tt.reset && !errors.Is(got.err, syscall.ECONNRESET) {
				t.Errorf("got %v, want a reset", got.err)
			}
			if !tt.reset && !errors.Is(got.err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want an unexpected end", got.err)
			}
			if got := s.got(); len(got) != tt.arrived {
				t.Errorf("the service got %q", got)
			}
			if log := p.Log(); len(log) != 1 || log[0].Fault != tt.kind || log[0].Rule != 1 {
				t.Errorf("log %+v", log)
			}
			if got := put(t, c, p, "two"); got.err != nil || got.body != "made" {
				t.Errorf("the next one: %+v", got)
			}
		})
	}
}

// TestLostPassesFailures checks that only the answer to a success is lost.
func TestLostPassesFailures(t *testing.T) {
	t.Parallel()
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) })
	p := start(t, s.addresses())
	addRule(t, p, Rule{Fault: Fault{Kind: Lost}})
	if got := put(t, newClient(t), p, "x"); got.err != nil || got.status != http.StatusConflict {
		t.Errorf("got %+v", got)
	}
	if log := p.Log(); len(log) != 1 || log[0].Fault != "" || log[0].Status != http.StatusConflict {
		t.Errorf("log %+v", log)
	}
}

func TestTruncateHead(t *testing.T) {
	t.Parallel()
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	p := start(t, s.addresses())
	addRule(t, p, Rule{Fault: Fault{Kind: Truncate}})
	if got := put(t, newClient(t), p, "x"); got.err == nil {
		t.Errorf("got %+v, want an error", got)
	}
	if got := s.got(); len(got) != 1 {
		t.Errorf("the service got %q", got)
	}
}

func TestDelays(t *testing.T) {
	t.Parallel()
	const delay = 50 * time.Millisecond
	for _, kind := range []Kind{Delay, DelayAnswer} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var arrived time.Time
			s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
				arrived = time.Now()
				w.WriteHeader(http.StatusCreated)
			})
			p := start(t, s.addresses())
			addRule(t, p, Rule{Fault: Fault{Kind: kind, Delay: delay}})
			started := time.Now()
			if got := put(t, newClient(t), p, "x"); got.err != nil || got.status != http.StatusCreated {
				t.Fatalf("got %+v", got)
			}
			if took := time.Since(started); took < delay {
				t.Errorf("it took %v only", took)
			}
			if before := arrived.Sub(started); kind == Delay && before < delay {
				t.Errorf("it arrived after %v", before)
			}
			if after := time.Since(arrived); kind == DelayAnswer && after < delay {
				t.Errorf("the answer came after %v", after)
			}
		})
	}
}

// TestHangUntilRemoved checks both hangs: the service gets the operation before or after the rule is removed, and then all goes on.
func TestHangUntilRemoved(t *testing.T) {
	t.Parallel()
	for kind, before := range map[Kind]int{Hang: 0, HangAnswer: 1} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			handled := make(chan struct{}, 1)
			s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusCreated)
				handled <- struct{}{}
			})
			p := start(t, s.addresses())
			rule := addRule(t, p, Rule{Fault: Fault{Kind: kind}})
			c := newClient(t)
			done := make(chan response, 1)
			_, picked := rule.Changed()
			go func() { done <- do(t.Context(), c, p, http.MethodPost, putMessage, "x") }()
			<-picked
			if before == 1 {
				<-handled
			}
			if got := s.got(); len(got) != before {
				t.Errorf("while it hangs the service got %q", got)
			}
			rule.Remove()
			if got := <-done; got.err != nil || got.status != http.StatusCreated {
				t.Errorf("after the rule got %+v", got)
			}
			if got := s.got(); len(got) != 1 {
				t.Errorf("in the end the service got %q", got)
			}
		})
	}
}

// TestHangUntilClientLeaves checks that a client which gives up has sent nothing.
func TestHangUntilClientLeaves(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	p := start(t, s.addresses())
	rule := addRule(t, p, Rule{Times: 1, Fault: Fault{Kind: Hang}})
	c := newClient(t)
	ctx, giveUp := context.WithCancel(t.Context())
	_, picked := rule.Changed()
	done := make(chan response, 1)
	go func() { done <- do(ctx, c, p, http.MethodPost, putMessage, "x") }()
	<-picked
	giveUp()
	if got := <-done; !errors.Is(got.err, context.Canceled) {
		t.Errorf("got %+v", got)
	}
	for len(p.Log()) == 0 { // the proxy notices on its own time
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if e := p.Log()[0]; e.Error != errClientGone.Error() || e.Fault != Hang {
		t.Errorf("entry %+v", e)
	}
	rule.Remove()
	if got := s.got(); len(got) != 0 {
		t.Errorf("the service got %q", got)
	}
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	n := 0
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		if n > 1 {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "first")
	})
	p := start(t, s.addresses())
	addRule(t, p, Rule{Times: 1, Fault: Fault{Kind: Duplicate}})
	got := put(t, newClient(t), p, "twice")
	if got.status != http.StatusCreated || got.body != "first" {
		t.Errorf("got %+v", got)
	}
	want := "POST " + putMessage + " twice"
	if got := s.got(); !slices.Equal(got, []string{want, want}) {
		t.Errorf("the service got %q", got)
	}
}

// TestDuplicateOfChunks sends a body whose framing has to be kept.
func TestDuplicateOfChunks(t *testing.T) {
	t.Parallel()
	const request = "POST /acct/q/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	arrived := make(chan string, 2)
	p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
		for {
			got := make([]byte, len(request))
			if _, err := io.ReadFull(r, got); err != nil {
				return
			}
			arrived <- string(got)
			_, _ = io.WriteString(c, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	}), func(c *Config) { c.Bodies = true })
	addRule(t, p, Rule{Times: 1, Fault: Fault{Kind: Duplicate}})
	c, r := dial(t, p)
	write(t, c, request)
	expect(t, r, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
	for range 2 {
		if got := <-arrived; got != request {
			t.Errorf("the service got %q", got)
		}
	}
	if log := p.Log(); len(log) != 1 || string(log[0].Request.Bytes()) != "hello" {
		t.Errorf("log %+v", log)
	}
}
