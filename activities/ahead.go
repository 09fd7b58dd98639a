package activities

import (
	"context"
	"errors"
)

// Ahead stands for a decision that is not committed, and that the activity runs ahead of. What it does must be seen by
// nobody until then, so it never becomes a work item, and its result is never sent.
type Ahead interface {
	// Take is given the result. False means that the decision is committed, and the result goes the way of all others.
	Take(Result) bool
	// Committed says whether the decision stands.
	Committed() bool
	// Context ends when the decision is discarded.
	Context() context.Context
}

// errDiscarded ends an activity that ran ahead of a decision which was not committed.
var errDiscarded = errors.New("the decision to run the activity could not be stored, and was discarded")

// tentative says whether the decision to run it is not committed.
func (w *work) tentative() bool { return w.Ahead != nil && !w.Ahead.Committed() }

// discarded says whether nobody wants it any more.
func (w *work) discarded() bool { return w.Ahead != nil && w.Ahead.Context().Err() != nil }

// follow cancels the work when its decision is discarded.
func (w *work) follow() {
	if w.Ahead != nil {
		context.AfterFunc(w.Ahead.Context(), func() { w.cancel(errDiscarded) })
	}
}

// replace forgets discarded work whose decision was made again; the caller holds mu.
func (r *Runner) replace(w *work) {
	delete(r.held, keyOf(w.Work))
	id := w.target().InstanceID
	if r.instances[id]--; r.instances[id] == 0 {
		delete(r.instances, id)
	}
}
