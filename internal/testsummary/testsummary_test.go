package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream joins events to what `go test -json` prints.
func stream(events ...string) string { return strings.Join(events, "\n") + "\n" }

const (
	runA      = `{"Action":"run","Package":"p","Test":"TestA"}`
	passA     = `{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}`
	failA     = `{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0.1}`
	outA      = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: got 1, want 2\n"}`
	runSub    = `{"Action":"run","Package":"p","Test":"TestA/one"}`
	passSub   = `{"Action":"pass","Package":"p","Test":"TestA/one"}`
	failSub   = `{"Action":"fail","Package":"p","Test":"TestA/one"}`
	outSub    = `{"Action":"output","Package":"p","Test":"TestA/one","Output":"    a_test.go:9: broken\n"}`
	runSlash  = `{"Action":"run","Package":"p","Test":"TestA/x/y"}`
	passSlash = `{"Action":"pass","Package":"p","Test":"TestA/x/y"}`
	skipB     = `{"Action":"skip","Package":"p","Test":"TestB"}`
	outSkipB  = `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: no peer: set PEER\n"}`
	passPkg   = `{"Action":"pass","Package":"p","Elapsed":1}`
	failPkg   = `{"Action":"fail","Package":"p","Elapsed":1}`
	buildOut  = `{"ImportPath":"p [p.test]","Action":"build-output","Output":"./a.go:3:1: undefined: x\n"}`
	buildFail = `{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p [p.test]"}`
	panicOut  = `{"Action":"output","Package":"p","Output":"panic: boom\n"}`
)

func TestCounting(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		stream string
		want   string
		report []string
		absent []string
	}{
		{"a pass", stream(runA, passA, passPkg), "1 passed, 0 failed, 0 skipped", nil, []string{"FAILED"}},
		{"a failure with its output", stream(runA, outA, failA, failPkg), "0 passed, 1 failed, 0 skipped",
			[]string{"FAILED in r: p", "--- TestA", "a_test.go:7: got 1, want 2"}, nil},
		{"a parent is not counted", stream(runA, runSub, passSub, runSlash, passSlash, passA, passPkg), "2 passed, 0 failed, 0 skipped", nil, nil},
		{"a parent fails because of its child", stream(runA, runSub, outSub, failSub, failA, failPkg), "0 passed, 1 failed, 0 skipped",
			[]string{"--- TestA/one", "broken"}, nil},
		{"a parent fails by itself", stream(runA, runSub, passSub, outA, failA, failPkg), "1 passed, 1 failed, 0 skipped", []string{"--- TestA\n", "got 1"}, nil},
		{"a skip with its reason", stream(runA, passA, outSkipB, skipB, passPkg), "1 passed, 0 failed, 1 skipped", []string{"skipped 1 (TestB): no peer: set PEER"}, nil},
		{"a package that does not build", stream(buildOut, buildFail), "0 passed, 1 failed, 0 skipped", []string{"undefined: x"}, nil},
		{"a package that fails without a test", stream(runA, passA, panicOut, failPkg), "1 passed, 1 failed, 0 skipped", []string{"panic: boom"}, nil},
		{"a panic in a test", stream(runA, outA, panicOut, failPkg), "0 passed, 1 failed, 0 skipped", []string{"--- TestA", "it never ended", "panic: boom"}, nil},
		{"a panic in a child", stream(runA, runSub, panicOut, failPkg), "0 passed, 1 failed, 0 skipped", []string{"--- TestA/one", "panic: boom"}, nil},
		{"a run that was cut off", stream(runA), "0 passed, 1 failed, 0 skipped", []string{"--- TestA", "it never ended"}, nil},
		{"a line that is no event", stream("go: cannot find module", runA, passA, passPkg), "1 passed, 0 failed, 0 skipped", nil, nil},
		{"nothing", "", "0 passed, 0 failed, 0 skipped", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tally := filepath.Join(t.TempDir(), "tally")
			ok, err := dispatch(t.Context(), []string{"run", "--label", "r", "--tally", tally}, strings.NewReader(tt.stream), &bytes.Buffer{})
			if err != nil {
				t.Fatal(err)
			}
			if wantOK := strings.Contains(tt.want, " 0 failed"); ok != wantOK {
				t.Errorf("run reports success %v, want %v", ok, wantOK)
			}
			var out bytes.Buffer
			ok, err = dispatch(t.Context(), []string{"report", "--tally", tally}, nil, &out)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; last != tt.want {
				t.Errorf("last line %q, want %q", last, tt.want)
			}
			if wantOK := strings.Contains(tt.want, " 0 failed") && !strings.HasPrefix(tt.want, "0 passed"); ok != wantOK {
				t.Errorf("report says success %v, want %v", ok, wantOK)
			}
			for _, text := range tt.report {
				if !strings.Contains(out.String(), text) {
					t.Errorf("the report lacks %q:\n%s", text, out.String())
				}
			}
			for _, text := range tt.absent {
				if strings.Contains(out.String(), text) {
					t.Errorf("the report has %q:\n%s", text, out.String())
				}
			}
		})
	}
}

func TestSkippedInOneRunOnly(t *testing.T) {
	t.Parallel()
	tally := filepath.Join(t.TempDir(), "tally")
	passB := `{"Action":"pass","Package":"p","Test":"TestB"}`
	skipC := `{"Action":"skip","Package":"p","Test":"TestC"}`
	passC := `{"Action":"pass","Package":"p","Test":"TestC/on"}`
	for label, events := range map[string]string{
		"embedded": stream(skipB, skipC, passPkg),
		"azurite":  stream(passB, `{"Action":"run","Package":"p","Test":"TestC"}`, passC, `{"Action":"pass","Package":"p","Test":"TestC"}`, passPkg),
	} {
		if _, err := dispatch(t.Context(), []string{"run", "--label", label, "--tally", tally}, strings.NewReader(events), &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	}
	results, err := readTally(tally)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := count(results).String(), "2 passed, 0 failed, 0 skipped"; got != want {
		t.Errorf("count %q, want %q", got, want)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want bool
	}{
		{"it ends well", []string{"--", exe, "-test.run", "^$"}, true},
		{"it fails", []string{"--", exe, "-test.nosuchflag"}, false},
		{"its output has the line", []string{"--want", "PASS", "--", exe, "-test.run", "^$", "-test.v"}, true},
		{"its output lacks the line", []string{"--want", "PAS", "--", exe, "-test.run", "^$", "-test.v"}, false},
		{"it does not exist", []string{"--", filepath.Join(t.TempDir(), "none")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tally := filepath.Join(t.TempDir(), "tally")
			ok, err := dispatch(t.Context(), append([]string{"command", "--label", "it", "--tally", tally}, tt.args...), nil, &bytes.Buffer{})
			if err != nil || ok != tt.want {
				t.Fatalf("got %v, %v; want %v", ok, err, tt.want)
			}
			var out bytes.Buffer
			if ok, err := dispatch(t.Context(), []string{"report", "--tally", tally}, nil, &out); err != nil || ok != tt.want {
				t.Errorf("the report says %v, %v:\n%s", ok, err, out.String())
			}
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"run"}, {"other", "--tally", "f"}, {"command", "--tally", "f"}, {"run", "--nope"}} {
		if _, err := dispatch(t.Context(), args, strings.NewReader(""), &bytes.Buffer{}); err == nil {
			t.Errorf("dispatch(%q) gives no error", args)
		}
	}
}
