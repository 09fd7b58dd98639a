package partition

import (
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

// Start is the start of an instance by a client in this process. Its message was put invisible, which is to its owner what a
// message is that it has received: it comes back when the owner dies.
type Start struct {
	Envelope    *history.Envelope
	Receipt     queues.Receipt
	LockedUntil time.Time
	// Row is the status row as the client wrote it after the message.
	Row *tables.InstanceRow
}

// rowFresh is for how long a start is judged by the row that its client wrote. A row that is read may change before the commit
// as well, and what comes of that the write of the status finds out; but it need not happen often.
const rowFresh = 5 * time.Second

// StartLock is for how long a client in this process is to put a start invisible that it hands to [Partition.TakeStart]
// then; 0 while the partition would not take it.
func (p *Partition) StartLock() time.Duration {
	if p.receive.Err() != nil || p.leaving.Load() || p.sessions.pending() >= p.mostPending() {
		return 0
	}
	return p.cfg.MessageLock
}

// TakeStart takes a start without its message being received. False means that the message has to be made visible.
func (p *Partition) TakeStart(st Start) bool {
	if p.receive.Err() != nil || p.owned() != nil {
		return false
	}
	return p.sessions.deliverTo(st.Envelope.Message.Target.InstanceID, func() *item {
		h, _ := p.holds.add(p.queue, st.Receipt, st.LockedUntil)
		it := newItem(st.Envelope, 1, time.Time{}, h)
		it.row, it.rowUntil = st.Row, time.Now().Add(rowFresh)
		return it
	})
}

// takeRow returns the status row that came with a start, if it can still be judged by. It is good for one look.
func (it *item) takeRow() *tables.InstanceRow {
	row := it.row
	it.row = nil
	if time.Now().After(it.rowUntil) {
		return nil
	}
	return row
}
