package partition

import (
	"errors"
	"sync"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// stuck remembers the instances whose code neither went on nor ended in time. Nothing can end it, so an instance is not tried again in
// this ownership while it still runs: every attempt would leave one more goroutine behind, and perhaps a busy processor. The
// attempts fail all the same, and count.
type stuck struct {
	mu   sync.Mutex
	errs map[string]*replay.StuckError
}

// note remembers a failure, if it is of this kind.
func (k *stuck) note(id string, err error) {
	var failure *replay.StuckError
	if !errors.As(err, &failure) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.errs == nil {
		k.errs = map[string]*replay.StuckError{}
	}
	k.errs[id] = failure
}

// still returns the error of the last attempt while its code still runs.
func (k *stuck) still(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.errs[id]
	if err == nil {
		return nil
	}
	select {
	case <-err.Gone():
		delete(k.errs, id)
		return nil
	default:
		return err
	}
}
