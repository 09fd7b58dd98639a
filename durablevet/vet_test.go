package durablevet_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// findingsOfOrders is what the analyzer has to say about testdata/vet/orders.
var findingsOfOrders = []string{
	`orders.go:23:13: time.Now reads the machine's clock, which shows every replay another time; use ctx.Now() (in orchestrator Checkout)`,
	`orders.go:24:8: uuid.NewString makes another id in every replay; use ctx.NewUUID() (in orchestrator Checkout)`,
	`orders.go:25:2: time.Sleep waits on the machine's clock, which blocks the worker and starts anew in every replay; use durable.Sleep or durable.Timer (in orchestrator Checkout)`,
	`orders.go:26:11: rates.Total leads to time.Now (rates/rates.go:16) through current(): it reads the machine's clock, which shows every replay another time; ` +
		`have ctx.Now() passed in; it also leads to sync.Mutex.Lock (in orchestrator Checkout)`,
	`orders.go:27:26: kit.Stamp leads to time.Now (kit/kit.go:20): it reads the machine's clock, which shows every replay another time; have ctx.Now() passed in (in orchestrator Checkout)`,
	`orders.go:28:2: ranging over items visits its elements in random order, in which each replay would make the durable calls of the loop (Charge.Call(…).Await); ` +
		`range over sorted keys, as in slices.Sorted(maps.Keys(items)) (in orchestrator Checkout)`,
	`orders.go:33:2: a go statement starts a goroutine that the scheduler does not know; use durable.Go (in orchestrator Checkout)`,
	`orders.go:34:5: time.Since reads the machine's clock, which shows every replay another time; use ctx.Now() (in orchestrator Checkout)`,
	`orders.go:35:3: durable.ContinueAsNew does nothing by itself: the orchestrator must return the error it makes`,
}

// TestCommand runs the command as users do: under go vet, by itself, and with -fix.
func TestCommand(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "durablevet.exe")
	if out, err := command(t, ".", "go", "build", "-o", bin, "./cmd/durablevet"); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	orders := writeModules(t)

	out, err := command(t, orders, "go", "vet", "-vettool="+bin, "./...")
	if err == nil {
		t.Errorf("go vet reports findings and exits with 0")
	}
	checkFindings(t, "go vet", out)

	out, err = command(t, orders, bin, "./...")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("durablevet ./...: got %v, want exit status 3", err)
	}
	checkFindings(t, "durablevet", out)

	if out, err := command(t, orders, bin, "-fix", "./..."); err != nil {
		t.Errorf("durablevet -fix: %v\n%s", err, out)
	}
	if out, err := command(t, orders, "go", "build", "./..."); err != nil {
		t.Errorf("after durablevet -fix the program does not compile: %v\n%s", err, out)
	}
	out, _ = command(t, orders, bin, "./...")
	if left := findingLines(out); len(left) != 2 || !strings.Contains(left[0], "rates.Total") || !strings.Contains(left[1], "kit.Stamp") {
		t.Errorf("after durablevet -fix these are left:\n%s", strings.Join(left, "\n"))
	}
}

// TestFixesCompile compiles what the fixes of package fixes make of it: with the API
// in testdata, and with the real one where it is at hand.
func TestFixesCompile(t *testing.T) {
	t.Parallel()
	for _, real := range []bool{false, true} {
		t.Run(map[bool]string{false: "testdata", true: "module"}[real], func(t *testing.T) {
			t.Parallel()
			orders := writeModules(t)
			if real {
				useRealModule(t, orders)
			}
			golden, err := filepath.Glob(filepath.Join("testdata", "src", "fixes", "*.golden"))
			if err != nil || len(golden) == 0 {
				t.Fatalf("no golden files: %v", err)
			}
			for _, file := range golden {
				name := strings.TrimSuffix(filepath.Base(file), ".golden")
				copyFile(t, file, filepath.Join(orders, "fixes", name))
			}
			if out, err := command(t, orders, "go", "build", "./fixes"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// useRealModule makes the program build with the module in the folder above.
func useRealModule(t *testing.T, orders string) {
	t.Helper()
	above, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(above, "go.mod")); err != nil || !strings.HasPrefix(string(text), "module github.com/go-taskhub/taskhub\n") {
		t.Skip("the module github.com/go-taskhub/taskhub is not in the folder above")
	}
	copyFile(t, filepath.Join(above, "go.sum"), filepath.Join(orders, "go.sum"))
	if out, err := command(t, orders, "go", "mod", "edit", "-replace", "github.com/go-taskhub/taskhub="+above); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func checkFindings(t *testing.T, who string, out string) {
	t.Helper()
	got := findingLines(out)
	if !slices.Equal(got, findingsOfOrders) {
		t.Errorf("%s reports\n%s\nwant\n%s\noutput\n%s", who, strings.Join(got, "\n"), strings.Join(findingsOfOrders, "\n"), out)
	}
}

var findingLine = regexp.MustCompile(`(?m)^\S*?(\w+\.go:\d+:\d+: .*)$`)

func findingLines(out string) []string {
	var lines []string
	for _, m := range findingLine.FindAllStringSubmatch(out, -1) {
		if !slices.Contains(lines, m[1]) { // a driver may look at a package with and without its tests
			lines = append(lines, m[1])
		}
	}
	return lines
}

func command(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=-mod=mod")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// writeModules writes the program and what it depends on as modules, and returns the
// program's folder.
func writeModules(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for folder, module := range map[string]string{
		"vet/orders":                        "module example.com/orders\n",
		"vet/kit":                           "module example.com/kit\n",
		"src/github.com/google/uuid":        "module github.com/google/uuid\n",
		"src/github.com/go-taskhub/taskhub": "module github.com/go-taskhub/taskhub\n",
	} {
		to := filepath.Join(root, filepath.Base(folder))
		copyFolder(t, filepath.Join("testdata", filepath.FromSlash(folder)), to)
		module += "\ngo 1.26\n"
		if folder == "vet/orders" {
			for path, at := range map[string]string{"example.com/kit": "kit", "github.com/google/uuid": "uuid", "github.com/go-taskhub/taskhub": "taskhub"} {
				module += "\nrequire " + path + " v0.0.0\n\nreplace " + path + " => ../" + at + "\n"
			}
		}
		if err := os.WriteFile(filepath.Join(to, "go.mod"), []byte(module), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "orders")
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
