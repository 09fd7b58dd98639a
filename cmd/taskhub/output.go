package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// choice is the value of a flag that takes one of a few words.
type choice struct {
	value   string
	allowed []string
}

// String implements pflag.Value.
func (c *choice) String() string { return c.value }

// Set implements pflag.Value.
func (c *choice) Set(text string) error {
	if !slices.Contains(c.allowed, text) {
		return fmt.Errorf("give %s or %s", strings.Join(c.allowed[:len(c.allowed)-1], ", "), c.allowed[len(c.allowed)-1])
	}
	c.value = text
	return nil
}

// Type implements pflag.Value; help shows it.
func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

// addChoice adds a flag with a default value, which may be empty, and the words that it takes.
func addChoice(cmd *cobra.Command, name, shorthand, value, help string, allowed ...string) *choice {
	c := &choice{value: value, allowed: allowed}
	cmd.Flags().VarP(c, name, shorthand, help)
	words := cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
		panic(err) // the flag was added just now
	}
	return c
}

// Forms of output.
const (
	formatTable = "table"
	formatWide  = "wide"
	formatText  = "text"
	formatJSON  = "json"
)

// addOutput adds the flag that chooses between output for people, which is the default, and JSON.
func addOutput(cmd *cobra.Command, people string) *choice {
	return addChoice(cmd, "output", "o", people, "form of the output", people, formatJSON)
}

// addFormat adds the flag that chooses between a table, which is the default, one with more columns, and JSON.
func addFormat(cmd *cobra.Command) *choice {
	return addChoice(cmd, "output", "o", formatTable, "form of the output", formatTable, formatWide, formatJSON)
}

// writeJSON writes a value for programs.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// jsonArray writes a JSON array of any length, one value after the other, as writeJSON would write the whole.
type jsonArray struct {
	w     io.Writer
	count int
}

// add writes a value.
func (a *jsonArray) add(value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("  ", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	before := ",\n  "
	if a.count == 0 {
		before = "[\n  "
	}
	a.count++
	_, err := io.WriteString(a.w, before+strings.TrimSuffix(text.String(), "\n"))
	return err
}

// writeArray writes a list as a JSON array, each value as view shows it.
func writeArray[T, V any](w io.Writer, list []T, view func(T) V) error {
	array := &jsonArray{w: w}
	for _, value := range list {
		if err := array.add(view(value)); err != nil {
			return err
		}
	}
	return array.end()
}

// end writes the end of the array. It is left out when something failed, so that no program takes a part for the whole.
func (a *jsonArray) end() error {
	text := "\n]\n"
	if a.count == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(a.w, text)
	return err
}

// clean makes a text from storage fit for a line of a terminal, which might take parts of it for commands. Invisible
// characters that turn lines round are among them.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// shorten cuts a text that is longer than limit characters.
func shorten(text string, limit int) string {
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text[:min(len(text), utf8.UTFMax*limit)])
	return string(runes[:limit-1]) + "…"
}
