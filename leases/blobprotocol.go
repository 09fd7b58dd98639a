package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// blobProtocol is the safe and the legacy partition manager.
//
// In safe mode a partition has two lease blobs. The intent leases are balanced and taken over freely; the ownership
// lease is acquired only by the holder of the intent and never taken from its holder, who lets go of it when it finds,
// at a renewal, that its intent is gone. In legacy mode the one lease is both.
//
// A Go fleet uses one lease a partition in either mode, and hands over as the table manager does: a worker that wants a
// partition writes its name into the record of the present lease; the owner sees at its next renewal, whose answer has
// the blob's etag, that somebody has written, drains, and releases the lease for the other to acquire.
type blobProtocol struct {
	cfg    Config
	log    *slog.Logger
	leases *blobLeases
	hooks  hooks
	watch  *watch
	polite bool // the Go fleet's way

	mu       sync.Mutex
	parts    []*blobPart
	reclaim  bool   // the next look is the first, which takes back what an earlier process of the same name held
	infoETag string // of taskhub.json as checked last
	warned   bool   // about leases of another partition manager
	stranger string // a live worker of the other kind of fleet
}

// blobPart is a partition's state.
type blobPart struct {
	index  int
	queue  string
	intent *leaseBlob // nil in legacy mode and in Go fleets
	own    *leaseBlob

	granted    bool          // a Lease is out
	releasing  bool          // and is being given up
	quarantine time.Duration // until when a lease taken from its holder is not handed out; 0 for none
	giveUp     bool          // the worker lost it on its side; what is left at the service is to be given up
	twin       bool          // a process of the same name was met here
	released   time.Duration // when the lease was first seen released for its next owner; 0 when it is not
}

func newBlobProtocol(cfg Config, store blobStore, h hooks) *blobProtocol {
	p := &blobProtocol{cfg: cfg, log: cfg.Logger, hooks: h, reclaim: true, watch: newWatch(cfg.WorkerID), polite: cfg.Fleet == GoFleet}
	p.leases = &blobLeases{
		store: store, worker: cfg.WorkerID, duration: cfg.Duration, clock: cfg.Clock, newID: newGUID, fleet: cfg.Fleet.marker(),
		apply: func(f func()) {
			p.mu.Lock()
			defer p.mu.Unlock()
			f()
		},
	}
	for i := range cfg.Partitions {
		queue := cfg.Names.ControlQueue(i)
		part := &blobPart{index: i, queue: queue}
		part.own = &leaseBlob{name: layout.OwnershipBlob(queue), queue: queue}
		switch {
		case cfg.Mode == Legacy:
			part.own.name = layout.LegacyLeaseBlob(queue)
		case !p.polite:
			part.intent = &leaseBlob{name: layout.IntentBlob(queue), queue: queue}
		}
		p.parts = append(p.parts, part)
	}
	return p
}

// claim is the blob that is balanced.
func (part *blobPart) claim() *leaseBlob {
	if part.intent != nil {
		return part.intent
	}
	return part.own
}

func (part *blobPart) blobs() []*leaseBlob {
	if part.intent != nil {
		return []*leaseBlob{part.intent, part.own}
	}
	return []*leaseBlob{part.own}
}

func (p *blobProtocol) rest() (alone, shared time.Duration) { return 2 * time.Minute, time.Minute }

func (p *blobProtocol) alone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.parts {
		if !part.granted || part.claim().token == "" || part.own.next() != "" {
			return false
		}
	}
	return true
}

// unsettled: a claim without ownership, a lease in quarantine, a blob that is being released or is missing, or leases to
// give up.
func (p *blobProtocol) unsettled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.parts {
		claim := part.claim()
		switch {
		case part.giveUp || part.releasing || p.wanted(part),
			claim.token != "" && !part.granted,
			claim.token == "" && claim.leased && claim.holder() == "",
			claim.token == "" && claim.free():
			return true
		}
		for _, b := range part.blobs() {
			if b.missing || b.pending != "" {
				return true
			}
		}
	}
	return false
}

func (p *blobProtocol) seats() []seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	seats := make([]seat, 0, len(p.parts))
	for _, part := range p.parts {
		claim := part.claim()
		s := seat{partition: part.index}
		switch next := p.nextOwner(part); {
		case part.giveUp || part.releasing:
			s.fixed = true
		case p.wanted(part):
			s.mine = true
		case next != "" && !p.open(part):
			s.owner, s.fixed = next, true
		case claim.token != "":
			s.mine = true
		default:
			s.owner = p.ownerOf(claim)
			s.free = claim.free() && !part.granted
			s.fixed = part.granted || claim.record.token() == ""
		}
		seats = append(seats, s)
	}
	return seats
}

// The following three need the mutex and are about Go fleets.

// nextOwner is the worker that is to have the partition next; empty when nobody is.
func (p *blobProtocol) nextOwner(part *blobPart) string {
	if !p.polite {
		return ""
	}
	return part.own.next()
}

// wanted tells whether the partition is on its way to this worker.
func (p *blobProtocol) wanted(part *blobPart) bool {
	return p.polite && part.own.token == "" && !part.granted && part.own.next() == p.cfg.WorkerID
}

