package httpapi

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

// TestJavaScriptClient runs testdata/npm/client.cjs, which calls every method of the npm package durable-functions. The
// package is installed once into the user's cache directory; after that no network is needed.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	dir := testkit.NodePackages(t, "client")
	for name, cfg := range map[string]Config{"without keys": {}, "with a key": {Keys: map[string]string{"js": "secretKey1"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, cfg).work()
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "node", testkit.NodeScript(t, dir, "client.cjs"), s.url+base, s.hub.Name(), cfg.Keys["js"], "js-")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
				t.Fatalf("the script ended with %v:\n%s", err, out)
			}
		})
	}
}
