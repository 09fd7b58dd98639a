package leases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeHub is the lease storage of a hub in memory, with the service's rules for leases and etags. Its clock is the
// machine's, which a synctest bubble replaces.
type fakeHub struct {
	mu    sync.Mutex
	app   *fakeContainer
	lease *fakeContainer
	table *fakeTable
	calls map[string]int
	tags  int
}

func newFakeHub() *fakeHub {
	h := &fakeHub{calls: map[string]int{}}
	h.app = &fakeContainer{hub: h}
	h.lease = &fakeContainer{hub: h}
	h.table = &fakeTable{hub: h}
	return h
}

func (h *fakeHub) count(op string) {
	h.calls[op]++
}

func (h *fakeHub) snapshot() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.calls)
}

func (h *fakeHub) nextTag() string {
	h.tags++
	return fmt.Sprintf("0x%d", h.tags)
}

type fakeLease struct {
	id    string
	until time.Time
}

func (l fakeLease) live() bool { return l.id != "" && time.Now().Before(l.until) }

type fakeBlob struct {
	text  []byte
	etag  string
	lease fakeLease
	d     time.Duration
}

type fakeContainer struct {
	hub    *fakeHub
	exists bool
	own    fakeBlob // the container's lease
	blobs  map[string]*fakeBlob
}

// net is a worker's way to the storage: it may hang or fail.
type net struct {
	mu     sync.Mutex
	hang   func(op, name string) bool
	fail   func(op, name string) error // before the request is carried out
	doubt  func(op, name string) error // after it was carried out
	delays time.Duration
}

