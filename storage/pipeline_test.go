package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// sent is a request as the service would see it.
type sent struct {
	method, url, body string
	header            http.Header
	at                time.Time
}

// script answers requests with the given functions, one after the other; the last one answers all further requests.
type script struct {
	mu      sync.Mutex
	answers []func(*http.Request) (*http.Response, error)
	seen    []sent
}

func (s *script) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	s.mu.Lock()
	s.seen = append(s.seen, sent{req.Method, req.URL.String(), string(body), req.Header.Clone(), time.Now()})
	answer := s.answers[min(len(s.seen), len(s.answers))-1]
	s.mu.Unlock()
	return answer(req)
}

func (s *script) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func answer(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status, Status: fmt.Sprint(status), Header: h, Request: req, ProtoMajor: 1, ProtoMinor: 1,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}
}

func refuse(err error) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		// As http.Client would have it: with the URL.
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: err}
	}
}

// hang answers when the attempt is given up.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

const testConnection = "AccountName=acct;AccountKey="

func openScript(t *testing.T, cfg Config, answers ...func(*http.Request) (*http.Response, error)) (*Account, *script) {
	t.Helper()
	s := &script{answers: answers}
	cfg.Transport = s
	if cfg.ConnectionString == "" && cfg.Credential == nil {
		cfg.ConnectionString = testConnection + secretKey
	}
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a, s
}

func fullDelay(limit time.Duration) time.Duration { return limit }

func putMessage(ctx context.Context, a *Account) error {
	_, err := a.Queues().NewQueueClient("q").EnqueueMessage(ctx, "hello", nil)
	return err
}

const putAnswer = `<?xml version="1.0" encoding="utf-8"?><QueueMessagesList><QueueMessage><MessageId>1</MessageId><InsertionTime>Fri, 09 Oct 2026 21:04:30 GMT</InsertionTime>` +
	`<ExpirationTime>Fri, 09 Oct 2026 21:04:30 GMT</ExpirationTime><PopReceipt>x</PopReceipt><TimeNextVisible>Fri, 09 Oct 2026 21:04:30 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>`

func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{Jitter: fullDelay},
			answer(503, "<Error><Code>ServerBusy</Code></Error>"), answer(500, ""), refuse(io.ErrUnexpectedEOF), answer(429, ""), answer(408, ""), answer(201, putAnswer))
		start := time.Now()
		if err := putMessage(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		requests := s.requests()
		var delays []time.Duration
		for _, r := range requests {
			delays = append(delays, r.at.Sub(start))
			if r.body != requests[0].body || r.body == "" || r.method != http.MethodPost {
				t.Errorf("attempt sent %s %q", r.method, r.body)
			}
		}
		ms := time.Millisecond
		if want := []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 3000 * ms, 6200 * ms}; !slices.Equal(delays, want) {
			t.Errorf("attempts at %v, want %v", delays, want)
		}
		if requests[0].header.Get("x-ms-date") == requests[5].header.Get("x-ms-date") || requests[0].header.Get("Authorization") == requests[5].header.Get("Authorization") {
			t.Error("a later attempt was not signed anew")
		}
		counts := a.Counts()
		if counts.Calls["queue.put"] != 6 || counts.Total() != 6 || counts.Retries != 5 || counts.BytesSent != int64(6*len(requests[0].body)) || counts.BytesReceived < int64(len(putAnswer)) {
			t.Errorf("counts %+v", counts)
		}
	})
}

func TestNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			ctx    func(context.Context) context.Context
			cfg    Config
			answer func(*http.Request) (*http.Response, error)
		}{
			{"400", nil, Config{}, answer(400, "")},
			{"403", nil, Config{}, answer(403, "")},
			{"404", nil, Config{}, answer(404, "")},
			{"409", nil, Config{}, answer(409, "")},
			{"412", nil, Config{}, answer(412, "")},
			{"501", nil, Config{}, answer(501, "")},
			{"without retry", WithoutRetry, Config{}, answer(503, "")},
			{"no retries configured", nil, Config{MaxRetries: -1}, answer(503, "")},
			{"unknown host", nil, Config{}, refuse(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "acct.queue.core.windows.net", IsNotFound: true}})},
			{"http at an https port", nil, Config{}, refuse(http.ErrSchemeMismatch)},
			{"Retry-After longer than the bound", nil, Config{}, answer(503, "", "Retry-After", "11")},
			{"no time left", func(ctx context.Context) context.Context {
				ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				t.Cleanup(cancel)
				return ctx
			}, Config{Jitter: fullDelay}, answer(503, "")},
		} {
			a, s := openScript(t, c.cfg, c.answer)
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			start := time.Now()
			if err := putMessage(ctx, a); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: error %v", c.name, err)
			}
			if n := len(s.requests()); n != 1 || !start.Equal(time.Now()) {
				t.Errorf("%s: %d attempts in %v", c.name, n, time.Since(start))
			}
		}
	})
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{MaxRetries: 2}, answer(503, "<Error><Code>ServerBusy</Code><Message>busy</Message></Error>"))
		err := putMessage(t.Context(), a)
		if !IsThrottled(err) || !HasCode(err, "ServerBusy") || !InDoubt(err) || len(s.requests()) != 3 {
			t.Errorf("%d attempts, error %v", len(s.requests()), err)
		}
		for range 200 { // full jitter: anything between nothing and the bound
			a, s := openScript(t, Config{MaxRetries: 1}, answer(500, ""))
			_ = putMessage(t.Context(), a)
			if r := s.requests(); r[1].at.Sub(r[0].at) > DefaultRetryDelay {
				t.Fatalf("a delay of %v", r[1].at.Sub(r[0].at))
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			header string
			value  func() string
			want   time.Duration
		}{
			{"Retry-After", func() string { return "7" }, 7 * time.Second},
			{"Retry-After", func() string { return time.Now().Add(4 * time.Second).UTC().Format(http.TimeFormat) }, 4 * time.Second},
			{"x-ms-retry-after-ms", func() string { return "3000" }, 3 * time.Second},
			{"retry-after-ms", func() string { return "2000" }, 2 * time.Second},
		} {
			a, s := openScript(t, Config{Jitter: func(time.Duration) time.Duration { return 0 }}, answer(503, "", c.header, c.value()), answer(201, putAnswer))
			if err := putMessage(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if r := s.requests(); r[1].at.Sub(r[0].at) != c.want {
				t.Errorf("%s: waited %v, want %v", c.header, r[1].at.Sub(r[0].at), c.want)
			}
		}
	})
}

func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{Jitter: fullDelay}, hang, answer(201, putAnswer))
		start := time.Now()
		if err := putMessage(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		// The allowance for a body of this size is some hundred microseconds.
		if d := time.Since(start).Round(100 * time.Millisecond); d != 10*time.Second+200*time.Millisecond || len(s.requests()) != 2 {
			t.Errorf("%d attempts in %v", len(s.requests()), d)
		}

		a, _ = openScript(t, Config{MaxRetries: -1, AttemptTimeout: 3 * time.Second}, hang)
		err := putMessage(t.Context(), a)
		var late *ConnectionError
		if !errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 3") || !IsUnreachable(err) || !InDoubt(err) {
			t.Errorf("error %v", err)
		}

		// The caller's deadline ends an attempt, too, and shows as the caller's.
		a, s = openScript(t, Config{}, hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := putMessage(ctx, a); !errors.Is(err, context.DeadlineExceeded) || IsUnreachable(err) || !InDoubt(err) || time.Since(start) != time.Second || len(s.requests()) != 1 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// drip is a body that gives a byte at a time.
type drip struct {
	ctx   context.Context
	bytes int
	every time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	if d.bytes == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.every):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	d.bytes--
	p[0] = 'x'
	return 1, nil
}

func (d *drip) Close() error { return nil }

