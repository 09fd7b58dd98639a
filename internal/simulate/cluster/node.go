package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// node is a process with a worker.
type node struct {
	w       *world
	id      string
	port    *port
	account *storage.Account
	asked   chan struct{} // closed when it is to stop in order
	gone    chan struct{} // closed when it has crashed, or the run is over
	ended   chan struct{} // closed when none of its goroutines is left

	// Guarded by world.mu.
	dead    bool
	leaving bool
	hub     *taskhub.Hub // while it is up
	once    sync.Once
}

// keyNode is the attribute of log records that names the process.
const keyNode = "node"

// birth starts a process. It runs in the scheduler.
func (w *world) birth() {
	w.mu.Lock()
	id := fmt.Sprintf("w%d", len(w.nodes)+1)
	w.mu.Unlock()
	w.rise(id)
}

func (w *world) rise(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending {
		return
	}
	name := fmt.Sprintf("%s.%d", id, len(w.nodes)+1)
	p, account, err := w.connect(name)
	if err != nil {
		panic(err)
	}
	n := &node{w: w, id: id, port: p, account: account, asked: make(chan struct{}), gone: make(chan struct{}), ended: make(chan struct{})}
	w.nodes = append(w.nodes, n)
	w.trace.note("%s starts", name)
	go n.live()
}

// live is the main function of the process.
func (n *node) live() {
	defer close(n.ended)
	defer n.account.Close()
	for !n.isDead() {
		if n.serve() {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-n.asked:
			return
		case <-n.gone:
			return
		}
	}
}

// serve runs a worker until it is to stop. False means that it could not be started.
func (n *node) serve() bool {
	ctx, cancel := context.WithTimeout(n.w.ctx, 30*time.Second)
	defer cancel()
	cfg := n.w.hubConfig(n.account)
	cfg.Logger = n.logger()
	hub, err := taskhub.Open(ctx, cfg)
	if err != nil {
		return false
	}
	defer hub.Close()
	wk, err := worker.New(hub, worker.Config{ID: n.id, Fleet: n.w.opts.Fleet, MaxActivities: 3, Logger: n.logger()})
	if err != nil {
		panic(err)
	}
	if err := wk.Register(n.w.programs(n)...); err != nil {
		panic(err)
	}
	if err := wk.Start(ctx); err != nil {
		return false
	}
	n.up(hub)
	select {
	case <-n.asked:
	case <-n.gone:
	}
	n.up(nil)
	stop, end := context.WithTimeout(n.w.ctx, 40*time.Second)
	defer end()
	_ = wk.Stop(stop) // what it could not give back is found by others
	return true
}

func (n *node) logger() *slog.Logger {
	if n.w.opts.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(n.w.opts.Log).With(keyNode, n.port.name)
}

func (n *node) up(hub *taskhub.Hub) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.hub = hub
}

func (n *node) isDead() bool {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.dead
}

func (n *node) running() bool {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.hub != nil && !n.dead && !n.leaving
}

// end stops the process in order, at the end of the run.
func (n *node) end() {
	n.ask()
	select {
	case <-n.ended:
	case <-time.After(2 * time.Minute):
		n.w.violate("%s does not stop", n.port.name)
	}
	n.once.Do(func() { close(n.gone) })
	<-n.ended
}

func (n *node) ask() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if !n.leaving {
		n.leaving = true
		close(n.asked)
	}
}

func (w *world) nodeOf(p *port) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if n.port == p && !n.dead {
			return n
		}
	}
	return nil
}

// crash ends a process at once: nothing that it does from now on can be seen. Another one starts some time later.
func (w *world) crash(p *port) {
	n := w.nodeOf(p)
	if n == nil {
		return
	}
	w.net.kill(p)
	w.mu.Lock()
	n.dead = true
	w.mu.Unlock()
	n.once.Do(func() { close(n.gone) })
	w.successor(n)
}

// stop makes a process end in order, and another one start.
func (w *world) stop(n *node) {
	w.trace.note("%s is asked to stop", n.port.name)
	n.ask()
	w.successor(n)
}

func (w *world) successor(n *node) {
	delay := w.faults.between(100*time.Millisecond, 40*time.Second)
	same := w.rnd.IntN(3) == 0 && n.dead
	w.net.at(time.Now().Add(delay), func() {
		if same {
			w.rise(n.id)
			return
		}
		w.birth()
	})
}
