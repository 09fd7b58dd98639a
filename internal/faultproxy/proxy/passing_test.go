package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBytesPassUnchanged sends heads that no HTTP library would write, and bodies in every framing, and compares what arrives, byte for byte.
func TestBytesPassUnchanged(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 5000)
	tests := []struct{ name, request, answer string }{
		{
			"header names, order and spaces", "PUT /acct/a%2fb/c%20d?comp=x&Sig=%2B HTTP/1.1\r\nx-ms-DATE:  now \r\nhOst: elsewhere:1\r\nAuthorization: SharedKey acct:abc=\r\nX-a:1\r\nx-A: 2\r\nContent-Length: 5\r\n\r\nhello",
			"HTTP/1.1 201 Made it\r\netag:   \"0x1\"\r\nContent-Length: 3\r\n\r\nyes",
		},
		{"no body at all", "GET /acct/q/messages HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"},
		{
			"chunks with extensions and trailers", "POST /acct/q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		},
		{
			"long bodies", fmt.Sprintf("PUT /acct/c/b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(long), long),
			fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long),
		},
		{"the answer to HEAD has a length and no body", "HEAD /acct/c/b HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"},
		{"an answer with a status of its own only", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan string, 2)
			p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
				for {
					got := make([]byte, len(tt.request))
					if _, err := io.ReadFull(r, got); err != nil {
						return
					}
					arrived <- string(got)
					_, _ = io.WriteString(c, tt.answer)
				}
			}))
			c, r := dial(t, p)
			for range 2 { // the second goes over the same two connections
				write(t, c, tt.request)
				if got := <-arrived; got != tt.request {
					t.Errorf("the service got\n%q\nwant\n%q", got, tt.request)
				}
				expect(t, r, tt.answer)
			}
			sum := p.Counts().sum()
			if want := int64(2 * len(tt.request)); sum.Calls != 2 || sum.RequestBytes != want || sum.ResponseBytes != int64(2*len(tt.answer)) {
				t.Errorf("counted %+v, want 2 calls, %d and %d bytes", sum, want, 2*len(tt.answer))
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	const head = "PUT /acct/c/b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	const made = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
	const tooLarge = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

	t.Run("the service wants the body", func(t *testing.T) {
		t.Parallel()
		p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = io.ReadFull(r, make([]byte, len(head)))
			_, _ = io.WriteString(c, goOn)
			body := make([]byte, 5)
			_, _ = io.ReadFull(r, body)
			if string(body) == "hello" {
				_, _ = io.WriteString(c, made)
			}
		}))
		c, r := dial(t, p)
		write(t, c, head)
		expect(t, r, goOn)
		write(t, c, "hello")
		expect(t, r, made)
	})
	t.Run("the service does not want it", func(t *testing.T) {
		t.Parallel()
		p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = io.ReadFull(r, make([]byte, len(head)))
			_, _ = io.WriteString(c, tooLarge)
			_, _ = io.Copy(io.Discard, r)
		}))
		c, r := dial(t, p)
		write(t, c, head)
		expect(t, r, tooLarge)
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("the connection goes on: %q, %v", rest, err)
		}
	})
	t.Run("the operation is held back", func(t *testing.T) {
		t.Parallel()
		p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = io.ReadFull(r, make([]byte, len(head)))
			_, _ = io.WriteString(c, goOn)
			_, _ = io.ReadFull(r, make([]byte, 5))
			_, _ = io.WriteString(c, made)
		}))
		rule := addRule(t, p, Rule{Fault: Fault{Kind: Hang}})
		c, r := dial(t, p)
		write(t, c, head)
		expect(t, r, goOn)
		write(t, c, "hello")
		rule.Remove()
		expect(t, r, made)
	})
}

