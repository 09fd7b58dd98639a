package leases

import (
	"context"
	"errors"
	"strings"
	"time"
)

// leaseBlob is what this worker knows about one lease blob. Its owner guards it with a mutex; the operations of
// blobLeases below are called without that mutex and change it through apply.
type leaseBlob struct {
	name  string
	queue string // the PartitionId of its record

	// As last seen.
	known    bool // it was listed or written at least once
	missing  bool
	leased   bool
	etag     string
	readable bool // record was understood
	record   record

	// As this worker holds it.
	token   string  // the lease id; empty when it does not
	renewed instant // before the request that last extended the lease
	pending string  // the id proposed in a request that may or may not have been carried out
	touched bool    // somebody has written it since
	version int     // counts this worker's own operations, so that an older listing does not undo them
}

// holder is whom the blob says it belongs to; empty when it is free, or in the course of being released.
func (b *leaseBlob) holder() string {
	if !b.leased || !b.readable {
		return ""
	}
	return b.record.owner()
}

// next is the worker that a Go fleet's record names as the next owner.
func (b *leaseBlob) next() string {
	if !b.readable {
		return ""
	}
	return b.record.Next
}

// free tells whether nobody has the lease.
func (b *leaseBlob) free() bool { return b.known && !b.leased }

// blobLeases carries out the lease protocol of DurableTask.AzureStorage on single blobs.
type blobLeases struct {
	store    blobStore
	worker   string
	duration time.Duration
	clock    Clock
	newID    func() string
	fleet    string // what records say about their owner's fleet
	// apply runs a change of a leaseBlob under the mutex that guards it.
	apply func(func())
}

// acquire obtains a free lease: a lease with a new id, then the record under it. errTaken means that another worker was
// first.
func (s *blobLeases) acquire(ctx context.Context, b *leaseBlob) error {
	id, last := s.propose(b)
	sent := instantOf(s.clock)
	if err := s.store.acquire(ctx, b.name, id, s.duration); err != nil {
		return s.refused(b, err)
	}
	return s.inscribe(ctx, b, id, sent, last)
}

// steal takes the lease over from its holder, with the id that the holder's record tells, and gives it its full time.
func (s *blobLeases) steal(ctx context.Context, b *leaseBlob) error {
	id, last := s.propose(b)
	if err := s.store.change(ctx, b.name, last.token(), id); err != nil {
		return s.refused(b, err)
	}
	sent := instantOf(s.clock)
	if _, err := s.store.renew(ctx, b.name, id); err != nil {
		return s.refused(b, err)
	}
	return s.inscribe(ctx, b, id, sent, last)
}

// propose returns the id for a new lease, the same one until its fate is known: asking once more with the same id
// succeeds if the request whose answer was lost was carried out.
func (s *blobLeases) propose(b *leaseBlob) (id string, last record) {
	s.apply(func() {
		if b.pending == "" {
			b.pending = s.newID()
		}
		b.version++
		id, last = b.pending, b.record
	})
	return id, last
}

func (s *blobLeases) refused(b *leaseBlob, err error) error {
	s.apply(func() {
		b.version++
		switch {
		case errors.Is(err, errTaken):
			b.pending = ""
			b.leased = true
		case errors.Is(err, errMissing):
			b.pending = ""
			b.missing, b.leased = true, false
		}
	})
	return err
}

// inscribe writes this worker's name and lease id into the blob. Only then is the lease held: without the record other
// workers could not ask for it.
func (s *blobLeases) inscribe(ctx context.Context, b *leaseBlob, id string, sent instant, last record) error {
	r := s.held(b, id, last.Epoch+1)
	etag, err := s.store.write(ctx, b.name, encodeJSON(r), id)
	if err != nil {
		return s.refused(b, err)
	}
	s.apply(func() {
		b.version++
		b.known, b.missing, b.leased, b.readable = true, false, true, true
		b.etag, b.record = etag, r
		b.token, b.renewed, b.pending, b.touched = id, sent, "", false
	})
	return nil
}

// held is the record of a lease that this worker holds.
func (s *blobLeases) held(b *leaseBlob, id string, epoch int64) record {
	return record{PartitionID: b.queue, Owner: &s.worker, Token: &id, Epoch: epoch, Fleet: s.fleet}
}

