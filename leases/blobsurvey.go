package leases

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// look lists the lease container, or probes a few blobs and lists only when one of them differs from what is known.
func (p *blobProtocol) look(ctx context.Context, full bool) (bool, error) {
	if !full {
		if changed, err := p.probe(ctx); err != nil || !changed {
			return false, err
		}
	}
	return true, p.survey(ctx)
}

// probe looks at blobs of other workers: whose lease has ended or whose record has changed is worth a listing.
func (p *blobProtocol) probe(ctx context.Context) (bool, error) {
	owners, moving := p.foreign()
	var changed atomic.Bool
	var group errgroup.Group
	for _, b := range append(p.watch.choose(owners), moving...) {
		group.Go(func() error {
			info, err := p.leases.store.head(ctx, b.name)
			if err != nil && !errors.Is(err, errMissing) {
				return err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if err != nil || info.leased != b.leased || info.etag != b.etag {
				changed.Store(true)
			}
			return nil
		})
	}
	err := group.Wait()
	return changed.Load(), err
}

// foreign are the blobs under which other workers own partitions, by owner, and those of partitions on their way from
// one worker to another. The leases of these end at times of their own: a worker that died just after it had taken an
// intent may leave nothing else behind.
func (p *blobProtocol) foreign() (owners map[string][]*leaseBlob, moving []*leaseBlob) {
	p.mu.Lock()
	defer p.mu.Unlock()
	owners = make(map[string][]*leaseBlob)
	for _, part := range p.parts {
		owner, settled := p.ownerOf(part.own), part.intent == nil || part.granted
		if p.polite {
			settled = part.granted || part.own.next() == ""
		} else if !settled {
			settled = owner != "" && part.intent.token == "" && p.ownerOf(part.intent) == owner
		}
		switch {
		case !settled:
			for _, b := range part.blobs() {
				if b.token == "" && b.leased {
					moving = append(moving, b)
				}
			}
		case owner != "" && part.own.token == "":
			owners[owner] = append(owners[owner], part.own)
		}
	}
	return owners, moving
}

// finding is what a survey found out about a blob.
type finding struct {
	blob    *leaseBlob
	version int // of the blob when the survey began
	info    blobInfo
	listed  bool
	fresh   bool // its content was read
	failed  bool // or should have been
	text    []byte
}

// survey lists the container and reads the records that have changed.
func (p *blobProtocol) survey(ctx context.Context) error {
	findings := p.prepare()
	infos, err := p.leases.store.list(ctx)
	if err != nil {
		return err
	}
	byName := make(map[string]blobInfo, len(infos))
	for _, info := range infos {
		byName[info.name] = info
	}
	err = p.read(ctx, findings, byName)
	p.learn(findings)
	if err != nil {
		return err
	}
	p.checkHubInfo(ctx, byName[layout.TaskHubInfoBlob])
	p.warnOfOtherManager(infos)
	p.warnOfOtherFleet(ctx, infos)
	for _, f := range findings {
		if err := p.checkOwn(ctx, f); err != nil {
			return err
		}
	}
	return p.takeBack(ctx)
}

func (p *blobProtocol) prepare() []*finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	var findings []*finding
	for _, part := range p.parts {
		for _, b := range part.blobs() {
			findings = append(findings, &finding{blob: b, version: b.version})
		}
	}
	return findings
}

// read fetches the records whose etag is not the one known. A failure does not keep the others from being read.
func (p *blobProtocol) read(ctx context.Context, findings []*finding, listed map[string]blobInfo) error {
	const atOnce = 16
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, f := range findings {
		f.info, f.listed = listed[f.blob.name]
		p.mu.Lock()
		known := f.blob.known && f.blob.etag == f.info.etag
		p.mu.Unlock()
		if !f.listed || known {
			continue
		}
		group.Go(func() error {
			text, etag, err := p.leases.store.read(ctx, f.blob.name)
			if errors.Is(err, errMissing) {
				f.listed = false
				return nil
			}
			f.text, f.info.etag, f.fresh, f.failed = text, etag, err == nil, err != nil
			return err
		})
	}
	return group.Wait()
}

