package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// store is the smallest thing a journal can keep: a set of texts.
type store struct {
	mu    sync.Mutex
	texts map[string]bool
}

func open(t *testing.T, dir string, minCompaction int64) (*Journal, *store) {
	t.Helper()
	j, s, err := tryOpen(dir, minCompaction)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, s
}

func tryOpen(dir string, minCompaction int64) (*Journal, *store, error) {
	s := &store{texts: make(map[string]bool)}
	j, err := Open(Config{
		Dir: dir, MinCompaction: minCompaction, Logger: slog.New(slog.DiscardHandler),
		Apply: func(rec []byte) error {
			s.texts[string(rec)] = true
			return nil
		},
		Snapshot: func(emit func([]byte) error) error {
			s.mu.Lock()
			texts := make([]string, 0, len(s.texts))
			for text := range s.texts {
				texts = append(texts, text)
			}
			s.mu.Unlock()
			for _, text := range texts {
				if err := emit([]byte(text)); err != nil {
					return err
				}
			}
			return nil
		},
	})
	return j, s, err
}

// put does what a service does: change and append under one lock, wait
// outside of it.
func (s *store) put(j *Journal, text string) error {
	s.mu.Lock()
	s.texts[text] = true
	lsn := j.Append([]byte(text))
	s.mu.Unlock()
	return j.Wait(lsn)
}

func (s *store) list() []string {
	out := make([]string, 0, len(s.texts))
	for text := range s.texts {
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		j, s := open(t, dir, 1<<30)
		if got := s.list(); !slices.Equal(got, want) {
			t.Fatalf("round %d: loaded %d of %d records", round, len(got), len(want))
		}
		for i := range 50 {
			text := fmt.Sprintf("%d-%02d", round, i)
			want = append(want, text)
			if err := s.put(j, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatalf("second close: %v", err)
		}
		if err := s.put(j, "late"); err == nil {
			t.Fatal("a closed journal accepted a record")
		}
	}
}

func TestNilJournal(t *testing.T) {
	t.Parallel()
	var j *Journal
	if err := errors.Join(j.Wait(j.Append([]byte("x"))), j.Err(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestCutAnywhere cuts the last journal at every length: the records before
// the cut are there, and nothing is an error but a cut through the header,
// which is on disk before the file has its name.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	var ends []int64
	for i := range 5 {
		if err := s.put(j, fmt.Sprintf("record %d %s", i, strings.Repeat("x", i*3))); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, j.file.size)
	}
	whole, err := os.ReadFile(j.path(journalName(1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		other := t.TempDir()
		write(t, other, journalName(1), whole[:cut])
		if cut < fileHeader {
			var corrupt *CorruptError
			if _, _, err := tryOpen(other, 1<<30); !errors.As(err, &corrupt) || corrupt.File != journalName(1) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if left, err := os.ReadFile(filepath.Join(other, journalName(1))); err != nil || !bytes.Equal(left, whole[:cut]) {
				t.Fatalf("cut at %d: the file was changed: %v", cut, err)
			}
			continue
		}
		j, s := open(t, other, 1<<30)
		want := 0
		for _, end := range ends {
			if int64(cut) >= end {
				want++
			}
		}
		if len(s.texts) != want {
			t.Fatalf("cut at %d: %d records, want %d", cut, len(s.texts), want)
		}
		if cut%5 > 0 {
			continue
		}
		if err := errors.Join(s.put(j, "after"), j.Close()); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		_, again := open(t, other, 1<<30)
		if len(again.texts) != want+1 || !again.texts["after"] {
			t.Fatalf("cut at %d: %d records after appending", cut, len(again.texts))
		}
	}
}

// TestGarbageTail puts anything but a frame behind the last frame, as a power
// failure may.
func TestGarbageTail(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string][]byte{
		"zeros":  make([]byte, 5000),
		"ones":   bytes.Repeat([]byte{0xFF}, 100),
		"magics": bytes.Repeat(frameMagic, 50),
	} {
		dir := t.TempDir()
		j, s := open(t, dir, 1<<30)
		if err := errors.Join(s.put(j, "a"), s.put(j, "b")); err != nil {
			t.Fatal(err)
		}
		size := j.file.size
		body, err := os.ReadFile(j.path(journalName(1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, dir, journalName(1), append(body[:size], garbage...))
		_, again := open(t, dir, 1<<30)
		if len(again.texts) != 2 {
			t.Errorf("%s: %d records", name, len(again.texts))
		}
	}
}

// TestDamage flips each byte of a properly closed journal: it is either told,
// or lies in the mark of the closing, where nothing is lost.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	for i := range 5 {
		if err := s.put(j, fmt.Sprintf("record %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	last := j.file.size
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, journalName(1)))
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		other := t.TempDir()
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		write(t, other, journalName(1), damaged)
		j, s, err := tryOpen(other, 1<<30)
		if err == nil {
			_ = j.Close()
		}
		var corrupt *CorruptError
		var version *VersionError
		switch {
		case int64(at) >= last && err == nil && len(s.texts) == 5:
		case errors.As(err, &corrupt) || errors.As(err, &version):
		default:
			t.Errorf("byte %d of %d: %v", at, len(whole), err)
		}
	}
}

func TestSnapshotDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	if err := errors.Join(s.put(j, "a"), s.put(j, "b"), j.Compact(), s.put(j, "c"), j.Close()); err != nil {
		t.Fatal(err)
	}
	name := snapshotName(2)
	whole, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, body []byte) {
		write(t, dir, name, body)
		j, _, err := tryOpen(dir, 1<<30)
		if err == nil {
			_ = j.Close()
			t.Errorf("%s went unnoticed", what)
		}
	}
	for at := range whole {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		check(fmt.Sprintf("a flipped bit at %d", at), damaged)
		check(fmt.Sprintf("a cut at %d", at), whole[:at])
	}
	write(t, dir, name, whole)
	if _, s := open(t, dir, 1<<30); len(s.texts) != 3 {
		t.Errorf("%d records", len(s.texts))
	}
}

func TestMissingFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	if err := errors.Join(s.put(j, "a"), j.Compact(), s.put(j, "b"), j.Close(), os.Remove(filepath.Join(dir, journalName(2)))); err != nil {
		t.Fatal(err)
	}
	_, _, err := tryOpen(dir, 1<<30)
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("a missing journal: %v", err)
	}
}

