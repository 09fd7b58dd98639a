package storage

import "sync/atomic"

// Counts says what was sent over an account since it was opened.
type Counts struct {
	// Calls is the number of requests by operation, each attempt counted. Operations are "queue.put", "queue.get",
	// "queue.peek", "queue.update", "queue.delete", "queue.clear", "queue.create-queue", "queue.delete-queue",
	// "queue.metadata"; "table.batch" (an entity-group transaction), "table.query", "table.get", "table.insert",
	// "table.merge", "table.replace" (both also when they may insert), "table.delete", "table.create-table",
	// "table.delete-table"; "blob.put", "blob.put-block", "blob.put-block-list", "blob.get", "blob.head", "blob.delete",
	// "blob.lease", "blob.list", "blob.create-container", "blob.delete-container", "blob.lease-container"; and
	// "queue.other", "table.other", "blob.other", "blob.container-other" for the rest. Operations without a request are
	// absent.
	Calls map[string]int64

	// BytesSent and BytesReceived are the lengths of the bodies, without headers.
	BytesSent, BytesReceived int64

	// Retries is how many of the calls were further attempts.
	Retries int64
}

// Total returns the number of requests.
func (c Counts) Total() int64 {
	var total int64
	for _, n := range c.Calls {
		total += n
	}
	return total
}

// Sub returns what was added since prev was taken.
func (c Counts) Sub(prev Counts) Counts {
	diff := Counts{
		Calls:         map[string]int64{},
		BytesSent:     c.BytesSent - prev.BytesSent,
		BytesReceived: c.BytesReceived - prev.BytesReceived,
		Retries:       c.Retries - prev.Retries,
	}
	for name, n := range c.Calls {
		if n -= prev.Calls[name]; n != 0 {
			diff.Calls[name] = n
		}
	}
	return diff
}

type counters struct {
	calls         [operationCount]atomic.Int64
	bytesSent     atomic.Int64
	bytesReceived atomic.Int64
	retries       atomic.Int64

	observers observers
	paces     [serviceCount]*pace
}

func newCounters() *counters { return &counters{} }

func (c *counters) sent(op operation, bytes int64) {
	c.calls[op].Add(1)
	c.bytesSent.Add(bytes)
}

func (c *counters) received(bytes int64) { c.bytesReceived.Add(bytes) }

func (c *counters) retried() { c.retries.Add(1) }

func (c *counters) snapshot() Counts {
	s := Counts{
		Calls:         map[string]int64{},
		BytesSent:     c.bytesSent.Load(),
		BytesReceived: c.bytesReceived.Load(),
		Retries:       c.retries.Load(),
	}
	for op := range operationCount {
		if n := c.calls[op].Load(); n != 0 {
			s.Calls[op.String()] = n
		}
	}
	return s
}
