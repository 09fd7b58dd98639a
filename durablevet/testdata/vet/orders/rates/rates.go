package rates

import (
	"sync"
	"time"
)

var mu sync.Mutex

// Total is called by an orchestrator of another package.
func Total(n int) int { return n * current() }

func current() int {
	mu.Lock()
	defer mu.Unlock()
	return time.Now().Hour()
}
