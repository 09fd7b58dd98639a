package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

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
	formatText  = "text"
	formatJSON  = "json"
)

// addOutput adds the flag that chooses between output for people, which is the default, and JSON.
func addOutput(cmd *cobra.Command, people string) *choice {
	return addChoice(cmd, "output", "o", people, "form of the output", people, formatJSON)
}

// writeJSON writes a value for programs.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeTable writes rows in aligned columns, the first row being the titles.
func writeTable(w io.Writer, rows [][]string) error {
	const gap = 3
	var text bytes.Buffer
	aligned := tabwriter.NewWriter(&text, 0, 0, gap, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(aligned, strings.Join(row, "\t"))
	}
	if err := aligned.Flush(); err != nil {
		return err
	}
	_, err := text.WriteTo(w)
	return err
}
