package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxHead bounds the first line and the headers of a message, in bytes. Storage services stop earlier.
const maxHead = 256 << 10

var (
	errHeadTooLarge = fmt.Errorf("the head of a message is larger than %d bytes", maxHead)
	errMalformed    = errors.New("malformed message")
)

// readHead reads the first line and the headers of a message up to and with the empty line, as they are on the wire.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case len(head) > maxHead:
			return nil, errHeadTooLarge
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(head) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		if blank := len(bytes.TrimRight(line, "\r\n")) == 0; blank {
			if len(head) > len(line) {
				return head, nil
			}
			head = head[:0] // empty lines before a message are allowed
		}
	}
}

// framing tells where the body of a message ends.
type framing struct {
	chunked    bool
	untilClose bool
	length     int64 // otherwise
}

func (f framing) empty() bool { return !f.chunked && !f.untilClose && f.length == 0 }

// fields are the headers that the proxy looks at, of requests and of answers.
type fields struct {
	framing
	hasLength     bool
	close         bool // the connection ends after this message
	keepAlive     bool // said so; what HTTP/1.0 needs
	expect        bool // Expect: 100-continue
	agent         string
	ifMatch       string
	leaseAction   string
	leaseID       string
	proposedLease string
	method        string // X-HTTP-Method, which tunnels MERGE through POST
	errorCode     string
	requestID     string
	etag          string
}

func parseFields(head []byte) (fields, error) {
	var f fields
	_, rest, _ := bytes.Cut(head, []byte("\n"))
	for line := range bytes.Lines(rest) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue // the empty line at the end
		}
		if err := f.set(strings.ToLower(string(name)), string(bytes.TrimSpace(value))); err != nil {
			return fields{}, err
		}
	}
	return f, nil
}

func (f *fields) set(name, value string) error {
	switch name {
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: Content-Length %q", errMalformed, value)
		}
		f.length, f.hasLength = n, true
	case "transfer-encoding":
		f.chunked = strings.EqualFold(value, "chunked")
		if !f.chunked && !strings.EqualFold(value, "identity") {
			return fmt.Errorf("%w: Transfer-Encoding %q", errMalformed, value)
		}
	case "connection":
		f.close = f.close || hasToken(value, "close")
		f.keepAlive = f.keepAlive || hasToken(value, "keep-alive")
	case "expect":
		f.expect = strings.EqualFold(value, "100-continue")
	case "user-agent":
		f.agent = value
	case "if-match":
		f.ifMatch = value
	case "x-ms-lease-action":
		f.leaseAction = strings.ToLower(value)
	case "x-ms-lease-id":
		f.leaseID = value
	case "x-ms-proposed-lease-id":
		f.proposedLease = value
	case "x-http-method", "x-http-method-override":
		f.method = strings.ToUpper(value)
	case "x-ms-error-code":
		f.errorCode = value
	case "x-ms-request-id":
		f.requestID = value
	case "etag":
		f.etag = value
	}
	return nil
}

func hasToken(value, token string) bool {
	for part := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.TrimSpace(part), token) {
			return true
		}
	}
	return false
}

// request is the head of a request.
type request struct {
	fields
	head   []byte
	method string
	uri    string // as sent: path and query
}

func parseRequest(head []byte) (*request, error) {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	parts := strings.Split(strings.TrimRight(string(line), "\r"), " ")
	if len(parts) != 3 || !strings.HasPrefix(parts[2], "HTTP/1.") {
		return nil, fmt.Errorf("%w: the request line is not METHOD URI HTTP/1.x", errMalformed)
	}
	f, err := parseFields(head)
	if err != nil {
		return nil, err
	}
	if f.chunked {
		f.length = 0
	}
	if parts[2] == "HTTP/1.0" && !f.keepAlive {
		f.close = true
	}
	return &request{fields: f, head: head, method: parts[0], uri: parts[1]}, nil
}

// answer is the head of a response.
type answer struct {
	fields
	head   []byte
	status int
}

// parseAnswer reads the head of the answer to a request with the given method, which decides with the status whether a body follows.
func parseAnswer(head []byte, method string) (*answer, error) {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	proto, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r"), " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if err != nil || status < 100 || status > 999 || !strings.HasPrefix(proto, "HTTP/1.") {
		return nil, fmt.Errorf("%w: the first line of an answer is not HTTP/1.x STATUS", errMalformed)
	}
	f, err := parseFields(head)
	if err != nil {
		return nil, err
	}
	switch {
	case method == "HEAD" || status < 200 || status == 204 || status == 304:
		f.framing = framing{}
	case f.chunked:
		f.length = 0
	case !f.hasLength:
		f.untilClose, f.close = true, true
	}
	if proto == "HTTP/1.0" && !f.keepAlive {
		f.close = true
	}
	return &answer{fields: f, head: head, status: status}, nil
}

// interim tells whether the real answer is still to come.
func (a *answer) interim() bool { return a.status < 200 }
