package chans

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/durable"
)

var A = durable.DeclareActivity[int, int]("A")

func channels(ctx *durable.Context, in chan int, done <-chan struct{}) {
	c := make(chan int, 1) // want `making a channel blocks outside the scheduler`
	c <- 1                 // want `sending on a channel`
	_ = <-c                // want `receiving from a channel`
	v, ok := <-in          // want `receiving from a channel`
	_, _ = v, ok
	for range in { // want `ranging over a channel`
	}
	select { // want `a select statement blocks outside the scheduler`
	case <-done:
	case c <- 2:
		<-c // want `receiving from a channel`
	case x := <-in:
		_ = x
	default:
	}
	close(c) // want `closing a channel`
}

func goroutines(ctx *durable.Context) {
	go work() // want `^a go statement starts a goroutine that the scheduler does not know; use durable\.Go \(in orchestrator function goroutines\)`
	task := A.Call(ctx, 1)
	go func() { // want `a go statement starts a goroutine that the scheduler does not know, and durable\.Task\.Await panics on it; use durable\.Go`
		_, _ = task.Await()
	}()
	go step(ctx) // want `and what is called with ctx panics on it`
	var g errgroup.Group
	g.Go(func() error { return nil }) // want `Group\.Go starts a goroutine`
	_ = g.Wait()                      // want `Group\.Wait can block`
}

func work() {
	time.Sleep(1) // want `reached from orchestrator function goroutines via work\(\)`
}

func step(ctx *durable.Context) {}

var (
	mu    sync.Mutex
	once  sync.Once
	cache sync.Map
	count atomic.Int64
	total int64
)

type guarded struct {
	sync.RWMutex
	n int
}

func locks(ctx *durable.Context, g *guarded) {
	mu.Lock() // want `Mutex\.Lock can block outside the scheduler, and guards what other instances change; leave it out`
	defer mu.Unlock()
	g.RLock() // want `RWMutex\.RLock`
	g.RUnlock()
	once.Do(func() {}) // want `Once\.Do`
	var wg sync.WaitGroup
	wg.Add(1)
	wg.Go(func() {})             // want `WaitGroup\.Go starts a goroutine`
	wg.Wait()                    // want `WaitGroup\.Wait`
	cache.Load(1)                // want `Map\.Load`
	count.Add(1)                 // want `writing to count changes a variable that all instances share`
	atomic.AddInt64(&total, 1)   // want `writing to total`
	_ = atomic.LoadInt64(&total) // reading is not seen
	var own atomic.Int64
	own.Add(1)
}

type queue[T any] interface{ ~chan T }

func generic[Q queue[T], T any](ctx *durable.Context, q Q) {
	for range q { // want `ranging over a channel`
	}
}
