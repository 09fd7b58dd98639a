package partition

import (
	"context"
	"time"
)

// mostAside bounds the messages that are remembered after they were put off.
const mostAside = 1000

// remember keeps the receipts of messages that were put off for a while, until they are delivered again: what this owner cannot deal
// with, the next one may, and should not wait for.
func (hs *holds) remember(list []*hold) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.aside == nil {
		hs.aside = map[string]*hold{}
	}
	if len(hs.aside)+len(list) > mostAside {
		for id, h := range hs.aside {
			if _, until := h.snapshot(); time.Until(until) <= 0 {
				delete(hs.aside, id)
			}
		}
	}
	for _, h := range list {
		if len(hs.aside) < mostAside {
			hs.aside[h.id] = h
		}
	}
}

// recall makes messages visible that were put off and have not come back yet. What fails comes back by itself.
func (hs *holds) recall(ctx context.Context) {
	hs.mu.Lock()
	var list []*hold
	for _, h := range hs.aside {
		if _, until := h.snapshot(); time.Until(until) > 0 {
			list = append(list, h)
		}
	}
	hs.aside = nil
	hs.mu.Unlock()
	each(list, func(h *hold) {
		h.busy.Lock()
		defer h.busy.Unlock()
		r, _ := h.snapshot()
		_, _ = h.queue.SetVisibility(ctx, r, 0)
	})
}
