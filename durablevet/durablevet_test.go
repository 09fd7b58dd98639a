package durablevet_test

import (
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/go-taskhub/taskhub/durablevet"
)

// findings lets a test care about diagnostics alone: analysistest wants every fact to
// be expected, too.
type findings struct{ *testing.T }

// Errorf is called with position, "fact" or "diagnostic", and text.
func (f findings) Errorf(format string, args ...any) {
	f.Helper()
	if strings.Contains(format, "unexpected") && len(args) == 3 && args[1] == "fact" {
		return
	}
	f.T.Errorf(format, args...)
}

func TestFindings(t *testing.T) {
	t.Parallel()
	// One run for all: reading the standard library is what takes the time.
	results := analysistest.Run(findings{t}, analysistest.TestData(), durablevet.Analyzer,
		"chans", "clock", "continues", "ctxs", "globals", "ignores", "ioenv", "maporder", "odd", "replaying", "roots")
	for _, r := range results {
		if len(r.Action.Diagnostics) == 0 {
			t.Errorf("nothing found in %s", r.Action.Package)
		}
	}
}

func TestFixes(t *testing.T) {
	t.Parallel()
	analysistest.RunWithSuggestedFixes(findings{t}, analysistest.TestData(), durablevet.Analyzer, "fixes")
}

// TestFacts follows calls through packages, and expects every fact they leave.
func TestFacts(t *testing.T) {
	t.Parallel()
	analysistest.Run(t, analysistest.TestData(), durablevet.Analyzer, "example.com/pricing", "example.com/tools", "example.com/shop")
}
