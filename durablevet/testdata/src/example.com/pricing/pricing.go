// Package pricing knows nothing of orchestrators.
package pricing

import (
	"context"
	"os"
	"sync"
	"time"
)

func Total(items []int) int { // want Total:`clock time\.Now at pricing/pricing\.go:25 via rate, Table\.current`
	total := 0
	for _, item := range items {
		total += item * rate()
	}
	return total
}

func rate() int { return table.current() } // want rate:`clock time\.Now at pricing/pricing\.go:25 via Table\.current`

type Table struct{ mu sync.Mutex }

var table Table

func (t *Table) current() int { return time.Now().Hour() } // want current:`clock time\.Now at pricing/pricing\.go:25`

func (t *Table) Get() int { // want Get:`io os\.ReadFile at pricing/pricing\.go:30; lock sync\.Mutex\.Lock at pricing/pricing\.go:28`
	t.mu.Lock()
	defer t.mu.Unlock()
	data, _ := os.ReadFile("x")
	return len(data)
}

func Load(ctx context.Context) int { return table.Get() } // want Load:`io os\.ReadFile at pricing/pricing\.go:30 via Table\.Get; lock sync\.Mutex\.Lock at pricing/pricing\.go:28 via Table\.Get`

func Logged() time.Time {
	return time.Now() //durablevet:ignore callers only print it
}

func Double(n int) int { return 2 * n }

type Rates interface{ Current() int }

func Generic[T any](v T) T { // want Generic:`clock time\.Now at pricing/pricing\.go:45`
	_ = time.Now()
	return v
}

func Less(a, b int) int { // want Less:`clock`
	return time.Now().Hour()
}
