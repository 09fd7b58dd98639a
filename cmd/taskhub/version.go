package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newVersion(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Say which taskhub this is",
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	output := addOutput(cmd, formatText)
	cmd.RunE = func(*cobra.Command, []string) error {
		if output.value == formatJSON {
			return writeJSON(w.out, w.build)
		}
		_, err := fmt.Fprintln(w.out, w.build)
		return err
	}
	return cmd
}
