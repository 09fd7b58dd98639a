package doccheck

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Command is a command line of the program taskhub that a page shows.
type Command struct {
	// File and Line say where.
	File string
	Line int
	// Words are what follows the program's name, without what the shell makes of it: quotes are gone, and so are pipes, redirections, and the
	// brackets of a synopsis.
	Words []string
}

var (
	program  = regexp.MustCompile(`^(?:source <\()?(?:taskhub|go run \./cmd/taskhub)(?:\s+|$)`)
	packages = regexp.MustCompile(`\bgo (?:run|test|build|vet|install)\b[^#]*?\s(\.(?:/[A-Za-z0-9_./-]*)?)(?:\s|$)`)
)

// Commands returns the command lines of the program taskhub: in blocks that are no Go, and in code within the text. In a block with lines that
// begin with "$ ", only those are command lines, and the others are what the commands print.
func Commands(p Page) []Command {
	var commands []Command
	add := func(number int, text string) {
		if match := program.FindString(text); match != "" {
			commands = append(commands, Command{p.File, number, words(text[len(match):])})
		}
	}
	for _, b := range p.Blocks {
		if b.Language == "go" {
			continue
		}
		for _, l := range b.shell() {
			add(l.Number, l.Text)
		}
	}
	for _, l := range p.Prose {
		for _, span := range codeSpan.FindAllString(l.Text, -1) {
			add(l.Number, strings.Trim(span, "` "))
		}
	}
	return commands
}

// shell returns the block's command lines.
func (b Block) shell() []Line {
	var typed []Line
	for _, l := range b.Lines {
		if text, ok := strings.CutPrefix(strings.TrimSpace(l.Text), "$ "); ok {
			typed = append(typed, Line{l.Number, text})
		}
	}
	if typed != nil {
		return typed
	}
	for _, l := range b.Lines {
		typed = append(typed, Line{l.Number, strings.TrimSpace(l.Text)})
	}
	return typed
}

// words takes a command line apart.
func words(text string) []string {
	var list []string
	var word strings.Builder
	quote, optional, begun := rune(0), 0, false
	end := func() {
		if begun {
			list = append(list, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
				continue
			}
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t':
			end()
		case r == '[':
			end()
			optional++
		case r == ']':
			end()
			optional--
		case r == '|' && optional > 0 && !begun:
			continue // one of several flags
		case strings.ContainsRune("<>;&#)", r), r == '|' && !begun:
			end()
			return list
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	return list
}

// CheckPackages returns the command lines of the go command that name a folder of the module which does not exist.
func CheckPackages(root string, p Page) []Problem {
	var problems []Problem
	for _, b := range p.Blocks {
		for _, l := range b.shell() {
			for _, match := range packages.FindAllStringSubmatch(l.Text, -1) {
				folder := strings.TrimSuffix(match[1], "...")
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(path.Clean(folder)))); err != nil {
					problems = append(problems, Problem{p.File, l.Number, fmt.Sprintf("there is no package %s in the module", match[1])})
				}
			}
		}
	}
	return problems
}
