package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// LockedError says that a directory is open elsewhere.
type LockedError struct {
	Dir string
	// PID is the process that has it, 0 if that is unknown.
	PID int
}

// Error implements error.
func (e *LockedError) Error() string {
	who := "another process"
	switch e.PID {
	case 0:
	case os.Getpid():
		who = fmt.Sprintf("this process (%d)", e.PID)
	default:
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("%s is in use by %s; stop it, or use another directory", e.Dir, who)
}

// dirLock is an advisory lock on a file of the directory. It ends with the
// process, however that ends.
//
// The lock belongs to the open file, which a child process shares from its fork
// until it executes its program (the descriptor is closed then). All it can do
// in between is to hold the lock; it writes nothing. So the lock is given up
// explicitly, not by closing the file, and whoever finds a directory locked
// looks again for a moment: the holder may just have been killed while it was
// starting a child.
type dirLock struct{ f *os.File }

const (
	lockPatience = 100 * time.Millisecond
	lockPause    = 10 * time.Millisecond
)

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	for waited := time.Duration(0); held && waited < lockPatience; waited += lockPause {
		time.Sleep(lockPause)
		held, err = tryLock(f)
	}
	if err != nil || held {
		owner := readPID(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
		}
		return nil, &LockedError{dir, owner}
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // for the error of others only
	}
	return &dirLock{f}, nil
}

func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}

func (l *dirLock) release() error { return errors.Join(unlock(l.f), l.f.Close()) }
