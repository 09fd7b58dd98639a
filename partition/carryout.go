package partition

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/history"
)

const (
	// nearTimer is how far away a timer is at most that is not in a queue but in memory and in the history alone.
	nearTimer = time.Minute
	// resendPause is how long a message waits that could not be put.
	resendPause = 500 * time.Millisecond
)

// carryOut begins what the history has decided: activities that can start soon run here, messages for instances of this
// process are handed over, near timers go into the heap. The rest is put to the queues.
func (s *session) carryOut(ctx context.Context, list []*outgoing) {
	var puts []*outgoing
	for _, o := range list {
		if o.put {
			s.scheduleFar(o)
			continue
		}
		if !s.work.begins(o) { // it was on its way before it was stored
			continue
		}
		if !s.keepHere(o) {
			puts = append(puts, o)
		}
	}
	s.putAll(ctx, puts)
}

// keepHere begins an action without a queue, if that is possible.
func (s *session) keepHere(o *outgoing) bool {
	switch {
	case s.p.leaving.Load():
		return false
	case o.isTimer():
		s.p.timers.add(o.fireAt, newItem(o.envelope, 1, time.Time{}))
		return true
	case o.target == workItems:
		if o.outboxKey != "" || !s.p.cfg.Host.ActivityRoom(activityName(o)) {
			return false
		}
		return s.p.cfg.Host.OfferActivity(WorkItem{Envelope: o.envelope, Promoted: func() { s.acknowledge(o, true) }})
	}
	return s.p.cfg.Host.HandOver(o.target, HandOver{Envelope: copyOf(o.envelope), Taken: func(ok bool) { s.acknowledge(o, ok) }})
}

// putAll puts messages. What cannot be put is tried again later.
func (s *session) putAll(ctx context.Context, list []*outgoing) {
	each(list, func(o *outgoing) { s.putOne(ctx, o) })
}

func (s *session) putOne(ctx context.Context, o *outgoing) {
	o.envelope.SequenceNumber = s.p.cfg.Queues.NextSequence()
	var delay time.Duration
	if o.isTimer() {
		delay = max(time.Until(o.fireAt), 0)
	}
	if _, err := o.queue.Put(ctx, o.envelope, delay); err != nil {
		s.work.setUnderWay(o, false)
		if s.p.work.Err() == nil {
			s.log.Warn("a message could not be put; trying again", keyEvent, o.envelope.Message.Event.Kind().String(), keyError, err)
			time.AfterFunc(resendPause, func() { s.p.sessions.poke(s.id, due{settle: true}) })
		}
		return
	}
	s.work.durable(o)
	if s.p.awaits(o) {
		s.p.expectAnswer()
	}
	switch {
	case o.isTimer():
	case o.target == workItems:
		s.p.cfg.Host.WorkItemPut()
	default:
		s.p.cfg.Host.ControlMessagePut(o.target)
	}
}

// farTimerLead is how long before its time the message of a far timer appears, so that an owner that polls rarely has
// it in time. It is shorter than a message's lock: nothing needs to be renewed for it.
func (p *Partition) farTimerLead() time.Duration {
	return min(p.cfg.MaxPoll+time.Second, p.cfg.MessageLock/2)
}

// putFarTimers puts the messages of timers that are not near. Until then memory alone would know of them, and the
// instance would have to stay on the active list.
func (s *session) putFarTimers(ctx context.Context, ep *episode) error {
	var g errgroup.Group
	g.SetLimit(storageFanOut)
	for _, o := range ep.out {
		if !o.isTimer() || time.Until(o.fireAt) <= nearTimer {
			continue
		}
		g.Go(func() error {
			o.envelope.SequenceNumber = s.p.cfg.Queues.NextSequence()
			sent := time.Now()
			delay := max(time.Until(o.fireAt)-s.p.farTimerLead(), 0)
			receipt, err := o.queue.Put(ctx, o.envelope, delay)
			if err == nil {
				o.put, o.receipt, o.until = true, receipt, sent.Add(delay)
			}
			return err
		})
	}
	return g.Wait()
}

// scheduleFar lets a far timer fire on the instant; its message is deleted then.
func (s *session) scheduleFar(o *outgoing) {
	if !o.isTimer() || s.p.timers.count() >= mostTimers {
		return
	}
	h := s.p.holds.addUnused(o.queue, o.receipt, o.until)
	s.p.timers.add(o.fireAt, newItem(o.envelope, 1, time.Time{}, h))
}

// isActivity says whether the message is a work item.
func (o *outgoing) isActivity() bool {
	_, ok := o.envelope.Message.Event.(*history.TaskScheduled)
	return ok
}
