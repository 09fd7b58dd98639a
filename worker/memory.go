package worker

import (
	"log/slog"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// memoryEvery is the pause between two looks at the memory.
	memoryEvery = 250 * time.Millisecond
	// memoryWarnEvery is how often the log says that memory is short.
	memoryWarnEvery = time.Minute
)

// memory watches how much of its bound the process uses.
type memory struct {
	bound   int64 // 0 for none
	log     *slog.Logger
	pressed atomic.Bool

	once sync.Once
	done chan struct{}
	loop sync.WaitGroup
}

func newMemory(bound int64, log *slog.Logger) *memory {
	if bound <= 0 {
		if bound = debug.SetMemoryLimit(-1); bound == math.MaxInt64 { // negative: it is only read
			bound = 0
		}
	}
	return &memory{bound: bound, log: log, done: make(chan struct{})}
}

// watch begins to look, and lets trim unload what can be while memory is short.
func (m *memory) watch(trim func()) {
	if m.bound == 0 {
		return
	}
	m.look(trim, &time.Time{})
	m.loop.Go(func() {
		tick := time.NewTicker(memoryEvery)
		defer tick.Stop()
		var warned time.Time
		for {
			select {
			case <-tick.C:
				m.look(trim, &warned)
			case <-m.done:
				return
			}
		}
	})
}

func (m *memory) look(trim func(), warned *time.Time) {
	// The heap grows to twice what lives before it is collected.
	used, most := liveBytes(), m.bound/2
	switch {
	case used > most:
		m.pressed.Store(true)
		trim()
		if time.Since(*warned) >= memoryWarnEvery {
			*warned = time.Now()
			m.log.Warn("memory is short: orchestrations that wait are unloaded, and loaded again when something comes for them. Raise MaxMemory, or run more workers",
				keyUsed, used, keyLimit, m.bound)
		}
	case used < most/8*7:
		m.pressed.Store(false)
	}
}

func (m *memory) end() {
	m.once.Do(func() { close(m.done) })
	m.loop.Wait()
}

// liveBytes is how much memory was in use after the last garbage collection.
func liveBytes() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(min(sample[0].Value.Uint64(), math.MaxInt64))
}

func (p *process) trim() {
	for _, part := range p.all() {
		part.Trim()
	}
}
