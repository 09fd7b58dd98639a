package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-taskhub/taskhub/internal/doccheck"
)

// TestCommandsInDocs: the commands and flags that the Markdown files show exist.
func TestCommandsInDocs(t *testing.T) {
	t.Parallel()
	pages, err := doccheck.ReadPages("../..")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, p := range pages {
		for _, c := range doccheck.Commands(p) {
			shown++
			root := newRoot(world{})
			root.InitDefaultHelpCmd()
			if wrong := misspelledIn(root, c.Words); wrong != "" {
				t.Errorf("%s:%d: taskhub %s: %s", c.File, c.Line, strings.Join(c.Words, " "), wrong)
			}
		}
	}
	if shown < 100 {
		t.Errorf("only %d commands were found in the Markdown files", shown)
	}
}

// misspelledIn says which word of a command line is neither a command nor a flag, "" if all are right. Words in capital letters stand for others.
func misspelledIn(cmd *cobra.Command, words []string) string {
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case strings.HasPrefix(word, "-") && word != "-":
			flag := findFlag(cmd, word)
			if flag == nil {
				return "there is no flag " + word
			}
			if flag.NoOptDefVal == "" && !strings.Contains(word, "=") {
				i++ // its value
			}
		case !cmd.HasAvailableSubCommands() || strings.Trim(word, ".…") == "" || strings.ToUpper(word) == word:
		default:
			name, _, _ := strings.Cut(word, "|")
			next := subcommand(cmd, name)
			if next == nil {
				return "there is no command " + name
			}
			cmd = next
		}
	}
	return ""
}

func subcommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, child := range cmd.Commands() {
		if child.Name() == name {
			return child
		}
	}
	return nil
}

func findFlag(cmd *cobra.Command, word string) *pflag.Flag {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if strings.HasPrefix(word, "--") {
		return cmd.Flag(name)
	}
	for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.InheritedFlags()} {
		if flag := set.ShorthandLookup(name); flag != nil {
			return flag
		}
	}
	return nil
}

func TestMisspelledInDocs(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, want string }{
		{"start NAME --input 1 --id ID", ""},
		{"list -o json --limit=3", ""},
		{"hub create NAME --partitions N", ""},
		{"schedule", ""},
		{"begin NAME", "there is no command begin"},
		{"hub make NAME", "there is no command make"},
		{"start NAME --inputs 1", "there is no flag --inputs"},
		{"list -x", "there is no flag -x"},
	}
	for _, tt := range tests {
		if got := misspelledIn(newRoot(world{}), strings.Fields(tt.line)); got != tt.want {
			t.Errorf("taskhub %s: got %q, want %q", tt.line, got, tt.want)
		}
	}
}