func (n *net) set(f func(n *net)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

var errNet = errors.New("the network is down")

func (n *net) before(ctx context.Context, op, name string) error {
	n.mu.Lock()
	hang, fail, delay := n.hang, n.fail, n.delays
	n.mu.Unlock()
	if hang != nil && hang(op, name) {
		<-ctx.Done()
		return ctx.Err()
	}
	if fail != nil {
		if err := fail(op, name); err != nil {
			return err
		}
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

func (n *net) after(op, name string, err error) error {
	n.mu.Lock()
	doubt := n.doubt
	n.mu.Unlock()
	if err == nil && doubt != nil {
		return doubt(op, name)
	}
	return err
}

// fakeBlobs is a worker's view of a container.
type fakeBlobs struct {
	c   *fakeContainer
	net *net
	tag string // prefix of operation names
}

func do[T any](ctx context.Context, s *fakeBlobs, op, name string, f func() (T, error)) (T, error) {
	var zero T
	op = s.tag + op
	if err := s.net.before(ctx, op, name); err != nil {
		return zero, err
	}
	s.c.hub.mu.Lock()
	s.c.hub.count(op)
	v, err := f()
	s.c.hub.mu.Unlock()
	if err = s.net.after(op, name, err); err != nil {
		return zero, err
	}
	return v, nil
}

func (s *fakeBlobs) act(ctx context.Context, op, name string, f func() error) error {
	_, err := do(ctx, s, op, name, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (s *fakeBlobs) create(ctx context.Context) error {
	return s.act(ctx, "create", "", func() error {
		if !s.c.exists {
			s.c.exists, s.c.blobs = true, map[string]*fakeBlob{}
		}
		return nil
	})
}

func (s *fakeBlobs) remove(ctx context.Context, id string) error {
	return s.act(ctx, "remove", "", func() error {
		if s.c.own.lease.live() && s.c.own.lease.id != id {
			return errTaken
		}
		s.c.exists, s.c.blobs, s.c.own = false, nil, fakeBlob{}
		return nil
	})
}

func (s *fakeBlobs) list(ctx context.Context) ([]blobInfo, error) {
	return do(ctx, s, "list", "", func() ([]blobInfo, error) {
		if !s.c.exists {
			return nil, errNoStore
		}
		var all []blobInfo
		for _, name := range slices.Sorted(maps.Keys(s.c.blobs)) {
			b := s.c.blobs[name]
			all = append(all, blobInfo{name: name, etag: b.etag, leased: b.lease.live()})
		}
		return all, nil
	})
}

func (s *fakeBlobs) get(name string) (*fakeBlob, error) {
	if !s.c.exists {
		return nil, errNoStore
	}
	if name == "" {
		return &s.c.own, nil
	}
	b := s.c.blobs[name]
	if b == nil {
		return nil, errMissing
	}
	return b, nil
}

func (s *fakeBlobs) head(ctx context.Context, name string) (blobInfo, error) {
	return do(ctx, s, "head", name, func() (blobInfo, error) {
		b, err := s.get(name)
		if err != nil {
			return blobInfo{}, err
		}
		return blobInfo{name: name, etag: b.etag, leased: b.lease.live()}, nil
	})
}

func (s *fakeBlobs) read(ctx context.Context, name string) ([]byte, string, error) {
	b, err := do(ctx, s, "read", name, func() (fakeBlob, error) {
		b, err := s.get(name)
		if err != nil {
			return fakeBlob{}, err
		}
		return *b, nil
	})
	return slices.Clone(b.text), b.etag, err
}

func (s *fakeBlobs) add(ctx context.Context, name string, text []byte) error {
	return s.act(ctx, "add", name, func() error {
		if !s.c.exists {
			return errNoStore
		}
		if s.c.blobs[name] != nil {
			return errExists
		}
		s.c.blobs[name] = &fakeBlob{text: slices.Clone(text), etag: s.c.hub.nextTag()}
		return nil
	})
}

func (s *fakeBlobs) write(ctx context.Context, name string, text []byte, id string) (string, error) {
	return do(ctx, s, "write", name, func() (string, error) {
		if !s.c.exists {
			return "", errNoStore
		}
		b := s.c.blobs[name]
		if b == nil {
			if id != "" {
				return "", errTaken
			}
			b = &fakeBlob{}
			s.c.blobs[name] = b
		}
		if b.lease.live() && b.lease.id != id || id != "" && !b.lease.live() {
			return "", errTaken
		}
		b.text, b.etag = slices.Clone(text), s.c.hub.nextTag()
		return b.etag, nil
	})
}

func (s *fakeBlobs) exchange(ctx context.Context, name string, text []byte, id, etag string) (string, error) {
	return do(ctx, s, "exchange", name, func() (string, error) {
		b, err := s.get(name)
		if err != nil {
			return "", err
		}
		if b.etag != etag || !b.lease.live() || b.lease.id != id {
			return "", errTaken
		}
		b.text, b.etag = slices.Clone(text), s.c.hub.nextTag()
		return b.etag, nil
	})
}

func (s *fakeBlobs) breakLease(ctx context.Context, name string) error {
	return s.act(ctx, "break", name, func() error {
		b, err := s.get(name)
		if err == nil {
			b.lease = fakeLease{}
		}
		return err
	})
}

func (s *fakeBlobs) acquire(ctx context.Context, name, id string, d time.Duration) error {
	return s.act(ctx, "acquire", name, func() error {
		b, err := s.get(name)
		if err != nil {
			return err
		}
		if b.lease.live() && b.lease.id != id {
			return errTaken
		}
		b.lease, b.d = fakeLease{id: id, until: leaseEnd(d)}, d
		return nil
	})
}

func (s *fakeBlobs) change(ctx context.Context, name, from, to string) error {
	return s.act(ctx, "change", name, func() error {
		b, err := s.get(name)
		if err != nil {
			return err
		}
		if !b.lease.live() || b.lease.id != from && b.lease.id != to {
			return errTaken
		}
		b.lease.id = to
		return nil
	})
}

func (s *fakeBlobs) renew(ctx context.Context, name, id string) (string, error) {
	return do(ctx, s, "renew", name, func() (string, error) {
		b, err := s.get(name)
		if err != nil {
			return "", err
		}
		if b.lease.id != id {
			return "", errTaken
		}
		b.lease.until = leaseEnd(b.d)
		return b.etag, nil
	})
}

func leaseEnd(d time.Duration) time.Time {
	if d < 0 {
		d = 100 * 365 * 24 * time.Hour
	}
	return time.Now().Add(d)
}

func (s *fakeBlobs) release(ctx context.Context, name, id string) error {
	return s.act(ctx, "release", name, func() error {
		b, err := s.get(name)
		if err != nil {
			return err
		}
		if b.lease.id != id {
			return errTaken
		}
		b.lease = fakeLease{}
		return nil
	})
}

// breakLease is what somebody does by hand.
func (h *fakeHub) breakLease(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lease.blobs[name].lease = fakeLease{}
}

func (h *fakeHub) deleteBlob(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lease.blobs, name)
}

// overwrite replaces a blob's content and leaves its lease.
func (h *fakeHub) overwrite(name, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.lease.blobs[name]
	if b == nil {
		b = &fakeBlob{}
		h.lease.blobs[name] = b
	}
	b.text, b.etag = []byte(text), h.nextTag()
}

func (h *fakeHub) text(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.lease.blobs[name]; b != nil {
		return string(b.text)
	}
	return ""
}

type fakeTable struct {
	hub    *fakeHub
	exists bool
	rows   map[string]row
}

// fakeRows is a worker's view of the table.
type fakeRows struct {
	t   *fakeTable
	net *net
}

func (s *fakeRows) act(ctx context.Context, op string, f func() error) error {
	if err := s.net.before(ctx, op, ""); err != nil {
		return err
	}
	s.t.hub.mu.Lock()
	s.t.hub.count(op)
	err := f()
	s.t.hub.mu.Unlock()
	return s.net.after(op, "", err)
}

func (s *fakeRows) create(ctx context.Context) error {
	return s.act(ctx, "table.create", func() error {
		if !s.t.exists {
			s.t.exists, s.t.rows = true, map[string]row{}
		}
		return nil
	})
}

func (s *fakeRows) remove(ctx context.Context) error {
	return s.act(ctx, "table.remove", func() error {
		s.t.exists, s.t.rows = false, nil
		return nil
	})
}

func (s *fakeRows) query(ctx context.Context) (rows []row, served time.Time, err error) {
	err = s.act(ctx, "table.query", func() error {
		if !s.t.exists {
			return errNoStore
		}
		for _, name := range slices.Sorted(maps.Keys(s.t.rows)) {
			rows = append(rows, s.t.rows[name])
		}
		served = time.Now().UTC().Truncate(time.Second)
		return nil
	})
	return rows, served, err
}

func (s *fakeRows) put(r row) string {
	r.etag, r.timestamp = s.t.hub.nextTag(), time.Now().UTC()
	s.t.rows[r.queue] = r
	return r.etag
}

func (s *fakeRows) add(ctx context.Context, r row) error {
	return s.act(ctx, "table.insert", func() error {
		if !s.t.exists {
			return errNoStore
		}
		if _, ok := s.t.rows[r.queue]; ok {
			return errExists
		}
		s.put(r)
		return nil
	})
}

func (s *fakeRows) replace(ctx context.Context, rows []row) (etags []string, err error) {
	err = s.act(ctx, "table.replace", func() error {
		if !s.t.exists {
			return errNoStore
		}
		for _, r := range rows {
			old, ok := s.t.rows[r.queue]
			switch {
			case !ok:
				return errMissing
			case old.etag != r.etag:
				return errTaken
			}
		}
		for _, r := range rows {
			etags = append(etags, s.put(r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return etags, nil
}

func (h *fakeHub) row(queue string) row {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.table.rows[queue]
}

// edit changes a row as somebody would by hand.
func (h *fakeHub) edit(queue string, f func(*row)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.table.rows[queue]
	r.queue = queue
	f(&r)
	r.etag, r.timestamp = h.nextTag(), time.Now().UTC()
	h.table.rows[queue] = r
}

func (h *fakeHub) deleteRow(queue string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.table.rows, queue)
}

func (h *fakeHub) via(n *net) stores {
	return stores{
		app:    &fakeBlobs{c: h.app, net: n, tag: "app."},
		leases: &fakeBlobs{c: h.lease, net: n, tag: "blob."},
		rows:   &fakeRows{t: h.table, net: n},
	}
}

// skewedClock is a clock whose wall time is off and may be set, and whose monotonic time may stand still, as a machine's
// does while it sleeps.
type skewedClock struct {
	Clock
	mu    sync.Mutex
	skew  time.Duration
	slept time.Duration
}

func newSkewedClock(skew time.Duration) *skewedClock {
	return &skewedClock{Clock: newSystemClock(), skew: skew}
}

func (c *skewedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Clock.Now().Round(0).Add(c.skew)
}

func (c *skewedClock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Clock.Elapsed() - c.slept
}

// step sets the wall clock.
func (c *skewedClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew += d
}

// ledger watches that no partition has two owners at a time.
type ledger struct {
	t       *testing.T
	mu      sync.Mutex
	holders map[int]map[*Lease]string
	grants  int
	gaps    map[int]time.Time // since when a partition has had no owner
	longest time.Duration
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, holders: map[int]map[*Lease]string{}, gaps: map[int]time.Time{}}
}

func (g *ledger) acquired(l *Lease, worker string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for other, who := range g.holders[l.Partition()] {
		if left := other.Deadline().Sub(other.manager.cfg.Clock.Now()); left > 0 {
			g.t.Errorf("partition %d: %s acquired it at %v while %s still held it for %v", l.Partition(), worker, now.Format("04:05.000"), who, left)
		}
	}
	if g.holders[l.Partition()] == nil {
		g.holders[l.Partition()] = map[*Lease]string{}
	}
	if since, ok := g.gaps[l.Partition()]; ok {
		g.longest = max(g.longest, now.Sub(since))
		delete(g.gaps, l.Partition())
	}
	g.holders[l.Partition()][l] = worker
	g.grants++
}

func (g *ledger) ended(l *Lease) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.holders[l.Partition()], l)
	if len(g.holders[l.Partition()]) == 0 {
		g.gaps[l.Partition()] = time.Now()
	}
}

// owned counts the partitions of each worker.
func (g *ledger) owned() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := map[string]int{}
	for _, ls := range g.holders {
		for l, who := range ls {
			if l.Deadline().After(l.manager.cfg.Clock.Now()) {
				n[who]++
			}
		}
	}
	return n
}

// granted counts the leases that were ever handed out.
func (g *ledger) granted() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grants
}

func (g *ledger) longestGap() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	longest := g.longest
	g.longest = 0
	return longest
}
