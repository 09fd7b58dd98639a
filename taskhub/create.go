package taskhub

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/leases"
)

// creation remembers that the hub exists, and lets one goroutine at a time create it.
type creation struct {
	turn  chan struct{}
	done  bool        // guarded by turn
	found atomic.Bool // the number of partitions is the hub's, and no guess
}

func (c *creation) init() {
	c.turn = make(chan struct{}, 1)
	c.turn <- struct{}{}
}

// Ensure creates what is missing of the hub, once per process; a failed attempt is repeated by the next call. It is safe
// when several processes do it at a time. A hub with another number of partitions than configured gives a
// [PartitionCountError], one with another partition manager a [LeaseModeError]; then nothing is changed.
func (h *Hub) Ensure(ctx context.Context) error {
	select {
	case <-h.creation.turn:
		defer func() { h.creation.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("create hub %q: %w", h.Name(), ctx.Err())
	}
	if h.creation.done {
		return nil
	}
	if err := h.create(ctx); err != nil {
		return h.named("create", err)
	}
	h.creation.done = true
	h.creation.found.Store(true)
	return nil
}

// locate looks how many partitions a hub has that was not there when it was opened, so that what is put into its queues
// reaches the one that is read.
func (h *Hub) locate(ctx context.Context) error {
	if h.creation.found.Load() {
		return nil
	}
	select {
	case <-h.creation.turn:
		defer func() { h.creation.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	found, err := h.discover(ctx)
	if err != nil || found.partitions == 0 {
		return err
	}
	return h.adopt(found)
}

// Create is [Open] followed by [Hub.Ensure].
func Create(ctx context.Context, cfg Config) (*Hub, error) {
	h, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := h.Ensure(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// forget makes the next Ensure look again, after something turned out to be missing.
func (h *Hub) forget(ctx context.Context) {
	select {
	case <-h.creation.turn:
		h.creation.done = false
		h.creation.found.Store(false)
		h.creation.turn <- struct{}{}
	case <-ctx.Done():
	}
}

// create makes a hub's parts in .NET's order: the app lease's container, the lease store, then everything else side by
// side. What exists is left as it is.
func (h *Hub) create(ctx context.Context) error {
	found, err := h.discover(ctx)
	if err != nil {
		return err
	}
	if err := h.adopt(found); err != nil {
		return err
	}
	if found.partitions != 0 {
		if err := h.checkMode(ctx); err != nil {
			return err
		}
		if err := h.checkTracking(ctx); err != nil {
			return err
		}
	}
	if err := h.createLeaseStore(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.tables.Create(ctx) })
	group.Go(func() error { return h.Queues().Create(ctx) })
	return group.Wait()
}

// createLeaseStore creates the lease part. When another process was faster with another number of partitions, and none
// was configured here, that number counts.
func (h *Hub) createLeaseStore(ctx context.Context) error {
	err := h.leaseStore(ctx)
	var other *PartitionCountError
	if h.cfg.Partitions != 0 || !errors.As(err, &other) {
		return err
	}
	if err := h.adopt(discovery{partitions: other.Stored, mode: h.LeaseMode()}); err != nil {
		return err
	}
	return h.leaseStore(ctx)
}

func (h *Hub) leaseStore(ctx context.Context) error {
	manager, err := leases.New(leases.Config{
		Account: h.accounts.tracking, Names: h.names, Partitions: h.Partitions(), Mode: h.LeaseMode(), Logger: h.cfg.Logger,
		OnAcquired: func(*leases.Lease) {}, // this manager is never started
	})
	if err != nil {
		return err
	}
	return manager.CreateStore(ctx)
}
