package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds of faults. Those before the line happen to single storage calls, the others to processes, leases and queues.
const (
	ResetBefore   Kind = "reset before the call"
	LostAnswer    Kind = "lost answer"
	Busy          Kind = "503"
	Throttled     Kind = "429"
	Burst         Kind = "burst of 503 and 429"
	Full          Kind = "storage full for a while"
	LateArrival   Kind = "late arrival"
	LateAnswer    Kind = "late answer"
	CrashBefore   Kind = "crash before the call"
	CrashAfter    Kind = "crash after the call"
	Reordered     Kind = "message delivered late"
	Duplicated    Kind = "message delivered twice"
	Redelivered   Kind = "lock of a message ended early"
	Pause         Kind = "process paused"
	Cut           Kind = "process cut off"
	GracefulStop  Kind = "graceful stop"
	Theft         Kind = "lease broken"
	Skew          Kind = "clock of the storage skewed"
	BadActivity   Kind = "activity failed, hung or panicked"
	LargePayloads Kind = "payloads beyond what a row or message takes"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{
		ResetBefore, LostAnswer, Busy, Throttled, Burst, Full, LateArrival, LateAnswer, CrashBefore, CrashAfter, Reordered, Duplicated,
		Redelivered, Pause, Cut, GracefulStop, Theft, Skew, BadActivity, LargePayloads,
	}
}

var (
	errReset = fmt.Errorf("write: %w", syscall.ECONNRESET)
	errLost  = errors.New("read: connection reset by peer: the answer is lost")
)

// plan is what will become of a call.
type plan struct {
	lands     time.Time
	back      time.Duration // from there to the answer
	forgotten bool          // never lands if its sender gives it up or dies
	name      string
	before    func(*call) bool // true: it does not reach the storage, and has its outcome
	after     func(*call)
}

func (p plan) answered(landed time.Time) time.Time { return landed.Add(p.back) }

// faults decides by the seed what goes wrong. Only the scheduler uses it.
type faults struct {
	rnd   *rand.Rand
	rates map[Kind]float64 // those of calls: a probability for each call
	until time.Time
	count map[Kind]int
	world *world

	burstEnds    time.Time
	burstService string
	fullEnds     time.Time
	crashesLeft  int
}

// newFaults draws the faults of a run. Each run has some kinds and not others, so that rare combinations come up; a harsh one has all of
// them, and often.
func newFaults(rnd *rand.Rand, until time.Time, harsh bool) *faults {
	f := &faults{rnd: rnd, until: until, rates: map[Kind]float64{}, count: map[Kind]int{}, crashesLeft: 1 + rnd.IntN(5)}
	for _, each := range []struct {
		kind   Kind
		chance float64 // that a run has it
		rate   float64 // at most, for each call
	}{
		{ResetBefore, .5, .04},
		{LostAnswer, .6, .08},
		{Busy, .4, .05},
		{Throttled, .3, .05},
		{Burst, .3, .004},
		{LateArrival, .4, .02},
		{LateAnswer, .4, .02},
		{CrashBefore, .5, .012},
		{CrashAfter, .5, .012},
		{Reordered, .5, .2},
		{Duplicated, .5, .08},
		{Redelivered, .4, .1},
		{Pause, .3, .001},
		{Cut, .3, .001},
		{GracefulStop, .4, .002},
		{Theft, .3, .001},
		{Full, .3, .002},
	} {
		has, rate := rnd.Float64() < each.chance, rnd.Float64()*each.rate
		if harsh {
			has, rate = true, each.rate/2+rate/2
		}
		if has {
			f.rates[each.kind] = rate
		}
	}
	return f
}

// happens draws whether a fault of the kind happens now.
func (f *faults) happens(k Kind) bool {
	drawn := f.rnd.Float64()
	if rate := f.rates[k]; drawn >= rate || time.Now().After(f.until) {
		return false
	}
	return true
}

func (f *faults) between(low, high time.Duration) time.Duration {
	return low + time.Duration(f.rnd.Int64N(int64(high-low)+1))
}

