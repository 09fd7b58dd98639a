package partition

import "sync"

// recentIDs is how many ids recent remembers at least.
const recentIDs = 8192

// recent remembers the ids it was given last. Its zero value is ready.
type recent struct {
	mu           sync.Mutex
	newer, older map[string]struct{}
}

func (r *recent) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newer == nil || len(r.newer) >= recentIDs {
		r.older, r.newer = r.newer, make(map[string]struct{})
	}
	r.newer[id] = struct{}{}
}

func (r *recent) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, newer := r.newer[id]
	_, older := r.older[id]
	return newer || older
}