// TestCompactionBounds writes much more than it keeps while compactions run.
func TestCompactionBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const limit = 64 << 10
	j, s := open(t, dir, limit)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 500 {
				if err := s.put(j, fmt.Sprintf("%d-%d%s", w, i%20, strings.Repeat(".", 500))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if size := dirSize(t, dir); size > 8*limit {
		t.Errorf("the directory has %d bytes", size)
	}
	_, again := open(t, dir, limit)
	if len(again.texts) != 160 {
		t.Errorf("%d records, want 160", len(again.texts))
	}
}

func dirSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// TestCrashedCompaction leaves behind what a crash at each step of a
// compaction leaves.
func TestCrashedCompaction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	if err := errors.Join(s.put(j, "a"), s.put(j, "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.rotate(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.put(j, "c"), j.Close()); err != nil {
		t.Fatal(err)
	}
	write(t, dir, snapshotName(2)+temporary, []byte("half a snapshot"))
	j, s = open(t, dir, 1<<30)
	if len(s.texts) != 3 {
		t.Fatalf("%d records after a crash before the snapshot", len(s.texts))
	}
	if _, err := os.Stat(filepath.Join(dir, snapshotName(2)+temporary)); !os.IsNotExist(err) {
		t.Error("the unfinished snapshot is still there")
	}
	if _, err := j.writeSnapshot(2); err != nil { // and no removal of the old journal
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, s = open(t, dir, 1<<30)
	if len(s.texts) != 3 {
		t.Fatalf("%d records after a crash behind the snapshot", len(s.texts))
	}
	if _, err := os.Stat(filepath.Join(dir, journalName(1))); !os.IsNotExist(err) {
		t.Error("the replaced journal is still there")
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir, 1<<30)
	_, _, err := tryOpen(dir, 1<<30)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("second open: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 1<<30)
}

// TestOtherVersion gives journal and snapshot the format version of an older
// and of a newer program.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	if err := errors.Join(s.put(j, "a"), j.Compact(), j.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{journalName(2), snapshotName(2)} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []byte{Version - 1, Version + 1} {
			other := bytes.Clone(whole)
			other[8] = number
			write(t, dir, name, other)
			_, _, err = tryOpen(dir, 1<<30)
			var version *VersionError
			if !errors.As(err, &version) || version.Version != uint32(number) || version.File != name {
				t.Errorf("%s of version %d: %v", name, number, err)
			}
			if left, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(left, other) {
				t.Errorf("%s of version %d was changed: %v", name, number, err)
			}
		}
		write(t, dir, name, whole)
	}
	open(t, dir, 1<<30)
}

