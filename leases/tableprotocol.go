package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// tableProtocol is the table partition manager: one row a partition, every change a full replace under the row's etag. A
// worker that wants a partition writes its name into NextOwner; the owner finds out when its renewal is refused, drains,
// and clears CurrentOwner; then the next owner claims the row.
type tableProtocol struct {
	cfg   Config
	log   *slog.Logger
	store rowStore
	hooks hooks

	ctx     context.Context // of renewals; ends with close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	parts    []*tablePart
	reclaim  bool // the next look is the first, which takes back what an earlier process of the same name held
	service  serviceClock
	batch    *renewalBatch // that still accepts renewals
	last     instant       // when the last batch was sent that others align with
	extra    int           // rows of queues that this worker does not know
	stranger string        // a live worker of the other kind of fleet
}

// tablePart is a partition's state.
type tablePart struct {
	index int
	queue string

	row     row
	known   bool
	missing bool
	since   time.Duration // when its owner was first seen to have renewed it or to have let go of it
	stale   bool          // the service's stamps show that it has not changed for longer than its period
	version int           // counts this worker's own writes, so that an older answer does not undo them
	writing int           // own writes under way

	claim      *tableClaim
	pending    time.Time     // OwnedSince of a claim whose answer was lost
	quarantine time.Duration // until when the claim is not handed out; 0 for none
	giveUp     *tableClaim   // a claim lost on this worker's side; the row is to be released
	twin       bool
}

// see takes a row as it is now. A request of the next owner does not prolong the present owner's time.
func (part *tablePart) see(r row, now time.Duration) {
	old := part.row
	same := part.known && old.currentOwner == r.currentOwner && old.ownedSince.Equal(r.ownedSince) &&
		old.lastRenewal.Equal(r.lastRenewal) && old.expiresAt.Equal(r.expiresAt)
	if !same || r.etag == "" {
		part.since = now
	}
	part.row = r
}

// tableClaim is one ownership of a row. OwnedSince tells it from any other, even of a process of the same name.
type tableClaim struct {
	ownedSince time.Time
	sent       instant // before the request that claimed it was sent
	granted    bool
	releasing  bool
}

func newTableProtocol(cfg Config, store rowStore, h hooks) *tableProtocol {
	p := &tableProtocol{cfg: cfg, log: cfg.Logger, store: store, hooks: h, reclaim: true}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for i := range cfg.Partitions {
		p.parts = append(p.parts, &tablePart{index: i, queue: cfg.Names.ControlQueue(i)})
	}
	return p
}

func (p *tableProtocol) rest() (alone, shared time.Duration) { return 5 * time.Minute, time.Minute }

func (p *tableProtocol) alone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.parts {
		if part.claim == nil || !part.claim.granted || p.asker(part.row) != "" {
			return false
		}
	}
	return true
}

func (p *tableProtocol) unsettled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.parts {
		if part.missing || part.giveUp != nil || part.quarantine > 0 || part.claim != nil && !part.claim.granted || !part.pending.IsZero() {
			return true
		}
		if part.claim == nil && (p.wanted(part) || p.open(part)) {
			return true
		}
	}
	return false
}

// The following predicates need the mutex and speak of rows that this worker has not claimed.

// expired tells whether the row's owner has failed to renew it for its period, or the next owner has not come for it
// since it was released. Nobody reads the partition then, and a worker that waits looks every second or so.
func (p *tableProtocol) expired(part *tablePart) bool {
	period := part.row.period(p.cfg.Duration)
	switch {
	case part.row.currentOwner == "" && part.row.nextOwner == "":
		return false
	case part.row.currentOwner == "":
		period = min(period, claimedWithin)
	}
	return part.stale || p.cfg.Clock.Elapsed()-part.since >= period
}

// wanted tells whether the row is on its way to this worker.
func (p *tableProtocol) wanted(part *tablePart) bool { return part.row.nextOwner == p.cfg.WorkerID }

// open tells whether anybody may claim the row.
func (p *tableProtocol) open(part *tablePart) bool {
	return part.known && !part.missing &&
		(part.row.currentOwner == "" && part.row.nextOwner == "" || p.expired(part) || p.leaving(part))
}

// leaving tells whether the row's owner is stopping and has no successor yet.
func (p *tableProtocol) leaving(part *tablePart) bool {
	return part.row.currentOwner != "" && part.row.nextOwner == "" && part.row.isDraining
}

// owner is whom the row counts for. A process of the same name is another worker, not this one.
func (p *tableProtocol) owner(part *tablePart) string {
	switch {
	case part.row.nextOwner != "":
		return part.row.nextOwner
	case part.row.currentOwner == p.cfg.WorkerID:
		return part.row.currentOwner + " (another process)"
	}
	return part.row.currentOwner
}