// nominate writes into the record of another worker's lease who is to have the partition next; empty withdraws that. It
// fails with errTaken when the record is not the one known any more.
func (s *blobLeases) nominate(ctx context.Context, b *leaseBlob, next string) error {
	var r record
	var etag string
	s.apply(func() {
		b.version++
		r, etag = b.record, b.etag
	})
	if r.token() == "" || etag == "" {
		return errTaken
	}
	r.Next = next
	etag, err := s.store.exchange(ctx, b.name, encodeJSON(r), r.token(), etag)
	if err != nil {
		return err
	}
	s.apply(func() {
		b.version++
		b.etag, b.record, b.readable = etag, r, true
	})
	return nil
}

// reread brings the record of a held lease up to date after somebody has written it. It reports whether the record is
// still that of the lease.
func (s *blobLeases) reread(ctx context.Context, b *leaseBlob) (bool, error) {
	text, etag, err := s.store.read(ctx, b.name)
	if err != nil {
		return false, err
	}
	r, readable := decodeRecord(text)
	same := false
	s.apply(func() {
		same = readable && b.token != "" && r.token() == b.token && r.owner() == s.worker
		if same {
			b.version++
			b.etag, b.record, b.readable, b.touched = etag, r, true, false
		}
	})
	return same, nil
}

// rewrite repairs the record of a blob that this worker holds.
func (s *blobLeases) rewrite(ctx context.Context, b *leaseBlob) error {
	var id string
	var r record
	s.apply(func() {
		id = b.token
		r = s.held(b, id, b.record.Epoch+1)
	})
	etag, err := s.store.write(ctx, b.name, encodeJSON(r), id)
	if err != nil {
		return err
	}
	s.apply(func() {
		b.version++
		b.etag, b.record, b.readable, b.touched = etag, r, true, false
	})
	return nil
}

// giveUp releases the lease: the record without owner and token, then the lease itself. A lease that is not ours any more
// is no error. The next owner's name stays.
func (s *blobLeases) giveUp(ctx context.Context, b *leaseBlob) error {
	var id string
	var r record
	s.apply(func() {
		b.version++
		id, r = b.token, b.record
	})
	if id == "" {
		return nil
	}
	r.PartitionID, r.Owner, r.Token, r.Fleet = b.queue, nil, nil, ""
	etag, err := s.store.write(ctx, b.name, encodeJSON(r), id)
	if err == nil {
		err = s.store.release(ctx, b.name, id)
	}
	gone := errors.Is(err, errTaken) || errors.Is(err, errMissing) || errors.Is(err, errNoStore)
	if err != nil && !gone {
		return err
	}
	s.apply(func() {
		b.version++
		if b.token != id {
			return
		}
		b.token = ""
		if err == nil {
			b.leased, b.etag, b.record = false, etag, r
		}
	})
	return nil
}

// retract ends a lease whose acquisition was never answered.
func (s *blobLeases) retract(ctx context.Context, b *leaseBlob) {
	var id string
	s.apply(func() { id, b.pending = b.pending, "" })
	if id != "" {
		_ = s.store.release(ctx, b.name, id) // it fails unless the lost request was carried out
	}
}

// renew extends a lease that this worker holds. errTaken and errMissing mean that it is gone, which is noted.
func (s *blobLeases) renew(ctx context.Context, b *leaseBlob) (instant, error) {
	var id string
	s.apply(func() { id = b.token })
	if id == "" {
		return instant{}, errTaken
	}
	sent := instantOf(s.clock)
	etag, err := s.store.renew(ctx, b.name, id)
	s.apply(func() {
		if b.token != id {
			return
		}
		switch {
		case err == nil:
			b.version++
			b.renewed = sent
			b.touched = b.touched || etag != "" && etag != b.etag
		case isGone(err):
			b.version++
			b.token = ""
			b.missing = errors.Is(err, errMissing)
		}
	})
	return sent, err
}

// isGone tells the answers that mean that a lease does not exist any more.
func isGone(err error) bool {
	return errors.Is(err, errTaken) || errors.Is(err, errMissing) || errors.Is(err, errNoStore)
}

// sameWorker compares names as .NET does when it looks for its own leases.
func sameWorker(a, b string) bool { return strings.EqualFold(a, b) }
