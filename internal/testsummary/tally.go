package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// appendTally adds results to the tally file, one JSON object a line.
func appendTally(path string, results []result) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the tally: %w", err)
	}
	out := json.NewEncoder(f)
	for _, r := range results {
		if err := out.Encode(r); err != nil {
			return errors.Join(fmt.Errorf("writing the tally: %w", err), f.Close())
		}
	}
	return f.Close()
}

// readTally reads what all runs wrote. A missing file is an empty tally.
func readTally(path string) ([]result, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the tally: %w", err)
	}
	defer f.Close()
	var out []result
	for in := json.NewDecoder(bufio.NewReader(f)); ; {
		var r result
		switch err := in.Decode(&r); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("reading the tally: %w", err)
		}
		out = append(out, r)
	}
}

// totals counts results. A test that one run skipped and another one ran is not counted as skipped: the runs differ in what they have at hand.
type totals struct{ passed, failed, skipped int }

func (t totals) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

func count(results []result) totals {
	var t totals
	for _, r := range results {
		switch r.Outcome {
		case passed:
			t.passed++
		case failed:
			t.failed++
		}
	}
	t.skipped = len(neverRun(results))
	return t
}

// neverRun returns one result for every test that was skipped in each run that has it.
func neverRun(results []result) []result {
	ran, seen := map[[2]string]bool{}, map[[2]string]bool{}
	for _, r := range results {
		if r.Outcome == passed || r.Outcome == failed {
			for name := r.Test; ; {
				ran[[2]string{r.Package, name}] = true // a test that was skipped as a whole elsewhere has subtests here
				i := strings.LastIndexByte(name, '/')
				if i < 0 {
					break
				}
				name = name[:i]
			}
		}
	}
	var out []result
	for _, r := range results {
		key := [2]string{r.Package, r.Test}
		if r.Outcome == skipped && !ran[key] && !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	return out
}

// report prints what did not run and why, every failure with its output, and as its last line the totals.
func report(w io.Writer, results []result) totals {
	reportSkips(w, neverRun(results))
	reportFailures(w, results)
	t := count(results)
	fmt.Fprintln(w, t)
	return t
}

func reportSkips(w io.Writer, skips []result) {
	byReason := map[string][]string{}
	for _, r := range skips {
		reason := skipReason(r.Output)
		byReason[reason] = append(byReason[reason], r.Test)
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		tests := byReason[reason]
		const shown = 3
		names := strings.Join(tests[:min(shown, len(tests))], ", ")
		if len(tests) > shown {
			names += ", …"
		}
		fmt.Fprintf(w, "skipped %d (%s): %s\n", len(tests), names, reason)
	}
}

// skipReason is the text that t.Skip was given: the last line before the test's closing line, without its file and line number.
func skipReason(output string) string {
	reason := "no reason given"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- SKIP") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok = strings.Cut(text, ": "); ok {
				line = text
			}
		}
		reason = line
	}
	return reason
}

func reportFailures(w io.Writer, results []result) {
	group := ""
	for _, r := range results {
		if r.Outcome != failed && r.Outcome != "" {
			continue
		}
		if name := r.Run + ": " + r.Package; name != group && r.Package != "" {
			group = name
			fmt.Fprintf(w, "\nFAILED in %s\n", name)
		}
		printFailure(w, r)
	}
}

// longestOutput bounds what is printed of one failure, in bytes; the beginning and the end say most.
const longestOutput = 10_000

func printFailure(w io.Writer, r result) {
	switch {
	case r.Package == "":
		fmt.Fprintf(w, "\nFAILED %s: %s\n", r.Run, r.Test)
	case r.Test != "":
		fmt.Fprintf(w, "--- %s\n", r.Test)
	}
	text := strings.TrimRight(r.Output, "\n")
	if len(text) > longestOutput {
		half := longestOutput / 2
		text = fmt.Sprintf("%s\n… %d bytes left out …\n%s", text[:half], len(text)-longestOutput, text[len(text)-half:])
	}
	if text != "" {
		fmt.Fprintln(w, text)
	}
}