// TestSwappedFiles gives a journal the name of another.
func TestSwappedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, s := open(t, dir, 1<<30)
	if err := s.put(j, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := j.rotate(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.put(j, "b"), j.Close()); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, journalName(1)))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, journalName(2), first)
	_, _, err = tryOpen(dir, 1<<30)
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.File != journalName(2) {
		t.Fatal(err)
	}
}

// TestCrashedBeginning leaves behind what a crash leaves of a journal that was
// just being begun, in every state: nothing was in it.
func TestCrashedBeginning(t *testing.T) {
	t.Parallel()
	for _, left := range []string{"", "THST", strings.Repeat("\x00", fileHeader)} {
		dir := t.TempDir()
		write(t, dir, journalName(1)+temporary, []byte(left))
		j, s := open(t, dir, 1<<30)
		if err := errors.Join(s.put(j, "a"), j.Close()); err != nil {
			t.Fatal(err)
		}
		write(t, dir, journalName(2)+temporary, []byte(left))
		write(t, dir, "notes.tmp", []byte("somebody's"))
		j, s = open(t, dir, 1<<30)
		if len(s.texts) != 1 {
			t.Errorf("%q: %d records", left, len(s.texts))
		}
		if _, err := os.Stat(filepath.Join(dir, journalName(2)+temporary)); !os.IsNotExist(err) {
			t.Errorf("%q: the unfinished journal is still there", left)
		}
		if _, err := os.Stat(filepath.Join(dir, "notes.tmp")); err != nil {
			t.Error("a file of somebody else is gone")
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestMakesOneDirectory makes the directory, but none above it.
func TestMakesOneDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a")
	_, _, err := tryOpen(filepath.Join(dir, "b"), 1<<30)
	var parent *ParentError
	if !errors.As(err, &parent) || parent.Parent != dir || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the directory above it: %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory above it was made: %v", err)
	}
	j, _ := open(t, dir, 1<<30)
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	open(t, dir, 1<<30)
	file := filepath.Join(dir, "file")
	write(t, dir, "file", nil)
	if _, _, err := tryOpen(file, 1<<30); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file in its place: %v", err)
	}
}

// TestFailedDisk closes the file under the journal: the write fails, and so
// does everything after it.
func TestFailedDisk(t *testing.T) {
	t.Parallel()
	j, s := open(t, t.TempDir(), 1<<30)
	if err := s.put(j, "a"); err != nil {
		t.Fatal(err)
	}
	if err := j.file.close(); err != nil {
		t.Fatal(err)
	}
	var failed *DiskError
	for range 2 {
		if err := s.put(j, "b"); !errors.As(err, &failed) {
			t.Fatalf("put: %v", err)
		}
	}
	if err := j.Err(); !errors.As(err, &failed) {
		t.Fatal("Err tells nothing")
	}
	select {
	case <-j.Failed():
	default:
		t.Error("Failed is not closed")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) > 100 {
		t.Errorf("%d bytes are kept that will never be written", len(j.pending))
	}
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	j, s := open(t, t.TempDir(), 1<<30)
	var all sync.WaitGroup
	for w := range 50 {
		all.Go(func() {
			for i := range 20 {
				if err := s.put(j, fmt.Sprintf("%d-%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if frames := j.file.next - 1; frames > 900 {
		t.Errorf("%d batches for 1000 records of 50 writers", frames)
	}
}

func write(t *testing.T, dir, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
		t.Fatal(err)
	}
}