func dripping(n int, every time.Duration) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := answer(200, "")(req)
		resp.Body = &drip{ctx: req.Context(), bytes: n, every: every}
		return resp, err
	}
}

func TestBodyDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The answer to a query has to be there within the attempt's time-out.
		a, s := openScript(t, Config{MaxRetries: 1, Jitter: fullDelay}, dripping(100, time.Second))
		_, err := a.Queues().NewQueueClient("q").DequeueMessages(t.Context(), nil)
		if !IsUnreachable(err) || len(s.requests()) != 2 {
			t.Errorf("slow answer: %d attempts, %v", len(s.requests()), err)
		}
		// A POST whose answer breaks off is sent again as well.
		a, s = openScript(t, Config{}, dripping(100, 20*time.Second), answer(201, putAnswer))
		if err := putMessage(t.Context(), a); err != nil || len(s.requests()) != 2 {
			t.Errorf("answer that breaks off: %d attempts, %v", len(s.requests()), err)
		}
		// A download may take as long as it makes progress.
		a, _ = openScript(t, Config{}, dripping(100, 9*time.Second))
		stream, err := a.Blobs().DownloadStream(t.Context(), "c", "b", nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(stream.Body); err != nil || len(b) != 100 {
			t.Errorf("slow download: %d bytes, %v", len(b), err)
		}
		_ = stream.Body.Close()
		// One that stalls is given up.
		a, _ = openScript(t, Config{}, dripping(100, 11*time.Second))
		stream, err = a.Blobs().DownloadStream(t.Context(), "c", "b", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(stream.Body); !IsUnreachable(err) {
			t.Errorf("stalled download: %v", err)
		}
		_ = stream.Body.Close()
	})
}

func TestCallerCancels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{Jitter: fullDelay, MaxRetries: 100}, answer(503, ""))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- putMessage(ctx, a) }()
		time.Sleep(time.Second)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if n := len(s.requests()); n != 3 {
			t.Errorf("%d attempts", n)
		}
	})
}

// Requests beyond the limit wait without using up their own time.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		slow := func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(8 * time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return answer(201, putAnswer)(req)
		}
		a, s := openScript(t, Config{MaxConcurrency: 3}, slow)
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				if err := putMessage(t.Context(), a); err != nil {
					t.Error(err)
				}
			})
		}
		start := time.Now()
		wg.Wait()
		if most != 3 || len(s.requests()) != 9 || time.Since(start) != 24*time.Second {
			t.Errorf("%d at once, %d requests, %v", most, len(s.requests()), time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for range 3 {
			wg.Go(func() { _ = putMessage(t.Context(), a) })
		}
		synctest.Wait()
		if err := putMessage(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a slot: %v", err)
		}
		wg.Wait()
	})
}

