package proxy

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"time"
)

// call is one request on its way.
type call struct {
	x     *exchange
	req   *request
	op    Operation
	rule  *ActiveRule // nil when nothing disturbs it
	start time.Time

	entry     Entry
	recorded  bool
	sent, got *excerpt // bodies, when they are recorded
	continued bool     // the client has got its 100 Continue
	bodyLeft  bool     // the client's body was not read, so the connection cannot go on
}

func (x *exchange) newCall(req *request) *call {
	c := &call{x: x, req: req, op: classify(x.service, req), start: time.Now(), sent: x.p.recorder.excerpt(), got: x.p.recorder.excerpt()}
	c.rule = x.p.decide(c.op)
	c.entry = Entry{Time: c.start.UTC(), Op: c.op.Name, Name: c.op.Resource, Lease: c.op.Lease, LeaseID: req.leaseID, ProposedLease: req.proposedLease,
		IfMatch: req.ifMatch, Agent: req.agent, Client: x.client.RemoteAddr().String(), RequestBytes: int64(len(req.head))}
	return c
}

// finish records the call, once. It is called before the client can see the end, so that whoever got an answer finds it counted.
func (c *call) finish(err error) {
	if c.recorded {
		return
	}
	c.recorded = true
	c.entry.Milliseconds = float64(time.Since(c.start).Microseconds()) / 1000
	c.entry.Request, c.entry.Response = newBody(c.sent), newBody(c.got)
	if err != nil {
		c.entry.Error = err.Error()
	}
	c.x.p.recorder.add(c.entry)
}

// run carries the call out. It returns false when the client's connection must end.
func (c *call) run() (bool, error) {
	if c.rule == nil {
		return c.pass()
	}
	fault := c.rule.rule.Fault
	switch fault.Kind {
	case Refuse:
		c.disturbed()
		return c.refuse(fault)
	case Reset:
		c.disturbed()
		c.reset(nil)
		return false, nil
	case Delay, Hang:
		return c.holdBack(fault)
	case Duplicate:
		return c.duplicate()
	case Lost:
		return c.forward(c.lose)
	case Truncate:
		return c.forward(c.truncate)
	default: // DelayAnswer, HangAnswer
		return c.forward(c.holdAnswer)
	}
}

// disturbed notes that the rule's fault happened.
func (c *call) disturbed() {
	c.entry.Fault, c.entry.Rule = c.rule.rule.Fault.Kind, c.rule.id
}

// hold waits as a fault says: for its delay, or until its rule is removed.
func (c *call) hold(f Fault) error {
	if f.Kind == Delay || f.Kind == DelayAnswer {
		return c.x.pause(f.Delay)
	}
	_, err := await(c.x, c.rule.removed)
	return err
}

// pass forwards the request and relays the answer, without a fault.
func (c *call) pass() (bool, error) { return c.forward(c.relay) }

// forward sends the request while it is read and hands the answer to what does with it.
func (c *call) forward(then func(*answer) (bool, error)) (bool, error) {
	early, err := c.send()
	if err != nil {
		return false, c.broken(err)
	}
	a := early
	if a == nil {
		c.x.client.watch()
		if a, err = c.answer(); err != nil {
			return false, c.broken(err)
		}
	}
	c.note(a)
	return then(a)
}

// broken ends the client's connection after the target failed: with a reset, as a client sees it that talks to the target itself.
func (c *call) broken(err error) error {
	if !errors.Is(err, errClientGone) {
		c.reset(err)
	}
	return err
}

func (c *call) reset(err error) {
	c.finish(err)
	c.x.client.reset()
}

// send sends the request. A request that waits for 100 Continue may be answered before its body is sent; then send returns that answer.
func (c *call) send() (*answer, error) {
	if err := c.x.connect(); err != nil {
		return nil, err
	}
	w := c.x.upstream.w
	_, _ = w.Write(c.req.head) // errors stay with the writer and come with Flush
	if c.req.expect && !c.req.empty() {
		if err := w.Flush(); err != nil {
			return nil, wrapSending(err)
		}
		a, err := c.x.receive(c.req.method)
		if err != nil {
			return nil, err
		}
		if !a.interim() {
			c.bodyLeft = true
			return a, nil
		}
		if err := c.relayInterim(a); err != nil {
			return nil, err
		}
	}
	n, err := copyBody(w, c.x.client.r, c.req.framing, c.sent)
	c.entry.RequestBytes += n
	var refused *writeError
	switch {
	case errors.As(err, &refused):
		c.bodyLeft = true // the target may have answered early and stopped reading; then its answer is there
		c.x.client.watch()
		return c.answer()
	case err != nil:
		return nil, errClientGone
	}
	return nil, wrapSending(w.Flush())
}

// relayInterim passes a 1xx answer on, unless the client has got its 100 Continue already, and watches for the next answer.
func (c *call) relayInterim(a *answer) error {
	c.x.upstream.watch()
	if c.continued {
		return nil
	}
	c.continued = c.req.expect
	_, _ = c.x.client.w.Write(a.head)
	if c.x.client.w.Flush() != nil {
		return errClientGone
	}
	return nil
}

// answer waits for the real answer.
func (c *call) answer() (*answer, error) {
	for {
		a, err := c.x.receive(c.req.method)
		if err != nil || !a.interim() {
			return a, err
		}
		if err := c.relayInterim(a); err != nil {
			return nil, err
		}
	}
}

