package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// tree makes a directory as release.sh builds one, with time stamps and modes as they happen to be.
func tree(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "taskhub_1.2.3_linux_amd64")
	for name, text := range map[string]string{"taskhub": "a program", "tool.exe": "another one", "LICENSE": "MIT", "README.md": strings.Repeat("Read me. ", 1000)} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var wantModes = map[string]int64{
	"taskhub_1.2.3_linux_amd64/LICENSE": textMode, "taskhub_1.2.3_linux_amd64/README.md": textMode,
	"taskhub_1.2.3_linux_amd64/taskhub": programMode, "taskhub_1.2.3_linux_amd64/tool.exe": programMode,
}

// TestPack: the same files give the same bytes, and come out again with modes of their own.
func TestPack(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, kind := range []string{".tar.gz", ".zip"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var made [2][]byte
			for i, mode := range []os.FileMode{0o600, 0o644} {
				out := filepath.Join(t.TempDir(), "archive"+kind)
				if err := pack(out, tree(t, mode), at); err != nil {
					t.Fatal(err)
				}
				var err error
				if made[i], err = os.ReadFile(out); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(made[0], made[1]) {
				t.Error("two archives of the same files differ")
			}
			found := unpack(t, made[0], kind)
			if len(found) != len(wantModes) {
				t.Errorf("the archive has %v", found)
			}
			for name, mode := range wantModes {
				if found[name].mode != mode || !found[name].at.Equal(at) {
					t.Errorf("%s is %+v, want mode %o of %v", name, found[name], mode, at)
				}
			}
			if got := found["taskhub_1.2.3_linux_amd64/taskhub"].text; got != "a program" {
				t.Errorf("the program is %q", got)
			}
		})
	}
}

// member is a file of an archive.
type member struct {
	mode int64
	at   time.Time
	text string
}

func unpack(t *testing.T, archive []byte, kind string) map[string]member {
	t.Helper()
	found := map[string]member{}
	if kind == ".zip" {
		r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.File {
			content, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			found[f.Name] = member{int64(f.Mode().Perm()), f.Modified, readAll(t, content)}
		}
		return found
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = member{header.Mode, header.ModTime, readAll(t, r)}
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.zip", "")
	write("b.tar.gz", "abc")
	if err := sum(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	want := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.zip\n" +
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.tar.gz\n"
	if err != nil || string(text) != want {
		t.Errorf("the sums are %q, %v", text, err)
	}
	if err := check(dir); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name, want string
		do         func()
	}{
		{"changed", "b.tar.gz is not what", func() { write("b.tar.gz", "abd") }},
		{"added", "c.zip has no sum", func() { write("c.zip", "c") }},
		{"gone", "a.zip has a sum and is not there", func() {
			if err := os.Remove(filepath.Join(dir, "a.zip")); err != nil {
				t.Fatal(err)
			}
		}},
		{"no sums", "not a sum", func() { write(sumsFile, "nothing") }},
	} {
		tt.do()
		if err := check(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	dir, empty := tree(t, 0o600), t.TempDir()
	for want, args := range map[string][]string{
		"what to do":    nil,
		"unknown verb":  {"ship", dir},
		"one directory": {"sum"},
		"needs --out":   {"pack", dir},
		"neither":       {"pack", "--out", filepath.Join(empty, "a.rar"), dir},
		"nothing in":    {"sum", empty},
		"is no file":    {"pack", "--out", filepath.Join(empty, "a.zip"), filepath.Dir(dir)},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", args, err, want)
		}
	}
}

// script runs release.sh.
func script(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	cmd := exec.CommandContext(t.Context(), bash, append([]string{filepath.Join("..", "..", "release.sh")}, args...)...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	full := tree(t, 0o600)
	for _, tt := range []struct {
		want string
		code int
		args []string
	}{
		{"the version is missing", 2, nil},
		{"1.2.3 is no version", 2, []string{"1.2.3"}},
		{"v1.2 is no version", 2, []string{"v1.2"}},
		{"v01.2.3 is no version", 2, []string{"v01.2.3"}},
		{"v1.2.3-01 is no version", 2, []string{"v1.2.3-01"}},
		{"v1.2.3+meta is no version", 2, []string{"v1.2.3+meta"}},
		{"v1.2.3;id is no version", 2, []string{"v1.2.3;id"}},
		{"needs /v2", 2, []string{"v2.0.0"}},
		{"two versions", 2, []string{"v1.2.3", "v1.2.4"}},
		{"unknown flag --fast", 2, []string{"--fast", "v1.2.3"}},
		{"no releases for plan9/386", 2, []string{"--target", "plan9/386", "v1.2.3"}},
		{"--target needs", 2, []string{"v1.2.3", "--target"}},
		{"is not an empty directory", 1, []string{"--out", full, "v1.2.3"}},
	} {
		out, code := script(t, tt.args...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%q: status %d, %s, want %d and %q", tt.args, code, out, tt.code, tt.want)
		}
	}
}

// TestDirtyTree: a change that is not committed stops a release, and a tag elsewhere does.
func TestDirtyTree(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "..", "release.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "release.sh"), text, 0o700); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	release := func(want string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, "release.sh"), "v1.2.3").CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %s, want an error with %q", err, out, want)
		}
	}
	git("init", "-q")
	release("not committed")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	git("tag", "v1.2.3")
	git("commit", "-q", "--allow-empty", "-m", "two")
	release("the tag v1.2.3 is on commit")
}

// TestRelease builds a release for this system twice, and looks at it as somebody who downloads it does.
func TestRelease(t *testing.T) {
	t.Parallel()
	if os.Getenv("TASKHUB_TEST_RELEASE") == "" {
		t.Skip("builds everything anew without debugging information, which takes a minute or more; set TASKHUB_TEST_RELEASE=1, as .ci/run does")
	}
	target := runtime.GOOS + "/" + runtime.GOARCH
	var made [2][]byte
	for i := range made {
		out := filepath.Join(t.TempDir(), "release")
		if text, code := script(t, "--dirty", "--target", target, "--out", out, "v1.2.3-rc.1"); code != 0 {
			t.Fatalf("status %d: %s", code, text)
		}
		if err := check(out); err != nil {
			t.Error(err)
		}
		names, err := archives(out)
		if err != nil || len(names) != 1 || !strings.HasPrefix(names[0], "taskhub_1.2.3-rc.1_"+runtime.GOOS+"_"+runtime.GOARCH+".") {
			t.Fatalf("the release has %q, %v", names, err)
		}
		if made[i], err = os.ReadFile(filepath.Join(out, names[0])); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("two builds differ")
	}
	kind, program := ".tar.gz", "taskhub"
	if runtime.GOOS == "windows" {
		kind, program = ".zip", "taskhub.exe"
	}
	folder := "taskhub_1.2.3-rc.1_" + runtime.GOOS + "_" + runtime.GOARCH + "/"
	found := unpack(t, made[0], kind)
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", program} {
		if _, ok := found[folder+name]; !ok {
			t.Errorf("the archive has no %s", name)
		}
	}
	binary := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(binary, []byte(found[folder+program].text), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	if want := "taskhub v1.2.3-rc.1, " + runtime.Version() + " " + target + "\n"; err != nil || string(text) != want {
		t.Errorf("it says %q, %v, want %q", text, err, want)
	}
}