func TestSignatureStaysInside(t *testing.T) {
	t.Parallel()
	a, s := openScript(t, Config{ConnectionString: "AccountName=acct;SharedAccessSignature=?" + someSAS, MaxRetries: -1}, answer(201, putAnswer), answer(403, "<Error><Code>AuthenticationFailed</Code>"+
		"<Message>Server failed to authenticate the request.\nRequestId:1</Message><AuthenticationErrorDetail>Signature did not match. String to sign used was acct sig="+secretSignature+"</AuthenticationErrorDetail></Error>"),
		refuse(errors.New("broken")))
	if err := putMessage(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	refused := putMessage(t.Context(), a)
	broken := putMessage(t.Context(), a)
	_, listing := a.Tables().NewListTablesPager(nil).NextPage(t.Context())
	for i, r := range s.requests() {
		if u, err := url.Parse(r.url); err != nil || u.Query().Get("sig") == "" || u.Query().Get("sv") != "2024-08-04" || r.header.Get("Authorization") != "" {
			t.Errorf("request %d went to %s", i, r.url)
		}
	}
	for _, err := range []error{refused, broken, listing} {
		text := fmt.Sprintf("%v %+v %#v %v", err, err, err, Explain(err, "put"))
		var answer *azcore.ResponseError
		if errors.As(err, &answer) {
			text += answer.Error() + answer.RawResponse.Request.URL.String()
		}
		if err == nil || leaks(text) {
			t.Errorf("a signature is shown: %s", text)
		}
	}
	if text := fmt.Sprint(a.Blobs().URL(), a.Queues().URL(), a.BlobEndpoint()); leaks(text) {
		t.Errorf("a client shows the signature: %s", text)
	}
}

func TestRedactSignatures(t *testing.T) {
	t.Parallel()
	const mac = "8Yw0fLmXWb0v3V5bGf7M3xkYb0Y6YcT1wq0mPq0ZC7s="
	for _, text := range []string{
		"The MAC signature found in the HTTP request '" + mac + "' is not the same as any computed signature. Server used following string to sign: 'GET\n\n'",
		"https://acct.queue.core.windows.net/q?sv=2024&sig=" + mac + "&se=1",
		"Authorization: SharedKey acct:" + mac,
		"Authorization: SharedKeyLite acct:" + mac,
		"Authorization: Bearer " + mac,
	} {
		if got := redactSignatures(text); strings.Contains(got, mac[:20]) {
			t.Errorf("%s became %s", text, got)
		}
	}
	if plain := "The specified queue 'signature' does not exist."; redactSignatures(plain) != plain {
		t.Error(redactSignatures(plain))
	}
}

// token is a credential that counts and may fail.
type token struct {
	mu     sync.Mutex
	scopes []string
	err    error
}

func (c *token) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scopes = append(c.scopes, o.Scopes...)
	return azcore.AccessToken{Token: "the-secret-token", ExpiresOn: time.Now().Add(time.Hour)}, c.err
}

