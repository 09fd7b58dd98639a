package partition

import (
	"sync/atomic"
	"time"
)

const (
	// expectFor is how long after it was left to another worker the answer to an action may come any moment.
	expectFor = 30 * time.Second
	// expectPoll is the longest pause between two looks meanwhile: other processes wake nobody here.
	expectPoll = 500 * time.Millisecond
)

// expectation says until when an answer from another process may come any moment.
type expectation struct{ until atomic.Int64 } // unix nanoseconds

func (e *expectation) stands(now time.Time) bool { return now.UnixNano() < e.until.Load() }

// awaits says whether the action that was put may be carried out in another process, which answers with a message.
func (p *Partition) awaits(o *outgoing) bool {
	return !o.isTimer() && !o.held && !o.oneWay() && o.target != p.Index()
}

// expectAnswer lets the partition look more often for a while: another worker has, or will have, something to do for an instance here.
func (p *Partition) expectAnswer() {
	now := time.Now()
	already := p.expected.stands(now)
	p.expected.until.Store(now.Add(expectFor).UnixNano())
	if !already {
		p.Wake() // the pause that is under way may be a long one
	}
}

// between is the pause between two looks at the queue.
func (p *Partition) between(poll *poller) time.Duration {
	d := poll.next()
	if p.expected.stands(time.Now()) {
		return min(d, expectPoll)
	}
	return d
}
