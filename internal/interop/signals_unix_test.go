//go:build unix

package interop

import (
	"os"
	"syscall"
)

// pause makes a process stand still, and goOn ends that.
func pause(p *os.Process) { _ = p.Signal(syscall.SIGSTOP) }
func goOn(p *os.Process)  { _ = p.Signal(syscall.SIGCONT) }
