package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// doneJSON is what a command has done to an instance, as -o json shows it.
type doneJSON struct {
	InstanceID string `json:"instanceId"`
	Hub        string `json:"hub"`
	Operation  string `json:"operation"`
	// Instances counts the instances that were told, children included, where that is known.
	Instances int `json:"instances"`
}

// say shows that an operation was accepted.
func say(w world, hub *taskhub.Hub, format, id, operation, sentence string, instances int) error {
	if format == formatJSON {
		return writeJSON(w.out, doneJSON{id, hub.Name(), operation, instances})
	}
	_, err := fmt.Fprintln(w.out, sentence)
	return err
}

// newControl makes a command that tells an instance something and gives a reason.
func newControl(w world, cmd *cobra.Command, sentence string, tell func(ctx context.Context, client *taskhub.Client, id, reason string) error) *cobra.Command {
	cmd.Args = upTo(1)
	t := addTarget(cmd, w)
	cmd.ValidArgsFunction = completeIDs(t)
	id := addID(cmd)
	reason := cmd.Flags().String("reason", "", "why; it is kept in the history")
	output := addFormat(cmd)
	alias(cmd, idNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fill(cmd, args, id); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := tell(ctx, hub.Client(), id.text, *reason); err != nil {
				return err
			}
			return say(w, hub, output.value, id.text, cmd.Name(), fmt.Sprintf(sentence, id.text), 1)
		})
	}
	return cmd
}

func newSuspend(w world) *cobra.Command {
	return newControl(w, &cobra.Command{
		Use:   "suspend ID",
		Short: "Make an instance stop where it waits",
		Long: `Make an instance stop where it waits, until it is resumed. What arrives meanwhile is kept; activities that run go on.

The instance is told by a message: it is Suspended once a worker has read it.`,
		Example: `  taskhub suspend order-42 --reason "the warehouse is closed"`,
	}, "Instance %q is told to suspend.", func(ctx context.Context, client *taskhub.Client, id, reason string) error {
		return client.Suspend(ctx, id, reason)
	})
}

func newResume(w world) *cobra.Command {
	return newControl(w, &cobra.Command{
		Use:     "resume ID",
		Short:   "Let a suspended instance go on",
		Long:    "Let a suspended instance go on. It is told by a message, and goes on once a worker has read it.",
		Example: `  taskhub resume order-42`,
	}, "Instance %q is told to go on.", func(ctx context.Context, client *taskhub.Client, id, reason string) error {
		return client.Resume(ctx, id, reason)
	})
}

func newRewind(w world) *cobra.Command {
	return newControl(w, &cobra.Command{
		Use:   "rewind ID",
		Short: "Let a failed instance go on from before its failure",
		Long: `Let a failed instance go on from before its failure: failed activities run again, failed sub-orchestrations are rewound
too, and results that were obtained before are kept.`,
		Example: `  taskhub rewind order-42 --reason "the bank is back"`,
	}, "Instance %q is rewound.", func(ctx context.Context, client *taskhub.Client, id, reason string) error {
		return client.Rewind(ctx, id, reason)
	})
}

// terminateOptions are the flags of terminate.
type terminateOptions struct {
	id      *named
	reason  string
	tree    bool
	waiting *waiting
	output  *choice
}

func newTerminate(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "terminate ID",
		Short: "End an instance from outside",
		Long: `End an instance from outside. Its code is not told, and its activities run on, but nothing of them is used any more. The
reason becomes its output.

The instance is told by a message: it is Terminated once a worker has read it, for which --wait waits.`,
		Example: `  taskhub terminate order-42 --reason "ordered twice"
  taskhub terminate order-42 --tree --wait --timeout 30s`,
		Args: upTo(1),
	}
	t := addTarget(cmd, w)
	cmd.ValidArgsFunction = completeIDs(t)
	o := terminateOptions{id: addID(cmd)}
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; it becomes the output")
	cmd.Flags().BoolVar(&o.tree, "tree", false, "its unfinished sub-orchestrations too, and theirs")
	o.waiting = addWaiting(cmd, false)
	o.output = addFormat(cmd)
	alias(cmd, idNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := firstError(fill(cmd, args, o.id), o.waiting.check(cmd)); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error { return o.run(ctx, w, hub) })
	}
	return cmd
}

func (o *terminateOptions) run(ctx context.Context, w world, hub *taskhub.Hub) error {
	id, told := o.id.text, 1
	var err error
	if o.tree {
		told, err = hub.Client().TerminateTree(ctx, id, o.reason)
	} else {
		err = hub.Client().Terminate(ctx, id, o.reason)
	}
	if err != nil {
		if told > 1 {
			err = fmt.Errorf("%w; %d instances were told before", err, told)
		}
		return err
	}
	if o.waiting.on {
		in, err := o.waiting.wait(ctx, w, hub, id)
		if err != nil {
			return err
		}
		return showEnd(w, in, o.output.value, history.Terminated)
	}
	sentence := fmt.Sprintf("Instance %q is told to end.", id)
	if told > 1 {
		sentence = fmt.Sprintf("Instance %q and %s are told to end.", id, count(told-1, "sub-orchestration"))
	}
	return say(w, hub, o.output.value, id, "terminate", sentence, told)
}
