package storage

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// TableCall is a request to the Table service that its caller has composed. The SDK's client takes every entity apart and
// puts it together again, and of a transaction's answer it passes on nothing; both cost more than all else in the few
// requests that an orchestration consists of. Retries, deadlines, counting and errors are those of all other requests.
type TableCall struct {
	Method string
	// Path is what follows the endpoint, percent-encoded, with a slash at the beginning.
	Path string
	// Query is the query, percent-encoded, without a question mark; empty for none.
	Query string
	// ContentType is that of Body. Defaults to application/json.
	ContentType string
	// Match is the If-Match header; empty for none.
	Match string
	// Body is empty for none. It must not be changed any more, also after the call.
	Body []byte
}

// TableAnswer is a successful answer.
type TableAnswer struct {
	ETag string // of the entity, or empty
	Body []byte
	Date time.Time // when the service answered, by its clock and in whole seconds; zero when it does not say
}

// CallTable sends a request to the Table service. An answer other than 2xx is an *azcore.ResponseError, as from the SDK's
// clients; no answer is a [*ConnectionError].
func (a *Account) CallTable(ctx context.Context, call TableCall) (TableAnswer, error) {
	var answer TableAnswer
	err := a.tableCalls.send(ctx, call, func(resp *http.Response, body []byte) error {
		answer = TableAnswer{ETag: resp.Header.Get("ETag"), Body: body}
		answer.Date, _ = http.ParseTime(resp.Header.Get("Date"))
		return nil
	})
	return answer, err
}

// Transact sends an entity-group transaction: a multipart body with the boundary given, which must not be changed any more.
// It returns the ETags of its operations, empty for deletions. When one of them failed, the error is a [*TransactionError],
// and none was applied.
func (a *Account) Transact(ctx context.Context, boundary string, body []byte) ([]string, error) {
	call := TableCall{Method: http.MethodPost, Path: "/$batch", ContentType: "multipart/mixed; boundary=" + boundary, Body: body}
	var etags []string
	err := a.tableCalls.send(ctx, call, func(resp *http.Response, body []byte) (err error) {
		etags, err = transactionTags(resp, body)
		return err
	})
	return etags, err
}

// caller sends to one service what others compose.
type caller struct {
	endpoint *url.URL
	info     *serviceInfo
	common   http.Header
	content  string        // the type of bodies whose call names none
	blank    *http.Request // what all requests have in common besides
	retry    *retryPolicy
	// attempt makes one attempt, whose answer's body is in memory.
	attempt func(*http.Request) (*http.Response, error)
}

func (a *Account) connectTableCalls(options policy.ClientOptions, t *target, cfg Config) (err error) {
	common := http.Header{"Accept": {"application/json;odata=minimalmetadata"}, "Dataserviceversion": {"3.0"}, "X-Ms-Version": {"2019-02-02"}}
	a.tableCalls, err = a.newCaller(options, t, cfg, common, signature{"SharedKeyLite", signTable})
	return err
}

// newCaller makes the caller of the service that the options are for.
func (a *Account) newCaller(options policy.ClientOptions, t *target, cfg Config, common http.Header, sign signature) (*caller, error) {
	last := options.Transport.(*sender) //nolint:forcetypeassert // made by clientOptions
	endpoint, err := url.Parse(t.endpoints[last.info.service])
	if err != nil {
		return nil, err
	}
	common["User-Agent"] = []string{fmt.Sprintf("%s (%s; %s)", userAgent(cfg.Application), runtime.Version(), runtime.GOOS)}
	content, _, _ := strings.Cut(common["Accept"][0], ";")
	c := &caller{
		endpoint: endpoint, info: last.info, retry: newRetryPolicy(cfg, a.counters, last.pace), common: common, content: content,
		blank:   &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
		attempt: inMemory(last.Do), //nolint:bodyclose // it makes no request yet, nor do those below
	}
	switch {
	case cfg.Credential != nil:
		c.attempt = withToken(cfg, last) //nolint:bodyclose // see above
	case t.key != "":
		key, err := base64.StdEncoding.DecodeString(t.key)
		if err != nil {
			return nil, err
		}
		c.attempt = signed(t.account, key, sign, c.attempt) //nolint:bodyclose // see above
	}
	return c, nil
}

// withToken authorises with the SDK's policy, which keeps the token and answers challenges.
func withToken(cfg Config, last *sender) func(*http.Request) (*http.Response, error) {
	const scope = "https://storage.azure.com/.default"
	pipeline := azruntime.NewPipeline("taskhub-go", moduleVersion(),
		azruntime.PipelineOptions{PerRetry: []policy.Policy{azruntime.NewBearerTokenPolicy(cfg.Credential, []string{scope}, nil)}},
		&policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}, Telemetry: policy.TelemetryOptions{Disabled: true}, Transport: last})
	return func(req *http.Request) (*http.Response, error) {
		wrapped, err := azruntime.NewRequestFromRequest(req)
		if err != nil {
			return nil, err
		}
		return pipeline.Do(wrapped)
	}
}

