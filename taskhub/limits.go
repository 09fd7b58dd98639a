package taskhub

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/limits"
)

// Limit is a limit of activities with what is in use of it. It is a snapshot: changing it changes nothing.
type Limit = limits.Limit

// LimitUse is what is in use of a limit and key.
type LimitUse = limits.Use

// Errors about limits that errors.Is finds, whatever is wrapped around them. What is wrong with a definition is a
// [durable.LimitError].
var (
	// ErrLimitNotFound is matched by [LimitNotFoundError].
	ErrLimitNotFound = errors.New("there is no such limit")
	// ErrLimitNotSet is matched by [LimitNotSetError].
	ErrLimitNotSet = errors.New("nothing was set for the limit")
)

// LimitNotFoundError reports the name of a limit that the hub does not know. It knows those that the code of a worker declares that has
// been started.
type LimitNotFoundError struct{ Hub, Limit string }

// Error names the limit.
func (e *LimitNotFoundError) Error() string {
	return fmt.Sprintf("there is no limit %q in hub %q: names are case-sensitive, and a limit is known once a worker has started whose code declares it", e.Limit, e.Hub)
}

// Is makes errors.Is(err, ErrLimitNotFound) true.
func (e *LimitNotFoundError) Is(target error) bool { return target == ErrLimitNotFound }

// LimitNotSetError reports that there is nothing that holds in place of what the code says. Nothing was changed.
type LimitNotSetError struct{ Hub, Limit string }

// Error names the limit.
func (e *LimitNotSetError) Error() string {
	return fmt.Sprintf("nothing was set for limit %q in hub %q: what the code declares holds already", e.Limit, e.Hub)
}

// Is makes errors.Is(err, ErrLimitNotSet) true.
func (e *LimitNotSetError) Is(target error) bool { return target == ErrLimitNotSet }

// Limits reads all limits of the hub, in the order of their names.
func (c *Client) Limits(ctx context.Context) ([]*Limit, error) {
	list, err := c.limits().List(ctx, "")
	return list, c.failLimit("list limits", "", err)
}

// GetLimit reads a limit. An unknown name gives a [LimitNotFoundError].
func (c *Client) GetLimit(ctx context.Context, name string) (*Limit, error) {
	const operation = "read a limit"
	if !limits.ValidName(name) {
		return nil, c.failLimit(operation, name, limits.ErrNotFound) // nobody's
	}
	list, err := c.limits().List(ctx, name)
	if err == nil && len(list) == 0 {
		err = limits.ErrNotFound
	}
	if err != nil {
		return nil, c.failLimit(operation, name, err)
	}
	return list[0], nil
}

// SetLimit stores a definition that holds in place of what the code declares, until [Client.ResetLimit]. Workers heed it within half a
// minute. What has begun counts on. An unknown name gives a [LimitNotFoundError], a definition that cannot be used, or of the other
// kind, a [durable.LimitError]; then nothing is changed.
func (c *Client) SetLimit(ctx context.Context, limit durable.Limit) (*Limit, error) {
	const operation = "set a limit"
	if limit == nil {
		return nil, c.failLimit(operation, "", &durable.LimitError{Field: "Kind", Reason: "is not given; give a RateLimit or a ConcurrencyLimit"})
	}
	spec := limit.Spec()
	if _, err := c.limits().Set(ctx, spec, now()); err != nil {
		return nil, c.failLimit(operation, spec.Name, err)
	}
	return c.GetLimit(ctx, spec.Name)
}

// ResetLimit removes what [Client.SetLimit] has stored, so that what the code declares holds again. Where there is nothing the error is
// a [LimitNotSetError].
func (c *Client) ResetLimit(ctx context.Context, name string) (*Limit, error) {
	const operation = "reset a limit"
	if !limits.ValidName(name) {
		return nil, c.failLimit(operation, name, limits.ErrNotFound)
	}
	if _, err := c.limits().Reset(ctx, name); err != nil {
		return nil, c.failLimit(operation, name, err)
	}
	return c.GetLimit(ctx, name)
}

// DeleteLimit deletes a limit with all that is known of its use, so that more may begin than it allows. A worker whose code declares it
// creates it again. An unknown name gives a [LimitNotFoundError].
func (c *Client) DeleteLimit(ctx context.Context, name string) error {
	const operation = "delete a limit"
	if !limits.ValidName(name) {
		return c.failLimit(operation, name, limits.ErrNotFound)
	}
	return c.failLimit(operation, name, c.limits().Delete(ctx, name))
}

func (c *Client) limits() *limits.Store {
	return limits.NewStore(c.hub.TrackingAccount(), c.hub.Names())
}

func (c *Client) failLimit(operation, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, limits.ErrNotFound):
		err = &LimitNotFoundError{Hub: c.hub.Name(), Limit: name}
	case errors.Is(err, limits.ErrNotSet):
		err = &LimitNotSetError{Hub: c.hub.Name(), Limit: name}
	}
	return fmt.Errorf("%s: hub %q: %w", operation, c.hub.Name(), err)
}
