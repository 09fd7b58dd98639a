package limits

import (
	"net/url"
	"strings"
	"sync"
	"time"
)

// instant is a point in time by the clock of the storage service, in milliseconds since 1970.
type instant = int64

// drift is how much faster or slower this machine's clock may go than the service's, as one part of so many.
const drift = 2000

// reading is what this machine's clocks show. The first stands still while the machine sleeps, the second may be set: between two
// readings the time that has passed is taken to be within what the two say.
type reading struct{ steady, wall time.Duration }

func systemClock() func() reading {
	base := time.Now()
	return func() reading {
		now := time.Now()
		return reading{steady: now.Sub(base), wall: time.Duration(now.UnixNano())}
	}
}

// since are the least and the most time that may have passed since an earlier reading.
func (r reading) since(earlier reading) (least, most time.Duration) {
	a, b := r.steady-earlier.steady, r.wall-earlier.wall
	least, most = max(min(a, b), 0), max(a, b, 0)
	return least - least/drift, most + most/drift
}

// clock knows the service's time within bounds, which follow from its answers: each was made between the instants at which the request
// was sent and the answer was here.
type clock struct {
	read func() reading

	mu     sync.Mutex
	known  bool
	at     reading
	lo, hi time.Duration // since 1970, at that reading
}

func newClock(read func() reading) *clock {
	if read == nil {
		read = systemClock()
	}
	return &clock{read: read}
}

// now is the service's time, or what is certain of it: not before lo and not after hi. Unknown is false before the first answer.
func (c *clock) now() (lo, hi instant, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, h := c.bounds(c.read())
	const milli = time.Millisecond
	return int64(l / milli), int64((h + milli - 1) / milli), c.known
}

func (c *clock) bounds(r reading) (lo, hi time.Duration) {
	least, most := r.since(c.at)
	return c.lo + least, c.hi + most
}

// answered takes note of an answer that was asked for at a reading and has just come: it was made between two times of the service.
func (c *clock) answered(sent reading, from, to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.read()
	_, took := r.since(sent)
	lo, hi := time.Duration(from.UnixNano()), time.Duration(to.UnixNano())+took
	if c.known {
		// Both this answer and the earlier ones are right, unless the service's clock was set.
		if l, h := c.bounds(r); max(lo, l) <= min(hi, h) {
			lo, hi = max(lo, l), min(hi, h)
		}
	}
	c.known, c.at, c.lo, c.hi = true, r, lo, hi
}

// observe takes note of what an answer says: its date, which is in whole seconds, and the ETag of an entity that the request has written,
// which has the time of the write to the tenth of a microsecond. Services that write ETags otherwise are known to the second.
func (c *clock) observe(sent reading, date time.Time, written string) {
	if date.IsZero() {
		return
	}
	if at, ok := timeOf(written); ok && at.After(date.Add(-time.Second)) && at.Before(date.Add(2*time.Second)) {
		c.answered(sent, at, at)
		return
	}
	c.answered(sent, date, date.Add(time.Second))
}

// timeOf reads the time out of an ETag such as W/"datetime'2026-06-01T12%3A34%3A56.789Z'".
func timeOf(etag string) (time.Time, bool) {
	_, text, ok := strings.Cut(etag, "datetime'")
	if !ok {
		return time.Time{}, false
	}
	text, _, _ = strings.Cut(text, "'")
	text, err := url.PathUnescape(text)
	if err != nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}
