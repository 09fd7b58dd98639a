package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NodePackages returns a folder with the npm packages that testdata/npm/package.json names. It is in the user's cache
// directory, and its name begins with the given one and stands for the pinned versions: after the first run no network is
// needed. Where node or npm is not installed, or the packages cannot be, the test is skipped.
func NodePackages(t testing.TB, name string) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	manifest, err := os.ReadFile(filepath.Join("testdata", "npm", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("there is no cache directory to install npm packages in: %v", err)
	}
	sum := sha256.Sum256(manifest)
	final := filepath.Join(cache, "taskhub", name+"-"+hex.EncodeToString(sum[:6]))
	if !installed(final) {
		install(t, manifest, final)
	}
	return final
}

func installed(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "node_modules"))
	return err == nil
}

// install makes the folder under another name first: another run may be at the same.
func install(t testing.TB, manifest []byte, final string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(final), 0o750); err != nil {
		t.Skipf("npm packages cannot be installed: %v", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(final), "npm-") //nolint:usetesting // it is renamed, which t.TempDir's volume may not allow
	if err != nil {
		t.Skipf("npm packages cannot be installed: %v", err)
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "package.json"), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the npm packages are not installed yet and npm cannot fetch them (is there a network?): %v\n%s", err, out)
	}
	if err := os.Rename(work, final); err != nil && !errors.Is(err, fs.ErrExist) && !installed(final) {
		t.Fatal(err) // and no other run was faster
	}
}

// NodeScript copies a script of testdata/npm to where it finds the packages of dir, and returns its path.
func NodeScript(t testing.TB, dir, script string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "npm", script))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "*-"+script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(f.Name()) })
	if _, err := f.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