// plan draws the fate of a call.
func (f *faults) plan(c *call) plan {
	const quick, slow = 200 * time.Microsecond, 4 * time.Millisecond
	p := plan{lands: time.Now().Add(f.between(quick, slow)), back: f.between(quick, slow), forgotten: f.rnd.IntN(2) == 0}
	if c.port.calm {
		return p
	}
	f.planProcess(c)
	if f.happens(LateArrival) {
		f.count[LateArrival]++
		p.lands = p.lands.Add(f.lateness())
	}
	if f.happens(LateAnswer) {
		f.count[LateAnswer]++
		p.back += f.lateness()
	}
	p.name, p.before = f.refusal(c)
	p.after = f.aftermath(c)
	return p
}

// lateness is often short and sometimes beyond what leases last.
func (f *faults) lateness() time.Duration {
	if f.rnd.IntN(3) > 0 {
		return f.between(50*time.Millisecond, 9*time.Second)
	}
	return f.between(9*time.Second, 45*time.Second)
}

// planProcess draws what happens to the process that makes the call.
func (f *faults) planProcess(c *call) {
	if f.happens(Burst) {
		f.count[Burst]++
		f.burstEnds, f.burstService = time.Now().Add(f.between(time.Second, 12*time.Second)), c.service
	}
	if f.happens(Full) {
		f.count[Full]++
		f.fullEnds = time.Now().Add(f.between(time.Second, 25*time.Second))
		f.world.trace.note("the storage is full until %s", f.world.clock(f.fullEnds))
	}
	node := f.world.nodeOf(c.port)
	if node == nil {
		return
	}
	if f.happens(Pause) {
		f.count[Pause]++
		c.port.still = time.Now().Add(f.between(2*time.Second, 70*time.Second))
		f.world.trace.note("%s is paused until %s", c.port.name, f.world.clock(c.port.still))
	}
	if f.happens(Cut) {
		f.count[Cut]++
		c.port.cut = time.Now().Add(f.between(2*time.Second, 50*time.Second))
		f.world.trace.note("%s is cut off until %s", c.port.name, f.world.clock(c.port.cut))
	}
	if f.happens(GracefulStop) && node.running() {
		f.count[GracefulStop]++
		f.world.stop(node)
	}
	if f.happens(Theft) && f.world.breakLease(f.rnd) {
		f.count[Theft]++
	}
}

// refusal is what keeps a call from the storage, nil for nothing.
func (f *faults) refusal(c *call) (string, func(*call) bool) {
	fail := func(k Kind, do func(*call)) (string, func(*call) bool) {
		return string(k), func(c *call) bool {
			f.count[k]++
			do(c)
			return true
		}
	}
	reset := func(c *call) { c.err = errReset }
	switch {
	case c.port.cut.After(time.Now()):
		return "cut off", func(c *call) bool { reset(c); return true }
	case f.burstEnds.After(time.Now()) && c.service == f.burstService && f.rnd.IntN(10) > 0:
		return "burst", func(c *call) bool { refuse(c, 429+74*f.rnd.IntN(2)); return true }
	case f.fullEnds.After(time.Now()) && c.stores():
		return "full", func(c *call) bool { refuse(c, http.StatusInternalServerError); return true }
	case f.crashes(CrashBefore, c):
		return fail(CrashBefore, func(c *call) { f.world.crash(c.port); c.err = errDead })
	case f.happens(ResetBefore):
		return fail(ResetBefore, reset)
	case f.happens(Busy):
		return fail(Busy, func(c *call) { refuse(c, http.StatusServiceUnavailable) })
	case f.happens(Throttled):
		return fail(Throttled, func(c *call) { refuse(c, http.StatusTooManyRequests) })
	}
	return "", nil
}

// crashes draws a crash. Those around writes tell most.
func (f *faults) crashes(k Kind, c *call) bool {
	hit := f.happens(k)
	if !hit || f.crashesLeft == 0 || f.world.nodeOf(c.port) == nil || !c.writes && f.rnd.IntN(4) > 0 {
		return false
	}
	f.crashesLeft--
	return true
}

