package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes an exclusive lock; held is true when somebody else has it.
// The locked byte lies behind the process id, which others must read.
func tryLock(f *os.File) (held bool, err error) {
	at := lockedByte()
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	}
	return false, err
}

// unlock gives the lock up.
func unlock(f *os.File) error {
	at := lockedByte()
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &at)
}

func lockedByte() windows.Overlapped { return windows.Overlapped{Offset: 1 << 20} }

// syncDir does nothing: Windows makes names durable by itself.
func syncDir(string) error { return nil }
