package rest

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Clock tells the time and hands out time stamps that never repeat, so that
// two versions of a resource never share an ETag, even under a clock that
// stands still.
type Clock struct {
	now  func() time.Time
	last atomic.Int64
}

// NewClock makes a clock on a time source.
func NewClock(now func() time.Time) *Clock { return &Clock{now: now} }

// Now is the time in UTC.
func (c *Clock) Now() time.Time { return c.now().UTC() }

// Stamp is the time in ticks, moved on where necessary to be above every
// stamp before.
func (c *Clock) Stamp() Ticks {
	now := int64(TicksOf(c.now()))
	for {
		last := c.last.Load()
		next := max(now, last+1)
		if c.last.CompareAndSwap(last, next) {
			return Ticks(next)
		}
	}
}

// Seen makes later stamps larger than t.
func (c *Clock) Seen(t Ticks) {
	for {
		last := c.last.Load()
		if int64(t) <= last || c.last.CompareAndSwap(last, int64(t)) {
			return
		}
	}
}

// IDs makes identifiers of the form of a GUID.
type IDs struct {
	mu     sync.Mutex
	source io.Reader
	prefix [8]byte
	next   atomic.Uint64
}

// NewIDs draws identifiers from a source of random bytes.
func NewIDs(source io.Reader) (*IDs, error) {
	if source == nil {
		source = rand.Reader
	}
	ids := &IDs{source: source}
	_, err := io.ReadFull(source, ids.prefix[:])
	return ids, err
}

// Random is a version 4 GUID.
func (g *IDs) Random() (string, error) {
	var b [16]byte
	g.mu.Lock()
	_, err := io.ReadFull(g.source, b[:])
	g.mu.Unlock()
	if err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return formatGUID(b), nil
}

// Request is the next request id: random per server, counted per request.
func (g *IDs) Request() string {
	var b [16]byte
	copy(b[:], g.prefix[:])
	binary.BigEndian.PutUint64(b[8:], g.next.Add(1))
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return formatGUID(b)
}

func formatGUID(b [16]byte) string {
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	out[8] = '-'
	hex.Encode(out[9:13], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:18], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:23], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:36], b[10:16])
	return string(out[:])
}

// ValidGUID reports whether text is a GUID in its dashed form.
func ValidGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
	}
	return true
}
