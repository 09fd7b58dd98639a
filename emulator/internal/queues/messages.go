package queues

import (
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Limits of the articles "Put Message" and "Get Messages".
const (
	maxText       = 64 << 10
	maxBody       = 1 << 20 // text with every character escaped still fits
	maxReceive    = 32
	maxVisibility = 7 * 24 * 60 * 60
	defaultTTL    = 7 * 24 * 60 * 60
	defaultHidden = 30
)

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// text reads the message of a request; present is false without a body.
func text(r *rest.Request) (message []byte, present bool, err error) {
	body, err := r.Body(maxBody)
	if err != nil || len(body) == 0 {
		return nil, false, err
	}
	message, err = parseMessage(body)
	if err != nil {
		return nil, false, err
	}
	if len(message) > maxText {
		return nil, false, rest.ErrBodyTooLarge.With("MaxLimit", "65536")
	}
	return message, true, nil
}

func (s *Store) put(r *rest.Request, name string) (*rest.Response, error) {
	hidden, err := r.IntParam("visibilitytimeout", 0, 0, maxVisibility)
	if err != nil {
		return nil, err
	}
	ttl, err := timeToLive(r, hidden)
	if err != nil {
		return nil, err
	}
	m := &message{}
	var present bool
	if m.body, present, err = text(r); err != nil {
		return nil, err
	} else if !present {
		return nil, rest.ErrInvalidXML
	}
	if m.id, err = s.env.IDs.Random(); err != nil {
		return nil, err
	}
	var put view // before anybody receives it
	err = s.with(r, name, func(q *queue) error {
		m.inserted = q.now(s.env.Clock)
		m.visible, m.expires = m.inserted.Add(seconds(hidden)), expiry(m.inserted, ttl)
		m.seq, m.receipt = q.next, q.receipts
		q.add(m)
		put = m.view()
		q.lsn = s.logMessage(r.Account, name, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rest.XML(201, listMessages([]view{put}, putForm)), nil
}

// timeToLive reads messagettl: seconds, or -1 for a message that stays for
// ever.
func timeToLive(r *rest.Request, hidden int64) (int64, error) {
	ttl, err := r.IntParam("messagettl", defaultTTL, -1, 1<<40)
	switch {
	case err != nil || ttl == -1:
		return ttl, err
	case ttl == 0:
		return 0, rest.InvalidParameter("messagettl", r.Param("messagettl")).
			With("Reason", "Value must be greater than or equal to 1, or -1 to indicate an infinite TTL.")
	case r.Query.Has("messagettl") && hidden >= ttl:
		return 0, rest.InvalidParameter("visibilitytimeout", r.Param("visibilitytimeout")).
			With("Reason", "messagettl must be greater than visibilitytimeout.")
	}
	return ttl, nil
}

// longest is a time to live that ends after the year 9999 whenever it begins.
const longest = 10_000 * 366 * 24 * 60 * 60

func expiry(inserted rest.Ticks, ttl int64) rest.Ticks {
	if ttl == -1 || ttl > longest {
		return never
	}
	return min(inserted+rest.Ticks(ttl)*rest.TicksPerSecond, never)
}

func (s *Store) get(r *rest.Request, name string) (*rest.Response, error) {
	n, err := r.IntParam("numofmessages", 1, 1, maxReceive)
	if err != nil {
		return nil, err
	}
	hidden, err := r.IntParam("visibilitytimeout", defaultHidden, 1, maxVisibility)
	if err != nil {
		return nil, err
	}
	var views []view
	err = s.with(r, name, func(q *queue) error {
		now := q.now(s.env.Clock)
		found := q.visible(now, int(n))
		views = make([]view, len(found))
		for i, m := range found {
			m.dequeued++
			q.setVisible(m, now.Add(seconds(hidden)))
			views[i] = m.view()
		}
		q.lsn = max(q.lsn, s.logStates(r.Account, name, found))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rest.XML(200, listMessages(views, getForm)), nil
}

func (s *Store) peek(r *rest.Request, name string) (*rest.Response, error) {
	n, err := r.IntParam("numofmessages", 1, 1, maxReceive)
	if err != nil {
		return nil, err
	}
	var views []view
	err = s.with(r, name, func(q *queue) error {
		for _, m := range q.visible(q.now(s.env.Clock), int(n)) {
			views = append(views, m.view())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rest.XML(200, listMessages(views, peekForm)), nil
}

// receiptOf reads the pop receipt a request must have.
func receiptOf(r *rest.Request) (popReceipt, error) {
	if r.Param("popreceipt") == "" {
		return popReceipt{}, rest.MissingParameter("popreceipt")
	}
	return parseReceipt(r.Param("popreceipt"))
}

func (s *Store) update(r *rest.Request, name, id string) (*rest.Response, error) {
	receipt, err := receiptOf(r)
	if err != nil {
		return nil, err
	}
	if !r.Query.Has("visibilitytimeout") {
		return nil, rest.MissingParameter("visibilitytimeout")
	}
	hidden, err := r.IntParam("visibilitytimeout", 0, 0, maxVisibility)
	if err != nil {
		return nil, err
	}
	body, replace, err := text(r)
	if err != nil {
		return nil, err
	}
	p := rest.NewResponse(204)
	err = s.with(r, name, func(q *queue) error {
		now := q.now(s.env.Clock)
		m, err := q.claim(id, receipt)
		if err != nil {
			return err
		}
		at := now.Add(seconds(hidden))
		if at > m.expires {
			return rest.ParameterOutOfRange("visibilitytimeout", r.Param("visibilitytimeout"), 0,
				int64(m.expires.Sub(now)/time.Second))
		}
		q.setVisible(m, at)
		if replace {
			m.body = body
			q.lsn = s.logMessage(r.Account, name, m)
		} else {
			q.lsn = s.logStates(r.Account, name, []*message{m})
		}
		p.Set("X-Ms-Popreceipt", m.popReceipt().String())
		p.Set("X-Ms-Time-Next-Visible", rest.HTTPDate(m.visible.Time()))
		return nil
	})
	return p, err
}

func (s *Store) deleteMessage(r *rest.Request, name, id string) (*rest.Response, error) {
	receipt, err := receiptOf(r)
	if err != nil {
		return nil, err
	}
	err = s.with(r, name, func(q *queue) error {
		q.now(s.env.Clock)
		m, err := q.claim(id, receipt)
		if err != nil {
			return err
		}
		q.remove(m)
		q.lsn = s.logRemove(r.Account, name, id)
		return nil
	})
	return rest.NewResponse(204), err
}

func (s *Store) clear(r *rest.Request, name string) (*rest.Response, error) {
	err := s.with(r, name, func(q *queue) error {
		q.clear()
		q.lsn = s.logClear(r.Account, name)
		return nil
	})
	return rest.NewResponse(204), err
}
