package partition

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/tables"
)

const (
	// activeBatch is how many rows one transaction takes.
	activeBatch = 100
	// activeLinger is how long rows that are not needed any more wait for others to be deleted with them.
	activeLinger = 2 * time.Second
)

// activeList keeps this ownership's rows on the hub's active list: the instances whose work others could not find by a
// message. Rows are written and deleted many at a time, by one loop.
type activeList struct {
	p     *Partition
	owner string
	kick  chan struct{}

	mu      sync.Mutex
	entries map[string]*activeEntry
	ended   bool
}

type activeEntry struct {
	want, have bool
	doubt      bool   // the row may be there all the same: the answer to a write or a deletion did not come
	busy       bool   // a transaction that concerns it is under way
	etag       string // of the row; empty when it is not known
	attempts   int32
	charged    bool // attempts count this owner
	changed    bool // attempts differ from the row's
	waiting    []chan error
	since      time.Time // not wanted since
	adopted    time.Time // from another owner
	again      bool      // it is looked at again after lateOwner
}

func (e *activeEntry) unwanted() bool { return !e.want && (e.have || e.doubt) }

func newActiveList(p *Partition) *activeList {
	return &activeList{p: p, owner: newOwner(), kick: make(chan struct{}, 1), entries: map[string]*activeEntry{}}
}

// newOwner names an ownership. It sorts by time, for those who read the table.
func newOwner() string { return time.Now().UTC().Format("20060102T150405") + "-" + rand.Text()[:10] }

