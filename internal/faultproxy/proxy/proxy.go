package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errorKey is the log attribute of errors.
const errorKey = "error"

// Proxy listens on three ports and forwards to three others. It is safe for concurrent use.
type Proxy struct {
	cfg      Config
	recorder *recorder
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	rules atomic.Pointer[[]*ActiveRule] // replaced as a whole; nil or empty when nothing is disturbed

	mu        sync.Mutex
	closed    bool
	addresses Addresses
	listeners []net.Listener
	open      map[net.Conn]struct{}
	lastRule  int
}

// New starts a proxy. Close ends it.
func New(cfg Config) (*Proxy, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{cfg: cfg, recorder: newRecorder(cfg), ctx: ctx, cancel: cancel, open: map[net.Conn]struct{}{}}
	for _, s := range services() {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen.Of(s))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("faultproxy: listening for the %s service: %w", s, err), p.Close())
		}
		p.listeners = append(p.listeners, l)
		p.addresses.set(s, l.Addr().String())
	}
	for i, s := range services() {
		l := p.listeners[i]
		p.running.Go(func() { p.accept(s, l) })
	}
	return p, nil
}

// Addresses returns where the proxy listens.
func (p *Proxy) Addresses() Addresses { return p.addresses }

// Close stops listening, ends every connection at once and waits until all is at rest. It may be called more than once.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.cancel()
		for _, l := range p.listeners {
			_ = l.Close()
		}
		for c := range p.open {
			_ = c.Close()
		}
	}
	p.mu.Unlock()
	p.running.Wait()
	p.recorder.mu.Lock()
	defer p.recorder.mu.Unlock()
	return p.recorder.logErr
}

func (p *Proxy) accept(s Service, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if !p.isClosed() {
				p.cfg.Logger.Error("accepting connections ended", errorKey, err)
			}
			return
		}
		if !p.track(c) {
			return
		}
		p.running.Go(func() {
			defer p.untrack(c)
			newExchange(p, s, c).serve()
		})
	}
}

func (p *Proxy) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// track notes an open connection so that Close can end it. After Close it closes the connection and returns false.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) untrack(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close()
}

// Counts returns what passed since the start or the last Reset, by operation.
func (p *Proxy) Counts() Counts { return p.recorder.snapshot() }

// Log returns the recorded operations in the order in which they ended. It is empty without Config.Record.
func (p *Proxy) Log() []Entry { return p.recorder.log() }

// Reset forgets counts and recorded operations. Rules stay.
func (p *Proxy) Reset() { p.recorder.reset() }

// AddRule adds a rule behind those there are.
func (p *Proxy) AddRule(r Rule) (*ActiveRule, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, err := newActiveRule(r, p.lastRule+1, p.cfg.Seed, time.Now())
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p.lastRule++
	a.remove = sync.OnceFunc(func() { p.removeRule(a) })
	rules := append(slices.Clone(p.activeRules()), a)
	p.rules.Store(&rules)
	return a, nil
}

func (p *Proxy) removeRule(a *ActiveRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rules := slices.DeleteFunc(slices.Clone(p.activeRules()), func(b *ActiveRule) bool { return a == b })
	p.rules.Store(&rules)
	close(a.removed)
}

func (p *Proxy) activeRules() []*ActiveRule {
	if rules := p.rules.Load(); rules != nil {
		return *rules
	}
	return nil
}

// Rules returns the rules at work, in the order in which they are asked.
func (p *Proxy) Rules() []*ActiveRule { return slices.Clone(p.activeRules()) }

// ClearRules removes all rules.
func (p *Proxy) ClearRules() {
	for _, a := range p.activeRules() {
		a.Remove()
	}
}

// decide returns the rule that picks an operation, or nil.
func (p *Proxy) decide(op Operation) *ActiveRule {
	rules := p.activeRules()
	if len(rules) == 0 {
		return nil
	}
	now := time.Now()
	for _, a := range rules {
		if a.picks(op, now) {
			return a
		}
	}
	return nil
}
