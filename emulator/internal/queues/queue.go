package queues

import (
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// never is the expiry of a message without one: 9999-12-31T23:59:59Z.
var never = rest.TicksOf(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))

// queue is one queue; mu guards everything below it.
type queue struct {
	name string
	mu   sync.Mutex

	deleted  bool
	metadata rest.Metadata
	policies service.Policies
	messages map[string]*message
	// byVisible has every message in the order in which it becomes visible,
	// byExpiry those that expire.
	byVisible, byExpiry *ordered.Map[place, *message]
	// next numbers messages, and receipts number pop receipts.
	next, receipts uint64
	// latest is the latest time the queue has seen: for it, time does not go
	// back when clocks are adjusted.
	latest rest.Ticks
	lsn    journal.LSN
}

// maxAdjustment is how far a clock may go back without being followed; more
// is somebody's intention.
const maxAdjustment = time.Minute

// now is the time for the operation that holds the lock. Messages whose time
// is over are gone.
func (q *queue) now(clock *rest.Clock) rest.Ticks {
	now := rest.TicksOf(clock.Now())
	if now < q.latest && q.latest.Sub(now) < maxAdjustment {
		now = q.latest
	}
	q.latest = now
	q.expire(now)
	return now
}

// place orders messages by a time, then by age.
type place struct {
	at  rest.Ticks
	seq uint64
}

func comparePlaces(a, b place) int {
	switch {
	case a.at != b.at && a.at < b.at, a.at == b.at && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	default:
		return 1
	}
}

type message struct {
	id                         string
	seq                        uint64
	body                       []byte
	inserted, expires, visible rest.Ticks
	receipt                    uint64
	dequeued                   int64
}

func newQueue(name string, metadata rest.Metadata) *queue {
	q := &queue{name: name, metadata: metadata}
	q.clear()
	return q
}

func (q *queue) clear() {
	q.messages = make(map[string]*message)
	q.byVisible = ordered.New[place, *message](comparePlaces)
	q.byExpiry = ordered.New[place, *message](comparePlaces)
}

// expire drops messages whose time to live is over.
func (q *queue) expire(now rest.Ticks) {
	for {
		at, m, ok := q.byExpiry.Min()
		if !ok || at.at > now {
			return
		}
		q.remove(m)
	}
}

func (q *queue) add(m *message) {
	if old, ok := q.messages[m.id]; ok {
		q.remove(old)
	}
	q.messages[m.id] = m
	q.byVisible.Set(place{m.visible, m.seq}, m)
	if m.expires != never {
		q.byExpiry.Set(place{m.expires, m.seq}, m)
	}
	q.next = max(q.next, m.seq+1)
	q.receipts = max(q.receipts, m.receipt+1)
}

func (q *queue) remove(m *message) {
	delete(q.messages, m.id)
	q.byVisible.Delete(place{m.visible, m.seq})
	if m.expires != never {
		q.byExpiry.Delete(place{m.expires, m.seq})
	}
}

// setVisible moves a message to a new time and gives it a new pop receipt.
func (q *queue) setVisible(m *message, at rest.Ticks) {
	q.byVisible.Delete(place{m.visible, m.seq})
	m.visible = at
	m.receipt = q.receipts
	q.receipts++
	q.byVisible.Set(place{m.visible, m.seq}, m)
}

// visible collects up to n messages that can be received now, oldest first.
func (q *queue) visible(now rest.Ticks, n int) []*message {
	out := make([]*message, 0, min(n, q.byVisible.Len()))
	for at, m := range q.byVisible.All {
		if at.at > now || len(out) == n {
			break
		}
		out = append(out, m)
	}
	return out
}

var (
	errMessageNotFound = &rest.Error{Status: 404, Code: "MessageNotFound",
		Message: "The specified message does not exist."}
	errReceiptMismatch = &rest.Error{Status: 400, Code: "PopReceiptMismatch",
		Message: "The specified pop receipt did not match the pop receipt for a dequeued message."}
)

// claim finds a message that a pop receipt still covers.
func (q *queue) claim(id string, receipt popReceipt) (*message, error) {
	m, ok := q.messages[id]
	if !ok {
		return nil, errMessageNotFound
	}
	if receipt != m.popReceipt() {
		return nil, errReceiptMismatch
	}
	return m, nil
}

// popReceipt is what a pop receipt's text says: which hand-out, until when.
type popReceipt struct {
	number  uint64
	visible rest.Ticks
}

func (m *message) popReceipt() popReceipt { return popReceipt{m.receipt, m.visible} }

func (p popReceipt) String() string {
	b := make([]byte, 0, 20)
	b = append(b, 2, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, p.number)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.visible))
	return base64.StdEncoding.EncodeToString(b)
}

// parseReceipt reads a pop receipt; what was never one is an invalid
// parameter, not a mismatch.
func parseReceipt(text string) (popReceipt, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 20 {
		return popReceipt{}, rest.InvalidParameter("popreceipt", text)
	}
	return popReceipt{binary.LittleEndian.Uint64(b[4:]), rest.Ticks(binary.LittleEndian.Uint64(b[12:]))}, nil
}
