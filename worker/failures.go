package worker

import (
	"fmt"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/leases"
)

const (
	// failureWindow is how long Health tells of a partition that was lost.
	failureWindow = 10 * time.Minute
	// manyFailures is how often a partition may be lost in that time before something is wrong with the worker.
	manyFailures = 3
)

// failures remembers which partitions this worker has lost, and why.
type failures struct {
	mu          sync.Mutex
	byPartition map[int][]failure
}

type failure struct {
	at  time.Time
	why error
}

// note remembers the end of a partition; an end that was asked for has no reason and is none of it.
func (f *failures) note(partition int, why error, now time.Time) {
	if why == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byPartition == nil {
		f.byPartition = map[int][]failure{}
	}
	f.byPartition[partition] = append(recentOf(f.byPartition[partition], now), failure{now, why})
}

// of lists what is remembered of a partition, the oldest first.
func (f *failures) of(partition int, now time.Time) []failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	return recentOf(f.byPartition[partition], now)
}

func recentOf(list []failure, now time.Time) []failure {
	for len(list) > 0 && now.Sub(list[0].at) > failureWindow {
		list = list[1:]
	}
	return list[:len(list):len(list)]
}

// tellOf adds what is remembered of a partition, and says so when it is not read now or keeps being lost.
func (ph *PartitionHealth) tellOf(list []failure, runs bool) (reasons []string) {
	if len(list) == 0 {
		return nil
	}
	last := list[len(list)-1]
	ph.Failures, ph.Failure, ph.FailedAt = len(list), last.why.Error(), last.at.UTC()
	switch elsewhere := ph.State == string(leases.Elsewhere); {
	case len(list) >= manyFailures:
		return []string{fmt.Sprintf("partition %d was lost %d times in ten minutes, the last time because %v; look at the log for what ails this worker, and restart it",
			ph.Partition, len(list), last.why)}
	case !runs && !elsewhere:
		return []string{fmt.Sprintf("partition %d was lost and is not read yet: %v", ph.Partition, last.why)}
	}
	return nil
}
