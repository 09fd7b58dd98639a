package emulator_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/emulator"
)

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newServer(t, crashConfig(dir))
	_, err := emulator.New(crashConfig(dir))
	var locked *emulator.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Dir != dir {
		t.Fatalf("second server: %v", err)
	}
}

// TestUnusableDirectories opens what is no directory of the emulator's: the
// error says so, and nothing is changed.
func TestUnusableDirectories(t *testing.T) {
	t.Parallel()
	const journalFile = "journal-00000000000000000001.log"
	mistyped := filepath.Join(t.TempDir(), "mistyped", "storage")
	_, err := emulator.New(crashConfig(mistyped))
	var parent *emulator.ParentError
	if !errors.As(err, &parent) || parent.Dir != mistyped || parent.Parent != filepath.Dir(mistyped) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory above it: %v", err)
	}
	for what, body := range map[string]string{
		"empty": "", "short": "THSTORE\n\x01", "zeros": strings.Repeat("\x00", 4096), "a text": strings.Repeat("a text\n", 100),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, journalFile)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := emulator.New(crashConfig(dir))
		var corrupt *emulator.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Dir != dir || corrupt.File != journalFile {
			t.Errorf("%s: %v", what, err)
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != body {
			t.Errorf("%s: the file was changed: %v", what, err)
		}
	}
}

func TestMemoryNeverFails(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	if err := s.Err(); err != nil || s.Failed() != nil {
		t.Errorf("a server in memory has failed: %v", err)
	}
}
