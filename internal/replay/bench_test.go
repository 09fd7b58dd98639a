package replay_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// BenchmarkReplayChain replays a chain of calls; the figure to watch is ns/event.
func BenchmarkReplayChain(b *testing.B) {
	const calls = 1000
	list := events()
	for i := range int32(calls) {
		list = append(list, scheduled(i, "A"), &history.OrchestratorCompleted{}, begin(epoch), completed(i, "1"))
	}
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		for range calls {
			c := schedule(s, "A")
			s.Await(&c.Promise)
		}
		return nil, nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if out := advance(b, newSession(b, def), list, nil).Outcome; out == nil || out.Status != history.Completed {
			b.Fatalf("ended with %+v", out)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/event")
}

// BenchmarkFanIn replays a fan-in of n tasks; ns/event must not grow with n.
func BenchmarkFanIn(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := events()
			for i := range int32(n) {
				list = append(list, scheduled(i, "A"))
			}
			for i := range int32(n) {
				list = append(list, completed(i, "1"))
			}
			def := define(func(s *replay.Session, _ *string) (*string, error) {
				all := make([]*replay.Promise, n)
				for i := range all {
					all[i] = &schedule(s, "A").Promise
				}
				s.AwaitAll(all)
				return nil, nil
			})
			b.ReportAllocs()
			for b.Loop() {
				if out := advance(b, newSession(b, def), list, nil).Outcome; out == nil || out.Status != history.Completed {
					b.Fatalf("ended with %+v", out)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/event")
		})
	}
}

// BenchmarkParkedBodies measures the memory that one parked coroutine takes.
func BenchmarkParkedBodies(b *testing.B) {
	const bodies = 10_000
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		for range bodies {
			s.Go(func() { s.Await(&replay.Promise{}) })
		}
		s.Await(&replay.Promise{})
		return nil, nil
	})
	park := func() func() {
		s := newSession(b, def)
		advance(b, s, nil, events())
		return s.Unload
	}
	measureParked(b, bodies, park)
}

// BenchmarkParkedSessions measures the memory of a whole parked session.
func BenchmarkParkedSessions(b *testing.B) {
	const sessions = 10_000
	def := chain("A")
	list := events()
	park := func() func() {
		all := make([]*replay.Session, sessions)
		for i := range all {
			all[i] = replay.NewSession(replay.Config{Definition: def})
			advance(b, all[i], nil, list)
		}
		return func() {
			for _, s := range all {
				s.Unload()
			}
		}
	}
	measureParked(b, sessions, park)
}

// measureParked reports the bytes of heap and stack per parked thing. The first
// batch is not measured: the runtime chooses the size of new stacks by the average
// of those it finds in a collection, which in a process with nothing parked is that
// of the test's own.
func measureParked(b *testing.B, count int, park func() func()) {
	var per float64
	for b.Loop() {
		release := park()
		before := memory()
		releaseMeasured := park()
		per = float64(memory()-before) / float64(count)
		releaseMeasured()
		release()
	}
	b.ReportMetric(per, "B/parked")
}

// memory returns what the heap and the stacks hold.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
