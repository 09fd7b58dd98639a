package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

var (
	errClientGone = errors.New("the client is gone")
	errClosing    = errors.New("the proxy is closing")
)

const (
	// maxIdle is how long a connection to the target is used again after a pause. Targets end idle connections after some seconds; a request
	// that met such an end would look like a fault nobody asked for.
	maxIdle = 2 * time.Second
	// dialTimeout bounds connecting to the target.
	dialTimeout = 5 * time.Second
)

// exchange serves one connection of a client, request after request, over one connection of its own to the target.
type exchange struct {
	p       *Proxy
	service Service
	client  *side
	// pipelined is set when the client's watcher told that the next request is there while the current one was at work.
	pipelined bool

	upstream *side     // nil until the first request is forwarded, and after the target ended it; watched while idle
	lastUsed time.Time // of upstream
}

func newExchange(p *Proxy, s Service, c net.Conn) *exchange {
	return &exchange{p: p, service: s, client: newSide(c)}
}

// serve runs until the client leaves, a fault ends the connection, or the proxy closes.
func (x *exchange) serve() {
	defer x.client.shut()
	defer x.dropUpstream()
	x.client.watch()
	for x.next() {
		if !x.one() {
			return
		}
	}
}

// next waits for the client's next request. Meanwhile it lets go of a connection that the target ends.
func (x *exchange) next() bool {
	for !x.pipelined {
		var ended <-chan error
		if x.upstream != nil {
			ended = x.upstream.ready
		}
		select {
		case err := <-x.client.ready:
			return err == nil
		case <-ended:
			x.dropUpstream()
		case <-x.p.ctx.Done():
			return false
		}
	}
	x.pipelined = false
	return true
}

// one serves one request. It returns false when the connection has ended.
func (x *exchange) one() bool {
	head, err := readHead(x.client.r)
	if err != nil {
		return false
	}
	req, err := parseRequest(head)
	if err != nil {
		x.p.cfg.Logger.Warn("a request could not be understood", errorKey, err)
		_, _ = x.client.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		return false
	}
	c := x.newCall(req)
	keep, err := c.run()
	c.finish(err)
	return keep && err == nil && !req.close
}

// await waits for a value, for the client to leave, or for the proxy to close. The client is watched once its request has been read.
func await[T any](x *exchange, values <-chan T) (T, error) {
	var none T
	for {
		ready := x.client.ready
		if x.pipelined {
			ready = nil
		}
		select {
		case v := <-values:
			return v, nil
		case err := <-ready:
			if err != nil {
				return none, errClientGone
			}
			x.pipelined = true
		case <-x.p.ctx.Done():
			return none, errClosing
		}
	}
}

// pause waits for a time.
func (x *exchange) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	_, err := await(x, timer.C)
	return err
}

// connect makes sure that there is a usable connection to the target.
func (x *exchange) connect() error {
	if x.upstream != nil {
		select {
		case <-x.upstream.ready: // ended, or talking out of turn
			x.dropUpstream()
		default:
			if time.Since(x.lastUsed) < maxIdle {
				return nil
			}
			x.dropUpstream()
		}
	}
	ctx, cancel := context.WithTimeout(x.p.ctx, dialTimeout)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", x.p.cfg.Target.Of(x.service))
	if err != nil {
		return fmt.Errorf("connecting to the %s service: %w", x.service, err)
	}
	if !x.p.track(c) {
		return errClosing
	}
	x.upstream = newSide(c)
	x.upstream.watch()
	return nil
}

// dropUpstream ends the connection to the target, if there is one.
func (x *exchange) dropUpstream() {
	if x.upstream != nil {
		x.upstream.shut()
		x.p.untrack(x.upstream.Conn)
		x.upstream = nil
	}
}

// rest gives the connection to the target back to its watcher after a whole answer, or ends it if the target said so.
func (x *exchange) rest(a *answer) {
	if a.close {
		x.dropUpstream()
		return
	}
	x.lastUsed = time.Now()
	x.upstream.watch()
}

// sendBuffered sends a request whose body is in memory.
func (x *exchange) sendBuffered(req *request, body []byte) error {
	if err := x.connect(); err != nil {
		return err
	}
	w := x.upstream.w
	_, _ = w.Write(req.head) // errors stay with the writer and come with Flush
	_, _ = w.Write(body)
	return wrapSending(w.Flush())
}

// receive waits for the head of the next answer from the target.
func (x *exchange) receive(method string) (*answer, error) {
	failed, err := await(x, x.upstream.ready)
	switch {
	case err != nil:
		return nil, err
	case errors.Is(failed, io.EOF):
		return nil, errors.New("the service ended the connection instead of answering")
	case failed != nil:
		return nil, fmt.Errorf("waiting for the service: %w", failed)
	}
	head, err := readHead(x.upstream.r)
	if err != nil {
		return nil, fmt.Errorf("reading the service's answer: %w", err)
	}
	return parseAnswer(head, method)
}

func wrapSending(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sending to the service: %w", err)
}
