package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// ETags receives the ETags of the entities that a request wrote, see [CaptureETags].
type ETags struct {
	mu   sync.Mutex
	tags []string
}

// At returns the ETag of the transaction's operation i, counted from 0; for a single write i is 0. It returns "" when the
// request failed, and for operations that have none (deletes).
func (e *ETags) At(i int) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i < 0 || i >= len(e.tags) {
		return ""
	}
	return e.tags[i]
}

// Len returns the number of operations that were answered.
func (e *ETags) Len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tags)
}

func (e *ETags) set(tags []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tags = tags
}

type etagsKey struct{}

// CaptureETags makes a Table request of the returned context record the ETags in its answer. Of a transaction's answer
// the SDK passes on none, although each of its writes has one. Use the context for one request; a further one
// overwrites what was recorded.
func CaptureETags(ctx context.Context) (context.Context, *ETags) {
	tags := &ETags{}
	return context.WithValue(ctx, etagsKey{}, tags), tags
}

// TransactionError says which operation made an entity-group transaction fail. Nothing of the transaction was applied.
// It wraps an azcore.ResponseError with the operation's status and code, of which the SDK reports only 202.
type TransactionError struct {
	Index int // the operation, counted from 0; -1 when the service does not tell
	Err   error
}

// Error implements error.
func (e *TransactionError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("transaction: %v", e.Err)
	}
	return fmt.Sprintf("transaction, operation %d: %v", e.Index, e.Err)
}

// Unwrap returns the operation's error.
func (e *TransactionError) Unwrap() error { return e.Err }

// tablePolicy mends what the Table client of the SDK leaves out; each method says what.
type tablePolicy struct{}

// Do implements policy.Policy.
func (p *tablePolicy) Do(req *policy.Request) (*http.Response, error) {
	batch := strings.HasSuffix(req.Raw().URL.Path, "/$batch")
	if batch {
		if err := doubleQuotes(req); err != nil {
			return nil, err
		}
	} else if req.Raw().Method == http.MethodPost && req.Raw().Header.Get("Prefer") == "" {
		// Otherwise an insert's answer repeats the whole entity. .NET asks for the same.
		req.Raw().Header.Set("Prefer", "return-no-content")
	}
	tags, _ := req.Raw().Context().Value(etagsKey{}).(*ETags)
	if tags != nil {
		tags.set(nil)
	}
	resp, err := req.Next()
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices {
		return resp, err
	}
	if batch {
		return p.readTransaction(resp, tags)
	}
	if tags != nil {
		tags.set([]string{resp.Header.Get("ETag")})
	}
	return resp, nil
}

// answered is what the SDK is given of a transaction that was applied: it takes every part apart and reports nothing of it.
const answered = "--batch\r\n\r\n--changes\r\n\r\n--batch--\r\n"

// readTransaction records ETags, and turns an operation's failure into an error.
func (*tablePolicy) readTransaction(resp *http.Response, tags *ETags) (*http.Response, error) {
	body, err := runtime.Payload(resp)
	if err != nil {
		return resp, err
	}
	found, err := transactionTags(resp, body)
	if err != nil {
		return nil, err
	}
	if tags != nil {
		tags.set(found)
	}
	resp.Body = io.NopCloser(strings.NewReader(answered))
	return resp, nil
}

// transactionTags returns the ETags in a transaction's answer, or the error of the operation that failed.
func transactionTags(resp *http.Response, body []byte) ([]string, error) {
	answers := splitTransaction(body)
	if len(answers) == 0 {
		answers = []innerAnswer{{body: body}} // an error in place of the parts
	}
	found := make([]string, len(answers))
	for i, a := range answers {
		if a.status < http.StatusOK || a.status >= http.StatusMultipleChoices {
			return nil, a.failure(resp, i)
		}
		found[i] = a.etag()
	}
	return found, nil
}

// innerAnswer is the answer to one operation of a transaction.
type innerAnswer struct {
	status int
	header []byte // the lines behind the status line
	body   []byte
}

// splitTransaction finds the answers in a multipart body, which they share memory with. Each begins with an HTTP status
// line and ends before the next boundary; whichever boundaries and part headers surround them does not matter.
func splitTransaction(body []byte) []innerAnswer {
	begin := []byte("HTTP/1.")
	const most = 100 // operations of a transaction
	answers := make([]innerAnswer, 0, min(bytes.Count(body, begin), most))
	inHeader, inBody := false, false
	start := 0
	for at := 0; at < len(body); {
		line, rest := cutLine(body[at:])
		next := len(body) - len(rest)
		switch {
		case bytes.HasPrefix(line, begin):
			answers = append(answers, innerAnswer{status: statusOf(line)})
			inHeader, inBody, start = true, false, next
		case bytes.HasPrefix(line, []byte("--")):
			inHeader, inBody = false, false
		case inHeader && len(line) == 0:
			inHeader, inBody, start = false, true, next
		case inHeader:
			answers[len(answers)-1].header = body[start:next]
		case inBody:
			answers[len(answers)-1].body = body[start:next]
		}
		at = next
	}
	return answers
}