func (p *tableProtocol) seats() []seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	seats := make([]seat, 0, len(p.parts))
	for _, part := range p.parts {
		s := seat{partition: part.index}
		switch {
		case !part.known || part.missing || part.giveUp != nil || !part.pending.IsZero():
			s.fixed = true
		case part.claim != nil && p.asker(part.row) == "":
			s.mine = true
		case part.claim != nil:
			s.owner, s.fixed = part.row.nextOwner, true
		case p.open(part):
			s.free = true
		case p.wanted(part):
			s.mine = true
		default:
			s.owner, s.fixed = p.owner(part), part.row.nextOwner != ""
		}
		seats = append(seats, s)
	}
	return seats
}

// take claims an open row, or asks for one whose owner is stopping.
func (p *tableProtocol) take(ctx context.Context, partition int) error {
	part := p.parts[partition]
	p.mu.Lock()
	leaving := p.leaving(part) && !p.expired(part)
	p.mu.Unlock()
	if leaving {
		return p.ask(ctx, partition)
	}
	if err := p.claimRow(ctx, part); err != nil {
		return err
	}
	p.handOut(part)
	return nil
}

// ask puts this worker's name down as the next owner.
func (p *tableProtocol) ask(ctx context.Context, partition int) error {
	part := p.parts[partition]
	p.mu.Lock()
	r := part.row
	p.mu.Unlock()
	r.nextOwner = p.cfg.WorkerID
	if err := p.write(ctx, part, r); err != nil {
		return err
	}
	p.log.Info("asked another worker for a partition", keyPartition, partition, keyQueue, part.queue, keyOwner, r.currentOwner)
	return nil
}

// write replaces one row.
func (p *tableProtocol) write(ctx context.Context, part *tablePart, r row) error {
	return p.replace(ctx, []*tablePart{part}, []row{r})
}

// replace writes rows in one transaction, and notes them when that succeeds.
func (p *tableProtocol) replace(ctx context.Context, parts []*tablePart, rows []row) error {
	p.mu.Lock()
	for _, part := range parts {
		part.writing++
	}
	p.mu.Unlock()
	etags, err := p.store.replace(ctx, rows)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, part := range parts {
		part.writing--
		part.version++
		if err == nil {
			rows[i].etag = etags[i]
			part.see(rows[i], p.cfg.Clock.Elapsed())
			part.stale = false
		}
	}
	return err
}

// claimRow makes this worker the owner. When the answer is lost, the next look tells by OwnedSince whether it was done.
func (p *tableProtocol) claimRow(ctx context.Context, part *tablePart) error {
	p.mu.Lock()
	now := p.service.now(p.cfg.Clock)
	part.pending = now
	part.writing++
	r := row{
		queue: part.queue, etag: part.row.etag, currentOwner: p.cfg.WorkerID,
		ownedSince: now, lastRenewal: now, expiresAt: now.Add(p.cfg.Duration), fleet: p.cfg.Fleet.marker(),
	}
	p.mu.Unlock()
	sent := instantOf(p.cfg.Clock)
	err := p.write(ctx, part, r)
	p.mu.Lock()
	defer p.mu.Unlock()
	part.writing--
	switch {
	case err == nil:
		part.claim, part.pending = &tableClaim{ownedSince: now, sent: sent}, time.Time{}
	case isGone(err):
		part.pending = time.Time{}
		part.missing = part.missing || errors.Is(err, errMissing)
	}
	return err
}

func (p *tableProtocol) handOut(part *tablePart) {
	p.mu.Lock()
	claim := part.claim
	if claim == nil || claim.granted {
		p.mu.Unlock()
		return
	}
	claim.granted, part.quarantine, part.twin = true, 0, false
	p.mu.Unlock()
	p.hooks.grant(part.index, &tableKeeper{protocol: p, part: part, claim: claim}, claim.sent)
}

