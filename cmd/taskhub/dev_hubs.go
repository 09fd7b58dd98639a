package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
)

// hubAge is how long a hub is served before it is looked at anew: it may be made, deleted, and made again with other
// partitions at any time.
const hubAge = time.Second

// devHubs are the hubs that the API serves, opened when somebody asks for them.
type devHubs struct {
	open func(ctx context.Context, name string) (*taskhub.Hub, error)
	api  func(hub *taskhub.Hub) *httpapi.API

	mu   sync.Mutex
	hubs map[string]*devHub
	errs []error // of closing
}

// devHub is an open hub. It is closed when it is out of date and nobody uses it any more.
type devHub struct {
	hub    *taskhub.Hub
	api    *httpapi.API
	opened time.Time
	users  int
	gone   bool // another one has taken its place
}

// use returns a hub for one request, which calls release behind it.
func (d *devHubs) use(ctx context.Context, name string) (*devHub, error) {
	d.mu.Lock()
	known := d.hubs[name]
	if known != nil && time.Since(known.opened) < hubAge {
		known.users++
		d.mu.Unlock()
		return known, nil
	}
	d.mu.Unlock()
	hub, err := d.open(ctx, name)
	if err != nil {
		return nil, err
	}
	fresh := &devHub{hub: hub, api: d.api(hub), opened: time.Now(), users: 1}
	d.mu.Lock()
	defer d.mu.Unlock()
	for other, h := range d.hubs {
		if other == name || h.users == 0 && time.Since(h.opened) >= hubAge {
			d.retire(h)
			delete(d.hubs, other)
		}
	}
	if d.hubs == nil {
		d.hubs = make(map[string]*devHub)
	}
	d.hubs[name] = fresh
	return fresh, nil
}

func (d *devHubs) release(h *devHub) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.users--
	d.closeUnused(h)
}

// retire closes a hub once nobody uses it. The lock is held.
func (d *devHubs) retire(h *devHub) {
	if h != nil {
		h.gone = true
		d.closeUnused(h)
	}
}

func (d *devHubs) closeUnused(h *devHub) {
	if h.gone && h.users == 0 {
		if err := h.hub.Close(); err != nil {
			d.errs = append(d.errs, err)
		}
	}
}

// close closes the hubs, once the server has ended.
func (d *devHubs) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, h := range d.hubs {
		d.retire(h)
		delete(d.hubs, name)
	}
	return errors.Join(d.errs...)
}
