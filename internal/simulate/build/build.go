// Package build makes programs whose goroutines, maps and selects behave the same in every run: the Go runtime of this
// machine's toolchain with its random choices seeded and without preemption by time.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrToolchain is returned when the runtime's sources are not as this package knows them.
var ErrToolchain = errors.New("the sources of this Go toolchain's runtime are not as expected")

// change is an edit of a file of the runtime.
type change struct{ file, from, to string }

// seeded makes all goroutines of a bubble of testing/synctest draw from one generator, which the program seeds, and starts
// every process with the same hash keys. What runs outside bubbles, such as the garbage collector, draws from elsewhere, so
// that it does not get in the way. The same goes for random numbers that the runtime draws for other purposes than to choose
// among goroutines, timers and keys, because how many it draws depends on the machine.
const seeded = `
var simulateState uint64

//go:linkname simulateSeed github.com/go-taskhub/taskhub/internal/simulate/cluster.seedRuntime
func simulateSeed(seed uint64) { simulateState = seed | 1<<63 }

func simulateCheap() uint32 {
	if x, ok := simulateRand(); ok {
		return uint32(x)
	}
	return cheaprand()
}

//go:nosplit
func simulateRand() (uint64, bool) {
	gp := getg()
	if gp == gp.m.g0 {
		gp = gp.m.curg
	}
	if simulateState == 0 || gp == nil || gp.bubble == nil {
		return 0, false
	}
	simulateState += 0x9e3779b97f4a7c15
	z := simulateState
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31), true
}
`

func changes() []change {
	return []change{ // random numbers, choices, no fairness by the clock, no preemption by the clock
		{"rand.go", "\tglobalRand.state.Init(*seed)\n", "\t*seed = [32]byte{1}\n\tglobalRand.state.Init(*seed)\n"},
		{"rand.go", "\tmp := getg().m\n\tc := &mp.chacha8\n", "\tif x, ok := simulateRand(); ok {\n\t\treturn x\n\t}\n\tmp := getg().m\n\tc := &mp.chacha8\n"},
		{"select.go", "j := cheaprandn(uint32(norder + 1))", "j := simulateCheap() % uint32(norder+1)"},
		{"time.go", "t.rand = cheaprand()", "t.rand = simulateCheap()"},
		{"sema.go", "s.ticket = cheaprand() | 1", "s.ticket = simulateCheap() | 1"},
		{"sema.go", "func internal_sync_nanotime() int64 {\n\treturn nanotime()\n}", "func internal_sync_nanotime() int64 {\n\treturn 0\n}"},
		{"rand.go", "var readRandomFailed bool\n", "var readRandomFailed bool\n" + seeded},
		{"runtime2.go", "\twaitReasonSyncCondWait:          true,\n", "\twaitReasonSyncCondWait: true, waitReasonSyncMutexLock: true, waitReasonSyncRWMutexLock: true, waitReasonSyncRWMutexRLock: true,\n"},
		{"proc.go", "const forcePreemptNS = 10 * 1000 * 1000", "const forcePreemptNS = 3600 * 1000 * 1000 * 1000"},
	}
}

// Program builds the package, which has a build tag "seededruntime" set, and returns the program's path. dir gets the
// program and the changed sources. The first time on a machine takes as long as building the standard library.
func Program(ctx context.Context, pkg, dir string) (string, error) {
	root, err := goroot(ctx)
	if err != nil {
		return "", err
	}
	overlay, key, err := writeOverlay(root, dir)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "simulate-"+key)
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-tags", "seededruntime", "-o", program, pkg)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the simulator: %w\n%s", err, text)
	}
	return program, nil
}

func goroot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// writeOverlay writes the changed sources and the list of what they replace.
func writeOverlay(root, dir string) (file, key string, err error) {
	texts := map[string]string{}
	for _, c := range changes() {
		path := filepath.Join(root, "src", "runtime", c.file)
		if texts[path] == "" {
			text, err := os.ReadFile(path)
			if err != nil {
				return "", "", fmt.Errorf("%w: %w", ErrToolchain, err)
			}
			texts[path] = string(text)
		}
		if strings.Count(texts[path], c.from) != 1 {
			return "", "", fmt.Errorf("%w: %s does not have once: %s", ErrToolchain, path, strings.TrimSpace(c.from))
		}
		texts[path] = strings.Replace(texts[path], c.from, c.to, 1)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	sum := sha256.New()
	for path, text := range texts {
		changed := filepath.Join(dir, "runtime-"+filepath.Base(path))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", "", err
		}
		overlay.Replace[path] = changed
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", "", err
	}
	sum.Write(list)
	file = filepath.Join(dir, "overlay.json")
	return file, hex.EncodeToString(sum.Sum(nil)[:4]), os.WriteFile(file, list, 0o600)
}
