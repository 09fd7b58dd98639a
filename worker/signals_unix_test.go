//go:build unix

package worker_test

import (
	"os"
	"syscall"
	"testing"
)

// Signals that tests send to worker processes.
const (
	pauseSignal  = syscall.SIGSTOP
	goOnSignal   = syscall.SIGCONT
	starveSignal = syscall.SIGUSR1
)

func needSignals(testing.TB) {}

func send(t *testing.T, p *os.Process, signal os.Signal) {
	t.Helper()
	if err := p.Signal(signal); err != nil {
		t.Fatal(err)
	}
}