func TestTokenCredential(t *testing.T) {
	t.Parallel()
	credential := &token{}
	a, s := openScript(t, Config{Credential: credential, AccountName: "acct", Application: "billing/2.1"}, answer(404, ""))
	_ = putMessage(t.Context(), a)
	_, _ = a.Tables().CreateTable(t.Context(), "abc", nil)
	_, _ = a.Blobs().CreateContainer(t.Context(), "c", nil)
	for i, host := range []string{"acct.queue.core.windows.net", "acct.table.core.windows.net", "acct.blob.core.windows.net"} {
		r := s.requests()[i]
		if !strings.HasPrefix(r.url, "https://"+host+"/") || r.header.Get("Authorization") != "Bearer the-secret-token" {
			t.Errorf("request to %s with %q", r.url, r.header.Get("Authorization"))
		}
		agent := r.header.Get("User-Agent")
		if !strings.HasPrefix(agent, "billing/2.1 taskhub-go/") || !strings.Contains(agent, " azsdk-go-az") {
			t.Errorf("User-Agent %q", agent)
		}
	}
	for _, scope := range credential.scopes {
		if scope != "https://storage.azure.com/.default" {
			t.Errorf("token for %s", scope)
		}
	}
	failing := &token{err: errors.New("no identity on this machine")}
	a, s = openScript(t, Config{Credential: failing, AccountName: "acct"}, answer(404, ""))
	if err := putMessage(t.Context(), a); !errors.Is(err, failing.err) || len(s.requests()) != 0 || len(failing.scopes) != 1 {
		t.Errorf("%d requests, %d attempts at a token, error %v", len(s.requests()), len(failing.scopes), err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	xmlError := func(code, message string) string {
		return "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code + "</Code><Message>" + message + "\nRequestId:7f2\nTime:2026-01-01T00:00:00Z</Message></Error>"
	}
	signature := Config{ConnectionString: "AccountName=acct;SharedAccessSignature=" + someSAS}
	identity := Config{Credential: &token{}, AccountName: "acct"}
	emulator := Config{ConnectionString: "UseDevelopmentStorage=true"}
	for _, c := range []struct {
		name   string
		cfg    Config
		call   func(*Account) error
		answer func(*http.Request) (*http.Response, error)
		says   []string
	}{
		{"wrong key", Config{}, nil, answer(403, xmlError("AuthenticationFailed", "Server failed to authenticate the request."), "x-ms-request-id", "7f2"),
			[]string{"put: the queue service of storage account acct answered 403 AuthenticationFailed: Server failed to authenticate the request; check that AccountKey belongs to this account", "(request 7f2)"}},
		{"wrong key at Azurite", emulator, nil, answer(403, xmlError("AuthorizationFailure", "Server failed to authenticate the request.")), []string{"check that AccountKey"}},
		{"wrong signature", signature, nil, answer(403, xmlError("AuthenticationFailed", "x")), []string{"SharedAccessSignature", "expired"}},
		{"wrong tenant", identity, nil, answer(401, xmlError("InvalidAuthenticationInfo", "x")), []string{"tenant"}},
		{"role for queues", identity, nil, answer(403, xmlError("AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")),
			[]string{"Storage Queue Data Contributor", "some minutes"}},
		{"role for tables", identity, func(a *Account) error { _, err := a.Tables().CreateTable(t.Context(), "abc", nil); return err },
			answer(403, `{"odata.error":{"code":"AuthorizationPermissionMismatch","message":{"lang":"en-US","value":"This request is not authorized to perform this operation using this permission.\nRequestId:1"}}}`),
			[]string{"the table service", "403 AuthorizationPermissionMismatch: This request is not authorized to perform this operation using this permission;", "Storage Table Data Contributor"}},
		{"role for blobs", identity, func(a *Account) error { _, err := a.Blobs().CreateContainer(t.Context(), "c", nil); return err },
			answer(403, "", "x-ms-error-code", "AuthorizationPermissionMismatch"), []string{"Storage Blob Data Contributor"}},
		{"signature without permission", signature, nil, answer(403, xmlError("AuthorizationPermissionMismatch", "x")), []string{"read, write, delete"}},
		{"signature for another service", signature, nil, answer(403, xmlError("AuthorizationServiceMismatch", "x")), []string{"blob, queue and table"}},
		{"firewall", Config{}, nil, answer(403, xmlError("AuthorizationFailure", "x")), []string{"firewall"}},
		{"keys switched off", Config{}, nil, answer(403, xmlError("KeyBasedAuthenticationNotPermitted", "x")), []string{"azidentity"}},
		{"busy", Config{MaxRetries: -1}, nil, answer(503, xmlError("ServerBusy", "x")), []string{"503 ServerBusy", "limits"}},
		{"missing queue", Config{}, nil, answer(404, xmlError("QueueNotFound", "The specified queue does not exist.")), []string{"404 QueueNotFound: The specified queue does not exist"}},
		{"no details", Config{}, nil, answer(400, "<html>"), []string{"answered 400"}},
		{"refused", Config{MaxRetries: -1}, nil, refuse(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}),
			[]string{"put: the queue service of storage account acct cannot be reached at acct.queue.core.windows.net:443: connect: connection refused; check the endpoint"}},
		{"unknown host", Config{}, nil, refuse(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "acct.queue.core.windows.net", IsNotFound: true}}),
			[]string{"the host name acct.queue.core.windows.net does not exist; check the account's name"}},
		{"emulator not running", Config{ConnectionString: "UseDevelopmentStorage=true", MaxRetries: -1}, nil, refuse(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}),
			[]string{"127.0.0.1:10001", `start "taskhub dev" or Azurite, or use the connection string embedded:`}},
		{"http at https", Config{}, nil, refuse(http.ErrSchemeMismatch), []string{"DefaultEndpointsProtocol"}},
	} {
		a, _ := openScript(t, c.cfg, c.answer)
		call := c.call
		if call == nil {
			call = func(a *Account) error { return putMessage(t.Context(), a) }
		}
		err := Explain(call(a), "put")
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		text := err.Error()
		for _, part := range c.says {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q does not say %q", c.name, text, part)
			}
		}
		if strings.Contains(text, "\n") || leaks(text) || strings.Contains(text, "the-secret-token") {
			t.Errorf("%s: %q", c.name, text)
		}
		if again := Explain(err, "start"); again.Error() != "start: "+text {
			t.Errorf("%s: explained twice as %q", c.name, again)
		}
	}
	if Explain(nil, "x") != nil || InDoubt(nil) || IsNotFound(nil) {
		t.Error("nil is taken for an error")
	}
	plain := errors.New("plain")
	if err := Explain(plain, "put"); err.Error() != "put: plain" || !errors.Is(err, plain) {
		t.Error(err)
	}
}