// TestConnectionsAreKept checks that a connection of the client means one to the service, and that both live on.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	connections := make(chan struct{}, 10)
	target := rawService(t, func(c net.Conn, r *bufio.Reader) {
		connections <- struct{}{}
		for {
			if _, err := readHead(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := start(t, target)
	c := newClient(t)
	for range 20 {
		if got := do(t.Context(), c, p, http.MethodGet, putMessage, ""); got.err != nil || got.status != http.StatusOK {
			t.Fatalf("got %+v", got)
		}
	}
	if n := len(connections); n != 1 {
		t.Errorf("20 requests made %d connections", n)
	}
}

// TestServiceEndsConnection checks that the end of an idle connection on the service's side stays unseen.
func TestServiceEndsConnection(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		_ = c.Close()
		ended <- struct{}{}
	}))
	c, r := dial(t, p)
	for range 3 {
		write(t, c, "GET /acct/q/messages HTTP/1.1\r\nHost: h\r\n\r\n")
		expect(t, r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		<-ended
		waitForEnd(t, p)
	}
	if log := p.Log(); len(log) != 3 || log[2].Error != "" {
		t.Errorf("log %+v", log)
	}
}

// waitForEnd waits until the proxy has let go of its connection to the service.
func waitForEnd(t *testing.T, p *Proxy) {
	t.Helper()
	for t.Context().Err() == nil {
		p.mu.Lock()
		n := len(p.open)
		p.mu.Unlock()
		if n == 1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the proxy keeps its connection to the service")
}

func TestConnectionClose(t *testing.T) {
	t.Parallel()
	p := start(t, newService(t, nil).addresses())
	c, r := dial(t, p)
	write(t, c, "GET /acct/q/messages HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	text, err := io.ReadAll(r)
	if err != nil || !strings.HasSuffix(string(text), "made") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestServiceIsAway(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	target := s.addresses()
	s.Close()
	p := start(t, target)
	if got := put(t, newClient(t), p, "x"); got.err == nil {
		t.Fatalf("got %+v, want a broken connection", got)
	}
	if log := p.Log(); len(log) != 1 || log[0].Status != 0 || !strings.Contains(log[0].Error, "connecting to the queue service") {
		t.Errorf("log %+v", log)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"nonsense\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "GET / HTTP/1.1\r\nTransfer-Encoding: odd\r\n\r\n"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := newService(t, nil)
			c, r := dial(t, start(t, s.addresses()))
			write(t, c, text)
			expect(t, r, "HTTP/1.1 400 ")
			if got := s.got(); len(got) != 0 {
				t.Errorf("the service got %q", got)
			}
		})
	}
}

func TestMalformedAnswer(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"nonsense\r\n\r\n", "HTTP/1.1 2 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Le", ""} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p := start(t, rawService(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readHead(r); err == nil {
					_, _ = io.WriteString(c, text)
				}
			}))
			if got := put(t, newClient(t), p, ""); got.err == nil {
				t.Errorf("got %+v, want a broken connection", got)
			}
			if log := p.Log(); len(log) != 1 || log[0].Error == "" {
				t.Errorf("log %+v", log)
			}
		})
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	p := start(t, s.addresses())
	rule := addRule(t, p, Rule{Fault: Fault{Kind: Hang}})
	c := newClient(t)
	done := make(chan response)
	_, picked := rule.Changed()
	go func() { done <- do(t.Context(), c, p, http.MethodPost, putMessage, "x") }()
	<-picked
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got := <-done; got.err == nil {
		t.Errorf("got %+v, want a broken connection", got)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := PortsFrom(10000)
	for name, cfg := range map[string]Config{
		"another machine's target": {Target: Addresses{Blob: "10.1.2.3:80", Queue: good.Queue, Table: good.Table}},
		"a name":                   {Target: Addresses{Blob: "example.org:80", Queue: good.Queue, Table: good.Table}},
		"listening for everybody":  {Target: good, Listen: Addresses{Queue: "0.0.0.0:0"}},
		"no port":                  {Target: Addresses{Blob: "127.0.0.1", Queue: good.Queue, Table: good.Table}},
		"no target":                {},
	} {
		if p, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
			_ = p.Close()
		}
	}
	taken := start(t, good)
	if _, err := New(Config{Target: good, Listen: Addresses{Table: taken.Addresses().Table}}); err == nil || !strings.Contains(err.Error(), "table") {
		t.Errorf("a taken port gives %v", err)
	}
}