func (c *call) note(a *answer) {
	c.entry.Status, c.entry.ErrorCode, c.entry.RequestID, c.entry.ETag = a.status, a.errorCode, a.requestID, a.etag
	if c.entry.LeaseID == "" {
		c.entry.LeaseID = a.leaseID
	}
	c.entry.ResponseBytes += int64(len(a.head))
}

// relay passes an answer on as it comes.
func (c *call) relay(a *answer) (bool, error) {
	w := c.x.client.w
	_, _ = lastByteHeld{w}.Write(a.head)
	n, err := copyBody(lastByteHeld{w}, c.x.upstream.r, a.framing, c.got)
	c.entry.ResponseBytes += n
	var gone *writeError
	switch {
	case errors.As(err, &gone):
		return false, errClientGone
	case err != nil:
		_ = w.Flush()
		return false, err
	}
	c.x.rest(a)
	c.finish(nil)
	if w.Flush() != nil {
		return false, errClientGone
	}
	return !a.close && !c.bodyLeft, nil
}

// lose reads a successful answer and resets the client's connection instead of passing it on.
func (c *call) lose(a *answer) (bool, error) {
	if a.status >= 400 {
		return c.relay(a)
	}
	c.disturbed()
	n, err := copyBody(io.Discard, c.x.upstream.r, a.framing, c.got)
	c.entry.ResponseBytes += n
	c.reset(err)
	return false, err
}

// truncate passes on part of an answer and ends the connection.
func (c *call) truncate(a *answer) (bool, error) {
	body, err := bufferBody(c.x.upstream.r, a.framing, c.got)
	if err != nil {
		return false, c.broken(err)
	}
	c.disturbed()
	c.entry.ResponseBytes += int64(len(body))
	text := a.head[:len(a.head)/2]
	if len(body) > 0 {
		text = slices.Concat(a.head, body[:len(body)/2])
	}
	c.finish(nil)
	_, _ = c.x.client.Write(text)
	return false, nil
}

// holdAnswer waits before it passes the answer on.
func (c *call) holdAnswer(a *answer) (bool, error) {
	c.disturbed()
	if err := c.hold(c.rule.rule.Fault); err != nil {
		return false, err
	}
	return c.relay(a)
}

// refuse answers in the service's place.
func (c *call) refuse(f Fault) (bool, error) {
	closing := c.req.close || c.req.expect
	if !c.req.expect {
		n, err := copyBody(io.Discard, c.x.client.r, c.req.framing, c.sent)
		c.entry.RequestBytes += n
		if err != nil {
			return false, errClientGone
		}
	}
	c.entry.ErrorCode = f.Code
	text := refusal(f, c.op, c.req.method, closing, "fault-"+strconv.Itoa(c.rule.id)+"-"+strconv.Itoa(c.rule.Picked()), time.Now())
	c.finish(nil)
	if _, err := c.x.client.Write(text); err != nil {
		return false, errClientGone
	}
	if !closing {
		c.x.client.watch()
	}
	return !closing, nil
}

// readBody reads the client's body into memory and from then on watches whether the client stays.
func (c *call) readBody() ([]byte, error) {
	if c.req.expect && !c.req.empty() {
		c.continued = true
		if _, err := io.WriteString(c.x.client, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, errClientGone
		}
	}
	body, err := bufferBody(c.x.client.r, c.req.framing, c.sent)
	if err != nil {
		return nil, err
	}
	c.entry.RequestBytes += int64(len(body))
	c.x.client.watch()
	return body, nil
}

// holdBack reads the whole request and waits before it forwards it.
func (c *call) holdBack(f Fault) (bool, error) {
	c.disturbed()
	body, err := c.readBody()
	if err != nil {
		return false, err
	}
	if err := c.hold(f); err != nil {
		return false, err
	}
	a, err := c.sendAgain(body)
	if err != nil {
		return false, c.broken(err)
	}
	c.note(a)
	return c.relay(a)
}

// sendAgain sends the request with a body from memory and waits for the answer.
func (c *call) sendAgain(body []byte) (*answer, error) {
	if err := c.x.sendBuffered(c.req, body); err != nil {
		return nil, err
	}
	return c.answer()
}

// duplicate sends the request twice and passes on the first answer.
func (c *call) duplicate() (bool, error) {
	c.disturbed()
	body, err := c.readBody()
	if err != nil {
		return false, err
	}
	first, err := c.sendAgain(body)
	if err != nil {
		return false, c.broken(err)
	}
	text, err := bufferBody(c.x.upstream.r, first.framing, c.got)
	if err != nil {
		return false, c.broken(err)
	}
	c.note(first)
	c.entry.ResponseBytes += int64(len(text))
	c.x.rest(first)
	c.discardSecond(body)
	c.finish(nil)
	_, _ = c.x.client.w.Write(first.head)
	_, _ = c.x.client.w.Write(text)
	if c.x.client.w.Flush() != nil {
		return false, errClientGone
	}
	return !first.close, nil
}

func (c *call) discardSecond(body []byte) {
	second, err := c.sendAgain(body)
	if err == nil {
		_, err = copyBody(io.Discard, c.x.upstream.r, second.framing, nil)
	}
	if err != nil {
		c.x.dropUpstream()
		return
	}
	c.x.rest(second)
}
