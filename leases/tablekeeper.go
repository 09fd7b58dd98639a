package leases

import (
	"context"
	"errors"
	"time"
)

// tableKeeper keeps a handed-out lease of the table manager.
type tableKeeper struct {
	protocol *tableProtocol
	part     *tablePart
	claim    *tableClaim
}

// batchWindow is how long the first of several renewals waits for the others.
const batchWindow = 250 * time.Millisecond

// renewalBatch is a transaction that renews the rows of all receive loops that ask at about the same time. Loops that do
// not ask are not in it.
type renewalBatch struct {
	parts []*tablePart
	full  chan struct{} // closed when nobody is missing
	done  chan struct{}
	sent  instant
	err   error // of the request; nil also when some rows were lost
}

// renew joins the batch that is about to be sent.
func (k *tableKeeper) renew(ctx context.Context) (renewal, error) {
	p := k.protocol
	p.mu.Lock()
	if k.part.claim != k.claim {
		p.mu.Unlock()
		return renewal{}, k.lost("it is not held any more")
	}
	b := p.join(k.part)
	p.mu.Unlock()
	select {
	case <-b.done:
	case <-ctx.Done():
		return renewal{}, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case k.part.claim != k.claim:
		return renewal{}, k.lost("its row is another worker's") // the survey that found it has told the lease more
	case b.err != nil:
		return renewal{}, b.err
	}
	r := renewal{sent: b.sent}
	r.asked = entitled(p.asker(k.part.row))
	return r, nil
}

func (k *tableKeeper) lost(reason string) *LostError {
	return &LostError{Hub: k.protocol.cfg.Names.Hub(), Partition: k.part.index, Reason: reason}
}

// join needs the mutex.
func (p *tableProtocol) join(part *tablePart) *renewalBatch {
	b := p.batch
	if b == nil {
		b = &renewalBatch{full: make(chan struct{}), done: make(chan struct{})}
		p.batch = b
		p.running.Go(func() { p.send(b) })
	}
	b.parts = append(b.parts, part)
	if len(b.parts) == p.handedOut() {
		close(b.full)
		p.batch = nil
	}
	return b
}

func (p *tableProtocol) handedOut() int {
	n := 0
	for _, part := range p.parts {
		if part.claim != nil && part.claim.granted && !part.claim.releasing {
			n++
		}
	}
	return n
}

// send waits for the batch to fill up and carries it out.
func (p *tableProtocol) send(b *renewalBatch) {
	defer close(b.done)
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.attempt())
	defer cancel()
	_ = pause(ctx, p.cfg.Clock, batchWindow, b.full)
	p.mu.Lock()
	if p.batch == b {
		p.batch = nil
	}
	p.mu.Unlock()
	b.err = p.renewAll(ctx, b)
}

// renewAll renews the rows of a batch. When one of them has changed the transaction fails as a whole; then the table is
// read, and the rest is tried again.
func (p *tableProtocol) renewAll(ctx context.Context, b *renewalBatch) error {
	const attempts = 4
	var err error
	for range attempts {
		parts, rows, complete := p.compose(b)
		if len(parts) == 0 {
			return nil
		}
		err = errTaken
		if complete {
			sent := instantOf(p.cfg.Clock)
			if err = p.replace(ctx, parts, rows); err == nil {
				b.sent = p.align(sent)
				return nil
			}
		}
		if !isGone(err) {
			return err
		}
		if err = p.query(ctx); err != nil {
			return err
		}
	}
	return errors.Join(errors.New("the rows change faster than they can be renewed"), err)
}

// compose makes the rows of a batch as far as they are still claimed. It is incomplete when a row's etag is unknown.
func (p *tableProtocol) compose(b *renewalBatch) (parts []*tablePart, rows []row, complete bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	complete = true
	for _, part := range b.parts {
		if part.claim == nil || !part.claim.granted || part.claim.releasing {
			continue
		}
		r := p.renewed(part)
		parts, rows = append(parts, part), append(rows, r)
		complete = complete && r.etag != ""
	}
	return parts, rows, complete
}

// align counts the renewal from the last batch when that was sent shortly before. A loop that renews half way to its
// deadline so comes closer to the others every time, until all are in one batch.
func (p *tableProtocol) align(sent instant) instant {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.wall.IsZero() && sent.mono-p.last.mono < p.cfg.Renew/2 {
		return p.last
	}
	p.last = sent
	return sent
}

// release clears the owner; whoever is entitled claims the row then.
func (k *tableKeeper) release(ctx context.Context) error {
	p := k.protocol
	p.mu.Lock()
	mine := k.part.claim == k.claim
	k.claim.releasing = true
	p.mu.Unlock()
	if !mine {
		return nil
	}
	err := p.releaseRow(ctx, k.part, k.claim)
	p.mu.Lock()
	defer p.mu.Unlock()
	k.part.claim = nil
	if err != nil {
		k.part.giveUp = k.claim
	}
	return err
}

// abandoned: the lease is lost. If only this worker's deadline has passed, the coordinating loop releases the row.
func (k *tableKeeper) abandoned(atService bool) {
	p := k.protocol
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.part.claim != k.claim {
		return
	}
	k.part.claim = nil
	if !atService {
		k.part.giveUp = k.claim
	}
}
