package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// alias lets flags be given under further names, those of func durable and of the Temporal command line for example.
func alias(cmd *cobra.Command, names map[string]string) {
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if own, ok := names[name]; ok {
			name = own
		}
		return pflag.NormalizedName(name)
	})
}

// idNames are further names of the flag for the id of an instance.
var idNames = map[string]string{"instance-id": "id", "workflow-id": "id"}

// named is an argument that can be given as a flag, too.
type named struct {
	title string // as usage texts write it
	flag  string
	text  string
}

// addNamed adds the flag for an argument.
func addNamed(cmd *cobra.Command, title, flag, help string) *named {
	n := &named{title: title, flag: flag}
	cmd.Flags().StringVar(&n.text, flag, "", help)
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions); err != nil {
		panic(err) // the flag was added just now
	}
	return n
}

// addID adds the flag for the id of an instance.
func addID(cmd *cobra.Command) *named {
	return addNamed(cmd, "ID", "id", "the `instance`, in place of the argument ID")
}

// fill gives arguments their values: those without a flag, in their order, are on the command line.
func fill(cmd *cobra.Command, args []string, wanted ...*named) error {
	for _, n := range wanted {
		given := cmd.Flags().Changed(n.flag)
		switch {
		case given && n.text == "":
			return misspelled(cmd, fmt.Errorf("--%s is empty", n.flag))
		case given:
		case len(args) == 0:
			return misspelled(cmd, fmt.Errorf("%s is missing: give it, or --%s", n.title, n.flag))
		case args[0] == "":
			return misspelled(cmd, fmt.Errorf("%s is empty", n.title))
		default:
			n.text, args = args[0], args[1:]
		}
	}
	if len(args) > 0 {
		return misspelled(cmd, fmt.Errorf("unexpected argument %q", args[0]))
	}
	return nil
}

// upTo wants at most so many arguments; fill looks at them more closely.
func upTo(most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > most {
			return fmt.Errorf("unexpected argument %q", args[most])
		}
		return nil
	}
}

// oneOf refuses two flags beside each other.
func oneOf(cmd *cobra.Command, first, second, why string) error {
	if cmd.Flags().Changed(first) && cmd.Flags().Changed(second) {
		return usage(fmt.Errorf("--%s and --%s are both given: %s", first, second, why))
	}
	return nil
}

// firstError is the first of several errors, for checks that are made one after the other.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// errEmptyValue is the reason of flags that were given without a value.
var errEmptyValue = errors.New("is empty: leave it out, or give a value")