// learn notes the findings, but for blobs that this worker itself has changed meanwhile.
func (p *blobProtocol) learn(findings []*finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range findings {
		b := f.blob
		if f.failed || b.version != f.version {
			continue
		}
		b.known, b.missing = true, !f.listed
		b.leased = f.listed && f.info.leased
		switch {
		case !f.listed:
			b.etag, b.readable, b.record = "", false, record{}
		case f.fresh:
			b.etag = f.info.etag
			b.record, b.readable = decodeRecord(f.text)
		}
	}
	for _, part := range p.parts {
		switch {
		case !part.own.free() || part.own.record.owner() != "" || p.nextOwner(part) == "":
			part.released = 0
		case part.released == 0:
			part.released = max(p.cfg.Clock.Elapsed(), 1)
		}
	}
}

// checkOwn compares a finding with what this worker holds: the lease may have been broken, taken or removed, or its
// record overwritten.
func (p *blobProtocol) checkOwn(ctx context.Context, f *finding) error {
	b := f.blob
	p.mu.Lock()
	part := p.partOf(b)
	token := b.token
	check := token != "" && !f.failed && b.version == f.version && !part.releasing && !part.giveUp
	gone := !b.leased
	same := b.readable && b.record.token() == token && b.record.owner() == p.cfg.WorkerID
	next := p.nextOwner(part)
	asked := check && same && part.granted && next != ""
	if check && gone {
		b.version++
		b.token = ""
	}
	p.mu.Unlock()
	switch {
	case asked && !gone:
		p.hooks.asked(part.index, entitled(next))
		return nil
	case !check || same && !gone:
		return nil
	case gone:
		p.noteLoss(part, b, p.describeLoss(ctx, part, b, token))
		return nil
	}
	// The record is another one. If our lease still stands, somebody overwrote it by hand.
	switch _, err := p.leases.renew(ctx, b); {
	case isGone(err):
		p.noteLoss(part, b, p.describeLoss(ctx, part, b, token))
		return nil
	case err != nil:
		return err
	}
	return p.repair(ctx, part, b)
}

// repair writes the record of a held lease again.
func (p *blobProtocol) repair(ctx context.Context, part *blobPart, b *leaseBlob) error {
	p.log.Warn("the record of a lease that this worker holds was overwritten; it is written again", keyPartition, part.index, keyQueue, part.queue)
	return p.leases.rewrite(ctx, b)
}

// partOf needs the mutex.
func (p *blobProtocol) partOf(b *leaseBlob) *blobPart {
	for _, part := range p.parts {
		if part.own == b || part.intent == b {
			return part
		}
	}
	return nil // every blob belongs to a part
}

func (p *blobProtocol) noteLoss(part *blobPart, b *leaseBlob, reason string) {
	p.mu.Lock()
	granted := part.granted
	if b == part.own {
		part.quarantine = 0
	}
	p.mu.Unlock()
	switch {
	case !granted:
	case b == part.own:
		p.hooks.lost(part.index, reason)
	default:
		p.hooks.asked(part.index, reason)
	}
}

// describeLoss finds out who has a lease that this worker held with the given lease id.
func (p *blobProtocol) describeLoss(ctx context.Context, part *blobPart, b *leaseBlob, token string) string {
	text, etag, err := p.leases.store.read(ctx, b.name)
	if err != nil {
		if isGone(err) {
			return "its lease blob was deleted"
		}
		return "its lease ended at the service"
	}
	r, readable := decodeRecord(text)
	p.leases.apply(func() {
		if b.token == "" {
			b.version++
			b.missing = false
			b.etag, b.record, b.readable = etag, r, readable
		}
	})
	switch {
	case !readable:
		return "its lease blob was overwritten with something that is not a lease record"
	case r.owner() == "" || r.token() == token:
		return "its lease was broken or ended at the service"
	case sameWorker(r.owner(), p.cfg.WorkerID):
		p.meetTwin(part)
		return reasonTwin
	}
	return entitled(r.owner())
}

func (p *blobProtocol) meetTwin(part *blobPart) {
	p.mu.Lock()
	part.twin = true
	p.mu.Unlock()
	p.log.Error("another process uses this worker's id and has taken a partition over; give every worker of the hub a name of its own",
		keyWorker, p.cfg.WorkerID, keyPartition, part.index)
}

