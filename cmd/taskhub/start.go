package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// startOptions are the flags of start.
type startOptions struct {
	name     *named
	id       string
	version  string
	input    *payload
	tags     tagList
	at       instant
	ifExists *choice
	waiting  *waiting
	output   *choice
}

func newStart(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start NAME",
		Short: "Start an orchestration",
		Long: `Start an orchestration, and create the hub if it is not there.

NAME is the name under which a worker hosts the orchestrator. Nobody checks it: an instance of an unknown one waits until a
worker that hosts it comes.`,
		Example: `  taskhub start Checkout --input '{"order":42}' --id order-42
  taskhub start Report --input @request.json --wait --timeout 5m
  taskhub start Cleanup --at "in 2h" --tag team=billing`,
		Args:              upTo(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := startOptions{at: instant{world: w, parse: parseStart}}
	t := addTarget(cmd, w)
	t.create = true
	o.name = addNamed(cmd, "NAME", "name", "the `orchestrator`, in place of the argument NAME")
	cmd.Flags().StringVar(&o.id, "id", "", "`id` of the instance (default: a random one)")
	o.input = addPayload(cmd, w, "input", "the orchestration's input")
	cmd.Flags().StringVar(&o.version, "version", "", "`version` of the orchestrator (default: none)")
	cmd.Flags().Var(&o.tags, "tag", "a tag of the instance as KEY=VALUE; give the flag again for more")
	cmd.Flags().Var(&o.at, "at", `when to start, at most seven days from now: a time, or in how long, such as 2h; --delay is the same`)
	o.ifExists = addChoice(cmd, "if-exists", "", ifExistsFail, "what to do when an instance with the id exists and has not finished", ifExistsFail, ifExistsReturn, ifExistsReplace, ifExistsTerminate)
	o.waiting = addWaiting(cmd, false)
	o.output = addFormat(cmd)
	alias(cmd, map[string]string{
		"function-name": "name", "orchestrator": "name", "type": "name", "instance-id": "id", "workflow-id": "id", "delay": "at", "start-at": "at",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := firstError(fill(cmd, args, o.name), o.waiting.check(cmd)); err != nil {
			return err
		}
		if cmd.Flags().Changed("id") && o.id == "" {
			return usage(fmt.Errorf("--id %w", errEmptyValue))
		}
		input, err := o.input.read(cmd)
		if err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error { return o.run(ctx, w, hub, input) })
	}
	return cmd
}

// Values of --if-exists.
const (
	ifExistsFail      = "fail"
	ifExistsReturn    = "return"
	ifExistsReplace   = "replace"
	ifExistsTerminate = "terminate"
)

func (o *startOptions) policy() taskhub.ExistingPolicy {
	switch o.ifExists.value {
	case ifExistsReturn:
		return taskhub.ReturnExisting
	case ifExistsReplace:
		return taskhub.Replace
	case ifExistsTerminate:
		return taskhub.TerminateFirst
	}
	return taskhub.Fail
}

// startedJSON is a start as -o json shows it.
type startedJSON struct {
	InstanceID  string `json:"instanceId"`
	ExecutionID string `json:"executionId"`
	Name        string `json:"name"`
	Hub         string `json:"hub"`
	Existing    bool   `json:"existing"` // nothing was started, see --if-exists return
}

func (o *startOptions) run(ctx context.Context, w world, hub *taskhub.Hub, input *string) error {
	missing := requireHub(ctx, hub)
	if missing != nil && !errors.Is(missing, taskhub.ErrHubNotFound) {
		return missing
	}
	req := durable.StartRequest{Name: o.name.text, Version: o.version, InstanceID: o.id, Input: input, Tags: o.tags.values, StartAt: o.at.value}
	started, err := hub.Client().Start(ctx, req, taskhub.IfExists(o.policy()))
	if err != nil {
		return flagged(err, map[string]string{"orchestrator's name": "name", "instance id": "id", "time of the start": "at", "tag": "tag"})
	}
	if missing != nil {
		fmt.Fprintf(w.err, "Task hub %q was not there and is created.\n", hub.Name())
	}
	if o.waiting.on {
		in, err := o.waiting.wait(ctx, w, hub, started.InstanceID)
		if err != nil {
			return fmt.Errorf("instance %q was started: %w", started.InstanceID, err)
		}
		return showEnd(w, in, o.output.value, history.Completed)
	}
	if o.output.value == formatJSON {
		return writeJSON(w.out, startedJSON{started.InstanceID, started.ExecutionID, o.name.text, hub.Name(), started.Existing})
	}
	return o.say(w, hub, started)
}

func (o *startOptions) say(w world, hub *taskhub.Hub, started taskhub.StartResult) error {
	text := fmt.Sprintf("Started %q in hub %q. Instance: %s\n", o.name.text, hub.Name(), clean(started.InstanceID))
	if started.Existing {
		text = fmt.Sprintf("Instance %q exists in hub %q; nothing was started.\n", started.InstanceID, hub.Name())
	}
	if o.output.value == formatWide {
		text += "Execution: " + started.ExecutionID + "\n"
	}
	_, err := fmt.Fprint(w.out, text)
	return err
}
