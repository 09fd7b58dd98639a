package rest

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Request is a request as a service sees it: addressed, dated and numbered.
type Request struct {
	HTTP    *http.Request
	Header  http.Header
	Query   url.Values
	Service Service
	// Account is the account the address names; Secondary is set for its
	// read-only twin, whose address ends in "-secondary".
	Account   string
	Secondary bool
	// Path is the decoded path below the account, without a leading slash.
	Path string
	// SignedPath is the whole escaped path as it stands in signatures.
	SignedPath string
	// Version is the service version the request asks for.
	Version string
	ID      string
	Now     time.Time
	// Identity is who sent the request, once that is known.
	Identity Identity
	// MaxBody bounds every body; Memory, when set, is the server's budget
	// for bodies being held.
	MaxBody int64
	Memory  *Budget

	reserved int64
	body     []byte
	bodyRead bool
}

// Method is the HTTP verb.
func (r *Request) Method() string { return r.HTTP.Method }

// Param is the first value of a query parameter.
func (r *Request) Param(name string) string { return r.Query.Get(name) }

// Keyword is a query parameter whose values are words of the protocol, such
// as comp=list; the services read them without regard to case.
func (r *Request) Keyword(name string) string { return strings.ToLower(r.Query.Get(name)) }

// IntParam reads an integer query parameter within a range; a missing one is
// the default.
func (r *Request) IntParam(name string, missing, minimum, maximum int64) (int64, error) {
	if !r.Query.Has(name) {
		return missing, nil
	}
	text := r.Query.Get(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, InvalidParameter(name, text)
	}
	if n < minimum || n > maximum {
		return 0, ParameterOutOfRange(name, text, minimum, maximum)
	}
	return n, nil
}

// Base is the URL of the account as the client addresses it, without a slash
// at the end; bodies and Location headers are built on it.
func (r *Request) Base() string {
	scheme := "http"
	if r.HTTP.TLS != nil || r.HTTP.URL.Scheme == "https" {
		scheme = "https"
	}
	host := r.HTTP.Host
	if host == "" {
		host = r.HTTP.URL.Host
	}
	base := scheme + "://" + host
	if r.PathStyle() {
		base += "/" + r.Account
	}
	return base
}

// PathStyle reports whether the account is named in the path instead of in
// the host.
func (r *Request) PathStyle() bool {
	rest, ok := strings.CutPrefix(r.HTTP.URL.Path, "/"+r.Account)
	return ok && strings.TrimPrefix(strings.TrimPrefix(rest, "-secondary"), "/") == r.Path
}

