package activities

import (
	"fmt"
	"runtime/debug"
	"time"
)

// restartPause keeps a loop that panics again and again from using the machine up.
const restartPause = time.Second

// unfailing runs a loop until it returns. Should it panic, it begins anew after a pause: what it had in hand comes back when its locks run
// out, and the process has other work to do.
func (r *Runner) unfailing(what string, loop func()) func() {
	return func() {
		for !r.attempted(what, loop) {
			select {
			case <-time.After(restartPause):
			case <-r.storage.Done():
				return
			}
		}
	}
}

// attempted says whether the loop has returned.
func (r *Runner) attempted(what string, loop func()) (done bool) {
	defer func() {
		if v := recover(); v != nil {
			r.cfg.Logger.Error("a loop of the activity runner panicked; it begins anew. Please report this with the stack",
				keyLoop, what, keyError, fmt.Sprint(v), keyStack, string(debug.Stack()))
		}
	}()
	loop()
	return true
}
