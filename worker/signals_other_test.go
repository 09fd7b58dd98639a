//go:build !unix

package worker_test

import (
	"os"
	"testing"
)

// absent is a signal that the system does not have.
type absent string

func (s absent) String() string { return string(s) }

// Signal implements os.Signal.
func (absent) Signal() {}

const (
	pauseSignal  = absent("pause")
	goOnSignal   = absent("go on")
	starveSignal = absent("starve")
)

// needSignals skips tests that send signals to processes.
func needSignals(t testing.TB) {
	t.Helper()
	t.Skip("needs signals between processes, which this system does not have")
}

func send(t *testing.T, _ *os.Process, signal os.Signal) {
	t.Helper()
	t.Fatalf("there is no signal %v on this system", signal)
}
