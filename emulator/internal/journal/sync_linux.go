package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncFile makes a file's content durable, its size included; time stamps are
// left out, which saves a write.
func syncFile(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
