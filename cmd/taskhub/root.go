package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot is the whole command line.
func newRoot(w world) *cobra.Command {
	root := &cobra.Command{
		Use:   "taskhub",
		Short: "Task hubs of durable orchestrations on Azure Storage",
		Long: `taskhub starts, watches and repairs durable orchestrations in the task hubs of an Azure Storage account, manages the hubs,
and runs the embedded storage for development. No worker need be running for most of it, and hubs of .NET workers are served
like those of Go workers.

Exit status: 0 when all went well, 1 when something failed, 2 when the command line is wrong, 3 when there is no such instance
or hub, 4 when the time is up, 5 when an instance that was waited for has not completed, 6 when its state does not allow what
was asked for, 130 after Ctrl-C.`,
		Version:       w.build.String(),
		SilenceErrors: true, // report writes them
		SilenceUsage:  true,
	}
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(misspelled)
	root.SetHelpCommand(newHelp())
	group(root, append(newVerbs(w), newDev(w), newHubs(w), newVersion(w))...)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			group(cmd)
		}
	}
	finish(root)
	return root
}

// newVerbs are the commands about the instances of one hub.
func newVerbs(w world) []*cobra.Command {
	return []*cobra.Command{
		newStart(w), newGet(w), newList(w), newWait(w), newHistory(w), newRaise(w), newTerminate(w), newSuspend(w), newResume(w), newRewind(w), newRestart(w),
		newPurge(w), newPurgeHistory(w), newStats(w), newHealth(w), newExport(w), newDeadLetters(w), newDoctor(w), newSchedule(w), newLimit(w),
	}
}

// group makes a command one that only holds others: alone it explains them, and it knows no others.
func group(cmd *cobra.Command, children ...*cobra.Command) {
	cmd.AddCommand(children...)
	cmd.Args = knownCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}"))
}

func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %q", args[0], cmd.CommandPath()+" "+meant[0])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// finish makes wrong arguments usage errors, in every command below cmd.
func finish(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return misspelled(cmd, check(cmd, args)) }
	}
	for _, child := range cmd.Commands() {
		finish(child)
	}
}

// newHelp is cobra's help command, but an unknown topic is an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:                   "help [command]",
		Short:                 "Explain a command",
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var topics []cobra.Completion
			if about, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, child := range about.Commands() {
					if child.IsAvailableCommand() && strings.HasPrefix(child.Name(), start) {
						topics = append(topics, cobra.CompletionWithDesc(child.Name(), child.Short))
					}
				}
			}
			return topics, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return misspelled(cmd.Root(), fmt.Errorf("unknown command %q", strings.Join(args, " ")))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// arguments wants exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}