// etag returns the value of the answer's ETag header.
func (a innerAnswer) etag() string {
	const name = "etag:"
	for rest := a.header; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		if len(line) >= len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			return string(bytes.TrimSpace(line[len(name):]))
		}
	}
	return ""
}

// headers takes the header lines apart.
func (a innerAnswer) headers() http.Header {
	header := http.Header{}
	for rest := a.header; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		name, value, _ := strings.Cut(string(line), ":")
		header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header
}

func cutLine(body []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(body, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

func statusOf(line []byte) int {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	digits, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
	status, err := strconv.Atoi(string(bytes.TrimSpace(digits)))
	if err != nil {
		return 0
	}
	return status
}

// failure makes the error that the operation would have had on its own.
func (a innerAnswer) failure(outer *http.Response, position int) error {
	header := a.headers()
	for _, name := range []string{"x-ms-request-id", "Retry-After"} {
		if header.Get(name) == "" {
			header.Set(name, outer.Header.Get(name))
		}
	}
	inner := &http.Response{
		StatusCode: a.status, Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		Proto: outer.Proto, ProtoMajor: outer.ProtoMajor, ProtoMinor: outer.ProtoMinor,
		Header: header, Body: io.NopCloser(bytes.NewReader(bytes.TrimSpace(a.body))), Request: outer.Request,
	}
	code, index := readFailure(inner, position)
	if inner.StatusCode == 0 {
		inner.StatusCode = statusOfCode(code)
		inner.Status = fmt.Sprintf("%d %s", inner.StatusCode, http.StatusText(inner.StatusCode))
	}
	return &TransactionError{Index: index, Err: runtime.NewResponseErrorWithErrorCode(inner, code)}
}

// readFailure returns the error code, and the operation: the message begins with its index and a colon.
func readFailure(inner *http.Response, position int) (code string, index int) {
	code = errorCodeOf(inner)
	index = -1
	if before, _, ok := strings.Cut(messageOf(inner), ":"); ok {
		if n, err := strconv.Atoi(before); err == nil {
			return code, n
		}
	}
	if position > 0 {
		index = position
	}
	return code, index
}

func errorCodeOf(resp *http.Response) string {
	var answer *azcore.ResponseError
	if errors.As(runtime.NewResponseError(resp), &answer) {
		return answer.ErrorCode
	}
	return ""
}

// statusOfCode returns the status that belongs to an error code, for answers without one.
func statusOfCode(code string) int {
	switch code {
	case CodeEntityAlreadyExists, CodeTableBeingDeleted:
		return http.StatusConflict
	case CodeUpdateConditionNotMet, CodeConditionNotMet:
		return http.StatusPreconditionFailed
	case CodeResourceNotFound, CodeTableNotFound, "EntityNotFound":
		return http.StatusNotFound
	case "ServerBusy":
		return http.StatusServiceUnavailable
	case "InternalError", "OperationTimedOut":
		return http.StatusInternalServerError
	case "": // neither answers nor an error: what became of the transaction is unknown
		return http.StatusBadGateway
	}
	return http.StatusBadRequest
}

// doubleQuotes repairs the keys in the operations' URLs: within a string literal of OData a quote is doubled, which the
// SDK does for single operations but not inside a transaction, so that ids like o'brien could be refused. Bodies from
// WithRequestBody stay as they are.
func doubleQuotes(req *policy.Request) error {
	const escapedQuote = "%27"
	if req.Body() == nil || req.Raw().Context().Value(bodyKey{}) != nil { // who writes the body himself does it right
		return nil
	}
	body, err := io.ReadAll(req.Body())
	if err != nil {
		return err
	}
	if err := req.RewindBody(); err != nil || !bytes.Contains(body, []byte(escapedQuote)) {
		return err
	}
	var mended bytes.Buffer
	mended.Grow(len(body) + len(body)/16)
	for rest := body; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		line := rest[:end]
		rest = rest[end:]
		if isRequestLine(line) {
			line = bytes.ReplaceAll(line, []byte(escapedQuote), []byte(escapedQuote+escapedQuote))
		}
		mended.Write(line)
	}
	return req.SetBody(streaming.NopCloser(bytes.NewReader(mended.Bytes())), req.Raw().Header.Get("Content-Type"))
}

// isRequestLine tells the first line of an operation. Entities cannot look like one: they are JSON objects on one line.
func isRequestLine(line []byte) bool {
	method, _, ok := bytes.Cut(line, []byte(" http"))
	if !ok || !bytes.HasSuffix(bytes.TrimRight(line, "\r\n"), []byte(" HTTP/1.1")) {
		return false
	}
	switch string(method) {
	case http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost, "MERGE":
		return true
	}
	return false
}