// advance creates missing rows, releases what was lost, claims rows that were waited for, and hands out claims after
// their quarantine.
func (p *tableProtocol) advance(ctx context.Context) {
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

func (p *tableProtocol) advancePart(ctx context.Context, part *tablePart) error {
	p.mu.Lock()
	missing, giveUp := part.missing, part.giveUp
	arrived := part.claim == nil && p.wanted(part) && (part.row.currentOwner == "" || p.expired(part))
	ready := part.claim != nil && !part.claim.granted && p.cfg.Clock.Elapsed() >= part.quarantine
	p.mu.Unlock()
	switch {
	case missing:
		return p.createRow(ctx, part)
	case giveUp != nil:
		return p.dropRow(ctx, part, giveUp)
	case arrived:
		if err := p.claimRow(ctx, part); err != nil {
			return err
		}
		p.handOut(part)
	case ready:
		if err := p.refresh(ctx, part); err != nil {
			return err
		}
		p.handOut(part)
	}
	return nil
}

func (p *tableProtocol) createRow(ctx context.Context, part *tablePart) error {
	if err := p.store.add(ctx, row{queue: part.queue}); err != nil && !errors.Is(err, errExists) {
		return err
	}
	p.log.Warn("a partition's row was missing and was created again", keyPartition, part.index, keyQueue, part.queue)
	p.mu.Lock()
	defer p.mu.Unlock()
	part.version++
	part.missing, part.known = false, false
	return nil
}

// refresh renews a claim that is about to be handed out.
func (p *tableProtocol) refresh(ctx context.Context, part *tablePart) error {
	p.mu.Lock()
	r := p.renewed(part)
	p.mu.Unlock()
	sent := instantOf(p.cfg.Clock)
	err := p.write(ctx, part, r)
	p.mu.Lock()
	defer p.mu.Unlock()
	if part.claim != nil {
		switch {
		case err == nil:
			part.claim.sent = sent
		case isGone(err):
			part.claim, part.quarantine = nil, 0
		}
	}
	return err
}

// asker is the worker that this worker should hand a claimed row over to; empty when nobody asks. A Go fleet's row without
// the fleet's mark was written by a .NET worker, which gets nothing.
func (p *tableProtocol) asker(r row) string {
	if r.fleet != p.cfg.Fleet.marker() && p.cfg.Fleet == GoFleet {
		return ""
	}
	return r.nextOwner
}

// renewed is a claimed row as a renewal writes it. It needs the mutex.
func (p *tableProtocol) renewed(part *tablePart) row {
	r := part.row
	r.lastRenewal = p.service.now(p.cfg.Clock)
	r.expiresAt = r.lastRenewal.Add(p.cfg.Duration)
	r.nextOwner = p.asker(r)
	r.isDraining, r.fleet = r.nextOwner != "", p.cfg.Fleet.marker()
	return r
}

// dropRow releases a row whose claim was lost on this worker's side.
func (p *tableProtocol) dropRow(ctx context.Context, part *tablePart, claim *tableClaim) error {
	if err := p.releaseRow(ctx, part, claim); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	part.giveUp = nil
	return nil
}

// releaseRow clears CurrentOwner, as long as the row is still that of the claim.
func (p *tableProtocol) releaseRow(ctx context.Context, part *tablePart, claim *tableClaim) error {
	const attempts = 4
	var err error
	for range attempts {
		p.mu.Lock()
		r := part.row
		p.mu.Unlock()
		if !p.holds(r, claim) {
			return nil
		}
		r.currentOwner, r.isDraining, r.fleet = "", false, ""
		if r.etag != "" {
			if err = p.write(ctx, part, r); err == nil || errors.Is(err, errMissing) {
				return nil
			}
			if !errors.Is(err, errTaken) {
				return err
			}
		}
		if err = p.query(ctx); err != nil {
			return err
		}
	}
	return err
}

// holds tells whether a row is the one that a claim wrote.
func (p *tableProtocol) holds(r row, claim *tableClaim) bool {
	return r.currentOwner == p.cfg.WorkerID && r.ownedSince.Equal(claim.ownedSince)
}

// resign releases claims that were not handed out and withdraws requests. A claim in quarantine is left to end by itself,
// because the row's previous owner may still be reading.
func (p *tableProtocol) resign(ctx context.Context) {
	var group errgroup.Group
	for _, part := range p.parts {
		group.Go(func() error {
			if err := p.resignPart(ctx, part); err != nil {
				p.log.Warn("a row could not be released; its lease ends by itself", keyPartition, part.index, keyError, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors were reported
}

func (p *tableProtocol) close() {
	p.cancel()
	p.running.Wait()
}

func (p *tableProtocol) intruder() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stranger
}

func (p *tableProtocol) resignPart(ctx context.Context, part *tablePart) error {
	p.mu.Lock()
	if part.quarantine > p.cfg.Clock.Elapsed() {
		p.mu.Unlock()
		return nil
	}
	claim, waiting, r := part.claim, part.claim == nil && p.wanted(part), part.row
	if claim == nil {
		claim = part.giveUp
	}
	if claim == nil && !part.pending.IsZero() {
		claim = &tableClaim{ownedSince: part.pending}
		part.row.etag = "" // what the row looks like is unknown
		part.row.currentOwner, part.row.ownedSince = p.cfg.WorkerID, part.pending
	}
	p.mu.Unlock()
	if claim != nil {
		return p.releaseRow(ctx, part, claim)
	}
	if !waiting {
		return nil
	}
	r.nextOwner = ""
	if err := p.write(ctx, part, r); err != nil && !isGone(err) {
		return err
	}
	return nil
}

func (p *tableProtocol) describe(partition int) PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	part := p.parts[partition]
	s := PartitionStatus{Partition: partition, Queue: part.queue}
	switch {
	case part.claim != nil && part.claim.granted:
		s.State = Held
	case part.claim != nil:
		s.State, s.Reason = Waiting, "it was taken over, and its previous holder may read it until its next renewal"
	case !part.known:
		s.State = Unknown
	case part.missing:
		s.State, s.Reason = Free, "its row is missing"
	case p.wanted(part):
		s.State, s.Owner = Waiting, part.row.currentOwner
		s.Reason = fmt.Sprintf("worker %q has not let go of it yet", s.Owner)
	case p.open(part):
		s.State = Free
	case part.row.currentOwner == "":
		s.State, s.Owner, s.Reason = Elsewhere, p.owner(part), "it is on its way to that worker"
	default:
		s.State, s.Owner = Elsewhere, p.owner(part)
	}
	if part.twin {
		s.Reason = reasonTwin
	}
	return s
}
