package doccheck

import (
	"fmt"
	"go/build"
	"path"
	"path/filepath"
	"strings"
)

// leftOut stands, as the only text of a line of a snippet, for lines of the source.
const leftOut = "// …"

// Sources are the Go files from which snippets are quoted.
type Sources struct {
	files  []source
	byLine map[string][]place // where a line stands, by its text without the indentation
}

type source struct {
	file  string
	lines []string
}

type place struct{ file, line int }

// ReadSources reads the Go files below a folder that are compiled on this system, test files included.
func ReadSources(root string) (*Sources, error) {
	s := &Sources{byLine: map[string][]place{}}
	err := walk(root, ".go", func(file, text string) error {
		full := filepath.Join(root, filepath.FromSlash(file))
		compiled, err := build.Default.MatchFile(filepath.Dir(full), filepath.Base(full))
		if err != nil {
			return fmt.Errorf("reading the build constraints of %s: %w", file, err)
		}
		if compiled {
			s.add(file, text)
		}
		return nil
	})
	return s, err
}

func (s *Sources) add(file, text string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if key := strings.TrimSpace(line); key != "" {
			s.byLine[key] = append(s.byLine[key], place{len(s.files), i})
		}
	}
	s.files = append(s.files, source{file, lines})
}

// IsProgram tells whether a block of Go is a whole file, to be compiled as it is.
func (b Block) IsProgram() bool {
	for _, l := range b.Lines {
		text := strings.TrimSpace(l.Text)
		if text != "" && !strings.HasPrefix(text, "//") {
			return strings.HasPrefix(text, "package ")
		}
	}
	return false
}

// CheckSnippets returns the blocks of Go, but for whole programs, that are not quotations.
func (s *Sources) CheckSnippets(p Page) []Problem {
	var problems []Problem
	for _, b := range p.Blocks {
		if b.Language != "go" || b.IsProgram() || len(b.Lines) == 0 {
			continue
		}
		if problem := s.check(p.File, b); problem != nil {
			problems = append(problems, *problem)
		}
	}
	return problems
}

// check looks for the place that fits best, and says where the snippet departs from it.
func (s *Sources) check(file string, b Block) *Problem {
	first, rest := 0, 0
	for first < len(b.Lines) && strings.TrimSpace(b.Lines[first].Text) == "" {
		first++
	}
	if first == len(b.Lines) {
		return nil
	}
	lines := b.Lines[first:]
	var best place
	found := false
	for _, at := range s.byLine[strings.TrimSpace(lines[0].Text)] {
		n := s.follow(lines, at)
		if n == len(lines) {
			return nil
		}
		better := n > rest || n == rest && near(s.files[at.file].file, file) && !near(s.files[best.file].file, file)
		if !found || better {
			best, rest, found = at, n, true
		}
	}
	if !found {
		return &Problem{file, lines[0].Number, fmt.Sprintf("no Go file of the module has the line %q: quote compiled code, or put the snippet into internal/doccheck/snippets",
			strings.TrimSpace(lines[0].Text))}
	}
	return &Problem{file, lines[rest].Number, fmt.Sprintf("the snippet follows %s from line %d on, but there the line %q is not the next one: make the two the same",
		s.files[best.file].file, best.line+1, strings.TrimSpace(lines[rest].Text))}
}

func near(source, page string) bool { return path.Dir(source) == path.Dir(page) }

// follow returns how many lines of a snippet are those of a source from a place on.
func (s *Sources) follow(lines []Line, at place) int {
	text := s.files[at.file].lines
	by, ok := shiftOf(text[at.line], lines[0].Text)
	if !ok {
		return 0
	}
	next, gap := at.line, false
	for i, l := range lines {
		switch want := strings.TrimRight(l.Text, " \t"); {
		case strings.TrimSpace(want) == leftOut:
			gap = true
			continue
		case want == "" && gap:
			continue
		default:
			if gap {
				next, by = resume(text, next, by, want)
			}
			if next >= len(text) || !by.equal(text[next], want) {
				return i
			}
		}
		next, gap = next+1, false
	}
	return len(lines)
}

// resume finds the line that follows those that were left out: the next one that is indented as the lines before, or else, for it may be in another
// function, the next one with the same text.
func resume(text []string, next int, s shift, want string) (int, shift) {
	for i := next; i < len(text); i++ {
		if s.equal(text[i], want) {
			return i, s
		}
	}
	for i := next; i < len(text); i++ {
		if strings.TrimSpace(text[i]) == strings.TrimSpace(want) {
			if other, ok := shiftOf(text[i], want); ok {
				return i, other
			}
		}
	}
	return len(text), s
}

// shift is by how much the source is indented further than the snippet, or the snippet further than the source.
type shift struct{ source, snippet string }

func shiftOf(source, snippet string) (shift, bool) {
	a, b := indentation(source), indentation(snippet)
	if rest, ok := strings.CutSuffix(a, b); ok {
		return shift{source: rest}, true
	}
	rest, ok := strings.CutSuffix(b, a)
	return shift{snippet: rest}, ok
}

func (s shift) equal(source, snippet string) bool {
	if strings.TrimSpace(source) == "" || snippet == "" {
		return strings.TrimSpace(source) == snippet
	}
	return s.snippet+source == s.source+snippet
}

func indentation(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }
