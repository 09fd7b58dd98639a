package durable_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

func advance(b *testing.B, def *replay.Definition, events []history.Event) *replay.Session {
	b.Helper()
	s := replay.NewSession(replay.Config{Definition: def})
	if _, err := s.Advance(events, nil); err != nil {
		b.Fatal(err)
	}
	return s
}

func opening() []history.Event {
	return []history.Event{
		&history.OrchestratorStarted{Base: history.Base{EventID: -1, Timestamp: time.Unix(1, 0)}},
		&history.ExecutionStarted{Base: history.Base{EventID: -1}, Name: "Bench", Instance: history.Instance{InstanceID: "i", ExecutionID: history.String("e")}},
	}
}

// BenchmarkReplay replays what authors write; the figure to watch is ns/event.
func BenchmarkReplay(b *testing.B) {
	result := "7"
	chain := orchestrate(func(ctx *durable.Context) (int, error) {
		sum := 0
		for range 1000 {
			n, err := double.Call(ctx, 1).Await()
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	})
	chained := opening()
	for i := range int32(1000) {
		chained = append(chained, &history.TaskScheduled{Base: history.Base{EventID: i}, Name: "Double"}, &history.OrchestratorCompleted{},
			&history.OrchestratorStarted{}, &history.TaskCompleted{TaskScheduledID: i, Result: &result})
	}
	run := func(name string, def *replay.Definition, events []history.Event) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				advance(b, def, events).Unload()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
		})
	}
	run("chain/1000", chain.Definition(), chained)
	for _, n := range []int{1_000, 10_000, 100_000} {
		fan := orchestrate(func(ctx *durable.Context) (int, error) {
			tasks := make([]*durable.Task[int], n)
			for i := range tasks {
				tasks[i] = double.Call(ctx, i)
			}
			results, err := durable.WhenAll(tasks)
			return len(results), err
		})
		events := opening()
		for i := range int32(n) {
			events = append(events, &history.TaskScheduled{Base: history.Base{EventID: i}, Name: "Double"})
		}
		for i := range int32(n) {
			events = append(events, &history.TaskCompleted{TaskScheduledID: i, Result: &result})
		}
		run(fmt.Sprint("fan-in/", n), fan.Definition(), events)
	}
}

// BenchmarkParked measures the memory of an orchestration that waits: heap and stack.
func BenchmarkParked(b *testing.B) {
	const count = 10_000
	for name, wait := range map[string]func(ctx *durable.Context) (int, error){
		"activity": func(ctx *durable.Context) (int, error) { return double.Call(ctx, 1).Await() },
		"event":    func(ctx *durable.Context) (int, error) { return durable.WaitForEvent[int](ctx, "e").Await() },
		"timer":    func(ctx *durable.Context) (int, error) { return 0, durable.Sleep(ctx, time.Hour) },
	} {
		b.Run(name, func(b *testing.B) {
			def, events := orchestrate(wait).Definition(), opening()
			measureParked(b, count, func() (release func()) {
				sessions := make([]*replay.Session, count)
				for i := range sessions {
					sessions[i] = advance(b, def, events)
				}
				return func() {
					for _, s := range sessions {
						s.Unload()
					}
				}
			})
		})
	}
	b.Run("coroutine", func(b *testing.B) {
		many := orchestrate(func(ctx *durable.Context) (int, error) {
			for range count {
				durable.Go(ctx, func(ctx *durable.Context) error { return durable.Sleep(ctx, time.Hour) })
			}
			return durable.WaitForEvent[int](ctx, "e").Await()
		})
		def, events := many.Definition(), opening()
		measureParked(b, count, func() (release func()) { return advance(b, def, events).Unload })
	})
}

// measureParked reports the bytes per parked thing. A first batch is not measured: the
// runtime chooses the size of new stacks by the average of those it finds in a
// collection, which in a process with nothing parked is that of the test's own.
func measureParked(b *testing.B, count int, park func() (release func())) {
	var per float64
	for b.Loop() {
		first := park()
		before := memory()
		second := park()
		per = float64(memory()-before) / float64(count)
		second()
		first()
	}
	b.ReportMetric(per, "B/parked")
}

func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
