package replaying

import (
	"fmt"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

var A = durable.DeclareActivity[int, int]("A")

var (
	mu   sync.Mutex
	runs int
)

func measure() {
	mu.Lock()
	defer mu.Unlock()
	runs++
}

func metrics(ctx *durable.Context) {
	if !ctx.IsReplaying() {
		measure()
		fmt.Println(time.Now())
		runs++
		time.Sleep(time.Second) // want `time\.Sleep waits`
		A.Call(ctx, 1)          // want `A\.Call depends on IsReplaying, so that the replay does something else than what the history has; do it either way`
	} else {
		A.Call(ctx, 2) // want `A\.Call depends on IsReplaying`
		fmt.Println()  // want `fmt\.Println prints`
	}
	if runs > 0 && !ctx.IsReplaying() {
		fmt.Println("live")
	}
	if ctx.IsReplaying() || runs > 0 {
		fmt.Println() // want `fmt\.Println prints`
	} else {
		fmt.Println("live")
	}
	fmt.Println() // want `fmt\.Println prints`
}

func early(ctx *durable.Context) {
	fmt.Println() // want `fmt\.Println prints`
	if ctx.IsReplaying() {
		return
	}
	fmt.Println("live")
}

func unloads(ctx *durable.Context) {
	defer func() {
		if ctx.Unloading() {
			fmt.Println("goes on later")
			A.Call(ctx, 1) // does nothing
		}
		fmt.Println() // want `fmt\.Println prints`
		if !ctx.Unloading() {
			return
		}
		fmt.Println("goes on later")
	}()
}
