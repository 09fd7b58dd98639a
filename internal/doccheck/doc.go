// Package doccheck reads the Markdown files of this module, so that tests can hold them to the code: every Go snippet is compiled code, every link
// leads somewhere, and every command line has verbs and flags that exist.
//
// # How a Go snippet is written
//
// A fenced block that begins with a package clause is a whole program and is compiled as it is.
//
// Every other block of Go is a quotation: its lines stand, one after another, in a Go file of the module, where the go command compiles them; only
// how far they are indented as a whole may differ. A line that says "// …" and nothing else stands for lines that were left out; behind it the
// indentation may be another one. Snippets are quoted from samples and examples where there is a fitting one, and else from the examples in the
// folder snippets, which are run as tests.
package doccheck

import "fmt"

// Problem is something in a Markdown file that is not right.
type Problem struct {
	// File is the file's path below the root of the module, with slashes.
	File string
	// Line counts from 1 on.
	Line int
	// Text says what is wrong and what to do.
	Text string
}

// String returns "file:line: text".
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }
