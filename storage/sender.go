package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// sender is the last station of a service's pipeline: it makes one attempt. It waits for a free slot, adds the shared
// access signature, counts, watches the deadline and turns failures into ConnectionErrors.
type sender struct {
	next    policy.Transporter
	info    *serviceInfo
	base    string // path of the endpoint
	sas     string
	timeout time.Duration
	slots   chan struct{}
	counts  *counters
	pace    *pace
}

func newSender(cfg Config, t *target, info *serviceInfo, counts *counters) *sender {
	counts.paces[info.service] = newPace(cfg, info)
	s := &sender{
		next: cfg.Transport, info: info, sas: t.sas[info.service], timeout: cfg.AttemptTimeout,
		slots: make(chan struct{}, cfg.MaxConcurrency), counts: counts, pace: counts.paces[info.service],
	}
	if u, err := url.Parse(t.endpoints[info.service]); err == nil {
		s.base = u.Path
	}
	return s
}

// Do implements policy.Transporter.
func (s *sender) Do(req *http.Request) (*http.Response, error) {
	caller := req.Context()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-caller.Done():
		return nil, caller.Err()
	}
	op := classify(s.info.service, s.base, req)
	s.counts.sent(op, max(0, req.ContentLength))

	watch := startWatch(caller, s.timeout, req.ContentLength)
	observe := s.counts.observers.begin(op)
	resp, err := s.next.Do(s.prepare(req, watch.ctx))
	observe.end(resp)
	if err != nil {
		err = s.failure(req, watch, err)
		watch.stop()
		return nil, err
	}
	resp.Request = req // without the signature
	if resp.Body == nil || resp.Body == http.NoBody {
		watch.stop()
		return resp, nil
	}
	resp.Body = &watchedBody{body: resp.Body, sender: s, req: req, watch: watch, streamed: op == opBlobGet}
	return resp, nil
}

// prepare returns the request as it goes out.
func (s *sender) prepare(req *http.Request, ctx context.Context) *http.Request { //nolint:revive // the request comes first here
	out := req.WithContext(ctx)
	if s.sas == "" {
		return out
	}
	u := *req.URL
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += s.sas
	out.URL = &u
	return out
}

// failure says what went wrong in an attempt.
func (s *sender) failure(req *http.Request, watch *watch, err error) error {
	if cause := req.Context().Err(); cause != nil {
		return cause
	}
	var late *lateError
	if errors.As(context.Cause(watch.ctx), &late) {
		err = late
	}
	return newConnectionError(s.info, req, err)
}

// lateError is the failure of an attempt that took too long. It is not context.DeadlineExceeded, which would read as if
// the caller's own deadline had passed.
type lateError struct{ after time.Duration }

func (e *lateError) Error() string { return fmt.Sprintf("no answer within %v", e.after) }

// Timeout implements net.Error.
func (e *lateError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *lateError) Temporary() bool { return true }

// watch cancels an attempt that takes too long.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// slowestUpload is the rate, in bytes a second, at which bodies are given time to be sent.
const slowestUpload = 128 << 10

func startWatch(caller context.Context, timeout time.Duration, bodySize int64) *watch {
	w := &watch{limit: timeout}
	w.ctx, w.cancel = context.WithCancelCause(caller)
	first := timeout + time.Duration(max(0, bodySize))*time.Second/slowestUpload
	w.timer = time.AfterFunc(first, func() { w.cancel(&lateError{after: first}) })
	return w
}

func (w *watch) progress() { w.timer.Reset(w.limit) }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// watchedBody ends the watch with the body, and counts bytes.
type watchedBody struct {
	body     io.ReadCloser
	sender   *sender
	req      *http.Request
	watch    *watch
	streamed bool // progress extends the deadline
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.sender.counts.received(int64(n))
	switch {
	case err == io.EOF: //nolint:errorlint // readers return it bare
		b.watch.stop()
	case err != nil:
		err = b.sender.failure(b.req, b.watch, err)
		b.watch.stop()
	case b.streamed:
		b.watch.progress()
	}
	return n, err
}

// whole reads a body that the transport has in one piece and gives away.
func (b *watchedBody) whole() ([]byte, bool) {
	from, ok := b.body.(interface{ Whole() ([]byte, bool) })
	if !ok {
		return nil, false
	}
	body, ok := from.Whole()
	if ok {
		b.sender.counts.received(int64(len(body)))
		b.watch.stop()
	}
	return body, ok
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	b.watch.stop()
	return b.body.Close()
}
