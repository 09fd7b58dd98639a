// Package kit stands for other people's code.
package kit

import (
	"os"
	"sync"
	"time"
)

var mu sync.Mutex

// Pooled takes a lock and looks at a debug switch, which is its own business.
func Pooled() int {
	mu.Lock()
	defer mu.Unlock()
	return len(os.Getenv("KIT_DEBUG"))
}

// Stamp is another matter.
func Stamp() int { return int(time.Now().Unix()) }
