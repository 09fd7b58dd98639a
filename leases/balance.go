package leases

import "slices"

// seat is one partition as the balancer sees it.
type seat struct {
	partition int
	owner     string // whom it counts for; "" for nobody known
	mine      bool   // it counts for this worker
	free      bool   // nobody has a claim on it
	eager     bool   // it has been free long enough to be taken beyond the fair share
	barred    bool   // not for this worker now: it failed to keep it a moment ago
	fixed     bool   // it cannot be asked for: it is changing hands or its state is unknown
}

// plan says which free partitions to take and which partitions of others to ask for. It leads to counts that differ by
// at most one, where it rests: a partition is asked for only from the worker that has most and at least two more than
// this one. That agrees with the .NET balancers' rest, so the two kinds of worker do not undo each other's moves.
//
// A worker without any partition is invisible to the others. It asks for one first, so that several newcomers see each
// other before they compute their shares; later ones for half of what is missing at a time, for the same reason.
func plan(seats []seat, shuffle func(n int, swap func(i, j int))) (take, ask []int) {
	counts, mine, free := tally(seats)
	target := fairShare(len(seats), len(counts)+1)
	shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	slices.SortStableFunc(free, eagerFirst)
	left := 0
	for _, s := range free {
		if s.eager || mine < target {
			take = append(take, s.partition)
			mine++
		} else {
			left++
		}
	}
	if len(take) > 0 || left > 0 {
		return take, nil
	}
	return nil, planRequests(seats, counts, mine, target, shuffle)
}

func eagerFirst(a, b seat) int {
	switch {
	case a.eager == b.eager:
		return 0
	case a.eager:
		return -1
	}
	return 1
}

func planRequests(seats []seat, counts map[string]int, mine, target int, shuffle func(n int, swap func(i, j int))) (ask []int) {
	allowed := 1
	if mine > 0 {
		allowed = (target - mine + 1) / 2
	}
	order := make([]seat, len(seats))
	copy(order, seats)
	shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for len(ask) < allowed && mine < target {
		i := richest(order, counts)
		if i < 0 || counts[order[i].owner] < mine+2 {
			break
		}
		ask = append(ask, order[i].partition)
		counts[order[i].owner]--
		order[i].fixed = true
		mine++
	}
	return ask
}

func tally(seats []seat) (counts map[string]int, mine int, free []seat) {
	counts = make(map[string]int)
	for _, s := range seats {
		switch {
		case s.mine:
			mine++
		case s.free && !s.barred:
			free = append(free, s)
		case s.owner != "":
			counts[s.owner]++
		}
	}
	return counts, mine, free
}

// fairShare is the largest number of partitions that a worker has in a balanced hub.
func fairShare(partitions, workers int) int {
	return (partitions + workers - 1) / workers
}

// richest finds a partition of the worker that has most, among those that can be asked for.
func richest(seats []seat, counts map[string]int) int {
	best := -1
	for i, s := range seats {
		if s.mine || s.free || s.fixed || s.owner == "" {
			continue
		}
		if best < 0 || counts[s.owner] > counts[seats[best].owner] {
			best = i
		}
	}
	return best
}
