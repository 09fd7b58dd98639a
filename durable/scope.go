package durable

// scope is a set of tasks that are canceled together. A nil *scope, that of a
// context without WithCancel, is never canceled.
type scope struct {
	parent   *scope
	canceled bool
	members  []*future
	children []*scope
	compact  int // when to drop what is done
}

func (s *scope) isCanceled() bool { return s != nil && s.canceled }

// add makes f a member of the scope. Canceling an outer scope cancels the inner
// ones, so f belongs to the innermost only.
func (s *scope) add(f *future) {
	if s == nil {
		return
	}
	if len(s.members) >= max(16, 2*s.compact) {
		kept := s.members[:0]
		for _, m := range s.members {
			if !m.promise.Done() {
				kept = append(kept, m)
			}
		}
		clear(s.members[len(kept):])
		s.members, s.compact = kept, len(kept)
	}
	s.members = append(s.members, f)
}

func (s *scope) child() *scope {
	c := &scope{parent: s}
	if s != nil {
		c.canceled = s.canceled
		s.children = append(s.children, c)
	}
	return c
}

// leave takes a scope whose work is over out of its parent.
func (s *scope) leave() {
	if s.parent == nil {
		return
	}
	for i, c := range s.parent.children {
		if c == s {
			s.parent.children = append(s.parent.children[:i], s.parent.children[i+1:]...)
			return
		}
	}
}

// cancel cancels members in the order they were made, then inner scopes likewise.
func (s *scope) cancel() {
	if s.canceled {
		return
	}
	s.canceled = true
	members, children := s.members, s.children
	s.members, s.children = nil, nil
	for _, f := range members {
		f.cancel()
	}
	for _, c := range children {
		c.cancel()
	}
}

// WithCancel returns a context with a scope of its own, and a function that cancels
// it: every open task made with the context, or with contexts derived from it, is
// canceled as by [Task.Cancel], and new ones fail with [ErrCanceled] at once.
// Canceling is deterministic, because only the orchestrator itself can call it.
func WithCancel(ctx *Context) (*Context, func()) {
	derived := *ctx
	sc := ctx.scope.child()
	derived.scope = sc
	return &derived, func() {
		if ctx.s.Enter("cancel") {
			sc.leave()
			sc.cancel()
		}
	}
}

const kindCoroutine = "coroutine"

// Go runs f as a coroutine: concurrently with the orchestrator in the sense that
// one goes on while the other waits, yet never both at once. Use it instead of the
// go statement. The task is done when f returns; its error is f's. Coroutines that
// are still waiting when the orchestrator returns are ended. A panic in f fails the
// orchestration.
func Go(ctx *Context, f func(ctx *Context) error) *Task[Void] {
	t, ok := newTask[Void](ctx, subject{kindCoroutine, ""}, "Go")
	if !ok {
		return t
	}
	if f == nil {
		return t.fail(errNilCoroutine)
	}
	derived := *ctx
	derived.scope = ctx.scope.child()
	t.future.undo = derived.scope.cancel
	ctx.s.Go(func() {
		err := f(&derived)
		derived.scope.leave()
		t.future.promise.Settle(nil, err)
	})
	return t
}
