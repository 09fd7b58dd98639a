package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
)

// files are the numbers of the journals and snapshots in a directory.
type files struct{ journals, snapshots []uint64 }

func journalName(n uint64) string  { return fmt.Sprintf("journal-%020d.log", n) }
func snapshotName(n uint64) string { return fmt.Sprintf("snapshot-%020d.dat", n) }

const temporary = ".tmp"

func (j *Journal) list() (files, error) {
	var out files
	entries, err := os.ReadDir(j.config.Dir)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		var n uint64
		switch name := e.Name(); {
		case isTemporary(name): // a crash ended its writing
			if err := os.Remove(j.path(name)); err != nil {
				return out, err
			}
		case scan(name, "journal-%d.log", &n) && name == journalName(n):
			out.journals = append(out.journals, n)
		case scan(name, "snapshot-%d.dat", &n) && name == snapshotName(n):
			out.snapshots = append(out.snapshots, n)
		}
	}
	slices.Sort(out.journals)
	slices.Sort(out.snapshots)
	return out, nil
}

func isTemporary(name string) bool {
	var n uint64
	final, ok := strings.CutSuffix(name, temporary)
	return ok && (scan(final, "journal-%d.log", &n) && final == journalName(n) ||
		scan(final, "snapshot-%d.dat", &n) && final == snapshotName(n))
}

func scan(name, format string, n *uint64) bool {
	_, err := fmt.Sscanf(name, format, n)
	return err == nil
}

// load reads the newest snapshot and the journals after it, and opens the
// last journal for appending.
func (j *Journal) load() error {
	found, err := j.list()
	if err != nil {
		return err
	}
	first := uint64(1)
	if n := len(found.snapshots); n > 0 {
		first = found.snapshots[n-1]
		if err := j.loadSnapshot(first); err != nil {
			return err
		}
	}
	if err := j.removeBefore(found, first); err != nil {
		return err
	}
	found.journals = slices.DeleteFunc(found.journals, func(n uint64) bool { return n < first })
	if len(found.journals) == 0 {
		if len(found.snapshots) > 0 {
			return &CorruptError{journalName(first), 0, "the journal that follows the snapshot is missing"}
		}
		return j.begin(first)
	}
	for i, n := range found.journals {
		if n != first+uint64(i) {
			return &CorruptError{journalName(first + uint64(i)), 0, "the journal is missing"}
		}
		last := i == len(found.journals)-1
		if err := j.loadJournal(n, last); err != nil {
			return err
		}
	}
	return nil
}

// begin makes an empty journal the current one. The file gets its name when its
// header is on disk, so that no crash leaves a journal without one: a journal
// that is shorter was cut off by somebody, and may have had records.
func (j *Journal) begin(number uint64) error {
	name := journalName(number)
	s, err := createSegment(j.path(name+temporary), name, kindJournal, number)
	if err != nil {
		return err
	}
	if err := errors.Join(s.sync(), s.close()); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(j.path(name+temporary), j.path(name)), syncDir(j.config.Dir)); err != nil {
		return err
	}
	if err := s.reopen(j.path(name)); err != nil {
		return err
	}
	j.file = s
	return nil
}

func (j *Journal) loadSnapshot(number uint64) error {
	name := snapshotName(number)
	r, err := openReader(j.path(name), name, kindSnapshot, number)
	if err != nil {
		return tornIsCorrupt(err, name, 0)
	}
	defer r.f.Close()
	ended := false
	for {
		payload, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return tornIsCorrupt(err, name, r.offset)
		}
		ended = len(payload) == 0 // the last frame of a whole snapshot is empty
		if err := records(payload, j.config.Apply); err != nil {
			return badRecord(err, r)
		}
	}
	if !ended {
		return &CorruptError{name, r.offset, "it has no end"}
	}
	j.base.Store(r.size)
	return nil
}

// badRecord tells damage from records that are sound and cannot be used.
func badRecord(err error, r *reader) error {
	if errors.Is(err, codec.ErrCorrupt) {
		return &CorruptError{r.name, r.offset, err.Error()}
	}
	return fmt.Errorf("%s cannot be used: %w", r.name, err)
}

func tornIsCorrupt(err error, name string, offset int64) error {
	if errors.Is(err, errTorn) {
		return &CorruptError{name, offset, "the checksum is wrong or the file ends early"}
	}
	return err
}

// loadJournal repeats a journal's records. Only the last journal may end in
// the middle of a frame, and only where nothing follows: that is what a crash
// leaves behind of a batch that nobody was told of, and it is cut off.
func (j *Journal) loadJournal(number uint64, last bool) error {
	name := journalName(number)
	r, err := openReader(j.path(name), name, kindJournal, number)
	if errors.Is(err, errTorn) {
		return &CorruptError{name, 0, "it ends within its header, which no crash leaves behind; restore the directory from a backup, or delete it to begin anew"}
	}
	if err != nil {
		return err
	}
	defer r.f.Close()
	for {
		payload, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errTorn) {
			if err := j.checkTorn(r, last); err != nil {
				return err
			}
			break
		}
		if err != nil {
			return err
		}
		if err := records(payload, j.config.Apply); err != nil {
			return badRecord(err, r)
		}
	}
	j.grown.Add(r.offset)
	if last {
		return j.resume(r)
	}
	return nil
}

func (j *Journal) checkTorn(r *reader, last bool) error {
	damaged := &CorruptError{r.name, r.offset, "the checksum of a batch is wrong, and intact data follows it; restore the directory from a backup, or delete it to begin anew"}
	if !last {
		return damaged
	}
	more, err := r.continues()
	if err != nil {
		return err
	}
	if more {
		return damaged
	}
	j.config.Logger.Warn("dropped the unfinished end of the storage journal, which was never acknowledged",
		keyFile, r.name, keyOffset, r.offset, keyBytes, r.size-r.offset)
	return nil
}

// resume opens a journal that was read for appending behind its last frame.
func (j *Journal) resume(r *reader) error {
	s := &segment{name: r.name, salt: r.salt, next: r.seq + 1, size: r.offset}
	if err := s.reopen(j.path(r.name)); err != nil {
		return err
	}
	if r.offset < r.size {
		if err := errors.Join(s.f.Truncate(r.offset), s.sync()); err != nil {
			return errors.Join(err, s.close())
		}
	}
	j.file = s
	return nil
}

// removeBefore deletes what a snapshot replaces.
func (j *Journal) removeBefore(found files, first uint64) error {
	var errs []error
	for _, n := range found.journals {
		if n < first {
			errs = append(errs, os.Remove(j.path(journalName(n))))
		}
	}
	for _, n := range found.snapshots {
		if n < first {
			errs = append(errs, os.Remove(j.path(snapshotName(n))))
		}
	}
	return errors.Join(errs...)
}
