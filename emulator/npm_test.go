package emulator_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/internal/testkit"
)

// longRun reports whether tests that take minutes are wanted.
func longRun() bool { return os.Getenv("TASKHUB_FULL") != "" || os.Getenv("TASKHUB_LONG") != "" }

// TestJavaScriptSDKs runs testdata/npm/sdk.mjs, an application of the Azure
// SDKs for JavaScript, against the listener. The SDKs are installed once into
// the user's cache directory; after that no network is needed.
func TestJavaScriptSDKs(t *testing.T) {
	t.Parallel()
	dir := testkit.NodePackages(t, "sdks")
	l, err := newServer(t, emulator.Config{}).Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", testkit.NodeScript(t, dir, "sdk.mjs"), l.ConnectionString())
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Fatalf("the script ended with %v:\n%s", err, out)
	}
}
