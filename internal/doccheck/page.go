package doccheck

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	// File is its path below the root, with slashes.
	File string
	// Blocks are its blocks of code, fenced and indented.
	Blocks []Block
	// Prose are its other lines.
	Prose []Line
}

// Line is a line of a page.
type Line struct {
	// Number counts from 1 on.
	Number int
	// Text is without its end.
	Text string
}

// Block is a block of code.
type Block struct {
	// Language is what the fence says; empty for none, and for an indented block.
	Language string
	// Lines are those between the fences, or the indented ones without the indentation.
	Lines []Line
}

// Text returns the block's lines, each with its end.
func (b Block) Text() string {
	var text strings.Builder
	for _, l := range b.Lines {
		text.WriteString(l.Text)
		text.WriteByte('\n')
	}
	return text.String()
}

// ReadPages reads all Markdown files below a folder. Folders that the go command ignores are left out.
func ReadPages(root string) ([]Page, error) {
	var pages []Page
	err := walk(root, ".md", func(file, text string) error {
		pages = append(pages, ParsePage(file, text))
		return nil
	})
	if err == nil && len(pages) == 0 {
		err = fmt.Errorf("there is no Markdown file below %s", root)
	}
	return pages, err
}

// walk reads the files with an ending below a folder.
func walk(root, ending string, visit func(file, text string) error) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && ignored(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(file) != ending:
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(relative), string(text))
	})
}

func ignored(folder string) bool {
	return folder == "testdata" || folder == "vendor" || folder == "node_modules" || folder[0] == '.' || folder[0] == '_'
}

// ParsePage takes a Markdown file apart.
func ParsePage(file, text string) Page {
	page := Page{File: file}
	var open *Block // the block that the lines belong to
	fence := ""     // what ends it; empty for an indented one
	blank := true   // the line before was empty
	for i, text := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		line := Line{Number: i + 1, Text: strings.TrimSuffix(text, "\r")}
		trimmed := strings.TrimSpace(line.Text)
		indented, isIndented := strings.CutPrefix(line.Text, "    ")
		switch {
		case open != nil && fence != "":
			if trimmed == fence {
				open, fence = nil, ""
				break
			}
			open.Lines = append(open.Lines, line)
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			fence = trimmed[:3]
			language, _, _ := strings.Cut(strings.TrimSpace(trimmed[3:]), " ")
			page.Blocks = append(page.Blocks, Block{Language: language})
			open = &page.Blocks[len(page.Blocks)-1]
		case isIndented && (open != nil || blank):
			if open == nil {
				page.Blocks = append(page.Blocks, Block{})
				open = &page.Blocks[len(page.Blocks)-1]
			}
			open.Lines = append(open.Lines, Line{line.Number, indented})
		case open != nil && trimmed == "":
			open.Lines = append(open.Lines, Line{line.Number, ""})
		default:
			open = nil
			page.Prose = append(page.Prose, line)
		}
		blank = trimmed == ""
	}
	return page
}
