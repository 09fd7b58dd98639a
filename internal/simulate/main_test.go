package main

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/simulate/cluster"
	"github.com/go-taskhub/taskhub/taskhub"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child() // where the runtime could not be built, this program runs the seeds
		return
	}
	os.Exit(m.Run())
}

// prepared builds the program that runs seeds, once for all tests. The first time on a machine that takes as long as building
// the standard library.
func prepared(t *testing.T, args ...string) settings {
	t.Helper()
	s, err := parse(args, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	cleanup, err := s.prepare(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	return s
}

func full() bool { return os.Getenv("TASKHUB_FULL") == "1" }

// TestSeeds runs seeds that nobody has run before, in both fleets. What fails prints the command that repeats it.
func TestSeeds(t *testing.T) {
	seeds := 300
	switch {
	case full():
		seeds = 10_000
	case testing.Short():
		seeds = 20
	}
	s := prepared(t, "--seeds", strconv.Itoa(seeds))
	t.Log(s.describe())
	var out bytes.Buffer
	total := s.all(t.Context(), &out, os.Stderr)
	total.print(&out)
	if total.failed > 0 {
		t.Errorf("%s", out.String())
	} else {
		t.Logf("%s", out.String())
	}
	if total.seeds() < 120 {
		return
	}
	for _, k := range cluster.Kinds() {
		if total.faults(k) == 0 {
			t.Errorf("no %q in %d seeds", k, total.seeds())
		}
	}
}

// TestPieces: a run can be cut into pieces: every seed keeps its fleet.
func TestPieces(t *testing.T) {
	t.Parallel()
	whole, err := parse([]string{"--seed", "100", "--seeds", "10"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	piece, err := parse([]string{"--seed", "103", "--seeds", "7"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(7) {
		if a, b := whole.job(3+i), piece.job(i); a != b {
			t.Errorf("%v and %v", a, b)
		}
	}
	if text := whole.describe(); !strings.Contains(text, "--seed 100 --seeds 10") || !strings.HasSuffix(text, "--seed 110") {
		t.Error(text)
	}
}

// TestSameSeedSameTrace: a seed repeats to the byte and to the nanosecond.
func TestSameSeedSameTrace(t *testing.T) {
	s := prepared(t)
	if !s.exact {
		t.Skip("this toolchain's runtime is not known: seeds do not repeat exactly")
	}
	hashes := map[string]job{}
	for seed := range uint64(2) {
		for _, fleet := range []taskhub.Fleet{taskhub.FleetGo, taskhub.FleetMixed} {
			j := job{seed: 4711 + seed, fleet: fleet}
			first, second := s.one(t.Context(), j, os.Stderr), s.one(t.Context(), j, os.Stderr)
			if first.Hash == "" || first.Hash != second.Hash || first.Steps != second.Steps {
				t.Errorf("seed %d, %s fleet: %d steps with trace %s, then %d with %s", j.seed, fleet, first.Steps, first.Hash, second.Steps, second.Hash)
			}
			if other, taken := hashes[first.Hash]; taken {
				t.Errorf("%v and %v have the same trace", other, j)
			}
			hashes[first.Hash] = j
		}
	}
}

// TestChecksNotice: with a storage that loses messages it has acknowledged, seeds fail, and say how to repeat them.
func TestChecksNotice(t *testing.T) {
	s := prepared(t, "--seeds", "3", "--seed", "1")
	s.sabotage = true
	var out bytes.Buffer
	if total := s.all(t.Context(), &out, os.Stderr); total.failed == 0 {
		t.Error("nothing was noticed")
	}
	if text := out.String(); !strings.Contains(text, "FAILED seed") || !strings.Contains(text, "go run ./internal/simulate --seeds 1 --seed ") {
		t.Errorf("the report is: %s", text)
	}
}

// TestReport: a single seed that fails shows its steps and what is stored.
func TestReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := settings{seeds: 1}
	s.report(&out, job{7, taskhub.FleetGo, false}, &cluster.Outcome{Violations: []string{"it is lost"}, Rows: []string{"a row"}, Trace: []string{"a step"}})
	for _, want := range []string{"--seeds 1 --seed 7 --fleet go", "it is lost", "a row", "a step"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in: %s", want, out.String())
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--seeds 0": "--seeds is 0", "--fleet net": `--fleet is "net"`, "--seeds x": "invalid value", "--seed -1": "invalid value", "--parallel 0": "--parallel is 0", "left over": "left",
	} {
		var errs bytes.Buffer
		if code := run(strings.Fields(args), &bytes.Buffer{}, &errs); code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: code %d, %s", args, code, errs.String())
		}
	}
}

// TestProcessThatDies: a seed whose process ends early is a failure, not a success.
func TestProcessThatDies(t *testing.T) {
	t.Parallel()
	s := settings{seeds: 1, limit: time.Minute, program: "/bin/false"}
	if out := s.one(context.Background(), job{1, taskhub.FleetGo, false}, os.Stderr); len(out.Violations) == 0 {
		t.Error("it passed")
	}
}
