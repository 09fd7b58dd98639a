package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

const (
	// relistEvery is how often the active list is read again, for rows that a dying owner wrote late.
	relistEvery = 10 * time.Minute
	// mostAttempts is how often a message is tried before it becomes a dead letter, and how many attempts in a row to take
	// an instance over may end without getting it any further before it fails.
	mostAttempts = queues.MostAttempts
)

// takeOver finds the instances whose work a dead owner had in memory, and sets them to work.
func (p *Partition) takeOver(ctx context.Context) {
	for pause := time.Second; ctx.Err() == nil; {
		err := p.takeOverOnce(ctx)
		next := relistEvery
		if err != nil && ctx.Err() == nil {
			p.log.Warn("the active list could not be taken over; trying again", keyError, err, keyDelay, pause)
			next, pause = pause, min(2*pause, time.Minute)
		}
		t := time.NewTimer(next)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func (p *Partition) takeOverOnce(ctx context.Context) error {
	rows, err := p.cfg.Tables.ListActive(ctx, p.queue.Name())
	if err != nil {
		return err
	}
	var dead []tables.ActiveRow
	for _, r := range rows {
		if r.Owner != p.active.owner {
			dead = append(dead, r)
		} else {
			p.active.stray(r)
		}
	}
	if len(dead) > 0 {
		p.log.Info("taking over instances that another owner was working on", keyCount, len(dead))
	}
	for len(dead) > 0 {
		n := min(len(dead), activeBatch)
		if err := p.adopt(ctx, dead[:n]); err != nil {
			return err
		}
		dead = dead[n:]
	}
	return nil
}

// checkAttempts ends an instance whose owners die of it.
func (s *session) checkAttempts(ctx context.Context) error {
	n := s.p.active.attempts(s.id)
	if n <= mostAttempts || !s.st.exists() || s.st.ended != nil {
		return nil
	}
	text := fmt.Sprintf("%d attempts in a row to take this instance over ended without getting it any further, "+
		"most often with the end of the worker; look at the workers' logs, mend the cause, and rewind the instance", n-1)
	if s.blame != "" {
		text += "; the last failure: " + s.blame
	}
	return s.fail(ctx, "TooManyAttempts", text)
}

// adopt writes own rows before the dead owner's go, so that the instances can be found at every instant.
func (p *Partition) adopt(ctx context.Context, dead []tables.ActiveRow) error {
	if err := p.owned(); err != nil {
		return err
	}
	ids, suspects := make([]string, len(dead)), false
	for i, r := range dead {
		ids[i] = r.InstanceID
		if r.Attempts < suspectTakeovers {
			p.active.attempt(r.InstanceID, r.Attempts+1)
			continue
		}
		p.active.inherit(r.InstanceID, r.Attempts)
		p.suspects.add(r.InstanceID, r.Attempts)
		suspects = true
	}
	if err := p.active.ensure(ctx, ids...); err != nil {
		return err
	}
	if err := p.cfg.Tables.DeleteActive(ctx, dead); err != nil && !errors.Is(err, tables.ErrConflict) {
		return err // a conflict is a former owner's that lives and has written its row again: the next look at the list finds it
	}
	p.cfg.Telemetry.TakenOver(len(ids))
	for _, id := range ids {
		if !p.suspects.waits(id) {
			p.sessions.summon(id)
		}
	}
	if suspects {
		signal(p.suspects.kick)
	}
	return nil
}