// HeaderBytes is the size of all header names and values.
func (r *Request) HeaderBytes() int {
	n := 0
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// NeedLength refuses a body of unknown length, as the services do for writes.
func (r *Request) NeedLength() error {
	if r.HTTP.ContentLength < 0 {
		return ErrMissingContentLength
	}
	return nil
}

// Body reads the body once and keeps it. It is at most limit bytes; more is
// RequestBodyTooLarge. The bytes belong to the caller.
func (r *Request) Body(limit int64) ([]byte, error) {
	if r.bodyRead {
		return r.body, nil
	}
	limit = min(limit, r.MaxBody)
	if r.HTTP.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := r.readBody(limit)
	if err != nil {
		return nil, err
	}
	r.body, r.bodyRead = body, true
	return body, nil
}

// Text is Body as a text. A body that is in memory already is copied once; one
// that is a text already is taken as it is.
func (r *Request) Text(limit int64) (string, error) {
	n := r.HTTP.ContentLength
	source, inMemory := r.HTTP.Body.(io.WriterTo)
	if !inMemory || r.bodyRead || n < 0 || n > min(limit, r.MaxBody) {
		body, err := r.Body(limit)
		return string(body), err
	}
	if !r.reserve(n) {
		return "", ErrServerBusy
	}
	body := bodyText{size: int(n)}
	if _, err := source.WriteTo(&body); err != nil || int64(len(body.text)+body.pieces.Len()) != n {
		return "", incomplete(err)
	}
	return body.text + body.pieces.String(), nil // one of the two is empty
}

// bodyText collects a body of a known size.
type bodyText struct {
	size   int
	text   string
	pieces strings.Builder
}

// Write implements io.Writer.
func (t *bodyText) Write(p []byte) (int, error) {
	if t.pieces.Len() == 0 {
		t.pieces.Grow(max(0, t.size))
		t.pieces.WriteString(t.text)
		t.text = ""
	}
	return t.pieces.Write(p)
}

// WriteString implements io.StringWriter.
func (t *bodyText) WriteString(s string) (int, error) {
	if t.text == "" && len(s) == t.size {
		t.text = s
		return len(s), nil
	}
	return t.Write([]byte(s))
}

func (r *Request) readBody(limit int64) ([]byte, error) {
	if r.HTTP.Body == nil || r.HTTP.Body == http.NoBody {
		return nil, nil
	}
	if n := r.HTTP.ContentLength; n >= 0 {
		if !r.reserve(n) {
			return nil, ErrServerBusy
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r.HTTP.Body, body); err != nil {
			return nil, incomplete(err)
		}
		return body, nil
	}
	if !r.reserve(limit) {
		return nil, ErrServerBusy
	}
	body, err := io.ReadAll(io.LimitReader(r.HTTP.Body, limit+1))
	if err != nil {
		return nil, incomplete(err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return ErrBodyTooLarge.With("MaxLimit", strconv.FormatInt(limit, 10))
}

func incomplete(error) error {
	return Errorf(400, "InvalidInput", "The request body ended before Content-Length bytes were read.")
}

func (r *Request) reserve(n int64) bool {
	if r.Memory == nil {
		return true
	}
	if !r.Memory.take(n) {
		return false
	}
	r.reserved += n
	return true
}

// Release gives back what the request holds of the memory budget.
func (r *Request) Release() {
	if r.Memory != nil && r.reserved > 0 {
		r.Memory.give(r.reserved)
		r.reserved = 0
	}
}

// Budget bounds the memory of bodies being held at one time.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

func (b *Budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *Budget) give(n int64) { b.used.Add(-n) }

// azureCRC64 is the polynomial of x-ms-content-crc64 in reversed bit order.
var azureCRC64 = crc64.MakeTable(0x9A6C9329AC4BC9B5)

// CRC64 is the checksum of x-ms-content-crc64: base64 of eight bytes, least
// significant first.
func CRC64(body []byte) string {
	var sum [8]byte
	binary.LittleEndian.PutUint64(sum[:], crc64.Checksum(body, azureCRC64))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// CheckBodyHashes compares the body with the checksums its headers promise.
func (r *Request) CheckBodyHashes(body []byte) error {
	if err := CheckMD5(r.Header.Get("Content-Md5"), body); err != nil {
		return err
	}
	if want := r.Header.Get("X-Ms-Content-Crc64"); want != "" && want != CRC64(body) {
		return Errorf(400, "Crc64Mismatch",
			"The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.")
	}
	return nil
}

// CheckMD5 compares a body with a base64 MD5; an empty one asks for nothing.
func CheckMD5(want string, body []byte) error {
	if want == "" {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(want)
	if err != nil || len(raw) != md5.Size {
		return ErrInvalidMD5
	}
	if sum := md5.Sum(body); string(sum[:]) != string(raw) {
		return ErrMD5Mismatch
	}
	return nil
}

// HeaderNames tells the spelling in which the client sent a header; HTTP
// libraries normalise names, but metadata names keep theirs.
type HeaderNames interface {
	// Spelling is the name as sent, or the given one when it is unknown.
	Spelling(lower string) string
}

type namesKey struct{}

// WithHeaderNames adds the spelling of header names to a context.
func WithHeaderNames(ctx context.Context, names HeaderNames) context.Context {
	return context.WithValue(ctx, namesKey{}, names)
}

// Spelling is the name of a header as the client sent it.
func (r *Request) Spelling(lower string) string {
	if names, ok := r.HTTP.Context().Value(namesKey{}).(HeaderNames); ok {
		return names.Spelling(lower)
	}
	return lower
}
