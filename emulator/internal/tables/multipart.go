package tables

import (
	"bytes"
	"mime"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// part is one HTTP request inside a batch.
type part struct {
	method, target string
	header         http.Header
	body           []byte
	contentID      string
	// changeset is set for a part of a change set, as all changes are.
	changeset bool
}

var errBatchSyntax = &rest.Error{Status: 400, Code: "InvalidInput",
	Message: "One of the request inputs is not valid: the batch is not a well-formed multipart document."}

func badBatch(why string) error {
	return errBatchSyntax.WithMessage("%s (%s)", errBatchSyntax.Message, why)
}

// parseBatch reads the body of a batch: one change set, or one query.
func parseBatch(contentType string, body []byte) ([]part, error) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		return nil, err
	}
	outer, err := splitParts(body, boundary, 2)
	if err != nil {
		return nil, err
	}
	if len(outer) != 1 {
		return nil, badBatch("a batch holds exactly one change set or one query")
	}
	header, content, err := splitHeader(outer[0])
	if err != nil {
		return nil, err
	}
	if media, _, _ := strings.Cut(strings.ToLower(header.Get("Content-Type")), ";"); strings.TrimSpace(media) != "multipart/mixed" {
		p, err := parsePart(outer[0])
		return []part{p}, err
	}
	if boundary, err = boundaryOf(header.Get("Content-Type")); err != nil {
		return nil, err
	}
	inner, err := splitParts(content, boundary, maxChanges+1)
	if err != nil {
		return nil, err
	}
	parts := make([]part, len(inner))
	for i, raw := range inner {
		if parts[i], err = parsePart(raw); err != nil {
			return nil, err
		}
		parts[i].changeset = true
	}
	return parts, nil
}

func boundaryOf(contentType string) (string, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/mixed" {
		return "", badBatch("the content type is not multipart/mixed")
	}
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > 200 {
		return "", badBatch("the boundary is missing or too long")
	}
	return boundary, nil
}

// splitParts cuts a multipart body at its boundary lines. Lines end with CRLF
// or LF. At most limit parts are returned; the rest is not looked at.
func splitParts(body []byte, boundary string, limit int) ([][]byte, error) {
	open := []byte("--" + boundary)
	var parts [][]byte
	var current []byte // from the line behind the last boundary on
	started := false
	for rest0 := body; len(rest0) > 0; {
		line, after, _ := bytes.Cut(rest0, []byte("\n"))
		tail, isBoundary := bytes.CutPrefix(line, open)
		if isBoundary {
			tail = bytes.TrimRight(tail, " \t\r")
			isBoundary = len(tail) == 0 || string(tail) == "--"
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
func trimEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

const maxPartHeaders = 64

// splitHeader reads header lines up to the empty one.
func splitHeader(b []byte) (http.Header, []byte, error) {
	header := make(http.Header, 8)
	for n := 0; ; n++ {
		line, after, found := bytes.Cut(b, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		b = after
		if len(line) == 0 {
			return header, b, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || n > maxPartHeaders || bytes.ContainsAny(name, " \t") {
			return nil, nil, badBatch("a header line is malformed")
		}
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		header[key] = append(header[key], string(bytes.TrimSpace(value)))
		if !found {
			return header, nil, nil
		}
	}
}

// parsePart reads an application/http part: the part's own headers, a request
// line, the request's headers, its body.
func parsePart(raw []byte) (part, error) {
	outer, content, err := splitHeader(raw)
	if err != nil {
		return part{}, err
	}
	if media, _, _ := strings.Cut(strings.ToLower(outer.Get("Content-Type")), ";"); strings.TrimSpace(media) != "application/http" {
		return part{}, badBatch("a part is not application/http")
	}
	line, after, _ := bytes.Cut(bytes.TrimLeft(content, "\r\n"), []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) != 3 || !strings.HasPrefix(fields[2], "HTTP/1.") {
		return part{}, badBatch("a request line is malformed")
	}
	header, body, err := splitHeader(after)
	if err != nil {
		return part{}, err
	}
	id := header.Get("Content-Id")
	if id == "" {
		id = outer.Get("Content-Id")
	}
	return part{method: fields[0], target: fields[1], header: header, body: bytes.TrimSpace(body), contentID: id}, nil
}