// Nothing listens at the port: the error names it at once.
func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	a, err := Open(Config{ConnectionString: fmt.Sprintf("AccountName=devstoreaccount1;AccountKey=%s;BlobEndpoint=http://%[2]s/devstoreaccount1;QueueEndpoint=http://%[2]s/devstoreaccount1;TableEndpoint=http://%[2]s/devstoreaccount1",
		developmentKey, address), MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	err = Explain(putMessage(t.Context(), a), "put message")
	if !IsUnreachable(err) || !strings.Contains(err.Error(), address+": connect: connection refused; start \"taskhub dev\" or Azurite") {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// These are the forms in which the real service and others answer a transaction; Azurite's own is tested against it.
func TestTransactionAnswers(t *testing.T) {
	t.Parallel()
	const head = "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n"
	part := func(status, header, body string) string {
		return "--changesetresponse_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 " + status + "\r\n" + header + "\r\n" + body + "\r\n"
	}
	const tail = "--changesetresponse_2--\r\n--batchresponse_1--\r\n"
	odata := func(code, message string) string {
		return `{"odata.error":{"code":"` + code + `","message":{"lang":"en-US","value":"` + message + `\nRequestId:1\nTime:2"}}}`
	}
	submit := func(a *Account) (*ETags, error) {
		ctx, tags := CaptureETags(t.Context())
		_, err := a.Tables().NewClient("abc").SubmitTransaction(ctx, []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeInsertReplace, Entity: []byte(`{"PartitionKey":"p","RowKey":"r"}`)},
		}, nil)
		return tags, err
	}
	for _, c := range []struct {
		name         string
		status       int
		body         string
		code         string
		innerStatus  int
		failed, tags int
	}{
		{"success", 202, head + part("204 No Content", "X-Content-Type-Options: nosniff\r\nETag: W/\"a\"\r\n", "") + part("204 No Content", "Cache-Control: no-cache\r\netag: W/\"b\"\r\n", "") +
			part("204 No Content", "", "") + tail, "", 0, 0, 3},
		{"bare line feeds", 202, strings.ReplaceAll(head+part("204 No Content", "ETag: W/\"a\"\r\n", "")+tail, "\r\n", "\n"), "", 0, 0, 1},
		{"conflict", 202, head + part("409 Conflict", "X-Content-Type-Options: nosniff\r\nDataServiceVersion: 3.0;\r\nContent-Type: application/json\r\n", odata("EntityAlreadyExists", "5:The specified entity already exists.")) + tail,
			CodeEntityAlreadyExists, 409, 5, 0},
		{"precondition, without an index", 202, head + part("412 Precondition Failed", "", odata("UpdateConditionNotSatisfied", "The update condition specified in the request was not satisfied.")) + tail,
			CodeUpdateConditionNotMet, 412, -1, 0},
		{"code in a header", 202, head + part("412 Precondition Failed", "x-ms-error-code: UpdateConditionNotSatisfied\r\n", "") + tail, CodeUpdateConditionNotMet, 412, -1, 0},
		{"failure behind a success", 202, head + part("204 No Content", "ETag: W/\"a\"\r\n", "") + part("404 Not Found", "", odata("ResourceNotFound", "gone")) + tail, CodeResourceNotFound, 404, 1, 0},
		{"error in place of the parts", 202, odata("InvalidInput", "0:Bad Request - Error in query syntax."), "InvalidInput", 400, 0, 0},
		{"conflict in place of the parts", 202, odata("EntityAlreadyExists", "3:exists"), CodeEntityAlreadyExists, 409, 3, 0},
		{"nothing", 202, "", "", 502, -1, 0},
		{"whole request refused", 413, odata("RequestBodyTooLarge", "too large"), "RequestBodyTooLarge", 413, 0, 0},
	} {
		a, s := openScript(t, Config{MaxRetries: -1}, answer(c.status, c.body))
		tags, err := submit(a)
		if (err != nil) != (c.innerStatus != 0) || StatusOf(err) != c.innerStatus || c.code != "" && !HasCode(err, c.code) || tags.Len() != c.tags {
			t.Errorf("%s: error %v, %d ETags", c.name, Explain(err, ""), tags.Len())
		}
		var failed *TransactionError
		if c.status == 202 && c.innerStatus != 0 && (!errors.As(err, &failed) || failed.Index != c.failed) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.tags == 3 && (tags.At(0) != `W/"a"` || tags.At(1) != `W/"b"` || tags.At(2) != "") {
			t.Errorf("%s: ETags %q %q %q", c.name, tags.At(0), tags.At(1), tags.At(2))
		}
		if len(s.requests()) != 1 {
			t.Errorf("%s: %d attempts", c.name, len(s.requests()))
		}
	}
	// An operation may be what is throttled.
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{}, answer(202, head+part("503 Service Unavailable", "", odata("ServerBusy", "0:busy"))+tail), answer(202, head+part("204 No Content", "ETag: W/\"a\"\r\n", "")+tail))
		ctx, tags := CaptureETags(t.Context())
		_, err := a.Tables().NewClient("abc").SubmitTransaction(ctx, []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeInsertReplace, Entity: []byte(`{"PartitionKey":"o'x","RowKey":"r"}`)},
		}, nil)
		if err != nil || len(s.requests()) != 2 || tags.At(0) != `W/"a"` {
			t.Errorf("%d attempts, %v", len(s.requests()), err)
		}
		for _, r := range s.requests() {
			if !strings.Contains(r.body, "PartitionKey='o%27%27x'") || !strings.Contains(r.body, `"PartitionKey":"o'x"`) {
				t.Errorf("body %s", r.body)
			}
			if r.header.Get("Content-Length") != strconv.Itoa(len(r.body)) {
				t.Errorf("Content-Length %s of %d", r.header.Get("Content-Length"), len(r.body))
			}
		}
	})
}

func TestRetryLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		a, _ := openScript(t, Config{ConnectionString: "AccountName=acct;SharedAccessSignature=" + someSAS, Logger: logger},
			answer(503, "", "x-ms-error-code", "ServerBusy"), refuse(errors.New("broken")), answer(201, putAnswer))
		if err := putMessage(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"method=POST attempt=1", "account=acct service=queue status=503 code=ServerBusy", "attempt=2", "broken"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log lacks %q:\n%s", part, log.String())
			}
		}
		if leaks(log.String()) || strings.Contains(log.String(), "hello") {
			t.Errorf("the log shows too much:\n%s", log.String())
		}
	})
}

// A body that counts how often it is closed.
type closing struct {
	io.ReadSeekCloser
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

func TestBodyIsClosedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{}, answer(503, ""), answer(503, ""), answer(201, ""))
		body := &closing{ReadSeekCloser: streaming.NopCloser(strings.NewReader("payload"))}
		if _, err := a.BlobService().NewContainerClient("c").NewBlockBlobClient("b").Upload(t.Context(), body, nil); err != nil {
			t.Fatal(err)
		}
		if body.closed != 1 || len(s.requests()) != 3 || s.requests()[2].body != "payload" {
			t.Errorf("closed %d times, %d attempts", body.closed, len(s.requests()))
		}
	})
}
