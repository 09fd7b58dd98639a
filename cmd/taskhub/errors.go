package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError says that the command line cannot be carried out as it is written. Nothing was tried.
type usageError struct{ err error }

// Error implements error.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *usageError) Unwrap() error { return e.err }

// usage makes an error that says what to do a usageError.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// misspelled makes an error about what a command line consists of a usageError that leads to the command's help.
func misspelled(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &value):
		err = fmt.Errorf("--%s %q: %w", value.GetFlag().Name, value.GetValue(), innermost(value.Unwrap()))
	}
	return usage(fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help"))
}

// report writes an error in one line and returns the exit status.
func report(out io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	text := err.Error()
	status := exitStatus(err)
	if errors.Is(err, context.Canceled) && !errors.As(err, new(*statusError)) {
		text = "interrupted"
	}
	fmt.Fprintln(out, "taskhub: "+redact(oneLine(text)))
	return status
}

// oneLine joins the lines of joined errors, and drops what a terminal would take for commands.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.Join(lines, "; "))
}

// Forms that secrets have: settings of connection strings, signatures and passwords in addresses, and keys.
var (
	secretSetting = regexp.MustCompile(`(?i)(AccountKey|SharedAccessSignature|sig)\s*=\s*[^;&\s"']+(?:&[^;\s"']*)*`)
	secretKey     = regexp.MustCompile(`[A-Za-z0-9+/]{86}==`)
	secretUser    = regexp.MustCompile(`(://[^/\s:@"']*):[^/\s@"']+@`)
	longWord      = regexp.MustCompile(`[A-Za-z0-9+/]{86,}`)
)

// redact takes secrets out of what the user typed in the wrong place: errors repeat arguments that they do not understand.
func redact(text string) string {
	text = secretSetting.ReplaceAllString(text, "$1=***")
	text = secretUser.ReplaceAllString(text, "$1:***@")
	text = secretKey.ReplaceAllString(text, "***")
	return longWord.ReplaceAllStringFunc(text, func(word string) string {
		const key = 86 // without the equals signs at its end
		if len(word) == key {
			return "***"
		}
		return word
	})
}
