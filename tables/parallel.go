package tables

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
)

// Keys behind a common beginning are cut into ranges at these letters. Most ids are hex digits, numbers or names; digits
// and letters are not mixed, since where there are digits everything behind them can be cut later.
const (
	splitDigits  = "123456789A"
	splitLetters = "ADGJMPSVabcdefghkmprstw"
)

// maxProbes bounds the requests that look for a place to cut.
const maxProbes = 40

// scan reads the status rows that match a filter in several key ranges at a time. Ranges are cut where the rest of a
// long one begins, whenever a reader has nothing to do.
type scan struct {
	s       *Store
	filter  Filter
	columns *string
	deliver func(rows []*InstanceRow) error

	mu      sync.Mutex
	changed *sync.Cond
	todo    []keyRange
	busy    int // readers at work
	readers int
	err     error
	cancel  context.CancelFunc
}

// scanInstances delivers all rows that match a filter, in no order, page by page. deliver is called by several
// goroutines at a time; its error ends the scan.
func (s *Store) scanInstances(ctx context.Context, filter Filter, columns *string, readers int, deliver func([]*InstanceRow) error) error {
	if filter.impossible() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &scan{s: s, filter: filter, columns: columns, deliver: deliver, todo: []keyRange{filter.bounds()}, readers: max(1, readers), cancel: cancel}
	r.changed = sync.NewCond(&r.mu)
	if filter.InstanceID != "" {
		r.readers = 1
	}
	var running sync.WaitGroup
	for range r.readers {
		running.Go(func() { r.run(ctx) })
	}
	running.Wait()
	return r.err
}

// run reads ranges until none is left and nobody is at work who could leave one.
func (r *scan) run(ctx context.Context) {
	for {
		next, ok := r.take()
		if !ok {
			return
		}
		r.release(r.read(ctx, next))
	}
}

func (r *scan) take() (keyRange, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.todo) == 0 && r.busy > 0 && r.err == nil {
		r.changed.Wait()
	}
	if len(r.todo) == 0 || r.err != nil {
		return keyRange{}, false
	}
	next := r.todo[0]
	r.todo = r.todo[1:]
	r.busy++
	return next, true
}

func (r *scan) release(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	if err != nil && r.err == nil {
		r.err = err
		r.cancel()
	}
	r.changed.Broadcast()
}

// idle tells whether a reader could do with a range.
func (r *scan) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy < r.readers && len(r.todo) == 0
}

func (r *scan) add(ranges []keyRange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.todo = append(r.todo, ranges...)
	r.changed.Broadcast()
}

// read delivers a range, or what is left of it after it was cut.
func (r *scan) read(ctx context.Context, keys keyRange) error {
	filter, token := r.filter, ""
	filter.within = keys
	for {
		raws, next, err := r.s.page(ctx, filter.String(), r.columns, token, r.s.scanPage)
		if err != nil {
			return err
		}
		rows, last, err := r.s.decodePage(ctx, filter, raws)
		if err == nil {
			err = r.deliver(rows)
		}
		if err != nil || next == "" {
			return err
		}
		token = next
		if last == "" || !r.idle() {
			continue
		}
		ranges, err := r.cut(ctx, keyRange{after: last, before: filter.within.before})
		if err != nil {
			return err
		}
		if len(ranges) > 1 {
			filter.within, token = ranges[0], ""
			r.add(ranges[1:])
		}
	}
}

// cut divides the keys behind one that was seen. It looks for the first place where keys go on behind those that begin
// like the one seen: with "order-000999" seen last, nothing may come behind "order-1", but something behind "order-01";
// then that is where to cut, once for each letter. The first range of the result begins at the key seen.
func (r *scan) cut(ctx context.Context, keys keyRange) ([]keyRange, error) {
	seen := []rune(keys.after)
	probes := 0
	for i := range seen {
		behind, ok := nextRune(seen[i])
		if !ok || probes == maxProbes {
			continue
		}
		from := string(seen[:i]) + string(behind)
		if keys.before != "" && compareUTF16(from, keys.before) >= 0 {
			continue
		}
		probes++
		found, err := r.probe(ctx, keyRange{from: from, before: keys.before})
		if err != nil {
			return nil, err
		}
		if found != "" {
			letters := splitLetters
			if there := []rune(found); len(there) > i && there[i] >= '0' && there[i] <= '9' {
				letters = splitDigits
			}
			return divide(keys, string(seen[:i]), seen[i], letters), nil
		}
	}
	return nil, nil
}

// divide cuts a range behind a beginning, at those of the letters that follow the one given.
func divide(keys keyRange, beginning string, after rune, letters string) []keyRange {
	var ranges []keyRange
	rest := keys
	for _, letter := range letters {
		at := beginning + string(letter)
		if letter <= after || keys.before != "" && compareUTF16(at, keys.before) >= 0 {
			continue
		}
		ranges = append(ranges, keyRange{after: rest.after, from: rest.from, before: at})
		rest = keyRange{from: at, before: keys.before}
	}
	return append(ranges, rest)
}

// probe returns the first key in a range, or nothing.
func (r *scan) probe(ctx context.Context, keys keyRange) (string, error) {
	filter, columns := Filter{within: keys}.String(), colPartitionKey
	pager := r.s.instances.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns, Top: to.Ptr(int32(1))})
	page, err := nextPage(ctx, pager)
	if err != nil {
		return "", r.s.fail("query instances", "", err)
	}
	if len(page.Entities) == 0 {
		return "", nil
	}
	row, err := r.s.decodeInstance(page.Entities[0], false)
	if err != nil {
		return "", r.s.fail("query instances", "", err)
	}
	return row.key, nil
}

// errStopped ends a scan whose consumer wants no more.
var errStopped = errors.New("stopped")

// AllUnordered is [Store.All] with several readers at a time, each on a range of ids of its own. The rows come in no
// order. Memory use is that of as many pages as there are readers.
func (s *Store) AllUnordered(ctx context.Context, filter Filter, readers int) iter.Seq2[*InstanceRow, error] {
	return func(yield func(*InstanceRow, error) bool) {
		pages := make(chan []*InstanceRow)
		stop := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- s.scanInstances(ctx, filter, selection(filter.Inputs, filter.Outputs), readers, func(rows []*InstanceRow) error {
				select {
				case pages <- rows:
					return nil
				case <-stop:
					return errStopped
				}
			})
			close(pages)
		}()
		defer func() { // also when the consumer panics
			close(stop)
			for range pages { //nolint:revive // what is on its way is dropped
			}
		}()
		for rows := range pages {
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		}
		if err := <-done; err != nil {
			yield(nil, err)
		}
	}
}

// CountInstances counts the status rows that match a filter by status, with several readers at a time. It reads no
// inputs and no outputs.
func (s *Store) CountInstances(ctx context.Context, filter Filter, readers int) (map[history.Status]int, error) {
	columns := colPartitionKey + "," + colStatus
	if len(filter.Tags) > 0 {
		columns += "," + colTags + "," + colTags + blobSuffix
	}
	filter.Inputs, filter.Outputs, filter.Raw = false, false, true
	var mu sync.Mutex
	counts := make(map[history.Status]int)
	err := s.scanInstances(ctx, filter, &columns, readers, func(rows []*InstanceRow) error {
		mu.Lock()
		defer mu.Unlock()
		for _, row := range rows {
			counts[row.Status]++
		}
		return nil
	})
	return counts, err
}
