package partition

import (
	"encoding/hex"
	"sort"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// item is one thing an instance has to deal with: a received message, a result made in this process, or a timer that
// came due here.
type item struct {
	envelope *history.Envelope
	event    history.Event
	// holds are the messages to delete once the item is dealt with: the message itself, or the work item whose result
	// this is.
	holds []*hold
	// deliveries is the queue's dequeue count; 1 for what never was in a queue.
	deliveries int64
	inserted   time.Time
	// arrived is when it came to this process.
	arrived time.Time
	// tries counts how often the item was looked at again in memory.
	tries int
	// handed is set for what another session of this process handed over.
	handed *handed
	// row is the status row as it was when a client of this process handed its start over; nil for all others.
	row      *tables.InstanceRow
	rowUntil time.Time
}

func newItem(env *history.Envelope, deliveries int64, inserted time.Time, hs ...*hold) *item {
	return &item{envelope: env, event: env.Message.Event, holds: hs, deliveries: deliveries, inserted: inserted, arrived: time.Now()}
}

// executionID is the execution the message is meant for; "" means whichever is current.
func (it *item) executionID() string { return deref(it.envelope.Message.Target.ExecutionID) }

func (it *item) instanceID() string { return it.envelope.Message.Target.InstanceID }

func (it *item) start() (*history.ExecutionStarted, bool) {
	e, ok := it.event.(*history.ExecutionStarted)
	return e, ok
}

// identity is what tells a message from its copy when nothing else does: its id, or for messages without one what
// .NET rows keep of it.
func (it *item) identity() identity {
	if id := it.envelope.ActivityID; id != "" && id != zeroUUID {
		return identityOf(id)
	}
	return contentIdentity(it.event)
}

const zeroUUID = "00000000-0000-0000-0000-000000000000"

// identity is a message's id, or what stands in for it.
type identity [16]byte

// identityOf reads an id in any of the usual forms; of other texts it takes a hash.
func identityOf(id string) identity {
	if u, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err == nil && len(u) == len(identity{}) {
		return identity(u)
	}
	return deriveID("identity", strings.ToLower(id))
}

// contentIdentity stands in for a message id on rows that have none.
func contentIdentity(e history.Event) identity {
	at := e.Common().Timestamp.UTC().Format(time.RFC3339Nano)
	switch e := e.(type) {
	case *history.EventRaised:
		return deriveID("content", e.Kind().String(), at, strings.ToLower(e.Name), deref(e.Input))
	case *history.ExecutionTerminated:
		return deriveID("content", e.Kind().String(), at, deref(e.Input))
	case *history.ExecutionSuspended:
		return deriveID("content", e.Kind().String(), at, deref(e.Reason))
	case *history.ExecutionResumed:
		return deriveID("content", e.Kind().String(), at, deref(e.Reason))
	default:
		return deriveID("content", e.Kind().String(), at)
	}
}

// order sorts items as they were sent: by the second the queue took them, then by the sender's sequence number. A
// start comes before everything else that waits for the same instance.
func order(items []*item) {
	rank := func(it *item) int {
		if _, ok := it.start(); ok {
			return 0
		}
		return 1
	}
	sort.SliceStable(items, func(a, b int) bool {
		x, y := items[a], items[b]
		if rx, ry := rank(x), rank(y); rx != ry {
			return rx < ry
		}
		if !x.inserted.Equal(y.inserted) {
			return x.inserted.Before(y.inserted)
		}
		return x.envelope.SequenceNumber < y.envelope.SequenceNumber
	})
}

func holdsOf(items []*item) []*hold {
	var list []*hold
	for _, it := range items {
		list = append(list, it.holds...)
	}
	return list
}
