package leases

import (
	"context"
	"fmt"
	"sync"
)

// blobKeeper keeps a handed-out lease of the safe or legacy manager.
type blobKeeper struct {
	protocol *blobProtocol
	part     *blobPart
	token    string // of the ownership lease it stands for
}

// renew extends the ownership, and in safe mode the intent with it. The intent may be gone: then another worker waits for
// the partition.
func (k *blobKeeper) renew(ctx context.Context) (renewal, error) {
	p, part := k.protocol, k.part
	p.mu.Lock()
	mine, intent := part.own.token == k.token, ""
	if part.intent != nil {
		intent = part.intent.token
	}
	p.mu.Unlock()
	if !mine {
		return renewal{}, k.lost("it is not held any more")
	}
	var claim sync.WaitGroup
	var claimErr error
	if intent != "" {
		claim.Go(func() { _, claimErr = p.leases.renew(ctx, part.intent) })
	}
	sent, err := p.leases.renew(ctx, part.own)
	claim.Wait()
	switch {
	case isGone(err):
		return renewal{}, k.lost(p.describeLoss(ctx, part, part.own, k.token))
	case err != nil:
		return renewal{}, err
	}
	r := renewal{sent: sent}
	switch {
	case p.polite:
		r.asked = k.request(ctx)
	case part.intent == nil:
	case intent == "":
		r.asked = "its intent lease was lost"
	case isGone(claimErr):
		r.asked = p.describeLoss(ctx, part, part.intent, intent)
	}
	return r, nil
}

// request tells who wants the partition, if somebody does. The record is read only after somebody has written it.
func (k *blobKeeper) request(ctx context.Context) string {
	p, b := k.protocol, k.part.own
	p.mu.Lock()
	touched := b.touched
	p.mu.Unlock()
	if touched {
		switch same, err := p.leases.reread(ctx, b); {
		case err != nil:
			return "" // the next renewal looks again
		case !same:
			if err := p.repair(ctx, k.part, b); err != nil {
				p.log.Warn("the record could not be written; trying again with the next renewal", keyPartition, k.part.index, keyError, err)
			}
			return ""
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return entitled(b.next())
}

// entitled says, as the reason of a hand-over, that a worker is to have the partition; empty when nobody is.
func entitled(worker string) string {
	if worker == "" {
		return ""
	}
	return fmt.Sprintf("worker %q is entitled to it now", worker)
}

func (k *blobKeeper) lost(reason string) *LostError {
	return &LostError{Hub: k.protocol.cfg.Names.Hub(), Partition: k.part.index, Reason: reason}
}

// release gives the partition up: ownership first, so that whoever sees the intent free finds the ownership free too.
func (k *blobKeeper) release(ctx context.Context) error {
	p, part := k.protocol, k.part
	p.mu.Lock()
	mine := part.own.token == k.token
	part.releasing = mine
	p.mu.Unlock()
	if !mine {
		k.abandoned(true) // it was lost a moment ago
		return nil
	}
	err := p.leases.giveUp(ctx, part.own)
	if err == nil && part.intent != nil {
		err = p.leases.giveUp(ctx, part.intent)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	part.granted, part.releasing = false, false
	part.giveUp = err != nil
	return err
}

// abandoned: the lease is lost. What the service still has of it is given up by the coordinating loop.
func (k *blobKeeper) abandoned(bool) {
	p, part := k.protocol, k.part
	p.mu.Lock()
	defer p.mu.Unlock()
	if !part.granted || part.own.token != "" && part.own.token != k.token {
		return
	}
	part.granted = false
	part.giveUp = part.own.token != "" || part.intent != nil && part.intent.token != ""
}
