package emulator

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/auth"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Limits of a request's head. The service refuses longer ones before any
// operation sees them.
const (
	maxURL     = 64 << 10
	maxHeaders = 64 << 10
)

// defaultVersion is reported to clients that ask for none.
const defaultVersion = "2025-11-05"

// Attribute keys of log records.
const (
	keyService   = "service"
	keyOperation = "operation"
	keyError     = "error"
	keyPanic     = "panic"
	keyStack     = "stack"
)

// front receives the requests of one service: it finds the account, checks
// the signature, and hands over to the store.
type front struct {
	service rest.Service
	backend service.Backend
	auth    *auth.Authenticator
	env     *service.Env
	closed  *atomic.Bool
	maxBody int64
	memory  *rest.Budget
	logger  *slog.Logger
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	p := f.handle(hr)
	if p.Status >= http.StatusBadRequest {
		drain(w, hr)
	}
	if err := p.Send(w); err != nil {
		return // the client is gone
	}
}

// drainTime bounds how long the rest of a refused body is waited for.
const drainTime = 30 * time.Second

// drain reads what is left of the body of a refused request. The server would
// otherwise close the connection while the client still writes, and a client
// that finds it reset does not look for the answer. One that asks before it
// sends a body gets the answer instead of the word to go on.
func drain(w http.ResponseWriter, hr *http.Request) {
	if hr.Body == nil || hr.ContentLength == 0 || hr.Header.Get("Expect") != "" {
		return
	}
	conn := http.NewResponseController(w)
	if err := conn.SetReadDeadline(time.Now().Add(drainTime)); err != nil {
		return // nothing would bound it
	}
	if _, err := io.Copy(io.Discard, hr.Body); err != nil {
		return // the connection ends with this answer
	}
	_ = conn.SetReadDeadline(time.Time{}) // it worked a moment ago
}

// handle answers a request; it never panics.
func (f *front) handle(hr *http.Request) *rest.Response {
	r := &rest.Request{
		HTTP: hr, Header: hr.Header, Service: f.service, ID: f.env.IDs.Request(), Now: f.env.Clock.Now(),
		MaxBody: f.maxBody, Memory: f.memory, Version: defaultVersion,
	}
	p, err := f.answer(r)
	if err != nil {
		p = f.failure(r, err)
	}
	r.Release()
	p.Finish(r)
	return p
}

func (f *front) failure(r *rest.Request, err error) *rest.Response {
	e := rest.AsError(err)
	var disk *journal.DiskError
	switch {
	case errors.As(err, &disk): // the journal has logged it, once
		e = rest.ErrInternal.WithMessage("The server cannot write to its directory any more: %v.", innermost(disk))
	case e == rest.ErrInternal:
		f.logger.Error("storage request failed", keyService, f.service.String(), keyError, err)
	}
	return e.Response(r)
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// answer runs the operation that a request asks for.
func (f *front) answer(r *rest.Request) (p *rest.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			f.logger.Error("panic in a storage request", keyService, f.service.String(), keyPanic, v, keyStack, string(debug.Stack()))
			p, err = nil, rest.ErrInternal
		}
	}()
	if f.closed.Load() {
		return nil, rest.ErrServerBusy.WithMessage("The server is closed.")
	}
	if err := f.env.Log.Err(); err != nil { // what is in memory is ahead of the disk, and would stay so
		return nil, err
	}
	if err := f.address(r); err != nil {
		return nil, err
	}
	op, err := f.admit(r)
	if err != nil {
		return nil, err
	}
	return op.Run(r)
}

// address finds account, path, version and query of a request.
func (f *front) address(r *rest.Request) error {
	if version := r.Header.Get("X-Ms-Version"); version != "" {
		if !rest.IsVersion(version) {
			return rest.InvalidHeader("x-ms-version", version)
		}
		r.Version = version
	}
	u := r.HTTP.URL
	if len(u.Path)+len(u.RawQuery) > maxURL {
		return rest.ErrURLTooLong
	}
	if r.HeaderBytes() > maxHeaders {
		return rest.Errorf(400, "InvalidHeaderValue", "The headers of the request are larger than the server allows.")
	}
	if r.HTTP.Method == http.MethodOptions {
		return rest.ErrCORS
	}
	host := r.HTTP.Host
	if host == "" {
		host = u.Host
	}
	address, ok := rest.ParseAddress(host, u, f.auth.Known)
	if !ok {
		return rest.ErrInvalidURI
	}
	r.Account, r.Secondary, r.Path = address.Account, address.Secondary, address.Path
	r.SignedPath = u.EscapedPath()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return rest.Errorf(400, "InvalidQueryParameterValue", "The query string of the request is malformed.")
	}
	r.Query = query
	if !r.Query.Has("sig") {
		return nil
	}
	if sv := r.Query.Get("sv"); r.Header.Get("X-Ms-Version") == "" && len(sv) == len(defaultVersion) {
		r.Version = sv
	}
	return nil
}

// admit identifies the sender and checks that the operation is allowed. The
// signature is checked first: strangers learn nothing of what exists.
func (f *front) admit(r *rest.Request) (rest.Operation, error) {
	identity, err := f.auth.Identify(r, f.backend)
	if err != nil {
		return rest.Operation{}, err
	}
	r.Identity = identity
	op, err := f.backend.Resolve(r)
	if err != nil {
		if identity.Anonymous {
			err = rest.ErrNoAuthentication
		}
		return op, err
	}
	if err := auth.Authorize(r, identity, op.Access, f.backend); err != nil {
		return op, err
	}
	if r.Secondary && op.Access.Write {
		return op, rest.ErrInsufficientPermission
	}
	return op, nil
}
