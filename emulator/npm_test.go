package emulator_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator"
)

// longRun reports whether tests that take minutes are wanted.
func longRun() bool { return os.Getenv("TASKHUB_FULL") != "" || os.Getenv("TASKHUB_LONG") != "" }

// TestJavaScriptSDKs runs testdata/npm/sdk.mjs, an application of the Azure
// SDKs for JavaScript, against the listener. The SDKs are installed once into
// the user's cache directory; after that no network is needed.
func TestJavaScriptSDKs(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := installSDKs(t)
	l, err := newServer(t, emulator.Config{}).Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", copyScript(t, dir), l.ConnectionString())
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Fatalf("the script ended with %v:\n%s", err, out)
	}
}

// installSDKs returns a folder of the cache directory whose name stands for
// the pinned versions, and skips the test when they cannot be installed.
func installSDKs(t *testing.T) string {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join("testdata", "npm", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("there is no cache directory to install the SDKs in: %v", err)
	}
	sum := sha256.Sum256(manifest)
	final := filepath.Join(cache, "taskhub", "sdks-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(filepath.Join(final, "node_modules")); err == nil {
		return final
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o750); err != nil {
		t.Skipf("the SDKs cannot be installed: %v", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(final), "sdks-") //nolint:usetesting // it is renamed, which t.TempDir's volume may not allow
	if err != nil {
		t.Skipf("the SDKs cannot be installed: %v", err)
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
		t.Skipf("the SDKs are not installed yet and npm cannot fetch them (is there a network?): %v\n%s", err, out)
	}
	if err := os.Rename(work, final); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, serr := os.Stat(filepath.Join(final, "node_modules")); serr != nil { // another run may have been faster
			t.Fatal(err)
		}
	}
	return final
}

// copyScript puts the script where it finds the SDKs.
func copyScript(t *testing.T, dir string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "npm", "sdk.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "sdk-*.mjs")
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
