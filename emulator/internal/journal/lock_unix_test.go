//go:build unix && !aix && !solaris && !illumos

package journal

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// shareLock does what a fork does: the returned function closes what the child
// has of the parent's open lock file, as executing a program does.
func shareLock(t *testing.T, l *dirLock) (exec func()) {
	t.Helper()
	child, err := syscall.Dup(int(l.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Close(child); err != nil {
			t.Error(err)
		}
	}
}

// TestLockAndForks closes a journal while a child process that has not yet
// executed its program shares the lock's file: the directory is free at once,
// and the next lock is not the child's to end.
func TestLockAndForks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, _ := open(t, dir, 1<<30)
	exec := shareLock(t, first.lock)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, _, err := tryOpen(dir, 1<<30)
	exec()
	if err != nil {
		t.Fatalf("closed, and a child holds the lock: %v", err)
	}
	defer second.Close()
	var locked *LockedError
	if _, _, err := tryOpen(dir, 1<<30); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("the child ended the lock of somebody else: %v", err)
	}
}

// TestLockOfKilledParent opens a directory whose holder was killed while a
// child of it had not yet executed its program.
func TestLockOfKilledParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	killed, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	exec := shareLock(t, killed)
	if err := killed.f.Close(); err != nil { // as the end of a process does, without unlocking
		t.Fatal(err)
	}
	time.AfterFunc(lockPause/2, exec)
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.release(); err != nil {
		t.Error(err)
	}
}