// signature is a scheme of signing with the account's key: its name, and the text that is signed.
type signature struct {
	scheme string
	text   func(b []byte, account, date string, req *http.Request) []byte
}

// signTable is SharedKeyLite of the Table service.
func signTable(b []byte, account, date string, req *http.Request) []byte {
	return append(append(append(append(b, date...), "\n/"...), account...), req.URL.EscapedPath()...)
}

// signed authorises with the account's key.
func signed(account string, key []byte, sign signature, next func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	type tools struct {
		mac  hash.Hash
		text []byte
		sum  [sha256.Size]byte
	}
	pool := sync.Pool{New: func() any { return &tools{mac: hmac.New(sha256.New, key)} }}
	return func(req *http.Request) (*http.Response, error) {
		date := time.Now().UTC().Format(http.TimeFormat)
		t := pool.Get().(*tools) //nolint:forcetypeassert // as made above
		t.text = sign.text(t.text[:0], account, date, req)
		t.mac.Reset()
		_, _ = t.mac.Write(t.text) // never fails
		code := base64.StdEncoding.EncodeToString(t.mac.Sum(t.sum[:0]))
		pool.Put(t)
		req.Header["X-Ms-Date"] = []string{date}
		req.Header["Authorization"] = []string{sign.scheme + " " + account + ":" + code}
		return next(req)
	}
}

// inMemory reads the answer's body.
func inMemory(next func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := next(req)
		if err != nil || resp.Body == nil || resp.Body == http.NoBody {
			return resp, err
		}
		body, err := readAll(resp)
		if _ = resp.Body.Close(); err != nil {
			return nil, err
		}
		resp.Body = &answerBody{Reader: bytes.NewReader(body), all: body}
		return resp, nil
	}
}

// readAll reads an answer's body; one of the embedded storage is taken as it is.
func readAll(resp *http.Response) (body []byte, err error) {
	if watched, ok := resp.Body.(*watchedBody); ok {
		if body, ok := watched.whole(); ok {
			return body, nil
		}
	}
	if n := resp.ContentLength; n > 0 {
		body = make([]byte, n)
		_, err = io.ReadFull(resp.Body, body)
		return body, err
	}
	return io.ReadAll(resp.Body) // of unknown length, or a transport does not tell
}

// answerBody is a body that is in memory.
type answerBody struct {
	*bytes.Reader
	all []byte
}

// Close implements io.Closer.
func (*answerBody) Close() error { return nil }

func bodyOf(resp *http.Response) ([]byte, error) {
	if b, ok := resp.Body.(*answerBody); ok {
		return b.all, nil
	}
	return azruntime.Payload(resp)
}

// send makes attempts until one counts, and gives a successful answer to read.
func (c *caller) send(ctx context.Context, call TableCall, read func(*http.Response, []byte) error) error {
	address, err := c.address(call)
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, serviceInfoKey{}, c.info)
	resp, err := c.retry.attempts(ctx, call.Method, func() (*http.Response, error) { //nolint:bodyclose // bodies are in memory
		resp, err := c.attempt(c.request(ctx, address, call))
		if err != nil || resp.StatusCode >= http.StatusMultipleChoices {
			return resp, err
		}
		body, err := bodyOf(resp)
		if err == nil {
			err = read(resp, body)
		}
		return resp, err
	})
	if err != nil || resp.StatusCode < http.StatusMultipleChoices {
		return err
	}
	if err := redactAnswer(resp); err != nil {
		return err
	}
	return azruntime.NewResponseError(resp)
}

func (c *caller) request(ctx context.Context, address *url.URL, call TableCall) *http.Request {
	req := c.blank.WithContext(ctx)
	req.Method, req.URL, req.Host, req.Header = call.Method, address, address.Host, c.header(call)
	if call.Body != nil {
		text := unsafe.String(unsafe.SliceData(call.Body), len(call.Body)) // nobody changes it, and the embedded storage needs no copy of a text
		req.ContentLength = int64(len(text))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		req.Body, _ = req.GetBody()
	}
	return req
}

func (c *caller) address(call TableCall) (*url.URL, error) {
	path, err := url.PathUnescape(call.Path)
	if err != nil {
		return nil, err
	}
	address := *c.endpoint
	address.RawPath = c.endpoint.EscapedPath() + call.Path
	address.Path += path
	address.RawQuery = call.Query
	return &address, nil
}

// header makes the header of an attempt. The values that all have in common are shared: nobody writes into them.
func (c *caller) header(call TableCall) http.Header {
	h := make(http.Header, 8)
	maps.Copy(h, c.common)
	switch {
	case call.ContentType != "":
		h["Content-Type"] = []string{call.ContentType}
	case call.Body != nil:
		h["Content-Type"] = []string{c.content}
	}
	if call.Match != "" {
		h["If-Match"] = []string{call.Match}
	}
	if call.Method == http.MethodPost && c.info.service == serviceTable {
		h["Prefer"] = []string{"return-no-content"} // otherwise an insert's answer repeats the whole entity
	}
	return h
}
