package leases

import (
	"context"
	"fmt"
	"time"
)

// look queries the table: it is one request, so there is no cheaper check.
func (p *tableProtocol) look(ctx context.Context, _ bool) (bool, error) {
	if err := p.query(ctx); err != nil {
		return false, err
	}
	return true, p.takeBack(ctx)
}

// query reads the table and compares it with what this worker holds.
func (p *tableProtocol) query(ctx context.Context) error {
	p.mu.Lock()
	versions := make([]int, len(p.parts))
	for i, part := range p.parts {
		versions[i] = part.version
	}
	p.mu.Unlock()
	asked := instantOf(p.cfg.Clock)
	rows, served, err := p.store.query(ctx)
	if err != nil {
		return err
	}
	answered := instantOf(p.cfg.Clock)
	for _, e := range p.learn(rows, served, asked, answered, versions) {
		if e.lost {
			p.hooks.lost(e.partition, e.reason)
		} else {
			p.hooks.asked(e.partition, e.reason)
		}
	}
	return nil
}

// tableEvent is what an answer says about a partition that was handed out.
type tableEvent struct {
	partition int
	lost      bool // else asked for
	reason    string
}

func (p *tableProtocol) learn(rows []row, served time.Time, asked, answered instant, versions []int) []tableEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.service.adjust(served, asked, answered)
	byQueue := make(map[string]row, len(rows))
	for _, r := range rows {
		byQueue[r.queue] = r
	}
	var events []tableEvent
	for i, part := range p.parts {
		r, found := byQueue[part.queue]
		delete(byQueue, part.queue)
		if part.writing > 0 || part.version != versions[i] {
			continue
		}
		p.note(part, r, found, served, answered)
		if e := p.check(part); e != nil {
			events = append(events, *e)
		}
	}
	p.findStranger()
	if len(byQueue) > p.extra {
		p.log.Error("the partition table has rows of more partitions than this worker is configured for; nobody reads them unless other workers do. Configure the same number everywhere",
			keyHub, p.cfg.Names.Hub(), keyPartition, p.cfg.Partitions, keyStored, len(rows))
	}
	p.extra = len(byQueue)
	return events
}

// findStranger looks for rows of the other kind of fleet. It needs the mutex.
func (p *tableProtocol) findStranger() {
	stranger := ""
	for _, part := range p.parts {
		r := part.row
		switch {
		case r.fleet == p.cfg.Fleet.marker():
		case part.claim == nil && r.currentOwner != "" && !p.expired(part):
			stranger = r.currentOwner
		case part.claim != nil && p.cfg.Fleet == GoFleet && r.nextOwner != "":
			stranger = r.nextOwner
		}
	}
	p.stranger = noteStranger(p.cfg, p.stranger, stranger)
}

// note takes a row as it is in the table. It needs the mutex.
func (p *tableProtocol) note(part *tablePart, r row, found bool, served time.Time, answered instant) {
	part.see(r, answered.mono)
	part.known, part.missing = true, !found
	const margin = 2 * time.Second // the service's stamps may come from different machines
	part.stale = found && !served.IsZero() && !r.timestamp.IsZero() &&
		served.Sub(r.timestamp) >= r.period(p.cfg.Duration)+margin
	if part.pending.IsZero() {
		return
	}
	if found && r.currentOwner == p.cfg.WorkerID && r.ownedSince.Equal(part.pending) {
		// The claim without an answer was carried out. It is renewed before it is handed out.
		part.claim = &tableClaim{ownedSince: part.pending, sent: answered}
	}
	part.pending = time.Time{}
}

// check compares a row with this worker's claim on it. It needs the mutex.
func (p *tableProtocol) check(part *tablePart) *tableEvent {
	claim := part.claim
	if claim == nil || claim.releasing {
		return nil
	}
	r := part.row
	e := &tableEvent{partition: part.index, lost: true}
	switch {
	case part.missing:
		e.reason = "its row was deleted"
	case p.holds(r, claim) && p.asker(r) == "":
		return nil
	case p.holds(r, claim):
		e.lost, e.reason = false, entitled(r.nextOwner)
	case r.currentOwner == p.cfg.WorkerID:
		e.reason = reasonTwin
		part.twin = true
		p.log.Error("another process uses this worker's id and has taken a partition over; give every worker of the hub a name of its own",
			keyWorker, p.cfg.WorkerID, keyPartition, part.index)
	case r.currentOwner == "":
		e.reason = "its row was released by somebody else"
	default:
		e.reason = fmt.Sprintf("worker %q has taken it over", r.currentOwner)
	}
	if e.lost {
		part.claim, part.quarantine = nil, 0
	}
	if !claim.granted {
		return nil
	}
	return e
}

// takeBack claims, at the first look, the rows that an earlier process of the same name has left behind. The new
// OwnedSince makes sure that such a process, should it still run, loses them; they are handed out once it must have noticed.
func (p *tableProtocol) takeBack(ctx context.Context) error {
	p.mu.Lock()
	var left []*tablePart
	for _, part := range p.parts {
		if p.reclaim && part.claim == nil && part.row.currentOwner == p.cfg.WorkerID && part.row.nextOwner == "" && !p.expired(part) {
			left = append(left, part)
		}
	}
	p.reclaim = false
	p.mu.Unlock()
	for _, part := range left {
		p.log.Info("taking back a partition that an earlier process of this worker id held", keyPartition, part.index, keyQueue, part.queue)
		until := func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			part.quarantine = p.cfg.Clock.Elapsed() + p.cfg.notice()
		}
		until()
		if err := p.claimRow(ctx, part); err != nil {
			if isGone(err) {
				continue
			}
			return err
		}
		until()
	}
	return nil
}

// serviceClock tells the time as the Table service has it, in which rows are stamped: .NET workers compare ExpiresAt with
// their own clocks, so a worker whose clock is wrong must not write its own time.
type serviceClock struct {
	known bool
	at    time.Time     // the service's time
	mono  time.Duration // and ours then
}

// adjust learns from an answer that was asked for and received at the given instants. The service tells whole seconds, so
// our own clock is taken for right as long as it agrees with them.
func (s *serviceClock) adjust(served time.Time, asked, answered instant) {
	if served.IsZero() {
		return
	}
	const tolerance = time.Second
	at := answered.wall
	latest := served.Add(time.Second).Add(answered.mono - asked.mono) // that the service's time can be by now
	if at.Before(served.Add(-tolerance)) || at.After(latest.Add(tolerance)) {
		at = served.Add(time.Second / 2)
	}
	s.known, s.at, s.mono = true, at, answered.mono
}

// now is the service's time in the precision of a column.
func (s *serviceClock) now(c Clock) time.Time {
	if !s.known {
		return ticks(c.Now())
	}
	return ticks(s.at.Add(c.Elapsed() - s.mono))
}