// ensure returns once every instance has its row.
func (a *activeList) ensure(ctx context.Context, ids ...string) error {
	var waits []chan error
	a.mu.Lock()
	for _, id := range ids {
		e := a.entry(id)
		e.want = true
		if e.have && !e.busy && !e.changed {
			continue
		}
		done := make(chan error, 1)
		e.waiting = append(e.waiting, done)
		waits = append(waits, done)
	}
	ended := a.ended
	a.mu.Unlock()
	if ended {
		return ErrLeaseLost
	}
	signal(a.kick)
	var errs []error
	for _, done := range waits {
		select {
		case err := <-done:
			errs = append(errs, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errors.Join(errs...)
}

// stray looks at a row of this ownership that was read. One that is not known here was written late: its request was given
// up, sent again, and arrived after the row had been deleted.
func (a *activeList) stray(r tables.ActiveRow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.entries[r.InstanceID]; !known {
		a.entries[r.InstanceID] = &activeEntry{doubt: true, etag: r.ETag, since: time.Now()}
		signal(a.kick)
	}
}

// entry needs mu.
func (a *activeList) entry(id string) *activeEntry {
	e := a.entries[id]
	if e == nil {
		e = &activeEntry{}
		a.entries[id] = e
	}
	return e
}

// has says whether the instance has a row that stays.
func (a *activeList) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[id]
	return e != nil && e.have && e.want
}

// release says that the instance needs no row. It is deleted some time later.
func (a *activeList) release(id string) {
	a.p.suspects.settle(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[id]
	switch {
	case e == nil:
	case !e.have && !e.busy && !e.doubt:
		e.answer(nil)
		delete(a.entries, id)
	case e.want:
		e.answer(nil)
		e.want, e.since = false, time.Now()
		signal(a.kick)
	}
}

// lateOwner is for how long after a takeover a commit of the former owner may still land. Mostly none can, as its lease has ended; but
// one whose lease was broken from outside does not know that until it renews it, within a minute, and requests may be late.
const lateOwner = 75 * time.Second

// keep says whether an instance that was taken over and has no history keeps its row for now: its first commit, by the former owner,
// may be yet to come, and relies on a row that is gone since. It is looked at again then.
func (a *activeList) keep(id string) bool {
	a.p.suspects.settle(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[id]
	if e == nil || e.adopted.IsZero() {
		return false
	}
	left := lateOwner - time.Since(e.adopted)
	if left > 0 && !e.again {
		e.again = true
		a.p.sessions.wakeLater(id, left)
	}
	return left > 0
}

// progress says that the instance has got further since it was taken over.
func (a *activeList) progress(id string) {
	a.p.suspects.settle(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.entries[id]; e != nil && e.attempts > 0 {
		e.attempts, e.charged, e.changed = 0, false, true
		signal(a.kick)
	}
}

// attempt counts this owner as one more that takes the instance over, before its row is written.
func (a *activeList) attempt(id string, attempts int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entry(id)
	e.attempts, e.charged, e.changed, e.adopted = max(e.attempts, attempts), true, true, time.Now()
}

// inherit takes the count of a dead owner over without counting this one.
func (a *activeList) inherit(id string, attempts int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entry(id)
	if e.adopted = time.Now(); attempts > e.attempts {
		e.attempts, e.changed = attempts, true
	}
}

// charge counts this owner for instances that are about to be tried, and returns once their rows say so.
func (a *activeList) charge(ctx context.Context, ids []string) error {
	a.mu.Lock()
	for _, id := range ids {
		e := a.entry(id)
		e.attempts, e.charged, e.changed = e.attempts+1, true, true
	}
	a.mu.Unlock()
	return a.ensure(ctx, ids...)
}

// discharge takes the count of this owner back, unless the instance has got further meanwhile, and returns what is left.
func (a *activeList) discharge(id string) int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[id]
	if e == nil {
		return 0
	}
	if e.charged && e.attempts > 0 {
		e.attempts, e.charged, e.changed = e.attempts-1, false, true
		signal(a.kick)
	}
	return e.attempts
}

// failed counts an attempt of this owner that failed. False means that the instance has no row to keep the count.
func (a *activeList) failed(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[id]
	if e == nil || !e.want || !e.have {
		return false
	}
	e.attempts, e.changed = e.attempts+1, true
	signal(a.kick)
	return true
}

func (a *activeList) attempts(id string) int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.entries[id]; e != nil {
		return e.attempts
	}
	return 0
}

// leave takes back the attempts of an owner that ends in order.
func (a *activeList) leave(ctx context.Context) {
	a.mu.Lock()
	for _, e := range a.entries {
		if e.want && e.charged && e.attempts > 0 {
			e.attempts, e.charged, e.changed = e.attempts-1, false, true
		}
	}
	a.mu.Unlock()
	for a.write(ctx) {
	}
}

func (a *activeList) run(ctx context.Context) {
	defer a.end()
	for ctx.Err() == nil {
		more := a.write(ctx)
		wait := a.remove(ctx, false)
		if more {
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-a.kick:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func (a *activeList) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for _, e := range a.entries {
		e.answer(ErrLeaseLost)
	}
}

func (e *activeEntry) answer(err error) {
	for _, done := range e.waiting {
		done <- err
	}
	e.waiting = nil
}

// write writes the rows that are wanted; true means that more wait.
func (a *activeList) write(ctx context.Context) bool {
	rows := a.choose(func(e *activeEntry) bool { return e.want && (!e.have || e.changed) })
	if len(rows) == 0 {
		return false
	}
	err := a.p.cfg.Tables.PutActive(ctx, rows)
	if err != nil && ctx.Err() == nil {
		a.p.log.Warn("the active list could not be written; what it would cover keeps its messages", keyError, err, keyCount, len(rows))
	}
	a.settle(rows, err, func(e *activeEntry, r tables.ActiveRow, ok bool) {
		if ok {
			e.have, e.doubt, e.changed, e.etag = true, false, e.attempts != r.Attempts, r.ETag
		} else {
			e.doubt, e.etag = !e.have, ""
			e.answer(err)
		}
	})
	return err == nil
}

// remove deletes rows that are not wanted, when there are many or they have waited long enough, and says when to look
// again.
func (a *activeList) remove(ctx context.Context, now bool) time.Duration {
	a.mu.Lock()
	idle, oldest := 0, time.Now()
	for _, e := range a.entries {
		if e.unwanted() && !e.busy {
			idle++
			if e.since.Before(oldest) {
				oldest = e.since
			}
		}
	}
	a.mu.Unlock()
	if idle == 0 {
		return time.Minute
	}
	if left := activeLinger - time.Since(oldest); left > 0 && idle < activeBatch && !now {
		return left
	}
	rows := a.choose((*activeEntry).unwanted)
	err := a.p.cfg.Tables.DeleteActive(ctx, rows)
	if err != nil && ctx.Err() == nil {
		a.p.log.Warn("rows of the active list could not be deleted; trying again", keyError, err)
	}
	a.settle(rows, err, func(e *activeEntry, _ tables.ActiveRow, ok bool) { e.have, e.doubt, e.etag = false, !ok, "" })
	if err != nil {
		return activeLinger
	}
	return 0
}

// removeAll deletes every row that is not wanted, as far as ctx and the storage let it.
func (a *activeList) removeAll(ctx context.Context) {
	for ctx.Err() == nil {
		if a.remove(ctx, true) > 0 {
			return
		}
	}
}

// choose takes up to one transaction's entries into work.
func (a *activeList) choose(which func(*activeEntry) bool) []tables.ActiveRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	var rows []tables.ActiveRow
	for id, e := range a.entries {
		if len(rows) == activeBatch {
			break
		}
		if !e.busy && which(e) {
			e.busy = true
			rows = append(rows, tables.ActiveRow{Queue: a.p.queue.Name(), Owner: a.owner, InstanceID: id, Attempts: e.attempts, ETag: e.etag})
		}
	}
	return rows
}

func (a *activeList) settle(rows []tables.ActiveRow, err error, change func(e *activeEntry, r tables.ActiveRow, ok bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	again := false
	for _, r := range rows {
		e := a.entries[r.InstanceID]
		e.busy = false
		change(e, r, err == nil)
		switch {
		case e.have && e.want && e.changed: // while it was being written; or the write failed, and who waited for it knows
			again = again || err == nil
		case e.have && e.want:
			e.answer(nil)
		case e.want && len(e.waiting) > 0:
			again = true // asked for again while it was being deleted, whatever came of that
		case !e.want && !e.have && !e.doubt:
			delete(a.entries, r.InstanceID)
		}
	}
	if again {
		signal(a.kick)
	}
}
