package storage

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"time"
)

// pace adapts how many requests are under way to what a service bears. Until a service throttles, nothing is limited here.
// When it does, the number is halved, at most once for what was sent since the last time, and grows by one with every round of
// requests that goes well; after a while without throttling with every request, until there is no limit any more. A request
// keeps its place while it waits to be sent again, so that a service which refuses at once is not asked the faster for it.
type pace struct {
	info   *serviceInfo
	logger *slog.Logger
	most   int // from which on there is no limit

	mu       sync.Mutex
	limit    float64 // 0 for none
	underWay int
	waiting  list.List // of chan struct{}
	slowed   time.Time // when the limit was lowered last
	warned   time.Time
}

const (
	// paceRecovery is how long after the last throttling the limit grows quickly.
	paceRecovery = 10 * time.Second
	// paceWarnEvery is how often the log says that a service throttles.
	paceWarnEvery = time.Minute
	// fewPlaces is what the limit begins with at least: a single refusal in a calm hour is no reason to queue up.
	fewPlaces = 8
)

func newPace(cfg Config, info *serviceInfo) *pace {
	return &pace{info: info, logger: cfg.Logger, most: cfg.MaxConcurrency}
}

// enter waits for a place.
func (p *pace) enter(ctx context.Context) error {
	p.mu.Lock()
	if p.limit == 0 || p.underWay < p.places() && p.waiting.Len() == 0 {
		p.underWay++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{}, 1)
	place := p.waiting.PushBack(turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-turn: // it came at the same moment
		p.underWay--
		p.admit()
	default:
		p.waiting.Remove(place)
	}
	return ctx.Err()
}

// enterAtOnce takes a place even if there is none, for requests that are worthless when late.
func (p *pace) enterAtOnce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay++
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
	p.admit()
}

// again lets a request that is to be sent again wait for its turn, if there are more under way than there should be.
func (p *pace) again(ctx context.Context) error {
	p.mu.Lock()
	crowded := p.limit != 0 && p.underWay > p.places()
	if crowded {
		p.underWay--
		p.admit()
	}
	p.mu.Unlock()
	if !crowded {
		return nil
	}
	if err := p.enter(ctx); err != nil {
		p.enterAtOnce() // whoever calls leaves
		return err
	}
	return nil
}

// places is the number of requests that may be under way; the caller holds mu.
func (p *pace) places() int { return max(int(p.limit), 1) }

// admit lets those in who wait; the caller holds mu.
func (p *pace) admit() {
	for p.waiting.Len() > 0 && (p.limit == 0 || p.underWay < p.places()) {
		turn := p.waiting.Remove(p.waiting.Front()).(chan struct{}) //nolint:forcetypeassert // nothing else is in it
		p.underWay++
		turn <- struct{}{}
	}
}

// throttled notes that a request was refused because of the service's load.
func (p *pace) throttled(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.slowed) {
		return // it is of the crowd that was noted already
	}
	now := time.Now()
	if p.limit == 0 {
		p.limit = float64(min(max(p.underWay, fewPlaces), p.most))
	}
	p.limit, p.slowed = max(p.limit/2, 1), now
	if now.Sub(p.warned) >= paceWarnEvery {
		p.warned = now
		p.logger.Warn("the storage service throttles; fewer requests are sent at a time until it recovers",
			logAccount, p.info.account, logService, p.info.service.String(), logConcurrency, int(p.limit))
	}
}

// answered notes that a request was answered as it should be.
func (p *pace) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit == 0 {
		return
	}
	if time.Since(p.slowed) < paceRecovery {
		p.limit += 1 / p.limit
	} else {
		p.limit++
	}
	if p.limit >= float64(p.most) {
		p.limit = 0
	}
	p.admit()
}

// judge notes what became of an attempt that was sent at a time.
func (p *pace) judge(sent time.Time, throttled, failed bool) {
	switch {
	case throttled:
		p.throttled(sent)
	case !failed:
		p.answered()
	}
}
