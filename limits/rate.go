package limits

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// take is a number of tokens that a worker has taken. They count for as long as the longest span after the last instant at which one of
// them can have been used.
type take struct {
	Until instant // the last instant of use
	N     int
	ID    string // tells the worker's takes apart; empty for what it will not come back to
}

// window is a span in which at most so many attempts begin.
type window struct {
	length int64 // milliseconds
	most   int
}

const (
	// mostTakes is how many takes a row has. More are added up, at the cost that some count longer than they have to.
	mostTakes = 100
	// leastMargin and mostMargin bound the margin of a span, which is a twentieth of it: a server counts a request a little later
	// than the attempt began that makes it, and not always by the same time.
	leastMargin = 50 * time.Millisecond
	mostMargin  = 10 * time.Second
	// leastLife and mostLife bound how long a token may wait to be used, which is a quarter of the shorter span.
	leastLife = 250 * time.Millisecond
	mostLife  = 10 * time.Second
	// freeBurst is the span whose part of Count may always begin at once: what is spread out more finely would need a call to storage
	// for each start.
	freeBurst = 500 * time.Millisecond
)

// windows are the spans of a rate: the one it is defined by, and the one that spreads a burst out.
func windows(s durable.LimitSpec) []window {
	margin := min(max(s.Per/20, leastMargin), mostMargin)
	list := []window{{length: (s.Per + margin).Milliseconds(), most: s.Count}}
	if b := burst(s); b < s.Count {
		list = append(list, window{length: burstSpan(s).Milliseconds(), most: b})
	}
	return list
}

// burst is how many may begin at once.
func burst(s durable.LimitSpec) int {
	least := int(float64(s.Count) * freeBurst.Seconds() / s.Per.Seconds())
	return min(max(s.Burst, least, 1), s.Count)
}

// burstSpan is the span in which as many begin.
func burstSpan(s durable.LimitSpec) time.Duration {
	return time.Duration(math.Ceil(float64(s.Per) * float64(burst(s)) / float64(s.Count)))
}

// life is how long a token may wait to be used.
func life(s durable.LimitSpec) time.Duration { return min(max(burstSpan(s)/4, leastLife), mostLife) }

func longest(ws []window) int64 {
	var most int64
	for _, w := range ws {
		most = max(most, w.length)
	}
	return most
}

// left is how many tokens may be used at an instant, or later.
func left(takes []take, ws []window, at instant) int {
	most := math.MaxInt
	for _, w := range ws {
		free := w.most
		for _, t := range takes {
			if t.Until+w.length > at {
				free -= t.N
			}
		}
		most = min(most, free)
	}
	return max(most, 0)
}

// opens is the first instant from which on n tokens may be used; n is at most what the windows allow.
func opens(takes []take, ws []window, n int) instant {
	var at instant
	for _, w := range ws {
		at = max(at, w.opens(takes, n))
	}
	return at
}

func (w window) opens(takes []take, n int) instant {
	order := slices.Clone(takes)
	slices.SortFunc(order, func(a, b take) int { return cmp.Compare(a.Until, b.Until) })
	free := w.most
	for _, t := range order {
		free -= t.N
	}
	var at instant
	for _, t := range order {
		if free >= n {
			break
		}
		free, at = free+t.N, t.Until+w.length
	}
	return at
}

// prune forgets what counts no more at an instant, and adds takes up when there are many: those next to each other, as of the later
// instant. What counts longer than it has to does no harm.
func prune(takes []take, ws []window, at instant) []take {
	length := longest(ws)
	takes = slices.DeleteFunc(takes, func(t take) bool { return t.N <= 0 || t.Until+length <= at })
	if len(takes) <= mostTakes {
		return takes
	}
	slices.SortFunc(takes, func(a, b take) int { return cmp.Compare(a.Until, b.Until) })
	for len(takes) > mostTakes {
		closest := 0
		for i := range len(takes) - 1 {
			if takes[i+1].Until-takes[i].Until < takes[closest+1].Until-takes[closest].Until {
				closest = i
			}
		}
		takes[closest+1].N += takes[closest].N
		takes[closest+1].ID = ""
		takes = slices.Delete(takes, closest, closest+1)
	}
	return takes
}