// open tells whether a free partition is for everybody: nobody was to have it next, or that worker has not come for it, or
// its owner has not released it but died.
func (p *blobProtocol) open(part *blobPart) bool {
	b := part.own
	if !b.free() {
		return false
	}
	return b.next() == "" || b.record.owner() != "" || part.released > 0 && p.cfg.Clock.Elapsed()-part.released >= claimedWithin
}

// ownerOf is whom a blob counts for. A process of the same name is another worker, not this one.
func (p *blobProtocol) ownerOf(b *leaseBlob) string {
	owner := b.holder()
	if owner != "" && sameWorker(owner, p.cfg.WorkerID) {
		return owner + " (another process)"
	}
	return owner
}

// take acquires a free claim; in safe mode the ownership as well if it is free.
func (p *blobProtocol) take(ctx context.Context, partition int) error {
	part := p.parts[partition]
	if part.intent == nil {
		if err := p.leases.acquire(ctx, part.own); err != nil {
			return err
		}
		p.handOut(part)
		return nil
	}
	if err := p.leases.acquire(ctx, part.intent); err != nil {
		return err
	}
	return p.own(ctx, part)
}

// own acquires the ownership of a partition whose intent this worker holds.
func (p *blobProtocol) own(ctx context.Context, part *blobPart) error {
	p.mu.Lock()
	ready := part.intent.token != "" && part.own.token == "" && !part.own.leased && !part.own.missing && !part.granted
	p.mu.Unlock()
	if !ready {
		return nil
	}
	err := p.leases.acquire(ctx, part.own)
	switch {
	case errors.Is(err, errTaken):
		return nil // its holder has not finished yet; the next look tells
	case err != nil:
		return err
	}
	p.handOut(part)
	return nil
}

// ask takes a claim over from its holder. In legacy mode the holder works on until its next renewal.
func (p *blobProtocol) ask(ctx context.Context, partition int) error {
	part := p.parts[partition]
	if p.polite {
		if err := p.leases.nominate(ctx, part.own, p.cfg.WorkerID); err != nil {
			return err
		}
	} else if part.intent != nil {
		if err := p.leases.steal(ctx, part.intent); err != nil {
			return err
		}
	} else if err := p.stealInUse(ctx, part, p.cfg.hold()); err != nil {
		return err
	}
	p.log.Info("asked another worker for a partition", keyPartition, partition, keyQueue, part.queue)
	return nil
}

// stealInUse takes over a lease under which its holder may be reading. It is not handed out for the given time, in which
// that holder notices.
func (p *blobProtocol) stealInUse(ctx context.Context, part *blobPart, notice time.Duration) error {
	p.quarantine(part, notice) // from the first request on, whose answer may be lost
	if err := p.leases.steal(ctx, part.own); err != nil {
		if isGone(err) {
			p.endQuarantine(part)
		}
		return err
	}
	p.quarantine(part, notice)
	return nil
}

// quarantine keeps a lease from being handed out for a time.
func (p *blobProtocol) quarantine(part *blobPart, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	part.quarantine = p.cfg.Clock.Elapsed() + d
}

func (p *blobProtocol) endQuarantine(part *blobPart) {
	p.mu.Lock()
	defer p.mu.Unlock()
	part.quarantine = 0
}

// handOut gives the partition to the worker.
func (p *blobProtocol) handOut(part *blobPart) {
	p.mu.Lock()
	part.granted, part.quarantine, part.twin = true, 0, false
	k := &blobKeeper{protocol: p, part: part, token: part.own.token}
	since := part.own.renewed
	p.mu.Unlock()
	p.hooks.grant(part.index, k, since)
}

