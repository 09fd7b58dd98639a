package main

import (
	"slices"
	"strings"
)

// result is how one test, or one command counted as a test, ended in one run. It is also a line of the tally file.
type result struct {
	Run     string `json:"run"`     // label of the run, such as "embedded" or "azurite"
	Package string `json:"package"` // import path, or "" for a command
	Test    string `json:"test"`    // full name with the names of its parents, or "" for the package as such
	Outcome string `json:"outcome"` // passed, failed or skipped
	Output  string `json:"output,omitempty"`
}

const (
	passed  = "passed"
	failed  = "failed"
	skipped = "skipped"
)

// testRun collects the events of one `go test -json` run.
//
// What is counted: the leaves. A test with subtests stands for nothing of its own, unless it fails although all its subtests passed. A package that
// fails without a failing test (it does not build, a check in TestMain, a data race at exit) counts as one failure, and a test that began and never
// ended in a failing package (a panic or the time-out ended the process) counts as failed.
type testRun struct {
	label    string
	packages map[string]*packageRun
	builds   map[string]*strings.Builder // build output by import path
}

type packageRun struct {
	tests  map[string]*testState
	order  []string
	output strings.Builder
}

type testState struct {
	outcome  string // "" while it runs
	output   strings.Builder
	children bool
}

func newTestRun(label string) *testRun {
	return &testRun{label: label, packages: map[string]*packageRun{}, builds: map[string]*strings.Builder{}}
}

// add takes one event. When the event ends a package it returns that package's results and true.
func (r *testRun) add(e event) ([]result, bool) {
	switch {
	case e.Action == "build-output":
		r.build(e.ImportPath).WriteString(e.Output)
	case e.Package == "":
	case e.Test == "":
		return r.packageEvent(e)
	default:
		r.testEvent(e)
	}
	return nil, false
}

func (r *testRun) build(importPath string) *strings.Builder {
	if r.builds[importPath] == nil {
		r.builds[importPath] = &strings.Builder{}
	}
	return r.builds[importPath]
}

func (r *testRun) pkg(importPath string) *packageRun {
	if r.packages[importPath] == nil {
		r.packages[importPath] = &packageRun{tests: map[string]*testState{}}
	}
	return r.packages[importPath]
}

func (r *testRun) testEvent(e event) {
	p := r.pkg(e.Package)
	t := p.test(e.Test)
	switch e.Action {
	case "pass":
		t.outcome = passed
	case "fail":
		t.outcome = failed
	case "skip":
		t.outcome = skipped
	case "output":
		if !isFraming(e.Output) {
			t.output.WriteString(e.Output)
		}
	}
}

// test returns the state of a test, makes it at the first mention, and marks its parents as parents.
func (p *packageRun) test(name string) *testState {
	if t := p.tests[name]; t != nil {
		return t
	}
	t := &testState{}
	p.tests[name] = t
	p.order = append(p.order, name)
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		// A slash may also be part of a subtest's own name; then the parent is the nearest prefix that is a test.
		for parent := name[:i]; ; parent = parent[:i] {
			if up := p.tests[parent]; up != nil {
				up.children = true
				break
			}
			if i = strings.LastIndexByte(parent, '/'); i < 0 {
				break
			}
		}
	}
	return t
}

// isFraming tells the lines that the test binary prints around a test from what the test says.
func isFraming(line string) bool {
	for _, prefix := range []string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

func (r *testRun) packageEvent(e event) ([]result, bool) {
	p := r.pkg(e.Package)
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
		return nil, false
	case "pass", "skip":
		return r.finish(e.Package, p, false, ""), true
	case "fail":
		return r.finish(e.Package, p, true, e.FailedBuild), true
	}
	return nil, false
}

// finish turns a package's tests into results and forgets them.
func (r *testRun) finish(name string, p *packageRun, packageFailed bool, failedBuild string) []result {
	delete(r.packages, name)
	var out []result
	anyFailed := false
	for _, test := range p.order {
		t := p.tests[test]
		if t.outcome == "" && packageFailed {
			t.outcome = failed
			t.output.WriteString("    it never ended; see the package's output\n")
		}
		if t.outcome == "" || t.children && !p.failedAlone(test, t) {
			continue
		}
		res := result{Run: r.label, Package: name, Test: test, Outcome: t.outcome}
		if t.outcome != passed {
			res.Output = t.output.String()
		}
		anyFailed = anyFailed || t.outcome == failed
		out = append(out, res)
	}
	if packageFailed && (!anyFailed || crashed(p.output.String())) {
		out = append(out, r.packageResult(name, p, failedBuild, anyFailed))
	}
	return out
}

// failedAlone tells whether a test with subtests failed without any of them failing.
func (p *packageRun) failedAlone(name string, t *testState) bool {
	return t.outcome == failed && !slices.ContainsFunc(p.order, func(other string) bool {
		return strings.HasPrefix(other, name+"/") && p.tests[other].outcome != passed && p.tests[other].outcome != skipped
	})
}

// crashed tells whether a package's output holds more than the closing lines, such as the stacks of a panic.
func crashed(output string) bool {
	return strings.Contains(output, "panic:") || strings.Contains(output, "fatal error:") || strings.Contains(output, "DATA RACE")
}

// packageResult explains a failing package. Where tests failed too it only carries the output: they are what is counted.
func (r *testRun) packageResult(name string, p *packageRun, failedBuild string, anyFailed bool) result {
	res := result{Run: r.label, Package: name, Outcome: failed, Output: p.output.String()}
	if failedBuild != "" {
		res.Output = r.build(failedBuild).String() + res.Output
	}
	if anyFailed {
		res.Outcome = ""
	}
	return res
}

// unfinished returns one failure for every package whose end never came: the go command itself was stopped.
func (r *testRun) unfinished() []result {
	var names []string
	for name := range r.packages {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []result
	for _, name := range names {
		r.packages[name].output.WriteString("the run ended before this package did\n")
		out = append(out, r.finish(name, r.packages[name], true, "")...)
	}
	return out
}
