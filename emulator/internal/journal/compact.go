package journal

import (
	"encoding/binary"
	"errors"
	"os"
)

// compactInBackground starts a compaction unless one is running. Its
// goroutine ends by itself; Close waits for it.
func (j *Journal) compactInBackground() {
	if !j.compacting.CompareAndSwap(false, true) {
		return
	}
	j.mu.Lock()
	closing := j.closing
	if !closing {
		j.compactions.Add(1)
	}
	j.mu.Unlock()
	if closing {
		return
	}
	go func() {
		defer j.compactions.Done()
		defer j.compacting.Store(false)
		if err := j.Compact(); err != nil && j.Err() == nil {
			j.config.Logger.Warn("the storage directory could not be compacted; it grows until that succeeds", keyError, err)
			j.grown.Store(0) // try again once as much has gathered
		}
	}()
}

// Compact begins a new journal, writes a snapshot that replaces all older
// files, and removes them. Writers go on meanwhile.
func (j *Journal) Compact() error {
	j.compactMu.Lock()
	defer j.compactMu.Unlock()
	number, err := j.rotate()
	if err != nil {
		return err
	}
	size, err := j.writeSnapshot(number)
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(j.path(snapshotName(number)+temporary))))
	}
	j.base.Store(size)
	found, err := j.list()
	if err != nil {
		return err
	}
	return j.removeBefore(found, number)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// rotate ends the current journal and begins the next.
func (j *Journal) rotate() (uint64, error) {
	j.flushing.Lock()
	defer j.flushing.Unlock()
	j.mu.Lock()
	top, closed := j.appended, j.closed
	j.mu.Unlock()
	if closed {
		return 0, errClosed
	}
	if err := j.flush(top); err != nil {
		return 0, err
	}
	old := j.file
	var number uint64
	if !scan(old.name, "journal-%d.log", &number) {
		return 0, errors.New("the journal has no number")
	}
	number++
	if err := j.begin(number); err != nil {
		return 0, err
	}
	j.grown.Store(0)
	return number, old.close()
}

// snapshotFrame is how much a snapshot's frames gather.
const snapshotFrame = 1 << 20

// writeSnapshot writes the state to a file that gets its name only when it is
// whole, and when everything it shows is in the journals as well.
func (j *Journal) writeSnapshot(number uint64) (size int64, err error) {
	final := j.path(snapshotName(number))
	s, err := createSegment(final+temporary, snapshotName(number), kindSnapshot, number)
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := s.close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = errors.Join(os.Rename(final+temporary, final), syncDir(j.config.Dir))
		}
	}()
	buf := make([]byte, frameHeader, snapshotFrame+64<<10)
	err = j.config.Snapshot(func(rec []byte) error {
		buf = binary.AppendUvarint(buf, uint64(len(rec)))
		buf = append(buf, rec...)
		if len(buf) < snapshotFrame {
			return nil
		}
		err := s.writeFrame(buf)
		buf = buf[:frameHeader]
		return err
	})
	if err != nil {
		return 0, err
	}
	if len(buf) > frameHeader {
		if err := s.writeFrame(buf); err != nil {
			return 0, err
		}
	}
	if err := s.writeFrame(make([]byte, frameHeader)); err != nil {
		return 0, err
	}
	if err := s.sync(); err != nil {
		return 0, err
	}
	j.mu.Lock()
	top := j.appended
	j.mu.Unlock()
	return s.size, j.Wait(top)
}