// advance creates missing blobs, settles requests without an answer, gives up what was lost, acquires ownerships that
// have become free, hands out leases after their quarantine, and renews claims that wait.
func (p *blobProtocol) advance(ctx context.Context) {
	var group errgroup.Group
	for _, part := range p.parts {
		group.Go(func() error {
			if err := p.advancePart(ctx, part); err != nil && !errors.Is(err, errTaken) && ctx.Err() == nil {
				p.log.Warn("a step of acquiring a partition failed; trying again", keyPartition, part.index, keyError, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the steps report their errors themselves
}

func (p *blobProtocol) advancePart(ctx context.Context, part *blobPart) error {
	p.mu.Lock()
	now := p.cfg.Clock.Elapsed()
	stray := part.own.token != "" && !part.granted && part.intent != nil && part.intent.token == ""
	giveUp := part.giveUp || stray // an ownership whose intent was lost on the way is of no use
	ready := part.own.token != "" && !part.granted && now >= part.quarantine
	waiting := part.intent != nil && part.intent.token != "" && part.own.token == "" && !part.granted
	due := waiting && now-part.intent.renewed.mono >= p.cfg.Renew
	arrived := p.wanted(part) && part.own.free() && !part.own.missing
	p.mu.Unlock()
	switch {
	case giveUp:
		return p.dropPart(ctx, part)
	case ready:
		return p.handOutRenewed(ctx, part)
	}
	if err := p.settle(ctx, part); err != nil {
		return err
	}
	if due {
		if _, err := p.leases.renew(ctx, part.intent); err != nil {
			return err
		}
	}
	if waiting {
		return p.own(ctx, part)
	}
	if arrived {
		return p.take(ctx, part.index)
	}
	return nil
}

// handOutRenewed gives the worker a lease that it has held for a while, with its full time.
func (p *blobProtocol) handOutRenewed(ctx context.Context, part *blobPart) error {
	if _, err := p.leases.renew(ctx, part.own); err != nil {
		if isGone(err) {
			p.endQuarantine(part)
		}
		return err
	}
	p.handOut(part)
	return nil
}

// settle makes blobs that are missing, and repeats requests whose answer was lost.
func (p *blobProtocol) settle(ctx context.Context, part *blobPart) error {
	for _, b := range part.blobs() {
		p.mu.Lock()
		missing, pending := b.missing && b.token == "", b.pending != "" && b.token == ""
		p.mu.Unlock()
		if missing {
			if err := p.createBlob(ctx, b); err != nil {
				return err
			}
		} else if pending {
			if err := p.leases.acquire(ctx, b); err != nil {
				if isGone(err) && b == part.own {
					p.endQuarantine(part)
				}
				return err
			}
		}
	}
	return nil
}

func (p *blobProtocol) createBlob(ctx context.Context, b *leaseBlob) error {
	err := p.leases.store.add(ctx, b.name, encodeJSON(record{PartitionID: b.queue}))
	if err != nil && !errors.Is(err, errExists) {
		return err
	}
	p.log.Warn("a lease blob was missing and was created again", keyQueue, b.queue)
	p.leases.apply(func() {
		b.version++
		b.missing, b.leased, b.etag, b.readable, b.record = false, false, "", true, record{PartitionID: b.queue}
	})
	return nil
}

// dropPart gives up at the service what the worker has lost on its side, so that others need not wait for the lease to
// end.
func (p *blobProtocol) dropPart(ctx context.Context, part *blobPart) error {
	for _, b := range []*leaseBlob{part.own, part.intent} {
		if b == nil {
			continue
		}
		if err := p.leases.giveUp(ctx, b); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	part.giveUp = false
	return nil
}

// resign gives up claims that were not handed out, and leases that may have been acquired. A lease in quarantine is left to
// end by itself, because its previous holder may still be reading.
func (p *blobProtocol) resign(ctx context.Context) {
	var group errgroup.Group
	for _, part := range p.parts {
		p.mu.Lock()
		inUse := part.quarantine > p.cfg.Clock.Elapsed()
		p.mu.Unlock()
		if inUse {
			continue
		}
		group.Go(func() error {
			p.withdraw(ctx, part)
			for _, b := range part.blobs() {
				p.leases.retract(ctx, b)
				if err := p.leases.giveUp(ctx, b); err != nil {
					p.log.Warn("a lease could not be released; it ends by itself", keyPartition, part.index, keyError, err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // the errors were reported
}

// withdraw takes back the request for a partition that another worker still has.
func (p *blobProtocol) withdraw(ctx context.Context, part *blobPart) {
	p.mu.Lock()
	wanted := p.wanted(part)
	p.mu.Unlock()
	if !wanted {
		return
	}
	if err := p.leases.nominate(ctx, part.own, ""); err != nil && !isGone(err) {
		p.log.Warn("the request for a partition could not be withdrawn; it counts for a few seconds", keyPartition, part.index, keyError, err)
	}
}

func (p *blobProtocol) close() {}

func (p *blobProtocol) intruder() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stranger
}

func (p *blobProtocol) describe(partition int) PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	part := p.parts[partition]
	claim := part.claim()
	s := PartitionStatus{Partition: partition, Queue: part.queue}
	switch {
	case part.granted:
		s.State = Held
	case part.giveUp:
		s.State, s.Owner, s.Reason = Elsewhere, p.cfg.WorkerID, "this worker has lost it and is about to give it up at the service"
	case part.quarantine > 0 && part.own.token != "":
		s.State, s.Reason = Waiting, "it was taken over, and its previous holder may read it until its next renewal"
	case claim.token != "" || p.wanted(part):
		s.State, s.Owner = Waiting, p.ownerOf(part.own)
		s.Reason = fmt.Sprintf("worker %q has not let go of it yet", s.Owner)
		if s.Owner == "" {
			s.Reason = "its previous owner's lease has not ended yet"
		}
	case !claim.known:
		s.State = Unknown
	case claim.missing:
		s.State, s.Reason = Free, "its lease blob is missing"
	case p.nextOwner(part) != "" && !p.open(part):
		s.State, s.Owner, s.Reason = Elsewhere, p.nextOwner(part), "it is on its way to that worker"
	case claim.free():
		s.State = Free
	case !claim.readable:
		s.State, s.Reason = Elsewhere, "its lease blob is held but cannot be read; it is taken over when the lease ends"
	default:
		s.State, s.Owner = Elsewhere, p.ownerOf(claim)
	}
	if part.twin {
		s.Reason = reasonTwin
	}
	return s
}

const reasonTwin = "another process uses the same worker id: give every worker of the hub a name of its own"
