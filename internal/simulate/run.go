package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-taskhub/taskhub/internal/simulate/build"
	"github.com/go-taskhub/taskhub/internal/simulate/cluster"
	"github.com/go-taskhub/taskhub/taskhub"
)

const packagePath = "github.com/go-taskhub/taskhub/internal/simulate"

// job is one seed in one fleet.
type job struct {
	seed  uint64
	fleet taskhub.Fleet
	harsh bool
}

// command is what repeats the job.
func (j job) command() string {
	text := fmt.Sprintf("go run ./internal/simulate --seeds 1 --seed %d --fleet %s", j.seed, j.fleet)
	if j.harsh {
		text += " --harsh"
	}
	return text
}

// errFlags: package flag has said what is wrong, or printed what there is.
var errFlags = errors.New("the flags cannot be used")

type settings struct {
	seeds   int
	first   uint64
	side    int // seeds side by side
	fleets  []taskhub.Fleet
	trace   int
	log     bool
	quick   bool
	harsh   bool
	limit   time.Duration
	program string

	exact    bool // seeds repeat exactly
	sabotage bool
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{limit: 3 * time.Minute}
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.seeds, "seeds", 1, "how many seeds to run")
	flags.Uint64Var(&s.first, "seed", 0, "the first seed; the others follow it. Defaults to a random one")
	flags.IntVar(&s.side, "parallel", runtime.NumCPU(), "how many seeds to run side by side")
	fleet := flags.String("fleet", "", "go or mixed. Defaults to both in turn")
	flags.IntVar(&s.trace, "trace", 0, "how many of the last steps of a single seed to print. Defaults to 60 of one that fails")
	flags.BoolVar(&s.log, "log", false, "print what the workers log")
	flags.BoolVar(&s.quick, "quick", false, "do not build a runtime that repeats exactly")
	flags.BoolVar(&s.harsh, "harsh", false, "every seed has all kinds of faults, and often; without it some kinds, some of them rarely")
	if err := flags.Parse(args); err != nil {
		return s, errFlags
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is left over; every flag is written --name value", flags.Arg(0))
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == "seed" })
	if !given {
		s.first = uint64(rand.Uint32())
	}
	switch f := taskhub.Fleet(*fleet); f {
	case "":
		s.fleets = []taskhub.Fleet{taskhub.FleetGo, taskhub.FleetMixed}
	case taskhub.FleetGo, taskhub.FleetMixed:
		s.fleets = []taskhub.Fleet{f}
	default:
		return s, fmt.Errorf("--fleet is %q; use go or mixed", *fleet)
	}
	if s.seeds < 1 {
		return s, fmt.Errorf("--seeds is %d; it must be at least 1", s.seeds)
	}
	if s.side < 1 {
		return s, fmt.Errorf("--parallel is %d; it must be at least 1", s.side)
	}
	return s, nil
}

// describe names the seeds, so that the run can be repeated and continued.
func (s *settings) describe() string {
	return fmt.Sprintf("seeds %d to %d. Again: %s. To go on: --seed %d", s.first, s.first+uint64(s.seeds)-1,
		s.command(s.first), s.first+uint64(s.seeds))
}

func (s *settings) command(first uint64) string {
	text := fmt.Sprintf("go run ./internal/simulate --seed %d --seeds %d", first, s.seeds)
	if len(s.fleets) == 1 {
		text += " --fleet " + string(s.fleets[0])
	}
	if s.harsh {
		text += " --harsh"
	}
	return text
}

func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		if !errors.Is(err, errFlags) {
			_, _ = fmt.Fprintln(stderr, err)
		}
		return 2
	}
	ctx := context.Background()
	cleanup, err := s.prepare(ctx, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	defer cleanup()
	if s.seeds > 1 {
		_, _ = fmt.Fprintln(stdout, s.describe())
	}
	total := s.all(ctx, stdout, stderr)
	total.print(stdout)
	if total.failed > 0 {
		return 1
	}
	return 0
}

// prepare builds the program that runs the seeds.
func (s *settings) prepare(ctx context.Context, stderr io.Writer) (cleanup func(), err error) {
	if !s.quick {
		dir, err := os.MkdirTemp("", "taskhub-simulate-")
		if err != nil {
			return nil, err
		}
		s.program, err = build.Program(ctx, packagePath, dir)
		if err == nil {
			s.exact = true
			return func() { _ = os.RemoveAll(dir) }, nil
		}
		_ = os.RemoveAll(dir)
		if !errors.Is(err, build.ErrToolchain) {
			return nil, err
		}
		_, _ = fmt.Fprintln(stderr, "seeds will not repeat exactly:", err)
	}
	s.program, err = os.Executable()
	return func() {}, err
}

// all runs the seeds, some of them side by side.
func (s *settings) all(ctx context.Context, stdout, stderr io.Writer) *summary {
	total := newSummary()
	jobs := make(chan job)
	var workers sync.WaitGroup
	var mu sync.Mutex
	for range s.side {
		workers.Go(func() {
			for j := range jobs {
				out := s.one(ctx, j, stderr)
				mu.Lock()
				total.add(out)
				if len(out.Violations) > 0 || s.trace > 0 {
					s.report(stdout, j, out)
				}
				if s.seeds == 1 {
					_, _ = fmt.Fprintf(stdout, "seed %d, %s fleet: %d steps, trace %s\n", j.seed, j.fleet, out.Steps, out.Hash)
				}
				mu.Unlock()
			}
		})
	}
	for i := range s.seeds {
		jobs <- s.job(uint64(i))
	}
	close(jobs)
	workers.Wait()
	return total
}

// job is the ith one. The fleet follows from the seed, so that a run can be cut into pieces.
func (s *settings) job(i uint64) job {
	seed := s.first + i
	return job{seed, s.fleets[seed%uint64(len(s.fleets))], s.harsh}
}

// one runs a seed in a process of its own.
func (s *settings) one(ctx context.Context, j job, stderr io.Writer) *cluster.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program)
	cmd.Env = []string{"GOMAXPROCS=1", fmt.Sprintf("%s=%d %s", childVariable, j.seed, j.fleet)}
	if s.log {
		cmd.Env = append(cmd.Env, logVariable+"=1")
	}
	if s.trace > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", traceVariable, s.trace))
	}
	if s.harsh {
		cmd.Env = append(cmd.Env, harshVariable+"=1")
	}
	if s.sabotage {
		cmd.Env = append(cmd.Env, sabotageVariable+"=1")
	}
	cmd.Dir = filepath.Dir(s.program)
	var out, problems bytes.Buffer
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // it prints where its goroutines are
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdout, cmd.Stderr = &out, &problems
	if s.log {
		cmd.Stderr = io.MultiWriter(stderr, &problems)
	}
	err := cmd.Run()
	for line := range strings.Lines(out.String()) {
		var o cluster.Outcome
		if text, ok := strings.CutPrefix(line, marker); ok && json.Unmarshal([]byte(text), &o) == nil {
			return &o
		}
	}
	return &cluster.Outcome{Seed: j.seed, Fleet: j.fleet, Violations: []string{fmt.Sprintf("the process ended without an outcome: %v\n%s%s", err, tail(out.String()), tail(problems.String()))}}
}

func tail(s string) string {
	const most = 20000
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func (s *settings) report(stdout io.Writer, j job, o *cluster.Outcome) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format, args...) }
	if len(o.Violations) > 0 {
		p("FAILED seed %d, %s fleet. Again: %s\n", j.seed, j.fleet, j.command())
	}
	for _, v := range o.Violations {
		p("  violation: %s\n", v)
	}
	if s.seeds > 1 {
		return
	}
	for _, r := range o.Rows {
		p("  %s\n", r)
	}
	most := s.trace
	if most == 0 {
		most = 60
	}
	for _, t := range o.Trace[max(0, len(o.Trace)-most):] {
		p("  %s\n", t)
	}
}
