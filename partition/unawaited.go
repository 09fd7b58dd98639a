package partition

import (
	"context"

	"github.com/go-taskhub/taskhub/history"
)

// makeUnawaitedDurable sees to activities that run or wait in this process while their execution ends without having waited
// for them. Its history yields them no more after the commit that ends it, so they become work items before. A termination
// ends them instead.
func (s *session) makeUnawaitedDurable(ctx context.Context, ep *episode, answered map[int32]struct{}) {
	ends := ep.newGeneration || ep.outcome != nil && ep.outcome.Status != history.Terminated
	if !ends || len(s.work.activities(answered)) == 0 {
		return
	}
	s.p.cfg.Host.DetachActivities(ctx, func(id string) bool { return id == s.id })
	var waiting []*outgoing
	for _, o := range s.work.activities(answered) {
		if s.work.begins(o) { // it could neither be begun here nor be put so far
			waiting = append(waiting, o)
		}
	}
	s.putAll(ctx, waiting)
}

// activities are those of the open actions that are activities, without those that the episode has the answers to.
func (w *localWork) activities(answered map[int32]struct{}) []*outgoing {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*outgoing
	for id, o := range w.actions {
		if _, done := answered[id]; !done && o.isActivity() {
			list = append(list, o)
		}
	}
	return list
}
