// Package journal keeps a directory of storage state: an append-only journal
// with checksums and group commit, and snapshots that replace the journal's
// older part so that the directory stays in proportion to its data.
//
// The directory holds
//
//	LOCK                  held by the process that has the directory open
//	journal-<number>.log  records in the order in which they took effect
//	snapshot-<number>.dat records that rebuild the state; the journals of the
//	                      same and of higher numbers come after it
//
// A snapshot is taken while writers go on: it may show effects of records
// that follow it. Records therefore say how something is afterwards, never
// what was done to it, so that repeating one does no harm.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// LSN numbers journal records in the order in which they were appended.
type LSN uint64

// Config says what a journal works on.
type Config struct {
	Dir string
	// MinCompaction is how many bytes must have been appended before the
	// journal compacts itself.
	MinCompaction int64
	Logger        *slog.Logger
	// Apply takes a record while the directory is being loaded.
	Apply func(rec []byte) error
	// Snapshot emits records that rebuild the state.
	Snapshot func(emit func(rec []byte) error) error
}

// Journal is an open directory. A nil Journal is that of a store in memory:
// it keeps nothing and never waits.
type Journal struct {
	config Config
	lock   *dirLock

	// mu guards what was appended and not yet written. pending begins with
	// room for the frame's header.
	mu       sync.Mutex
	pending  []byte
	spare    []byte
	appended LSN
	closing  bool
	closed   bool

	// flushing is held by the one who writes and syncs; everybody else who
	// waits queues behind it and finds the work done.
	flushing sync.Mutex
	file     *segment
	durable  atomic.Uint64
	failure  atomic.Pointer[DiskError]
	// failed is closed after failure is set.
	failed chan struct{}

	// grown counts bytes since the last snapshot, base is that one's size.
	grown, base atomic.Int64
	compacting  atomic.Bool
	compactions sync.WaitGroup
	// compactMu keeps compactions apart.
	compactMu sync.Mutex
}

// DiskError says that the directory cannot be written any more.
type DiskError struct {
	Dir string
	Err error
}

// Error implements error.
func (e *DiskError) Error() string {
	return fmt.Sprintf("cannot write to %s: %v; nothing more is accepted until the server is restarted", e.Dir, e.Err)
}

// Unwrap returns the cause.
func (e *DiskError) Unwrap() error { return e.Err }

var errClosed = errors.New("the journal is closed")

// Attribute keys of log records.
const (
	keyError  = "error"
	keyFile   = "file"
	keyOffset = "offset"
	keyBytes  = "bytes"
)

// closeMark is a record of its own: the directory was closed properly.
const closeMark = 0xFF

// Open locks a directory, loads it and makes it ready for appending.
func Open(config Config) (*Journal, error) {
	if err := makeDir(config.Dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{config: config, lock: lock, pending: make([]byte, frameHeader), failed: make(chan struct{})}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return j, nil
}

// Append adds a record. Records of one resource must be appended in the order
// in which they take effect, which its lock takes care of. After a failure they
// are dropped, and Wait says so.
func (j *Journal) Append(rec []byte) LSN {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure.Load() == nil {
		j.pending = binary.AppendUvarint(j.pending, uint64(len(rec)))
		j.pending = append(j.pending, rec...)
	}
	j.appended++
	return j.appended
}

// Wait returns once everything up to lsn is on disk. Whoever comes first
// writes for all who have appended by then.
func (j *Journal) Wait(lsn LSN) error {
	if j == nil || uint64(lsn) <= j.durable.Load() {
		return nil
	}
	j.flushing.Lock()
	err := j.flush(lsn)
	j.flushing.Unlock()
	if err == nil && j.grown.Load() > max(j.config.MinCompaction, j.base.Load()) {
		j.compactInBackground()
	}
	return err
}

// flush writes what is pending, unless lsn is on disk already. The caller
// holds flushing.
func (j *Journal) flush(lsn LSN) error {
	if uint64(lsn) <= j.durable.Load() {
		return nil
	}
	if failed := j.failure.Load(); failed != nil {
		return failed
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return errClosed
	}
	buf, top := j.pending, j.appended
	j.pending, j.spare = j.spare, nil
	if cap(j.pending) < frameHeader {
		j.pending = make([]byte, frameHeader, 64<<10)
	}
	j.pending = j.pending[:frameHeader]
	j.mu.Unlock()
	if err := j.file.writeFrame(buf); err != nil {
		return j.fail(err)
	}
	if err := j.file.sync(); err != nil {
		return j.fail(err)
	}
	j.grown.Add(int64(len(buf)))
	j.durable.Store(uint64(top))
	if cap(buf) <= maxSpare {
		j.mu.Lock()
		j.spare = buf
		j.mu.Unlock()
	}
	return nil
}

// maxSpare is the largest buffer that is kept for the next batch.
const maxSpare = 4 << 20

// fail makes the first disk error final: after a failed sync nobody knows
// what of the journal is on disk.
func (j *Journal) fail(err error) error {
	failed := &DiskError{j.config.Dir, err}
	if j.failure.CompareAndSwap(nil, failed) {
		close(j.failed)
		j.config.Logger.Error("the storage journal failed", keyError, failed)
	}
	return j.failure.Load()
}

// Err is the failure that keeps the journal from working, if there is one.
func (j *Journal) Err() error {
	if j == nil {
		return nil
	}
	if failed := j.failure.Load(); failed != nil {
		return failed
	}
	return nil
}

// Failed is closed when Err begins to return an error; that of a store in
// memory never is.
func (j *Journal) Failed() <-chan struct{} {
	if j == nil {
		return nil
	}
	return j.failed
}

// Close writes what is pending, ends compaction and gives the directory back.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	j.closing = true // no compaction begins from here on
	closed := j.closed
	j.mu.Unlock()
	if closed {
		return nil
	}
	j.compactions.Wait()
	lsn := j.Append([]byte{closeMark})
	j.flushing.Lock()
	defer j.flushing.Unlock()
	err := j.flush(lsn)
	if errors.Is(err, errClosed) {
		return nil
	}
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	return errors.Join(err, j.file.close(), j.lock.release())
}

func (j *Journal) path(name string) string { return filepath.Join(j.config.Dir, name) }