// takeBack acquires, at the first look, the leases that an earlier process of the same name has left behind. Changing
// their ids makes sure that such a process, should it still run, loses them; they are handed out once it must have noticed.
func (p *blobProtocol) takeBack(ctx context.Context) error {
	p.mu.Lock()
	first := p.reclaim
	p.reclaim = false
	p.mu.Unlock()
	if !first {
		return nil
	}
	var group errgroup.Group
	for _, part := range p.parts {
		group.Go(func() error {
			if err := p.takePartBack(ctx, part); err != nil && !errors.Is(err, errTaken) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

func (p *blobProtocol) takePartBack(ctx context.Context, part *blobPart) error {
	left := func(b *leaseBlob) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return b.token == "" && b.record.token() != "" && sameWorker(b.holder(), p.cfg.WorkerID)
	}
	if part.intent != nil {
		if !left(part.intent) {
			return nil
		}
		if err := p.leases.steal(ctx, part.intent); err != nil {
			return err
		}
	}
	if !left(part.own) {
		return nil
	}
	p.log.Info("taking back a partition that an earlier process of this worker id held", keyPartition, part.index, keyQueue, part.queue)
	return p.stealInUse(ctx, part, p.cfg.notice())
}

// checkHubInfo tells when taskhub.json does not fit this worker any more.
func (p *blobProtocol) checkHubInfo(ctx context.Context, info blobInfo) {
	p.mu.Lock()
	same := info.etag == p.infoETag
	p.infoETag = info.etag
	p.mu.Unlock()
	if same || info.name == "" {
		return
	}
	stored, err := readHubInfo(ctx, p.leases.store, p.cfg.Names.Hub())
	switch {
	case err != nil:
		p.log.Warn("taskhub.json cannot be checked", keyHub, p.cfg.Names.Hub(), keyError, err)
	case stored != nil && stored.PartitionCount != p.cfg.Partitions:
		p.log.Error("taskhub.json names another number of partitions than this worker runs with; it goes on with its own. Configure the same number everywhere, or restore the file",
			keyHub, p.cfg.Names.Hub(), keyPartition, p.cfg.Partitions, keyStored, stored.PartitionCount)
	}
}

// warnOfOtherManager tells once when workers of another blob manager show up in the container.
func (p *blobProtocol) warnOfOtherManager(infos []blobInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	other := Legacy
	if p.cfg.Mode == Legacy {
		other = Safe
	}
	live := false
	for _, info := range infos {
		live = live || info.leased && modeOfBlob(info.name) == other && strings.Contains(info.name, "-control-")
	}
	if live && !p.warned {
		p.log.Error("workers with another partition manager hold leases in this hub, so that partitions are read twice; use the same manager in all workers",
			keyHub, p.cfg.Names.Hub(), keyMode, other.String())
	}
	p.warned = live
}

// warnOfOtherFleet tells when a worker of the other kind of fleet holds leases of this manager. It cannot take what this
// worker owns, but it reads what others let go of.
func (p *blobProtocol) warnOfOtherFleet(ctx context.Context, infos []blobInfo) {
	stranger := p.strangerInIntents(ctx, infos)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.parts {
		if b := part.own; b.token == "" && b.holder() != "" && b.record.Fleet != p.cfg.Fleet.marker() {
			stranger = b.holder()
		}
	}
	p.stranger = noteStranger(p.cfg, p.stranger, stranger)
}

// strangerInIntents finds who holds an intent lease, which no worker of a Go fleet does. Only the first is read, once.
func (p *blobProtocol) strangerInIntents(ctx context.Context, infos []blobInfo) string {
	if !p.polite {
		return ""
	}
	for _, info := range infos {
		if !info.leased || !strings.HasPrefix(info.name, layout.IntentBlob("")) {
			continue
		}
		p.mu.Lock()
		known := p.stranger
		p.mu.Unlock()
		if known != "" {
			return known
		}
		text, _, err := p.leases.store.read(ctx, info.name)
		if r, ok := decodeRecord(text); err == nil && ok && r.owner() != "" {
			return r.owner()
		}
		return "(unknown)"
	}
	return ""
}

// modeOfBlob tells which partition manager a lease blob belongs to; -1 for other blobs.
func modeOfBlob(name string) Mode {
	switch directory, _, _ := strings.Cut(name, "/"); directory + "/" {
	case layout.IntentBlob(""), layout.OwnershipBlob(""):
		return Safe
	case layout.LegacyLeaseBlob(""):
		return Legacy
	}
	return -1
}