// aftermath is what happens once the call has landed, nil for nothing.
func (f *faults) aftermath(c *call) func(*call) {
	switch {
	case f.crashes(CrashAfter, c):
		return func(c *call) {
			f.count[CrashAfter]++
			f.world.trace.note("%s crashes", c.port.name)
			f.world.crash(c.port)
		}
	case f.world.opts.Sabotage && c.service == "queue" && c.req.Method == http.MethodPost && f.rnd.IntN(4) == 0:
		return f.world.destroy
	case f.happens(LostAnswer):
		return func(c *call) {
			f.count[LostAnswer]++
			f.world.trace.note("the answer is lost")
			c.resp, c.err = nil, errLost
		}
	case c.service == "queue" && c.req.Method == http.MethodPost && f.happens(Duplicated):
		return func(*call) {
			f.count[Duplicated]++
			again := *c
			again.resp, again.err = nil, nil
			f.world.net.at(time.Now().Add(f.lateness()/4), func() {
				again.forward(f.world.ctx, f.world.net.server)
				f.world.trace.note("twice: %s", again.what)
			})
		}
	case c.service == "queue" && c.req.Method == http.MethodPost && f.happens(Reordered):
		return f.reorder
	case c.service == "queue" && c.req.Method == http.MethodGet && f.happens(Redelivered):
		return f.redeliver
	}
	return nil
}

// reorder hides a message that was just put for some seconds, so that later ones come before it.
func (f *faults) reorder(c *call) {
	if delay := c.req.URL.Query().Get("visibilitytimeout"); delay != "" && delay != "0" {
		return
	}
	m, ok := firstMessage(c)
	if !ok {
		return
	}
	f.count[Reordered]++
	m.body = between(string(c.body), "<MessageText>", "</MessageText>")
	if receipt := f.world.hide(m, time.Duration(1+f.rnd.IntN(8))*time.Second); receipt != "" {
		c.resp.Body = io.NopCloser(strings.NewReader(strings.Replace(m.answer, m.receipt, receipt, 1)))
		c.resp.ContentLength = -1
	}
}

// redeliver makes a message that was just received visible again, as if its lock had ended early.
func (f *faults) redeliver(c *call) {
	m, ok := firstMessage(c)
	if !ok {
		return
	}
	f.count[Redelivered]++
	f.world.net.at(time.Now().Add(f.between(time.Millisecond, 5*time.Second)), func() { f.world.hide(m, 0) })
}

// queued is a message of a queue.
type queued struct{ queue, id, receipt, body, answer string }

// firstMessage reads the first message of an answer.
func firstMessage(c *call) (queued, bool) {
	if c.resp == nil || c.resp.StatusCode >= http.StatusBadRequest {
		return queued{}, false
	}
	text, err := io.ReadAll(c.resp.Body)
	c.resp.Body = io.NopCloser(bytes.NewReader(text))
	m := queued{
		queue: strings.Split(strings.TrimPrefix(c.req.URL.Path, "/devstoreaccount1/"), "/")[0], answer: string(text),
		id: between(string(text), "<MessageId>", "</MessageId>"), receipt: between(string(text), "<PopReceipt>", "</PopReceipt>"),
		body: between(string(text), "<MessageText>", "</MessageText>"),
	}
	return m, err == nil && m.id != ""
}

func between(text, from, to string) string {
	_, rest, ok := strings.Cut(text, from)
	if !ok {
		return ""
	}
	found, _, _ := strings.Cut(rest, to)
	return found
}

// refuse gives the call the service's answer that it has too much to do, or no room.
func refuse(c *call, status int) {
	code := map[int]string{
		http.StatusServiceUnavailable: "ServerBusy", http.StatusTooManyRequests: "TooManyRequests", http.StatusInternalServerError: "InternalError",
	}[status]
	body := fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>later</Message></Error>`, code)
	header := http.Header{"X-Ms-Error-Code": {code}, "Content-Type": {"application/xml"}}
	if c.service == "table" {
		body = fmt.Sprintf(`{"odata.error":{"code":"%s","message":{"lang":"en-US","value":"later"}}}`, code)
		header.Set("Content-Type", "application/json")
	}
	c.resp = &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: c.req,
	}
}
