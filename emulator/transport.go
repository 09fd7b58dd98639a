package emulator

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// transport calls the handlers in the goroutine of the caller.
type transport struct{ server *Server }

// Do implements policy.Transporter.
func (t transport) Do(req *http.Request) (*http.Response, error) {
	return t.RoundTrip(req)
}

// RoundTrip implements http.RoundTripper, so that the transport also serves
// an http.Client.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	f, err := t.server.route(req)
	if err != nil {
		return nil, err
	}
	p := f.handle(inbound(req))
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return outbound(req, p), nil
}

// RouteError says that the in-process transport was asked for an address that
// is none of the server's.
type RouteError struct{ Host string }

// Error implements error.
func (e *RouteError) Error() string {
	return fmt.Sprintf("emulator: %q is no address of the embedded storage; use the connection string of the same server, or a host name like account.blob.localhost", e.Host)
}

// route finds the service of a request by port or by host name.
func (s *Server) route(req *http.Request) (*front, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	host := req.URL.Host
	if _, port, err := net.SplitHostPort(host); err == nil {
		s.mu.Lock()
		svc, ok := s.ports[port]
		s.mu.Unlock()
		if ok {
			return s.fronts[svc], nil
		}
	}
	if svc, ok := rest.HostService(host); ok {
		return s.fronts[svc], nil
	}
	return nil, &RouteError{Host: host}
}

// inbound makes of a client's request what a server would have received.
func inbound(req *http.Request) *http.Request {
	spelled := plain(req.Header)
	if spelled && req.Body != nil && req.Body != http.NoBody {
		return req
	}
	in := *req
	if !spelled {
		header := make(http.Header, len(req.Header)+1)
		names := make(spelling)
		for name, values := range req.Header {
			canonical := http.CanonicalHeaderKey(name)
			header[canonical] = append(header[canonical], values...)
			if strings.HasPrefix(canonical, metaPrefix) {
				names[strings.ToLower(name)] = name
			}
		}
		if len(names) > 0 {
			in = *req.WithContext(rest.WithHeaderNames(req.Context(), names))
		}
		in.Header = header
	}
	if in.Body == nil || in.Body == http.NoBody {
		in.Body, in.ContentLength = http.NoBody, 0
	}
	return &in
}

const metaPrefix = "X-Ms-Meta-"

// plain says whether all names are spelled as a server would have them, and none of them is the client's own.
func plain(header http.Header) bool {
	for name := range header {
		if name != http.CanonicalHeaderKey(name) || strings.HasPrefix(name, metaPrefix) {
			return false
		}
	}
	return true
}

// spelling knows header names as the client wrote them.
type spelling map[string]string

// Spelling implements rest.HeaderNames.
func (s spelling) Spelling(lower string) string {
	if name, ok := s[lower]; ok {
		return name
	}
	return lower
}

// outbound makes of an answer what a client would have received.
func outbound(req *http.Request, p *rest.Response) *http.Response {
	length := p.Size()
	header := p.Header
	if !plain(header) {
		header = make(http.Header, len(p.Header))
		for name, values := range p.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if req.Method == http.MethodHead && p.Length >= 0 {
		length = p.Length
	}
	return &http.Response{
		Status: strconv.Itoa(p.Status) + " " + http.StatusText(p.Status), StatusCode: p.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: p.Reader(), ContentLength: length, Request: req,
	}
}
