// Command testsummary counts tests for azurite-test.sh: it reads `go test -json` streams and the ends of commands, keeps their results in a tally
// file, and at the end prints every failure with its output and, as the last line, `N passed, N failed, N skipped`.
//
//	go test -json ./... | testsummary run --label embedded --tally FILE
//	testsummary command --label "go vet" --tally FILE [--want TEXT] -- go vet ./...
//	testsummary report --tally FILE
//
// Leaf tests are counted: a test with subtests stands for nothing of its own unless it fails by itself. A package that does not build and a command
// that fails count as one failure each. `run` exits 1 when something failed, `command` when the command failed or its output lacks the line TEXT,
// and `report` when anything failed or nothing passed.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := dispatch(ctx, os.Args[1:], os.Stdin, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		return 2
	case !ok:
		return 1
	}
	return 0
}

var errUsage = errors.New("usage: testsummary run|command|report --tally FILE [--label TEXT] [--want TEXT] [-- command arguments...]")

func dispatch(ctx context.Context, args []string, in io.Reader, out io.Writer) (bool, error) {
	if len(args) == 0 {
		return false, errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	tally := flags.String("tally", "", "file that collects the results")
	label := flags.String("label", "", "name of the run or command in the report")
	want := flags.String("want", "", "line that the command's standard output must have")
	if err := flags.Parse(args[1:]); err != nil {
		return false, fmt.Errorf("%w; %w", err, errUsage)
	}
	if *tally == "" {
		return false, errUsage
	}
	switch args[0] {
	case "run":
		return run(*label, *tally, in, out)
	case "command":
		return command(ctx, *label, *tally, *want, flags.Args(), out)
	case "report":
		results, err := readTally(*tally)
		if err != nil {
			return false, err
		}
		t := report(out, results)
		return t.failed == 0 && t.passed > 0, nil
	}
	return false, errUsage
}

// run reads one stream, prints a line for every package as it ends, and adds the results to the tally.
func run(label, tally string, in io.Reader, out io.Writer) (bool, error) {
	r := newTestRun(label)
	var all []result
	started := time.Now()
	err := readEvents(in, func(e event) {
		results, ended := r.add(e)
		if ended {
			all = append(all, results...)
			printPackage(out, e, results)
		}
	}, func(line string) { fmt.Fprintln(out, line) })
	all = append(all, r.unfinished()...)
	t := count(all)
	fmt.Fprintf(out, "%s: %s in %s\n", label, t, time.Since(started).Round(time.Second))
	return t.failed == 0, errors.Join(err, appendTally(tally, all))
}

func printPackage(out io.Writer, e event, results []result) {
	if len(results) == 0 {
		return // no test files
	}
	word := "ok  "
	if e.Action == "fail" {
		word = "FAIL"
	}
	fmt.Fprintf(out, "%s %s (%s, %.1fs)\n", word, e.Package, count(results), e.Elapsed)
	for _, r := range results {
		if r.Outcome == failed && r.Test != "" {
			fmt.Fprintf(out, "     %s\n", r.Test)
		}
	}
}

// command runs a command as if it were one test.
func command(ctx context.Context, label, tally, want string, args []string, out io.Writer) (bool, error) {
	if len(args) == 0 {
		return false, errUsage
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	started := time.Now()
	err := cmd.Run()
	res := result{Run: "command", Test: label, Outcome: passed}
	switch {
	case err != nil:
		res.Outcome, res.Output = failed, fmt.Sprintf("%s%s\n%v", stdout.String(), stderr.String(), err)
	case want != "" && !slices.Contains(strings.Split(strings.ReplaceAll(stdout.String(), "\r\n", "\n"), "\n"), want):
		res.Outcome, res.Output = failed, fmt.Sprintf("%s%s\nno line of the output is %s", stdout.String(), stderr.String(), want)
	}
	word := "ok  "
	if res.Outcome == failed {
		word = "FAIL"
	}
	fmt.Fprintf(out, "%s %s (%.1fs)\n", word, label, time.Since(started).Seconds())
	return res.Outcome == passed, appendTally(tally, []result{res})
}
