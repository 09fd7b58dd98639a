package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"
	"unicode/utf8"
)

// Entry is what is recorded of one operation. Its JSON form is a line of the log; op, name, status and lease read like those of a recording of
// the .NET library. Signatures are never part of it.
type Entry struct {
	N             int64     `json:"n"`
	Time          time.Time `json:"t"`
	Op            string    `json:"op"`
	Name          string    `json:"name"`
	Status        int       `json:"status"` // of the service; 0 when it never answered
	Lease         string    `json:"lease,omitempty"`
	LeaseID       string    `json:"leaseId,omitempty"` // of the request, else of the answer
	ProposedLease string    `json:"proposedLeaseId,omitempty"`
	IfMatch       string    `json:"ifMatch,omitempty"`
	ETag          string    `json:"etag,omitempty"` // of the answer
	ErrorCode     string    `json:"errorCode,omitempty"`
	RequestID     string    `json:"requestId,omitempty"`
	Milliseconds  float64   `json:"ms"` // from the request's head to the end of the answer
	Client        string    `json:"client"`
	Agent         string    `json:"agent,omitempty"`
	RequestBytes  int64     `json:"requestBytes"` // head and body
	ResponseBytes int64     `json:"responseBytes"`
	Fault         Kind      `json:"fault,omitempty"`
	Rule          int       `json:"rule,omitempty"` // of the fault
	Error         string    `json:"error,omitempty"`
	Request       *Body     `json:"request,omitempty"` // with Config.Bodies
	Response      *Body     `json:"response,omitempty"`
}

// Body is a recorded body: Text when it is UTF-8, else Binary.
type Body struct {
	Text   string `json:"text,omitempty"`
	Binary []byte `json:"base64,omitempty"`
	Cut    bool   `json:"cut,omitempty"` // there was more
}

// Bytes returns the recorded content.
func (b *Body) Bytes() []byte {
	switch {
	case b == nil:
		return nil
	case b.Binary != nil:
		return b.Binary
	}
	return []byte(b.Text)
}

func newBody(e *excerpt) *Body {
	if e == nil || e.Len() == 0 {
		return nil
	}
	b := &Body{Cut: e.cut}
	if utf8.Valid(e.Bytes()) {
		b.Text = e.String()
	} else {
		b.Binary = append([]byte{}, e.Bytes()...)
	}
	return b
}

// OperationCount counts the requests of one operation.
type OperationCount struct {
	Calls         int   `json:"calls"`
	Failed        int   `json:"failed,omitempty"`    // answered with a status of 400 or more, by the service
	Disturbed     int   `json:"disturbed,omitempty"` // by a fault
	RequestBytes  int64 `json:"requestBytes"`
	ResponseBytes int64 `json:"responseBytes"`
}

// Counts counts requests by operation name.
type Counts map[string]OperationCount

// Total returns the number of requests.
func (c Counts) Total() int { return c.sum().Calls }

func (c Counts) sum() OperationCount {
	var t OperationCount
	for _, n := range c {
		t = t.plus(n, 1)
	}
	return t
}

// Sub returns what was counted since an earlier count.
func (c Counts) Sub(earlier Counts) Counts {
	out := Counts{}
	for name, n := range c {
		if rest := n.plus(earlier[name], -1); rest != (OperationCount{}) {
			out[name] = rest
		}
	}
	return out
}

func (n OperationCount) plus(m OperationCount, sign int) OperationCount {
	n.Calls += sign * m.Calls
	n.Failed += sign * m.Failed
	n.Disturbed += sign * m.Disturbed
	n.RequestBytes += int64(sign) * m.RequestBytes
	n.ResponseBytes += int64(sign) * m.ResponseBytes
	return n
}

// recorder counts operations and keeps or writes their entries.
type recorder struct {
	cfg Config

	mu      sync.Mutex
	n       int64
	counts  Counts
	entries []Entry
	logErr  error
}

func newRecorder(cfg Config) *recorder { return &recorder{cfg: cfg, counts: Counts{}} }

// detailed tells whether anybody wants more than counts.
func (r *recorder) detailed() bool { return r.cfg.Record || r.cfg.Log != nil }

// excerpt returns what collects a body, or nil when bodies are not wanted.
func (r *recorder) excerpt() *excerpt {
	if !r.cfg.Bodies || !r.detailed() {
		return nil
	}
	return &excerpt{max: r.cfg.MaxBody}
}

func (r *recorder) add(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	e.N = r.n
	c := OperationCount{Calls: 1, RequestBytes: e.RequestBytes, ResponseBytes: e.ResponseBytes}
	if e.Status >= 400 {
		c.Failed = 1
	}
	if e.Fault != "" {
		c.Disturbed = 1
	}
	r.counts[e.Op] = r.counts[e.Op].plus(c, 1)
	if r.cfg.Record {
		r.entries = append(r.entries, e)
	}
	if r.cfg.Log != nil && r.logErr == nil {
		r.writeLog(e)
	}
}

func (r *recorder) writeLog(e Entry) {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = r.cfg.Log.Write(append(line, '\n'))
	}
	if err != nil {
		r.logErr = fmt.Errorf("faultproxy: the log stops here: %w", err)
		r.cfg.Logger.Error("the log of operations stops", errorKey, err)
	}
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts, r.entries = Counts{}, nil
}

func (r *recorder) snapshot() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

func (r *recorder) log() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Entry(nil), r.entries...)
}
