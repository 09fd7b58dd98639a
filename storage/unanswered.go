package storage

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// Unanswered tells whether a request of a context was sent and got no answer. Such a request may be carried out later, also after a
// later attempt was refused, and after a look at what is stored did not show it.
type Unanswered struct{ any atomic.Bool }

// Any says whether there was one.
func (u *Unanswered) Any() bool { return u.any.Load() }

type unansweredKey struct{}

// WithUnanswered makes a context whose requests, all attempts at them, are noted in the result when they get no answer.
func WithUnanswered(ctx context.Context) (context.Context, *Unanswered) {
	u := &Unanswered{}
	return context.WithValue(ctx, unansweredKey{}, u), u
}

// noteUnanswered judges the failure of one attempt.
func noteUnanswered(ctx context.Context, err error) {
	if err == nil {
		return
	}
	if u, ok := ctx.Value(unansweredKey{}).(*Unanswered); ok && mayComeLater(err) {
		u.any.Store(true)
	}
}

// mayComeLater says whether a failed attempt may be carried out yet: it was sent, or it is not known that it was not.
func mayComeLater(err error) bool {
	var connection *ConnectionError
	if !errors.As(err, &connection) {
		return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	var op *net.OpError
	return !connection.permanent && !(errors.As(err, &op) && op.Op == "dial")
}
