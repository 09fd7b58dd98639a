package activities

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/queues"
)

// Parked is what this worker knows of work items that it had to hand back.
type Parked struct {
	// Activity is the name that is not hosted here, empty when the work items are damaged.
	Activity string
	// Reason says why they cannot run here and what to do.
	Reason string
	// Messages is how many there are. What another worker has taken is counted until its time has passed.
	Messages int
	// Oldest is when the oldest of them was put, by the queue service's clock.
	Oldest time.Time
	// Seen is when one of them was last handed back.
	Seen time.Time
}

const (
	// damagedDelay is the longest a work item stays away that no worker can run, as in .NET.
	damagedDelay = 10 * time.Minute
	// unhostedDelay is the longest a work item stays away whose activity is hosted elsewhere or not yet: a worker that
	// hosts it, or comes to host it, may lose the race for it a few times.
	unhostedDelay = 5 * time.Second
	// parkedEvery spaces deliveries when many work items are parked: with so much for each of them, this worker hands
	// back about ten a second, whatever their number.
	parkedEvery = 100 * time.Millisecond
	// mostParked bounds the memory. Beyond it work items have the longest delay from the start.
	mostParked = 100_000
)

// parking remembers which work items were handed back, so that each stays away longer every time this worker sees it.
// The queue's own count will not do: it also counts what other workers received.
type parking struct {
	mu     sync.Mutex
	items  map[string]*parkedItem // by message id
	warned map[string]time.Time   // reasons that were logged as errors
	swept  time.Time
}

type parkedItem struct {
	activity, reason string
	times            int
	inserted         time.Time
	seen, back       time.Time
}

func newParking() *parking {
	return &parking{items: map[string]*parkedItem{}, warned: map[string]time.Time{}}
}

// warnEvery is how often the same reason is an error in the log.
const warnEvery = 10 * time.Minute

// refused notes a work item that goes back and says for how long. loud tells that its reason was not logged of late.
func (p *parking) refused(d *queues.Delivery, why *refusal, now time.Time) (delay time.Duration, loud bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	if last, ok := p.warned[why.reason]; !ok || now.Sub(last) >= warnEvery {
		p.warned[why.reason], loud = now, true
	}
	it := p.items[d.ID]
	if it == nil {
		it = &parkedItem{inserted: d.InsertedAt}
		if len(p.items) >= mostParked {
			return p.longest(why), loud
		}
		p.items[d.ID] = it
	}
	it.times++
	it.activity, it.reason, it.seen = why.name, why.reason, now
	delay = min(pauseAfter(it.times), p.longest(why))
	it.back = now.Add(delay)
	return delay, loud
}

// pauseAfter is how long a work item stays away after it was handed back so many times: not at all at first, then a
// second, and twice as long each time.
func pauseAfter(times int) time.Duration {
	if times <= 1 {
		return 0
	}
	return time.Second << min(times-2, 20)
}

func (p *parking) longest(why *refusal) time.Duration {
	if why.damage {
		return damagedDelay
	}
	return min(max(unhostedDelay, time.Duration(len(p.items))*parkedEvery), damagedDelay)
}

// taken forgets a work item that can be run after all.
func (p *parking) taken(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.items, id)
}

const (
	sweepEvery = 10 * time.Second
	// absentAfter is how long after its return a work item is taken to have gone to another worker.
	absentAfter = time.Minute
)

// sweep forgets what did not come back; the caller holds mu.
func (p *parking) sweep(now time.Time) {
	if now.Sub(p.swept) < sweepEvery {
		return
	}
	p.swept = now
	maps.DeleteFunc(p.items, func(_ string, it *parkedItem) bool { return now.Sub(it.back) > absentAfter })
	maps.DeleteFunc(p.warned, func(_ string, at time.Time) bool { return now.Sub(at) >= warnEvery })
}

// list sums up, by activity and reason.
func (p *parking) list(now time.Time) []Parked {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	sums := map[[2]string]*Parked{}
	for _, it := range p.items {
		key := [2]string{it.activity, it.reason}
		sum := sums[key]
		if sum == nil {
			sum = &Parked{Activity: it.activity, Reason: it.reason, Oldest: it.inserted}
			sums[key] = sum
		}
		sum.Messages++
		if it.inserted.Before(sum.Oldest) {
			sum.Oldest = it.inserted
		}
		if it.seen.After(sum.Seen) {
			sum.Seen = it.seen
		}
	}
	list := make([]Parked, 0, len(sums))
	for _, sum := range sums {
		list = append(list, *sum)
	}
	slices.SortFunc(list, func(a, b Parked) int {
		return cmp.Or(cmp.Compare(a.Activity, b.Activity), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}
