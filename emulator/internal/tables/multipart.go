package tables

import (
	"mime"
	"slices"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// part is one HTTP request inside a batch.
type part struct {
	method, target string
	header         fields
	body           string
	contentID      string
	// changeset is set for a part of a change set, as all changes are.
	changeset bool
}

// fields are the header lines of a part, in their order.
type fields []field

type field struct{ name, value string }

// Get returns the value of a header, "" without one.
func (f fields) Get(name string) string {
	for i := range f {
		if len(f[i].name) == len(name) && strings.EqualFold(f[i].name, name) {
			return f[i].value
		}
	}
	return ""
}

var errBatchSyntax = &rest.Error{Status: 400, Code: "InvalidInput",
	Message: "One of the request inputs is not valid: the batch is not a well-formed multipart document."}

func badBatch(why string) error {
	return errBatchSyntax.WithMessage("%s (%s)", errBatchSyntax.Message, why)
}

// read reads the body of a batch: one change set, or one query.
func (w *workspace) read(contentType, body string) ([]part, error) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		return nil, err
	}
	reader := &w.reader
	outer, err := splitParts(body, boundary, 2, reader.raw[:0])
	if err != nil {
		return nil, err
	}
	if len(outer) != 1 {
		return nil, badBatch("a batch holds exactly one change set or one query")
	}
	reader.raw = outer
	header, content, err := splitHeader(outer[0], reader.outer[:0])
	if err != nil {
		return nil, err
	}
	reader.outer = header
	if !isMedia(header.Get("Content-Type"), "multipart/mixed") {
		p, err := reader.read(outer[0])
		if err != nil {
			return nil, err
		}
		return []part{p}, nil
	}
	if boundary, err = boundaryOf(header.Get("Content-Type")); err != nil {
		return nil, err
	}
	inner, err := splitParts(content, boundary, maxChanges+1, reader.raw[:0])
	if err != nil {
		return nil, err
	}
	reader.raw = inner
	w.parts = slices.Grow(w.parts[:0], len(inner))
	for _, raw := range inner {
		p, err := reader.read(raw)
		if err != nil {
			return nil, err
		}
		p.changeset = true
		w.parts = append(w.parts, p)
	}
	return w.parts, nil
}

func boundaryOf(contentType string) (string, error) {
	if plain, ok := strings.CutPrefix(contentType, "multipart/mixed; boundary="); ok && isToken(plain) && len(plain) <= maxBoundary {
		return plain, nil // as nearly all are
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/mixed" {
		return "", badBatch("the content type is not multipart/mixed")
	}
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > maxBoundary {
		return "", badBatch("the boundary is missing or too long")
	}
	return boundary, nil
}

const maxBoundary = 200

// isToken reports a text of letters, digits, hyphens and underscores, which
// means itself as a parameter.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// splitParts cuts a multipart body at its boundary lines, and appends what
// is between them to parts, which is empty. Lines end with CRLF or LF. At most
// limit parts are returned; the rest is not looked at.
func splitParts(body, boundary string, limit int, parts []string) ([]string, error) {
	open := "--" + boundary
	var current string // from the line behind the last boundary on
	started := false
	for rest0 := body; len(rest0) > 0; {
		line, after, _ := strings.Cut(rest0, "\n")
		tail, isBoundary := strings.CutPrefix(line, open)
		if isBoundary {
			tail = strings.TrimRight(tail, " \t\r")
			isBoundary = len(tail) == 0 || tail == "--"
		}
		if !isBoundary {
			rest0 = after
			continue
		}
		if started {
			parts = append(parts, trimEnd(current[:len(current)-len(rest0)]))
		}
		if len(tail) > 0 || len(parts) == limit {
			return parts, nil
		}
		started, current, rest0 = true, after, after
	}
	return nil, badBatch("the closing boundary is missing")
}

// trimEnd removes the line end that belongs to the following boundary.
func trimEnd(b string) string {
	return strings.TrimSuffix(strings.TrimSuffix(b, "\n"), "\r")
}

const maxPartHeaders = 64

// splitHeader reads header lines up to the empty one; it appends them to
// header.
func splitHeader(b string, header fields) (fields, string, error) {
	for n := 0; ; n++ {
		line, after, found := strings.Cut(b, "\n")
		line = strings.TrimRight(line, "\r")
		b = after
		if len(line) == 0 {
			return header, b, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || len(name) == 0 || n > maxPartHeaders || strings.ContainsAny(name, " \t") {
			return nil, "", badBatch("a header line is malformed")
		}
		header = append(header, field{name, strings.TrimSpace(value)})
		if !found {
			return header, "", nil
		}
	}
}

// isMedia compares a content type without its parameters.
func isMedia(contentType, media string) bool {
	got, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(got), media)
}

// partReader reads the parts of a batch. The headers of all their requests
// stand in one slice, one part's behind the other's.
type partReader struct {
	outer, headers fields
	raw            []string
}

// maxHeaders is how much room for headers a reader keeps. The largest batch of
// usual requests has half as many.
const maxHeaders = 1024

// reset forgets what was read.
func (r *partReader) reset() {
	if cap(r.headers) > maxHeaders || cap(r.outer) > maxHeaders {
		*r = partReader{}
		return
	}
	clear(r.outer[:cap(r.outer)])
	clear(r.headers[:cap(r.headers)])
	clear(r.raw[:cap(r.raw)])
	r.headers = r.headers[:0]
}

// read reads an application/http part: the part's own headers, a request line,
// the request's headers, its body.
func (r *partReader) read(raw string) (part, error) {
	outer, content, err := splitHeader(raw, r.outer[:0])
	if err != nil {
		return part{}, err
	}
	r.outer = outer
	if !isMedia(outer.Get("Content-Type"), "application/http") {
		return part{}, badBatch("a part is not application/http")
	}
	line, after, _ := strings.Cut(strings.TrimLeft(content, "\r\n"), "\n")
	method, rest0, _ := strings.Cut(strings.TrimSpace(line), " ")
	at := strings.LastIndexByte(rest0, ' ')
	if method == "" || at < 1 || !strings.HasPrefix(rest0[at+1:], "HTTP/1.") {
		return part{}, badBatch("a request line is malformed")
	}
	target := strings.TrimSpace(rest0[:at])
	if target == "" || strings.ContainsAny(target, " \t") {
		return part{}, badBatch("a request line is malformed")
	}
	headers, body, err := splitHeader(after, r.headers)
	if err != nil {
		return part{}, err
	}
	header := headers[len(r.headers):len(headers):len(headers)]
	r.headers = headers
	id := header.Get("Content-Id")
	if id == "" {
		id = outer.Get("Content-Id")
	}
	return part{method: method, target: target, header: header, body: strings.TrimSpace(body), contentID: id}, nil
}
