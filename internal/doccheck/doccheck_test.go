package doccheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the root of the module.
const root = "../.."

func pages(t *testing.T) []Page {
	t.Helper()
	all, err := ReadPages(root)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func report(t *testing.T, problems []Problem) {
	t.Helper()
	for _, p := range problems {
		t.Errorf("%v", p)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	report(t, CheckLinks(root, pages(t)))
}

// TestBookIsComplete: the contents of the book name every page of docs.
func TestBookIsComplete(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	all := pages(t)
	for _, p := range all {
		if p.File == "docs/README.md" {
			for _, l := range p.Prose {
				for _, target := range linksIn(l.Text) {
					named["docs/"+target] = true
				}
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.File, "docs/") && p.File != "docs/README.md" && !named[p.File] {
			t.Errorf("docs/README.md does not name %s", p.File)
		}
	}
}

// TestSnippetsAreQuoted: what the Markdown files show as Go is in a Go file, which the go command compiles with its package.
func TestSnippetsAreQuoted(t *testing.T) {
	t.Parallel()
	sources, err := ReadSources(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		report(t, sources.CheckSnippets(p))
	}
}

// TestPrograms compiles what the Markdown files show as whole programs, and runs the one of the first page as its reader would, on embedded storage.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			if b.Language != "go" || !b.IsProgram() {
				continue
			}
			program, err := compile(t, b)
			if err != nil {
				t.Errorf("%v", Problem{p.File, b.Lines[0].Number, err.Error()})
				continue
			}
			if p.File == "README.md" {
				greet(t, program)
			}
		}
	}
}

// compile makes a program of a block.
func compile(t *testing.T, b Block) (binary string, err error) {
	t.Helper()
	folder := t.TempDir()
	source, binary := filepath.Join(folder, "main.go"), filepath.Join(folder, "program.exe")
	if err := os.WriteFile(source, []byte(b.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, source)
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the program does not compile: %w\n%s", err, output)
	}
	return binary, nil
}

func greet(t *testing.T, program string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "AzureWebJobsStorage=embedded:")
	output, err := cmd.CombinedOutput()
	if want := "[Hello Tokyo! Hello Seattle! Hello London!] <nil>\n"; err != nil || string(output) != want {
		t.Errorf("the program of README.md ends with %v and prints %q, want %q", err, output, want)
	}
}

// TestProgramsThatDoNotCompile: the error has the line.
func TestProgramsThatDoNotCompile(t *testing.T) {
	t.Parallel()
	page := ParsePage("a.md", "```go\npackage main\n\nfunc main() { missing() }\n```\n")
	if _, err := compile(t, page.Blocks[0]); err == nil || !strings.Contains(err.Error(), "undefined: missing") {
		t.Errorf("got %v", err)
	}
}

// TestPackagesExist: the go command is told to run and test what is there.
func TestPackagesExist(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		report(t, CheckPackages(root, p))
	}
}

// TestProblemsAreFound: what is wrong is noticed, with file and line.
func TestProblemsAreFound(t *testing.T) {
	t.Parallel()
	const source = "package p\n\nfunc f() int {\n\tone := 1\n\ttwo := 2\n\tthree := one + two\n\n\treturn three\n}\n"
	tests := []struct {
		name, page string
		want       []string // parts of the problems, in order
	}{
		{"a quotation", "```go\none := 1\ntwo := 2\n```\n", nil},
		{"a quotation with its indentation", "```go\nfunc f() int {\n\tone := 1\n```\n", nil},
		{"a quotation with an empty line", "```go\n\tthree := one + two\n\n\treturn three\n```\n", nil},
		{"lines left out", "```go\none := 1\n// …\nreturn three\n```\n", nil},
		{"a program", "```go\n// a comment\npackage main\n```\n", nil},
		{"another language", "```js\nlet one = 1\n```\n", nil},
		{"an unknown line", "text\n\n```go\nzero := 0\n```\n", []string{`x/a.md:4: no Go file of the module has the line "zero := 0"`}},
		{"a line that differs", "```go\none := 1\ntwo := 3\n```\n", []string{`x/a.md:3: the snippet follows p.go from line 4 on, but there the line "two := 3"`}},
		{"lines left out without saying so", "```go\none := 1\nreturn three\n```\n", []string{`x/a.md:3:`}},
		{"a line behind a gap that does not come", "```go\ntwo := 2\n// …\none := 1\n```\n", []string{`x/a.md:4:`}},
		{"an indentation that differs", "```go\nfunc f() int {\none := 1\n```\n", []string{`x/a.md:3:`}},

		{"a link to a page", "[b](b.md), [b](../x/b.md#one-and-two), [root](../c.md), [web](https://x.test/y#z) `[no](link.md)`\n", nil},
		{"a link to a heading of its own", "# One `two`: three\n\n## One\n## One\n\n[1](#one-two-three) [2](#one) [3](#one-1)\n", nil},
		{"a link to a missing page", "\n[n](none.md)\n", []string{`x/a.md:2: the link "none.md" leads to x/none.md, which does not exist`}},
		{"a link to a missing heading", "[n](b.md#three) [m](#four)\n", []string{`the link "b.md#three" leads to a heading that x/b.md does not have`, `the link "#four"`}},
		{"a link out of the module", "[n](../../d.md)\n", []string{`leaves the module`}},
		{"a missing picture", `<img src="pic.svg">` + "\n\n[p]: pic.png\n", []string{`x/a.md:1: the link "pic.svg"`, `x/a.md:3: the link "pic.png"`}},

		{"packages", "    go run ./x --flag\n    go test ./... -run X\n    go vet .\n", nil},
		{"a missing package", "text\n\n    go run ./y/z --flag\n", []string{"x/a.md:3: there is no package ./y/z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for file, text := range map[string]string{"p.go": source, "x/a.md": tt.page, "x/b.md": "# One and *two*\n", "c.md": "c\n"} {
				file = filepath.Join(folder, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			all, err := ReadPages(folder)
			if err != nil {
				t.Fatal(err)
			}
			sources, err := ReadSources(folder)
			if err != nil {
				t.Fatal(err)
			}
			problems := CheckLinks(folder, all)
			for _, p := range all {
				problems = append(append(problems, sources.CheckSnippets(p)...), CheckPackages(folder, p)...)
			}
			if len(problems) != len(tt.want) {
				t.Fatalf("got %v, want %v", problems, tt.want)
			}
			for i, p := range problems {
				if !strings.Contains(p.String(), tt.want[i]) {
					t.Errorf("got %q, want %q in it", p, tt.want[i])
				}
			}
		})
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	page := ParsePage("a.md", strings.Join([]string{
		"Use `taskhub doctor --fix`, not `taskhub.Open`.",
		"",
		"    taskhub list --tag a=b | jq -r .x",
		"    go run ./cmd/taskhub start NAME [--id ID | --same-id] [--tag K=V]...",
		"    source <(taskhub completion bash|zsh)",
		"",
		"```",
		"$ taskhub raise x y --data '{\"a b\":1}' </dev/null",
		"taskhub list of what it prints",
		"```",
	}, "\n"))
	var got []string
	for _, c := range Commands(page) {
		got = append(got, strings.Join(c.Words, "·"))
	}
	want := []string{"list·--tag·a=b", "start·NAME·--id·ID·--same-id·--tag·K=V·...", "completion·bash|zsh", `raise·x·y·--data·{"a b":1}`, "doctor·--fix"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
