package emulator

import (
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// LockedError says that another server has the directory.
type LockedError struct {
	Dir string
	// PID is the process that has it, 0 if that is unknown.
	PID int
	err error
}

// Error implements error.
func (e *LockedError) Error() string { return "emulator: " + e.err.Error() }

// CorruptError says that a file of the directory is damaged where no crash
// can have damaged it. What a crash leaves behind, the unfinished end of the
// journal, is no error: it was never acknowledged and is dropped.
type CorruptError struct {
	Dir, File string
	Offset    int64
	err       error
}

// Error implements error.
func (e *CorruptError) Error() string { return fmt.Sprintf("emulator: %s: %v", e.Dir, e.err) }

// VersionError says that the directory was written in a format that this
// program does not understand.
type VersionError struct {
	Dir     string
	Version int
	err     error
}

// Error implements error.
func (e *VersionError) Error() string { return fmt.Sprintf("emulator: %s: %v", e.Dir, e.err) }

// ParentError says that Config.Dir cannot be made, because the directory that
// is to hold it is not there. It is a kind of fs.ErrNotExist.
type ParentError struct {
	Dir, Parent string
	err         error
}

// Error implements error.
func (e *ParentError) Error() string { return "emulator: " + e.err.Error() }

// Unwrap returns the cause.
func (e *ParentError) Unwrap() error { return e.err }

// DiskError says that the directory cannot be written any more, because the
// disk is full or broken. Nothing is accepted from then on.
type DiskError struct {
	Dir string
	// Err is what the operating system said.
	Err error
}

// Error implements error.
func (e *DiskError) Error() string {
	return fmt.Sprintf("emulator: cannot write to %s: %v; nothing more is accepted until the directory is opened again", e.Dir, e.Err)
}

// Unwrap returns the cause.
func (e *DiskError) Unwrap() error { return e.Err }

// Err is a [*DiskError] once the server cannot write to its directory any
// more, nil before that and in memory. Every request is answered with an
// internal error from then on; once the disk works, open the directory with a
// new server, which has everything that was acknowledged.
func (s *Server) Err() error {
	var failed *journal.DiskError
	if errors.As(s.journal.Err(), &failed) {
		return &DiskError{failed.Dir, failed.Err}
	}
	return nil
}

// Failed is closed when Err begins to return an error.
func (s *Server) Failed() <-chan struct{} { return s.journal.Failed() }

// openJournal loads a directory into the stores. A record's first byte is the
// service it belongs to.
func openJournal(config Config, backends [3]service.Backend) (*journal.Journal, error) {
	j, err := journal.Open(journal.Config{
		Dir: config.Dir, MinCompaction: config.MinCompaction, Logger: config.Logger,
		Apply: func(rec []byte) error {
			if len(rec) == 0 || int(rec[0]) >= len(backends) {
				return codec.ErrCorrupt
			}
			return backends[rec[0]].Apply(codec.NewReader(rec[1:]))
		},
		Snapshot: func(emit func([]byte) error) error {
			for _, b := range backends {
				if err := b.Snapshot(emit); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, diskError(config.Dir, err)
	}
	for _, b := range backends {
		if err := b.Loaded(); err != nil {
			return nil, errors.Join(&CorruptError{Dir: config.Dir, err: err}, j.Close())
		}
	}
	return j, nil
}

func diskError(dir string, err error) error {
	var locked *journal.LockedError
	var corrupt *journal.CorruptError
	var version *journal.VersionError
	var parent *journal.ParentError
	switch {
	case errors.As(err, &locked):
		return &LockedError{dir, locked.PID, err}
	case errors.As(err, &corrupt):
		return &CorruptError{dir, corrupt.File, corrupt.Offset, err}
	case errors.As(err, &version):
		return &VersionError{dir, int(version.Version), err}
	case errors.As(err, &parent):
		return &ParentError{parent.Dir, parent.Parent, err}
	}
	return fmt.Errorf("emulator: cannot open %s: %w", dir, err)
}
