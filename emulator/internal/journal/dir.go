package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ParentError says that a directory cannot be made because the one that is to
// hold it is not there, which is more often a mistyped path than a wish for
// several new directories.
type ParentError struct{ Dir, Parent string }

// Error implements error.
func (e *ParentError) Error() string {
	return fmt.Sprintf("cannot make %s: there is no directory %s; check the path, or make that directory first", e.Dir, e.Parent)
}

// Unwrap says that it is a kind of fs.ErrNotExist.
func (e *ParentError) Unwrap() error { return fs.ErrNotExist }

// makeDir makes a directory that is not there, but none above it.
func makeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	err = os.Mkdir(dir, 0o750)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &ParentError{dir, parent}
	case err != nil && !errors.Is(err, fs.ErrExist): // somebody else may just have made it
		return err
	}
	if err := syncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) { // it may be writable and not readable
		return err
	}
	return nil
}
