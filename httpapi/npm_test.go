package httpapi

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
)

// TestJavaScriptClient runs testdata/npm/client.cjs, which calls every method of the npm package durable-functions. The
// package is installed once into the user's cache directory; after that no network is needed.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := installClient(t)
	for name, cfg := range map[string]Config{"without keys": {}, "with a key": {Keys: map[string]string{"js": "secretKey1"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, cfg).work()
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "node", copyScript(t, dir), s.url+base, s.hub.Name(), cfg.Keys["js"], "js-")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
				t.Fatalf("the script ended with %v:\n%s", err, out)
			}
		})
	}
}

// installClient returns a folder of the cache directory whose name stands for the pinned version, and skips the test when
// it cannot be installed.
func installClient(t *testing.T) string {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join("testdata", "npm", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("there is no cache directory to install durable-functions in: %v", err)
	}
	sum := sha256.Sum256(manifest)
	final := filepath.Join(cache, "taskhub", "client-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(filepath.Join(final, "node_modules")); err == nil {
		return final
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o750); err != nil {
		t.Skipf("durable-functions cannot be installed: %v", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(final), "client-") //nolint:usetesting // it is renamed, which t.TempDir's volume may not allow
	if err != nil {
		t.Skipf("durable-functions cannot be installed: %v", err)
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
		t.Skipf("durable-functions is not installed yet and npm cannot fetch it (is there a network?): %v\n%s", err, out)
	}
	if err := os.Rename(work, final); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, serr := os.Stat(filepath.Join(final, "node_modules")); serr != nil { // another run may have been faster
			t.Fatal(err)
		}
	}
	return final
}

// copyScript puts the script where it finds the package.
func copyScript(t *testing.T, dir string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "npm", "client.cjs"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "client-*.cjs")
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
